// The supervisor's end of a Redis: puts jobs in, looks at those that it waits for, tells their workers, hears their answers,
// and removes what no run waits for any more. What a job came to is read from the job itself; answers only say when to look.

import { messageOf, SupervisorError } from '../../domain/errors.ts';
import type { Clock } from '../../platform/clock.ts';
import type { Log } from '../../platform/log.ts';
import { isAboutJob, type QueueConnection } from './connection.ts';
import { type QueuedJob, type QueueOffer, type Reply, read, type Sign, type Told } from './messages.ts';

/** What is to be seen of a job. */
export interface Seen {
  readonly state: 'queued' | 'active' | 'completed' | 'failed' | 'unknown';
  readonly sign: Sign | null;
  /** What its worker reported; checked by the reader. */
  readonly result: unknown;
  /** Why it failed. */
  readonly because: string;
  /** It was looked at in turn, and not because there was news. */
  readonly isInTurn: boolean;
}

/** Someone who waits for a job. */
export interface Waiting {
  readonly queue: string;
  readonly run: string;
  see(seen: Seen): void;
  output(piece: OutputOfWorker): Promise<unknown>;
}

export type OutputOfWorker = Pick<Extract<Reply, { kind: 'output' }>, 'file' | 'offset'> & {
  readonly bytes: Uint8Array;
};

export interface HubParts {
  readonly connection: QueueConnection;
  /** The queue that workers answer into; this supervisor's alone. */
  readonly replies: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Hears which workers there are, each time that they were looked up. */
  offers(offers: ReadonlyMap<string, QueueOffer>): void;
}

/** From one look at every job to the next, ms. */
const ROUND_MS = 5_000;
/** The same just after the Redis came back: it may have lost some. */
const QUICK_MS = 700;
const QUICK_ROUNDS = 4;
const AT_ONCE = 50;
/** Output of a job may come after its end, ms. */
const OUTPUT_AFTER_MS = 10 * 60_000;
const TOLD_S = 86_400;
/** A worker that said nothing for this long is not there, ms. */
const OFFER_MS = 90_000;
/** How long the supervisor holds a job that it closes, ms. */
const CLOSING_MS = 30_000;

export class QueueHub {
  readonly #parts: HubParts;
  readonly #waiting = new Map<string, Waiting>();
  readonly #sinks = new Map<string, Waiting['output']>();
  /** Jobs that are to be taken out of their queues and could not be yet, by run. */
  readonly #withdrawn = new Map<string, string>();
  readonly #ended = new AbortController();
  #upSince: number;
  #lookedAt: number;
  #quick = 0;
  #skip: () => void = () => {};
  #stopReplies: (() => Promise<void>) | null = null;
  #running: Promise<void> | null = null;

  constructor(parts: HubParts) {
    this.#parts = parts;
    this.#upSince = parts.clock.now();
    this.#lookedAt = this.#upSince;
    parts.connection.onUp(() => {
      this.#upSince = parts.clock.now();
      this.#quick = QUICK_ROUNDS;
      this.#skip();
    });
  }

  /** Since when workers could be heard, ms. */
  get upSince(): number {
    return this.#upSince;
  }

  /** Looks at jobs and hears answers from now on. */
  start(): void {
    this.#running ??= this.#rounds();
  }

  /** Resolves once it is connected; throws as `QueueConnection.ready`. */
  ready(ms: number): Promise<void> {
    return this.#parts.connection.ready(ms);
  }

  /** Puts a job into its queue; a second time nothing happens. Throws `not-running`: then it may be there or not. */
  async add(queue: string, job: Omit<QueuedJob, 'replies'>): Promise<void> {
    const { connection, replies } = this.#parts;
    await connection.call((redis) => redis.sadd(connection.key('sent', replies), `${queue} ${job.run}`));
    await connection.add(queue, job.run, queue, { ...job, replies });
  }

  /** Waits for a job. Returns what ends that. */
  wait(waiting: Waiting): () => void {
    const { run } = waiting;
    this.#waiting.set(run, waiting);
    this.#sinks.set(run, (piece) => waiting.output(piece));
    this.#withdrawn.delete(run);
    void this.#look(waiting, false).catch(() => undefined);
    return () => {
      if (this.#waiting.get(run) === waiting) this.#waiting.delete(run);
      this.#parts.clock.after(OUTPUT_AFTER_MS, () => {
        if (!this.#waiting.has(run)) this.#sinks.delete(run);
      });
    };
  }

  /** Tells the worker of a run; it hears that within seconds. */
  async tell(run: string, told: Told): Promise<void> {
    const { connection } = this.#parts;
    await connection.call((redis) =>
      redis.set(connection.key('told', run), JSON.stringify(told), 'EX', TOLD_S),
    );
  }

  /** No one waits for the job any more: it is taken out, or its worker told to stop. Repeated until that is done. */
  async withdraw(queue: string, run: string): Promise<void> {
    this.#withdrawn.set(run, queue);
    try {
      await this.#takeOut(queue, run);
      this.#withdrawn.delete(run);
    } catch (thrown) {
      this.#parts.log.warn('queue.not-withdrawn', { run, because: messageOf(thrown) });
    }
  }

