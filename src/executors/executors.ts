// One executor of each type, sharing one poller and one view of the process table.

import type { ExecutorType } from '../domain/profile.ts';
import type { Executor } from './executor.ts';
import type { ExecutorMeans } from './executor-type.ts';
import { EXECUTOR_TYPES } from './executor-types.ts';
import { createHookRunner, type HookRunner } from './process/hooks/hook.ts';
import { createPoller } from './process/lifecycle/poller.ts';
import { createSubprocesses } from './process/lifecycle/subprocess.ts';
import { type SweptProcess, sweepOrphans } from './process/lifecycle/terminate.ts';

/** How often output and reattached processes are checked, ms. */
const LOOK_EVERY_MS = 500;

/** How often the process table is searched for orphaned agents, ms. */
const SWEEP_EVERY_MS = 5 * 60_000;

export interface Executors {
  /** `schedule` has none: it is decided, not run. */
  readonly byType: ReadonlyMap<ExecutorType, Executor>;
  readonly hooks: HookRunner;
  /** Stops processes and takes back queued jobs without an open run; at most once every few minutes, however often it is called. */
  sweep(held: () => ReadonlySet<string>): Promise<readonly SweptProcess[]>;
  /** Ends connections; what was handed off continues. */
  close(): Promise<void>;
}

/** Every executor by its type. */
export async function createExecutors(
  parts: Omit<ExecutorMeans, 'poller' | 'subprocesses'>,
): Promise<Executors> {
  const processMeans = { ...parts, poller: createPoller(parts.clock, LOOK_EVERY_MS) };
  const means: ExecutorMeans = { ...processMeans, subprocesses: createSubprocesses(processMeans) };
  const byType = new Map<ExecutorType, Executor>();
  for (const { type, create } of EXECUTOR_TYPES) {
    const executor = await create?.(means);
    if (executor) byType.set(type, executor);
  }
  const executors = [...byType.values()];
  let nextSweepAt = 0;
  return {
    hooks: createHookRunner(means),
    byType,
    async sweep(held) {
      const now = means.clock.now();
      if (now < nextSweepAt) return [];
      nextSweepAt = now + SWEEP_EVERY_MS;
      for (const executor of executors) await executor.sweep?.(held);
      return await sweepOrphans(held, { ...means, graceMs: means.graceMs() });
    },
    async close() {
      for (const executor of executors) await executor.close?.();
    },
  };
}
