// The only source of progress: time, and which of the operations that are ready continues next. One operation at a
// time; everything it sets free is carried out before the next one, so that the order of promises is the seed's.

import type { Clock } from '../../src/platform/clock.ts';
import type { Chance } from './chance.ts';

/** Someone whose operations end with it: one life of a supervisor, or the world outside. */
export class Life {
  readonly name: string;
  #isAlive = true;
  readonly #deaths = new Set<() => void>();
  /** Operations, and separately writes of the ledger, until it dies; infinite: it was not condemned. */
  steps = Number.POSITIVE_INFINITY;
  writes = Number.POSITIVE_INFINITY;
  /** Whether the last of those writes still reaches the disk. */
  finishesWrite = false;
  /** The event after which it is condemned; null: it is not waited for. */
  doom: { readonly event: string; readonly steps: number; readonly writes: number } | null = null;

  constructor(name: string) {
    this.name = name;
  }

  get isAlive(): boolean {
    return this.#isAlive;
  }

  /** From now on nothing of it happens. */
  die(): void {
    if (!this.#isAlive) return;
    this.#isAlive = false;
    for (const heard of [...this.#deaths]) heard();
    this.#deaths.clear();
  }

  onDeath(hear: () => void): () => void {
    this.#deaths.add(hear);
    return () => this.#deaths.delete(hear);
  }
}

/** Operations of one instant: more than all work that may be ready at once. */
const STILL_AT_MOST = 100_000;

interface Operation {
  readonly life: Life;
  readonly act: () => void;
  readonly at: number;
  readonly order: number;
  isCancelled: boolean;
}

export class Scheduler {
  readonly #chance: Chance;
  readonly #ready: Operation[] = [];
  /** A heap by instant, then by order of request. */
  readonly #later: Operation[] = [];
  #order = 0;
  #elapsed = 0;
  #offset: number;
  #steps = 0;
  /** Operations since time passed last. */
  #still = 0;
  /** Whose operation is being carried out. */
  #current: Life;
  readonly outside = new Life('outside');

  constructor(chance: Chance, begin: number) {
    this.#chance = chance;
    this.#offset = begin;
    this.#current = this.outside;
  }

  /** Wall clock, ms. */
  get now(): number {
    return this.#elapsed + this.#offset;
  }

  /** Time the machine was awake, ms. */
  get elapsed(): number {
    return this.#elapsed;
  }

  get steps(): number {
    return this.#steps;
  }

  /** Sets the wall clock, or lets the machine sleep. */
  jump(ms: number): void {
    this.#offset += ms;
  }

  clock(life: Life): Clock {
    return {
      now: () => this.now,
      elapsed: () => this.#elapsed,
      after: (ms, act) => this.after(life, ms, act),
      sleep: (ms, signal) =>
        new Promise((resolve) => {
          if (signal?.aborted) return resolve();
          const cancel = this.after(life, ms, () => {
            signal?.removeEventListener('abort', done);
            resolve();
          });
          const done = () => {
            cancel();
            resolve();
          };
          signal?.addEventListener('abort', done, { once: true });
        }),
    };
  }

  /** Carries out `act` after `ms`, in some order with all else that is ready then. */
  after(life: Life, ms: number, act: () => void): () => void {
    const at = this.#elapsed + Math.min(Math.max(0, Math.ceil(ms)), 2 ** 31 - 1);
    const operation: Operation = { life, act, at, order: this.#order++, isCancelled: false };
    if (!life.isAlive) return () => {};
    if (at <= this.#elapsed) this.#ready.push(operation);
    else push(this.#later, operation);
    return () => {
      operation.isCancelled = true;
    };
  }

  /** An operation on the disk, the network, a process. Never resolves for the dead. */
  do<T>(life: Life, act: () => T, ms = 0): Promise<T> {
    return new Promise((resolve, reject) => {
      this.after(life, ms, () => {
        try {
          resolve(act());
        } catch (thrown) {
          reject(thrown);
        }
      });
    });
  }

  /** The same for a part that does not know whose it is, such as a turn of the event loop. */
  turn(act: () => void): void {
    this.after(this.#current, 0, act);
  }

  /** Lets everything happen until this much time was awake. */
  run(until: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const step = () => {
        try {
          if (!this.#advance(until)) return resolve();
        } catch (thrown) {
          return reject(thrown);
        }
        // After every promise that this operation settled has run.
        queueMicrotask(() => process.nextTick(step));
      };
      step();
    });
  }

  #advance(until: number): boolean {
    for (;;) {
      for (let first = this.#later[0]; first && first.at <= this.#elapsed; first = this.#later[0])
        this.#ready.push(pop(this.#later));
      if (this.#ready.length === 0) {
        const first = this.#later[0];
        if (first === undefined || first.at > until) {
          this.#elapsed = until;
          return false;
        }
        this.#elapsed = first.at;
        this.#still = 0;
        continue;
      }
      const n = this.#ready.length === 1 ? 0 : this.#chance.below(this.#ready.length);
      const operation = this.#ready[n] as Operation;
      const last = this.#ready.pop() as Operation;
      if (last !== operation) this.#ready[n] = last;
      const { life } = operation;
      if (operation.isCancelled || !life.isAlive) continue;
      if (--life.steps < 0) {
        life.die();
        continue;
      }
      this.#steps++;
      if (++this.#still > STILL_AT_MOST) throw new Error(`${life.name} goes in circles: no time passes`);
      this.#current = life;
      operation.act();
      return true;
    }
  }
}

const isBefore = (a: Operation, b: Operation) => a.at < b.at || (a.at === b.at && a.order < b.order);

function push(heap: Operation[], operation: Operation): void {
  let at = heap.length;
  heap.push(operation);
  while (at > 0) {
    const above = (at - 1) >> 1;
    const parent = heap[above] as Operation;
    if (!isBefore(operation, parent)) break;
    heap[at] = parent;
    at = above;
  }
  heap[at] = operation;
}

function pop(heap: Operation[]): Operation {
  const first = heap[0] as Operation;
  const moved = heap.pop() as Operation;
  if (heap.length === 0) return first;
  let at = 0;
  for (;;) {
    let below = 2 * at + 1;
    if (below >= heap.length) break;
    if (below + 1 < heap.length && isBefore(heap[below + 1] as Operation, heap[below] as Operation)) below++;
    const child = heap[below] as Operation;
    if (!isBefore(child, moved)) break;
    heap[at] = child;
    at = below;
  }
  heap[at] = moved;
  return first;
}
