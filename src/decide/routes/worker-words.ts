// The verdict of a task that only a worker on another machine can start: none is connected, or none has a free slot.

import type { WorkerProfile } from '../../domain/profile.ts';
import type { Held } from '../capacity/admit.ts';
import type { World } from '../world.ts';

/** The workers that offer one profile. */
export interface WorkersOfProfile {
  /** How many are connected, those that rest included. */
  readonly connected: number;
  /** Why workers that take none of it at present do not, each in a sentence. */
  readonly resting: readonly string[];
}

/** Why a task that has room has not begun: it waits for a worker. */
export function awaitsWorker({ name }: Pick<WorkerProfile, 'name'>, workers: World['workers']): Held {
  const { connected = 0, resting = [] } = workers?.get(name) ?? {};
  const waits = `waits for a worker with profile ${name}`;
  if (connected === 0)
    return { state: 'queued', code: 'no-worker', because: `${waits}: none is connected`, nextAt: null };
  const are = `${connected} ${connected === 1 ? 'is' : 'are'} connected`;
  const why =
    resting.length < connected
      ? 'all of their places are taken'
      : `none takes it now (${resting.join('; ')})`;
  return { state: 'queued', code: 'worker-places', because: `${waits}: ${are}, ${why}`, nextAt: null };
}
