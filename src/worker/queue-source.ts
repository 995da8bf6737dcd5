// Work taken from queues in a Redis, one for each profile: jobs are taken by hand, their locks kept as signs of life, and
// their results are written into them. The supervisor itself need not be reachable.

import { messageOf, SupervisorError } from '../domain/errors.ts';
import { accountLack } from '../domain/outcome.ts';
import {
  isAboutJob,
  type QueueConnection,
  type QueueJob,
  type Taker,
} from '../executors/queue/connection.ts';
import { QUEUE_SCHEMA, type QueueReport, type Reply, read, type Sign } from '../executors/queue/messages.ts';
import { type Clock, isoTime } from '../platform/clock.ts';
import type { Log } from '../platform/log.ts';
import { withPushed } from './claim-source.ts';
import { readOrder } from './order.ts';
import type { Questions } from './questions.ts';
import type {
  Heard,
  JobLine,
  JobReport,
  Reported,
  SignOfLife,
  Taken,
  Wish,
  WorkSource,
} from './work-source.ts';

export interface QueueSourceParts {
  readonly connection: QueueConnection;
  readonly worker: string;
  /** Until the first sign of life of what was taken, ms. */
  readonly leaseMs: number;
  readonly clock: Clock;
  readonly log: Log;
  readonly questions: Questions;
  /** A new secret that holds a job. */
  token(): string;
}

/** How a job is known again after a restart. */
interface Ticket {
  readonly queue: string;
  readonly token: string;
  readonly replies: string;
  readonly leaseMs: number;
}

interface Arrived {
  readonly queue: string;
  readonly token: string;
  readonly job: QueueJob;
}

const READY_MS = 5_000;
/** How often it is looked whether the supervisor says something, ms. */
const BEAT_MS = 2_000;
/** Signs of life that fit into a lease: two may be lost. */
const SIGNS_A_LEASE = 3;
/** How often a worker says that it is there, ms. */
const PRESENT_MS = 20_000;
/** What arrived while no one waited for it goes to another worker after this, ms. */
const UNWANTED_MS = 1_000;
/** The longest that one call of `take` lasts, ms. */
const TAKE_MS = 30_000;
/** More answers than this lie there because no supervisor reads them: no more output then. */
const MOST_REPLIES = 2_000;
const REFUSED_AGAIN_MS = 60_000;

/** The source of `--queue URL`. */
export function createQueueSource(parts: QueueSourceParts): WorkSource {
  const { connection, clock, worker } = parts;
  const takers = new Map<string, Taker>();
  const fetching = new Map<string, Promise<void>>();
  const arrived: Arrived[] = [];
  let isTaking = false;
  let news: () => void = () => {};
  let trouble: unknown = null;
  let isClosed = false;
  let wish: Pick<Wish, 'profiles' | 'resting'> = { profiles: [], resting: new Map() };
  let stopPresence = () => {};

  const takerOf = (queue: string) => {
    const known = takers.get(queue) ?? connection.taker(queue, { lockMs: parts.leaseMs, worker });
    takers.set(queue, known);
    return known;
  };
  const putBack = async ({ job, token }: Arrived) => {
    try {
      await job.moveToWait(token);
    } catch (thrown) {
      // Its lock ends, and its supervisor gives it to someone else.
      parts.log.warn('worker.not-returned', { run: job.id, because: messageOf(thrown) });
    }
  };
  const fetch = async (queue: string) => {
    const token = parts.token();
    try {
      const job = await takerOf(queue).next(token);
      if (job === null) return;
      const one = { queue, token, job };
      if (isClosed) return await putBack(one);
      arrived.push(one);
      clock.after(UNWANTED_MS, () => {
        const at = isTaking ? -1 : arrived.indexOf(one);
        if (at >= 0) void putBack(...(arrived.splice(at, 1) as [Arrived]));
      });
    } catch (thrown) {
      trouble = thrown;
    }
  };
  const start = (queue: string) => {
    if (fetching.has(queue)) return;
    const under = fetch(queue).finally(() => {
      fetching.delete(queue);
      news();
    });
    fetching.set(queue, under);
  };
  const present = async () => {
    stopPresence();
    stopPresence = isClosed ? () => {} : clock.after(PRESENT_MS, () => void present());
    try {
      await connection.call(async (redis) => {
        const [seconds] = await redis.time();
        const offer = { ...wish, resting: [...wish.resting], at: Number(seconds) * 1000 };
        await redis.hset(connection.key('workers'), worker, JSON.stringify(offer));
      });
    } catch {
      // Said again later; what it does matters more.
    }
  };

  return {
    name: connection.name,
    async take({ profiles, resting, places }, signal) {
      const isNews =
        JSON.stringify([wish.profiles, [...wish.resting]]) !== JSON.stringify([profiles, [...resting]]);
      wish = { profiles, resting };
      if (profiles.length > 0) await connection.ready(READY_MS);
      if (isNews) await present();
      isTaking = true;
      const over = new AbortController();
      const finish = () => over.abort();
      const cancel = clock.after(TAKE_MS, finish);
      signal.addEventListener('abort', finish, { once: true });
      try {
        while (arrived.length === 0 && !over.signal.aborted && !signal.aborted && profiles.length > 0) {
          for (const profile of profiles) start(profile);
          await new Promise<void>((resolve) => {
            news = resolve;
            over.signal.addEventListener('abort', () => resolve(), { once: true });
          });
          if (trouble !== null) throw trouble;
        }
        const taken: Taken[] = [];
        for (const one of arrived.splice(0, places)) taken.push(...(await takenOf(one, parts)));
        return taken;
      } finally {
        trouble = null;
        isTaking = false;
        cancel();
        signal.removeEventListener('abort', finish);
      }
    },
    line: (taken) => lineOf(taken, parts),
    async close() {
      isClosed = true;
      stopPresence();
      for (const one of arrived.splice(0)) await putBack(one);
      for (const taker of takers.values()) await taker.close();
      await Promise.all(fetching.values());
      await connection
        .call((redis) => redis.hdel(connection.key('workers'), worker))
        // It is forgotten after a while.
        .catch(() => undefined);
      await connection.close();
    },
  };
}

