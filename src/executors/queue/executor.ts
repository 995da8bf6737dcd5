// Hands runs to workers through a queue of BullMQ. One job for each run, with the run's id as its own, so that adding it again
// changes nothing; BullMQ repeats none. What a job came to is kept with the job, so a restart of either side loses nothing.

import { SupervisorError } from '../../domain/errors.ts';
import type { Deferred, Failed, Outcome } from '../../domain/outcome.ts';
import type { BullmqProfile } from '../../domain/profile.ts';
import type { Clock } from '../../platform/clock.ts';
import type { Log } from '../../platform/log.ts';
import { type Assignment, type Begun, type Executor, stopReason } from '../executor.ts';
import { fitted, MAX_PAYLOAD_BYTES } from '../http/fit-body.ts';
import { aborted, stoppedOutcome } from '../stopped.ts';
import { workOrder } from '../work-order.ts';
import { queueAddress } from './address.ts';
import { Attendance } from './attendance.ts';
import { QueueConnection } from './connection.ts';
import { QueueHub } from './hub.ts';
import { QUEUE_SCHEMA, type QueuedJob, type QueueOffer } from './messages.ts';

export interface QueueExecutorParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly variables: Readonly<Record<string, string | undefined>>;
  /** The name of the queue of answers: no other supervisor has it. */
  readonly replies: string;
  /** Which workers there are at one Redis. */
  offers(queue: string, offers: ReadonlyMap<string, QueueOffer>): void;
  /** Something that people should know; null: no more. */
  trouble(queue: string, because: string | null): void;
}

const CONNECT_MS = 3_000;
/** A profile whose Redis does not answer rests for this long, ms. */
const REST_MS = 5_000;
const AGAIN_MS = 500;

/** The executor of `type = "bullmq"`. Nothing is loaded or connected before a profile of it is used. */
export function createQueueExecutor(parts: QueueExecutorParts): Executor {
  const { clock, log, variables } = parts;
  const hubs = new Map<string, Promise<QueueHub>>();
  let isClosed = false;

  /** The hub of a profile's Redis, connected or not. Throws `config`, `executor-unavailable`. */
  async function hubOf({ url, insecure }: BullmqProfile): Promise<QueueHub> {
    const text = typeof url === 'string' ? url : variables[url.env];
    if (text === undefined)
      throw new SupervisorError('config', `the variable ${(url as { env: string }).env} is not set`, {
        hint: 'put the address of the Redis into it',
      });
    const key = `${text} ${insecure}`;
    let opening = hubs.get(key);
    if (!opening) {
      opening = open(text, insecure, typeof url !== 'string');
      hubs.set(key, opening);
      opening.catch(() => hubs.delete(key));
    }
    return await opening;
  }

  async function open(text: string, insecure: boolean, mayHoldSecrets: boolean): Promise<QueueHub> {
    const address = await queueAddress(text, variables, { insecure, mayHoldSecrets });
    const connection = await QueueConnection.open(address, { clock, log });
    if (isClosed) await connection.close();
    connection.onUp(() => {
      void connection.notDurable().then((because) => {
        if (because !== null) log.warn('queue.not-durable', { because });
        parts.trouble(address.name, because);
      });
    });
    const hub = new QueueHub({
      ...parts,
      connection,
      offers: (found) => parts.offers(address.name, found),
    });
    hub.start();
    return hub;
  }

  return {
    type: 'bullmq',
    async lacks(profile) {
      try {
        const hub = await hubOf(ofQueue(profile));
        await hub.ready(CONNECT_MS);
        return null;
      } catch (thrown) {
        return unavailable(thrown, clock.now());
      }
    },
    async begin(assignment, control): Promise<Begun> {
      const profile = ofQueue(assignment.profile);
      const job = jobOf(assignment, profile, clock.now());
      if ('kind' in job) return { kind: 'ended', outcome: job };
      let isPerhapsThere = false;
      while (!control.signal.aborted) {
        try {
          const hub = await hubOf(profile);
          if (!isPerhapsThere) await hub.ready(CONNECT_MS);
          isPerhapsThere = true;
          await hub.add(profile.queue, job);
          return { kind: 'handed-off', reference: profile.queue, deadlineAt: null };
        } catch (thrown) {
          if (!isPerhapsThere) return { kind: 'ended', outcome: unavailable(thrown, clock.now()) };
          if (!(thrown instanceof SupervisorError) || thrown.code !== 'not-running') throw thrown;
          // It may have been taken already: only the same job again is sure not to be a second one.
          await clock.sleep(AGAIN_MS, control.signal);
        }
      }
      const reason = stopReason(control.signal);
      if (isPerhapsThere && reason !== 'detached')
        await (await hubOf(profile)).withdraw(profile.queue, job.run);
      return { kind: 'ended', outcome: stoppedOutcome(reason) };
    },
    async attend(assignment, handle, control): Promise<Outcome> {
      const profile = ofQueue(assignment.profile);
      const queue = handle.reference ?? profile.queue;
      const hub = await hubOf(profile).catch((thrown: unknown) => {
        log.warn('queue.unattended', { run: assignment.run, because: unavailable(thrown, 0).because });
        return null;
      });
      if (hub === null) await aborted(control.signal);
      else {
        const { leaseMs, account } = profile;
        const job = { queue, run: assignment.run, leaseMs, hasAccount: account !== undefined };
        const outcome = await new Attendance(hub, job, control, clock).end();
        if (outcome !== null) return outcome;
      }
      const reason = stopReason(control.signal);
      if (reason !== 'detached') await hub?.withdraw(queue, assignment.run);
      return stoppedOutcome(reason);
    },
    async sweep(held) {
      for (const opening of hubs.values())
        await opening
          .then((hub) => hub.sweep(held))
          .catch((thrown: unknown) => {
            if (!(thrown instanceof SupervisorError)) throw thrown;
          });
    },
    async close() {
      isClosed = true;
      for (const opening of hubs.values()) await opening.then((hub) => hub.close()).catch(() => undefined);
    },
  };
}

function jobOf(
  assignment: Assignment,
  profile: BullmqProfile,
  now: number,
): Omit<QueuedJob, 'replies'> | Failed {
  // The supervisor cannot be reached from there, and who reads the queue must not be able to report.
  const callback = { url: null, socket: null, token: '' };
  const data = workOrder({ ...assignment, callback }, profile, now);
  const bytes = fitted(data, (cut) => Buffer.from(JSON.stringify(cut)));
  if (bytes.length > MAX_PAYLOAD_BYTES)
    return {
      kind: 'failed',
      failure: 'refused',
      message: `the task is larger than ${MAX_PAYLOAD_BYTES} bytes even without its description: shorten it`,
      retryable: false,
    };
  return {
    schema: QUEUE_SCHEMA,
    run: assignment.run,
    timeout_ms: assignment.timeoutMs ?? null,
    lease_ms: profile.leaseMs,
    order: JSON.parse(bytes.toString('utf8')),
  };
}

function ofQueue(profile: Assignment['profile']): BullmqProfile {
  if (profile.type !== 'bullmq') throw new Error(`${profile.name} is of type ${profile.type}`);
  return profile;
}

function unavailable(thrown: unknown, now: number): Deferred {
  if (!(thrown instanceof SupervisorError)) throw thrown;
  const hint = thrown.hint === undefined ? '' : `: ${thrown.hint}`;
  const until = thrown.code === 'not-running' ? { until: now + REST_MS } : {};
  return {
    kind: 'deferred',
    code: 'executor-unavailable',
    because: `${thrown.message}${hint}`,
    scope: 'profile',
    ...until,
  };
}
