// One connection to a Redis or Valkey with the queues of BullMQ in it. Every call fails soon where no one answers, and works
// again once someone does. Knows no runs and no tasks.

import { isIP } from 'node:net';
import type { Job, Queue, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import { messageOf, SupervisorError } from '../../domain/errors.ts';
import type { Clock } from '../../platform/clock.ts';
import type { Log } from '../../platform/log.ts';
import type { QueueAddress } from './address.ts';
import { loadQueuePackages } from './packages.ts';

/** Every key begins with it, so that an ACL can name them: `~workgraph:*`. */
const PREFIX = 'workgraph';
/** A busy machine or network takes its time; longer than this is no answer, ms. */
const CALL_MS = 15_000;
const CLOSE_MS = 2_000;
const LONGEST_RECONNECT_MS = 2_000;
/** Results are kept for as long as a supervisor may be away. */
const KEPT_S = 7 * 86_400;
/** A job that was interrupted too often is given up by BullMQ. Replies may be repeated at will. */
const NEVER = 1_000_000;

/** A job as it lies in a queue. */
export type QueueJob = Job<unknown, unknown>;

/** Takes jobs of one queue by hand. */
export interface Taker {
  /** The next job, its lock held under this token; null: none for some seconds. Throws `not-running`. */
  next(token: string): Promise<QueueJob | null>;
  close(): Promise<void>;
}

type Packages = Awaited<ReturnType<typeof loadQueuePackages>>;

export class QueueConnection {
  /** For people. */
  readonly name: string;
  readonly #packages: Packages;
  readonly #redis: Redis;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #queues = new Map<string, Promise<Queue>>();
  readonly #workers = new Set<Worker>();
  #refusal: SupervisorError | null = null;
  #closing: Promise<void> | null = null;

  /** Connects in the background. Throws `executor-unavailable` without the packages. */
  static async open(address: QueueAddress, parts: { clock: Clock; log: Log }): Promise<QueueConnection> {
    return new QueueConnection(address, await loadQueuePackages(), parts);
  }

  private constructor(address: QueueAddress, packages: Packages, { clock, log }: { clock: Clock; log: Log }) {
    const { host, port, db, username, password, tls, name } = address;
    this.name = name;
    this.#packages = packages;
    this.#clock = clock;
    this.#log = log;
    this.#redis = new packages.Redis({
      ...{ host, port, db, connectionName: 'workgraph', lazyConnect: true },
      ...(username === null ? {} : { username }),
      ...(password === null ? {} : { password }),
      ...(tls === null ? {} : { tls: { ...tls, ...(isIP(host) === 0 ? { servername: host } : {}) } }),
      // What cannot be said now is said again by the caller.
      enableOfflineQueue: false,
      maxRetriesPerRequest: null,
      connectTimeout: CALL_MS,
      retryStrategy: (times) => Math.min(50 * 2 ** Math.min(times, 10), LONGEST_RECONNECT_MS),
    });
    this.#redis.on('error', (thrown: unknown) => this.#noteRefusal(thrown));
    this.#redis.on('ready', () => {
      this.#refusal = null;
    });
    this.#redis.connect().catch(() => {
      // It is tried again; who needs it asks.
    });
  }

  get isUp(): boolean {
    return this.#redis.status === 'ready';
  }

  /** Calls back each time that the connection is there (again). */
  onUp(listener: () => void): void {
    this.#redis.on('ready', listener);
    if (this.isUp) listener();
  }

  /** Resolves once it is connected. Throws `not-running` after `ms`, `config` for refused credentials. */
  async ready(ms: number): Promise<void> {
    if (this.isUp) return;
    await new Promise<void>((resolve, reject) => {
      const done = (end: () => void) => {
        cancel();
        this.#redis.off('ready', up);
        end();
      };
      const up = () => done(resolve);
      const cancel = this.#clock.after(ms, () => done(() => reject(this.#refusal ?? this.#silent())));
      this.#redis.on('ready', up);
      if (this.isUp) up();
    });
  }

  /** Asks the Redis itself. Throws `not-running` where it cannot be reached or refuses for the moment. */
  call<T>(act: (redis: Redis) => Promise<T>): Promise<T> {
    return this.#timed(() => act(this.#redis));
  }

  /** Asks a queue; throws as `call`, and BullMQ's own errors about jobs and locks. */
  on<T>(queue: string, act: (queue: Queue) => Promise<T>): Promise<T> {
    return this.#timed(async () => act(await this.#queue(queue)));
  }

  /** Adds a job; one of this id that is there already stays as it is. Larger ones than `maxBytes` are a bug. */
  async add(queue: string, id: string | null, name: string, data: object): Promise<void> {
    await this.on(queue, (one) =>
      one.add(name, data, {
        ...(id === null ? {} : { jobId: id }),
        // Whether it is tried again is decided here, with a run and a job of its own.
        attempts: 1,
        removeOnComplete: id === null ? true : { age: KEPT_S },
        removeOnFail: { age: KEPT_S },
      }),
    );
  }

  /** Takes jobs by hand; nothing else is done with them, and none is ever begun twice by BullMQ. */
  taker(queue: string, facts: { readonly lockMs: number; readonly worker: string }): Taker {
    const { Worker } = this.#packages;
    let worker: Worker | null = null;
    const close = async () => {
      const closing = worker;
      worker = null;
      if (closing) await this.#closeWorker(closing);
    };
    return {
      next: async (token) => {
        if (!this.isUp) throw this.#refusal ?? this.#silent();
        worker ??= this.#keep(
          new Worker(keyOf(queue), null, {
            ...{ connection: this.#redis, prefix: PREFIX, autorun: false, name: facts.worker },
            ...{ lockDuration: facts.lockMs, skipLockRenewal: true, maxStalledCount: 0 },
          }),
        );
        try {
          return (await worker.getNextJob(token)) ?? null;
        } catch (thrown) {
          // A connection that broke while it was set up never recovers.
          await close();
          throw this.#translated(thrown);
        }
      },
      close,
    };
  }

  /** Handles what arrives in a queue, one after the other, until it is closed. What fails is handled again. */
  async consume(queue: string, handle: (data: unknown) => Promise<void>): Promise<() => Promise<void>> {
    const { Worker } = this.#packages;
    // What an earlier process did not finish comes first: pieces of output have an order.
    const left = await this.on(queue, (one) => one.getActive());
    for (const job of left) await handle(job?.data);
    const worker = this.#keep(
      new Worker(keyOf(queue), (job) => handle(job.data), {
        ...{ connection: this.#redis, prefix: PREFIX, concurrency: 1, maxStalledCount: NEVER },
        removeOnComplete: { count: 0 },
        removeOnFail: { age: KEPT_S, count: 1000 },
      }),
    );
    return () => this.#closeWorker(worker);
  }

  /** The name of one of our own keys. */
  key(...parts: string[]): string {
    return [PREFIX, ...parts].join(':');
  }

  /** The key that holds who works on a job. */
  lockKey(queue: string, job: string): string {
    return this.key(keyOf(queue), job, 'lock');
  }

  /** Settings of the Redis that lose or drop jobs, in words; null: none, or they cannot be asked for. */
  async notDurable(): Promise<string | null> {
    try {
      const settings = await this.call((redis) => redis.config('GET', 'appendonly', 'maxmemory-policy'));
      const [only, policy] = ['appendonly', 'maxmemory-policy'].map((name) => settingIn(settings, name));
      const wrong = [
        ...(only === 'no' ? ['appendonly is no (a restart loses what is queued)'] : []),
        ...(policy !== null && policy !== 'noeviction'
          ? [`maxmemory-policy is ${policy} (jobs may be dropped)`]
          : []),
      ];
      return wrong.length === 0
        ? null
        : `the Redis at ${this.name} does not keep jobs for sure: ${wrong.join(', ')}; set appendonly yes and maxmemory-policy noeviction`;
    } catch {
      // A managed Redis does not say.
      return null;
    }
  }

  /** Closes everything, also what does not answer any more. Safe to call twice. */
  close(): Promise<void> {
    this.#closing ??= (async () => {
      for (const worker of [...this.#workers]) await this.#closeWorker(worker);
      for (const queue of this.#queues.values())
        await this.#soon(queue.then((one) => one.close()).catch(() => undefined));
      this.#redis.disconnect();
    })();
    return this.#closing;
  }

  #queue(name: string): Promise<Queue> {
    const known = this.#queues.get(name);
    if (known) return known;
    const opening = (async () => {
      if (!this.isUp) throw this.#refusal ?? this.#silent();
      const queue = new this.#packages.Queue(keyOf(name), { connection: this.#redis, prefix: PREFIX });
      queue.on('error', () => undefined);
      await queue.waitUntilReady();
      return queue;
    })();
    this.#queues.set(name, opening);
    // One whose connection broke while it was set up never recovers.
    opening.catch(() => this.#queues.delete(name));
    return opening;
  }

  #keep(worker: Worker): Worker {
    worker.on('error', () => undefined);
    this.#workers.add(worker);
    return worker;
  }

  async #closeWorker(worker: Worker): Promise<void> {
    if (!this.#workers.delete(worker)) return;
    await this.#soon(worker.close(true).catch(() => undefined));
  }

  /** Waits for it, but not for long: a Redis that is away answers no farewell. */
  async #soon(act: Promise<unknown>): Promise<void> {
    const given = new AbortController();
    await Promise.race([act.finally(() => given.abort()), this.#clock.sleep(CLOSE_MS, given.signal)]);
    given.abort();
  }

  async #timed<T>(act: () => Promise<T>): Promise<T> {
    if (!this.isUp) throw this.#refusal ?? this.#silent();
    let cancel = () => {};
    const late = new Promise<never>((_resolve, reject) => {
      cancel = this.#clock.after(CALL_MS, () => reject(this.#silent()));
    });
    try {
      return await Promise.race([act(), late]);
    } catch (thrown) {
      throw this.#translated(thrown);
    } finally {
      cancel();
    }
  }

  /** BullMQ's own errors have a number; everything else is about the Redis. */
  #translated(thrown: unknown): unknown {
    if (thrown instanceof SupervisorError || isAboutJob(thrown)) return thrown;
    return new SupervisorError('not-running', `${this.name} does not answer: ${messageOf(thrown)}`, {
      cause: thrown,
    });
  }

  #silent(): SupervisorError {
    return new SupervisorError('not-running', `${this.name} does not answer`);
  }

  #noteRefusal(thrown: unknown): void {
    const message = messageOf(thrown);
    const isForGood = /WRONGPASS|NOAUTH|NOPERM|invalid password|certificate/i.test(message);
    const before = this.#refusal?.message;
    this.#refusal = isForGood
      ? new SupervisorError('config', `${this.name} refuses the connection: ${message}`, {
          hint: 'check SUPERVISOR_QUEUE_USERNAME, SUPERVISOR_QUEUE_PASSWORD and SUPERVISOR_QUEUE_CA',
        })
      : new SupervisorError('not-running', `${this.name} does not answer: ${message}`);
    if (before !== this.#refusal.message) this.#log.warn('queue.unheard', { because: this.#refusal.message });
  }
}

/** Whether BullMQ says that a job, its lock or its state is not as it should be. */
export function isAboutJob(thrown: unknown): boolean {
  if (!(thrown instanceof Error)) return false;
  return (
    ('code' in thrown && typeof thrown.code === 'number') ||
    /is locked by another worker/.test(thrown.message)
  );
}

/** BullMQ takes no colon in names. */
function keyOf(queue: string): string {
  return encodeURIComponent(queue);
}

/** A setting in the answer to CONFIG GET, which is a list or, by the newer protocol, a map. */
function settingIn(answer: unknown, name: string): string | null {
  if (Array.isArray(answer)) {
    const at = answer.indexOf(name);
    return at < 0 ? null : String(answer[at + 1]);
  }
  const found =
    typeof answer === 'object' && answer !== null ? (answer as Record<string, unknown>)[name] : null;
  return typeof found === 'string' ? found : null;
}