/** What can be begun of a job; nothing where it cannot be read, which is reported. */
async function takenOf({ queue, token, job }: Arrived, parts: QueueSourceParts): Promise<readonly Taken[]> {
  const { connection, clock, log } = parts;
  const data = read.job(job.data);
  const order = 'because' in data ? data : readOrder(data.order);
  const fits =
    !('because' in data) && !('because' in order) && data.run === job.id && order.attempt.id === data.run;
  if (!fits || 'because' in data || 'because' in order) {
    const because =
      'because' in data ? data.because : 'because' in order ? order.because : 'its run is another';
    log.error('worker.order-refused', { because });
    const report: QueueReport = {
      ...{ schema: QUEUE_SCHEMA, run: job.id ?? '', worker: parts.worker },
      outcome: { kind: 'deferred', because: `its worker refuses it: ${because}`, delay_ms: REFUSED_AGAIN_MS },
    };
    await job.moveToCompleted(report, token, false).catch(() => undefined);
    return [];
  }
  const deadline = data.timeout_ms === null ? null : isoTime(clock.now() + data.timeout_ms);
  const ticket: Ticket = { queue, token, replies: data.replies, leaseMs: data.lease_ms };
  const taken = { order: { ...order, attempt: { ...order.attempt, deadline } }, ticket };
  try {
    await new Hold(data.run, ticket, parts).keep();
    await sendReply(connection, data.replies, { kind: 'news', run: data.run });
  } catch {
    // It is held all the same, and the next sign of life says so.
  }
  return [taken];
}

async function sendReply(connection: QueueConnection, queue: string, reply: Reply): Promise<void> {
  await connection.add(queue, null, reply.kind, reply);
}

/** A worker's hold on a job, which ends unless it is kept. */
class Hold {
  readonly #run: string;
  readonly #ticket: Ticket;
  readonly #connection: QueueConnection;

  constructor(run: string, ticket: Ticket, { connection }: Pick<QueueSourceParts, 'connection'>) {
    this.#run = run;
    this.#ticket = ticket;
    this.#connection = connection;
  }

  /** Keeps it for another lease, also where it ended and no one took the job. False: it is someone else's. */
  async keep(): Promise<boolean> {
    const { queue, token, leaseMs } = this.#ticket;
    const lock = this.#connection.lockKey(queue, this.#run);
    const isKept = async () =>
      await this.#connection.on(queue, async (one) => {
        const job = await one.getJob(this.#run);
        return job !== undefined && Number(await job.extendLock(token, leaseMs)) > 0;
      });
    if (await isKept()) return true;
    // The Redis was away for longer than a lease: as long as the job is no one else's it is still ours.
    const state = await this.#connection.on(queue, (one) => one.getJobState(this.#run));
    if (state !== 'active') return false;
    const taken = await this.#connection.call((redis) => redis.set(lock, token, 'PX', leaseMs, 'NX'));
    if (taken !== 'OK') return false;
    if (await isKept()) return true;
    await this.#connection.call((redis) => redis.del(lock));
    return false;
  }
}