  /**
   * Closes the job of a worker that is silent, unless that one still holds it. True: it is closed, and whatever its worker
   * reports is refused.
   */
  async closeLost(queue: string, run: string): Promise<boolean> {
    const { connection, replies } = this.#parts;
    const lock = connection.lockKey(queue, run);
    const held = await connection.call((redis) => redis.set(lock, replies, 'PX', CLOSING_MS, 'NX'));
    if (held !== 'OK') return false;
    try {
      await connection.on(queue, async (one) => {
        const job = await one.getJob(run);
        await job?.moveToFailed(new Error('its worker was silent for too long'), replies, false);
      });
      return true;
    } catch (thrown) {
      if (!isAboutJob(thrown)) throw thrown;
      // It ended in this very moment: that is seen with the next look.
      await connection.call((redis) => redis.del(lock));
      return false;
    }
  }

  /** Takes out every job of this supervisor whose run is not among those that are open then. */
  async sweep(held: () => ReadonlySet<string>): Promise<void> {
    const { connection, replies } = this.#parts;
    const key = connection.key('sent', replies);
    for (const entry of await connection.call((redis) => redis.smembers(key))) {
      const at = entry.lastIndexOf(' ');
      const [queue, run] = [entry.slice(0, at), entry.slice(at + 1)];
      // Asked for each one: runs open while the Redis answers, and each is open before its job is there.
      if (this.#waiting.has(run) || held().has(run)) continue;
      if ((await this.#takeOut(queue, run)) === 'gone')
        await connection.call((redis) => redis.srem(key, entry));
    }
  }

  async close(): Promise<void> {
    this.#ended.abort();
    this.#skip();
    await this.#running;
    await this.#stopReplies?.();
    await this.#parts.connection.close();
  }

  /** `told`: a worker holds it, and hears that it is to stop. */
  async #takeOut(queue: string, run: string): Promise<'gone' | 'told'> {
    const { connection } = this.#parts;
    try {
      await connection.on(queue, async (one) => (await one.getJob(run))?.remove());
      return 'gone';
    } catch (thrown) {
      if (!isAboutJob(thrown)) throw thrown;
      await this.tell(run, { cancel: true });
      return 'told';
    }
  }

  async #rounds(): Promise<void> {
    const { clock, log } = this.#parts;
    while (!this.#ended.signal.aborted) {
      try {
        await this.#round();
      } catch (thrown) {
        if (!(thrown instanceof SupervisorError))
          log.warn('queue.round-failed', { because: messageOf(thrown) });
      }
      const skipped = new AbortController();
      this.#skip = () => skipped.abort();
      if (this.#ended.signal.aborted) return;
      await clock.sleep(this.#quick > 0 ? QUICK_MS : ROUND_MS, skipped.signal);
    }
  }

  async #round(): Promise<void> {
    const { connection, replies, clock } = this.#parts;
    const now = clock.now();
    // This machine slept, or was too busy to look: its workers may have been, too.
    if (now - this.#lookedAt > ROUND_MS * 3) this.#upSince = now;
    this.#lookedAt = now;
    if (!connection.isUp) return;
    this.#quick = Math.max(0, this.#quick - 1);
    this.#stopReplies ??= await connection.consume(replies, (data) => this.#hear(data));
    for (const [run, queue] of [...this.#withdrawn]) {
      await this.#takeOut(queue, run);
      this.#withdrawn.delete(run);
    }
    const all = [...this.#waiting.values()];
    for (let n = 0; n < all.length; n += AT_ONCE)
      await Promise.all(all.slice(n, n + AT_ONCE).map((waiting) => this.#look(waiting, true)));
    await this.#lookForWorkers();
  }

  async #look(waiting: Waiting, isInTurn: boolean): Promise<void> {
    const { queue, run } = waiting;
    const seen = await this.#parts.connection.on(queue, async (one): Promise<Seen> => {
      const state = stateOf(await one.getJobState(run));
      const job = state === 'queued' || state === 'unknown' ? undefined : await one.getJob(run);
      return {
        state,
        sign: read.sign(job?.progress),
        result: job?.returnvalue,
        because: job?.failedReason ?? '',
        isInTurn,
      };
    });
    if (this.#waiting.get(run) === waiting) waiting.see(seen);
  }

  async #hear(data: unknown): Promise<void> {
    const reply = read.reply(data);
    if (reply === null) return;
    if (reply.kind === 'output') {
      const { run, file, offset } = reply;
      const bytes = Buffer.from(reply.data, 'base64');
      try {
        await this.#sinks.get(run)?.({ file, offset, bytes });
      } catch (thrown) {
        // A folder that is gone, a full disk: output is no reason to hold up everything else.
        this.#parts.log.warn('queue.output-lost', { run, because: messageOf(thrown) });
      }
      return;
    }
    const waiting = this.#waiting.get(reply.run);
    if (waiting) await this.#look(waiting, false);
  }

  async #lookForWorkers(): Promise<void> {
    const { connection, offers } = this.#parts;
    const key = connection.key('workers');
    const [known, [seconds]] = await connection.call(
      async (redis) => [await redis.hgetall(key), await redis.time()] as const,
    );
    const found = new Map<string, QueueOffer>();
    for (const [worker, text] of Object.entries(known)) {
      const offer = read.offer(text);
      if (offer && Number(seconds) * 1000 - offer.at < OFFER_MS) found.set(worker, offer);
      else await connection.call((redis) => redis.hdel(key, worker));
    }
    offers(found);
  }
}

function stateOf(state: string): Seen['state'] {
  switch (state) {
    case 'active':
    case 'completed':
    case 'failed':
    case 'unknown':
      return state;
    default:
      return 'queued';
  }
}
