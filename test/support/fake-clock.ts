// Time that tests move by hand. Timers follow the time that passes, as they do in a computer: setting the clock moves
// what it reads and leaves them alone, and while the machine sleeps neither they nor anything else continues.

import type { Clock } from '../../src/platform/clock.ts';

interface Timer {
  /** By the time that passed, ms. */
  readonly at: number;
  readonly act: () => void;
}

export interface FakeClock extends Clock {
  /** Lets time pass; timers that come due on the way act at their instants, oldest first. */
  advance(ms: number): void;
  /** Lets time pass up to an instant that the clock reads. */
  advanceTo(instant: string | number): void;
  /** Sets the clock, forwards or back: what a person, NTP or a sleeping laptop does. No timer acts. */
  jump(ms: number): void;
  /** How many timers wait. */
  readonly timers: number;
  /** How long until the next timer acts, ms; null: none waits. */
  readonly untilNext: number | null;
}

/** A clock that reads this instant (RFC 3339 or ms) until it is moved. */
export function createFakeClock(start: string | number): FakeClock {
  let now = typeof start === 'number' ? start : Date.parse(start);
  let passed = 0;
  const timers = new Set<Timer>();
  const next = (): Timer | undefined => {
    let first: Timer | undefined;
    for (const timer of timers) if (first === undefined || timer.at < first.at) first = timer;
    return first;
  };
  const pass = (ms: number) => {
    passed += ms;
    now += ms;
  };
  const advance = (ms: number) => {
    const end = passed + ms;
    for (let timer = next(); timer && timer.at <= end; timer = next()) {
      timers.delete(timer);
      pass(Math.max(0, timer.at - passed));
      timer.act();
    }
    pass(end - passed);
  };
  const after: Clock['after'] = (ms, act) => {
    const timer = { at: passed + Math.max(0, ms), act };
    timers.add(timer);
    return () => timers.delete(timer);
  };
  return {
    now: () => now,
    after,
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        if (signal?.aborted) return resolve();
        const cancel = after(ms, resolve);
        signal?.addEventListener(
          'abort',
          () => {
            cancel();
            resolve();
          },
          { once: true },
        );
      }),
    advance,
    advanceTo(instant) {
      const at = typeof instant === 'number' ? instant : Date.parse(instant);
      if (!(at >= now)) throw new Error(`${String(instant)} is before ${new Date(now).toISOString()}`);
      advance(at - now);
    },
    jump(ms) {
      now += ms;
    },
    get timers() {
      return timers.size;
    },
    get untilNext() {
      const first = next();
      return first ? first.at - passed : null;
    },
  };
}