function lineOf({ order, ticket: known }: Taken, parts: QueueSourceParts): JobLine {
  const { connection, clock, questions, worker } = parts;
  const ticket = known as Ticket;
  const { queue, token, replies } = ticket;
  const run = order.attempt.id;
  const hold = new Hold(run, ticket, parts);
  const signEveryMs = ticket.leaseMs / SIGNS_A_LEASE;
  let signAt = Number.NEGATIVE_INFINITY;
  let last = '';
  let pieces = 0;
  let isRestored = false;
  const news = () => sendReply(connection, replies, { kind: 'news', run });

  const beat = async ({ progress: message, usage, model }: SignOfLife): Promise<Heard> => {
    const told = read.told(await connection.call((redis) => redis.get(connection.key('told', run))));
    if (told?.cancel) return 'cancel';
    if (!isRestored) {
      // What an earlier start of this worker asked stands in its last sign of life.
      const before = read.sign((await connection.on(queue, (one) => one.getJob(run)))?.progress);
      if (before?.question && before.worker === worker) questions.restore(run, before.question);
      isRestored = true;
    }
    if (told?.answer) questions.answer(run, told.answer.name, told.answer.text);
    const question = questions.of(run);
    const now = clock.now();
    const said = JSON.stringify([message, question, usage, model]);
    if (said === last && now >= signAt && now - signAt < signEveryMs) return 'continue';
    if (!(await hold.keep())) return 'superseded';
    const sign: Sign = {
      ...{ beat: now, worker, message: message?.slice(0, 2000) ?? null, question },
      ...(usage === null ? {} : { usage }),
      ...(model === null ? {} : { model: model.slice(0, 200) }),
    };
    await connection.on(queue, (one) => one.updateJobProgress(run, sign));
    const isChanged = said !== last;
    last = said;
    signAt = now;
    if (isChanged) await news();
    return 'continue';
  };

  return {
    beatEveryMs: Math.min(BEAT_MS, signEveryMs),
    callback: questions.callback(run, token),
    beat: (sign) => beat(sign).catch(unlessUnheard('unheard' as const)),
    async output({ file, offset, bytes }) {
      const send = async () => {
        if (
          pieces++ % 16 === 0 &&
          (await connection.on(replies, (one) => one.getWaitingCount())) > MOST_REPLIES
        )
          return null;
        const data = Buffer.from(bytes).toString('base64');
        await sendReply(connection, replies, { kind: 'output', run, file, offset, data });
        return offset + bytes.length;
      };
      return await send().catch(unlessUnheard(null));
    },
    async end(report) {
      const value = reportOf(run, report, parts);
      const isHeld = await hold.keep();
      const reported = await connection.on(queue, async (one): Promise<Reported> => {
        const job = await one.getJob(run);
        if (job === undefined) return { kind: 'refused', because: 'the queue does not have it any more' };
        if (isHeld)
          try {
            await job.moveToCompleted(value, token, false);
            return { kind: 'taken', note: null };
          } catch (thrown) {
            if (!isAboutJob(thrown)) throw thrown;
          }
        const state = await job.getState();
        const before = read.report((await one.getJob(run))?.returnvalue);
        // Said before, and the answer did not arrive.
        if (state === 'completed' && !('because' in before) && before.worker === worker)
          return { kind: 'taken', note: 'duplicate' };
        return {
          kind: 'refused',
          because: state === 'active' ? 'someone else has it' : `its job is ${state}`,
        };
      });
      questions.forget(run);
      await news().catch(unlessUnheard(undefined));
      return reported;
    },
    async dropped() {
      questions.forget(run);
      try {
        await connection.on(queue, async (one) =>
          (await one.getJob(run))?.moveToFailed(
            new Error('ended by its worker, as no one waits for it'),
            token,
            false,
          ),
        );
      } catch {
        // It was taken away, or its hold ends on its own.
      }
    },
  };
}

/** What counts instead while the queue cannot be reached. */
function unlessUnheard<T>(instead: T): (thrown: unknown) => T {
  return (thrown) => {
    if (thrown instanceof SupervisorError && thrown.code === 'not-running') return instead;
    throw thrown;
  };
}

function reportOf(
  run: string,
  { outcome, pushed }: JobReport,
  { clock, worker }: QueueSourceParts,
): QueueReport {
  const about = { schema: QUEUE_SCHEMA, run, worker } as const;
  switch (outcome.kind) {
    case 'succeeded': {
      const { summary, usage } = outcome;
      const artifacts = withPushed(outcome.artifacts, pushed);
      const commit = pushed === null ? {} : { commit: pushed.commit };
      const all =
        typeof artifacts === 'object' && artifacts !== null ? { ...commit, ...artifacts } : artifacts;
      return { ...about, outcome: { kind: 'succeeded', summary, artifacts: all, usage } };
    }
    case 'failed': {
      const { failure, retryable, usage } = outcome;
      const where = pushed === null ? '' : `; what it left is on branch ${pushed.branch}`;
      const message = `${outcome.message}${where}`.slice(0, 20_000);
      return { ...about, outcome: { kind: 'failed', failure, message, retryable, usage } };
    }
    case 'deferred': {
      const { because, until } = outcome;
      const leftMs = (at: number | undefined) => (at === undefined ? null : Math.max(0, at - clock.now()));
      const lack = accountLack(outcome);
      const account = lack ? { code: lack.code, delay_ms: leftMs(lack.until) } : undefined;
      // The account's own end is no reason for the task to wait: it goes to a worker with another account.
      const delay = account ? null : leftMs(until);
      return { ...about, outcome: { kind: 'deferred', because, delay_ms: delay, account } };
    }
  }
}
