// Which profiles a worker does not offer just now, and why: a quota is used up, a program is missing. Its own business:
// another worker may have another account.

import { instantText } from '../decide/instant.ts';
import type { Deferred } from '../domain/outcome.ts';

const FIRST_REST_MS = 30_000;
const LONGEST_REST_MS = 10 * 60_000;

export class Resting {
  readonly #until = new Map<
    string,
    { readonly because: string; readonly until: number; readonly times: number }
  >();

  /** Lets a profile rest after what a job of it lacked; longer from time to time where no one said how long. */
  note(profile: string, { because, until }: Pick<Deferred, 'because' | 'until'>, now: number): void {
    const times = this.#until.get(profile)?.times ?? 0;
    const growing = now + Math.min(FIRST_REST_MS * 2 ** Math.min(times, 10), LONGEST_REST_MS);
    this.#until.set(profile, { because, until: until ?? growing, times: times + 1 });
  }

  /** A job of it did what it should. */
  works(profile: string): void {
    this.#until.delete(profile);
  }

  /** Why each profile rests that does. */
  at(now: number): ReadonlyMap<string, string> {
    return new Map(
      [...this.#until].flatMap(([name, { because, until }]) =>
        until > now ? [[name, `${because}; it tries again at ${instantText(until)}`]] : [],
      ),
    );
  }
}
