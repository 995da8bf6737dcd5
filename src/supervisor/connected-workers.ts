// Which workers on other machines are connected, what they offer and why they pause: known from their requests for work, kept
// in memory alone. One that stops asking is forgotten.

import type { WorkersOfProfile } from '../decide/routes/worker-words.ts';

/** A worker's own description when it requests work. */
export interface WorkerOffer {
  readonly name: string;
  /** Profiles whose tasks it takes now. */
  readonly profiles: readonly string[];
  /** Profiles that it would take, by the reason why it does not at present. */
  readonly resting: ReadonlyMap<string, string>;
}

/** Longer than the longest time that one question may be kept waiting, and the pause before the next, ms. */
const FORGOTTEN_AFTER_MS = 90_000;
/** More names than any real farm has: they are invented. */
const MOST = 10_000;

export class ConnectedWorkers {
  readonly #known = new Map<string, { readonly offer: WorkerOffer; readonly seenAt: number }>();

  /** Those that take work from a queue, by queue. */
  readonly #atQueue = new Map<string, ReadonlySet<string>>();

  /** Records its request. Returns whether that is news: a new worker, or another offer. */
  note(offer: WorkerOffer, now: number): boolean {
    this.#forget(now);
    const before = this.#known.get(offer.name)?.offer;
    if (before === undefined && this.#known.size >= MOST) return false;
    this.#known.set(offer.name, { offer, seenAt: now });
    return before === undefined || textOf(before) !== textOf(offer);
  }

  /** Records those at a queue, by name; one that is not there any more has left. Returns whether that is news. */
  noteQueue(
    queue: string,
    offers: ReadonlyMap<
      string,
      { readonly profiles: readonly string[]; readonly resting: readonly (readonly [string, string])[] }
    >,
    now: number,
  ): boolean {
    let isNews = false;
    for (const name of this.#atQueue.get(queue) ?? [])
      if (!offers.has(name)) isNews = this.leave(name) || isNews;
    this.#atQueue.set(queue, new Set(offers.keys()));
    for (const [name, { profiles, resting }] of offers)
      isNews = this.note({ name, profiles, resting: new Map(resting) }, now) || isNews;
    return isNews;
  }

  /** A sign of life of what it does for a profile. Returns whether it was not known. */
  hear(name: string, profile: string, now: number): boolean {
    const known = this.#known.get(name);
    if (known === undefined) return this.note({ name, profiles: [profile], resting: new Map() }, now);
    this.#known.set(name, { ...known, seenAt: now });
    return false;
  }

  /** Signs off: it takes nothing more. */
  leave(name: string): boolean {
    return this.#known.delete(name);
  }

  /** The connected workers, by name. */
  offers(now: number): readonly WorkerOffer[] {
    this.#forget(now);
    return [...this.#known.values()].map(({ offer }) => offer).sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** The same by profile. */
  byProfile(now: number): ReadonlyMap<string, WorkersOfProfile> {
    const found = new Map<string, { connected: number; resting: string[] }>();
    const of = (profile: string) => {
      const known = found.get(profile) ?? { connected: 0, resting: [] };
      found.set(profile, known);
      return known;
    };
    for (const { name, profiles, resting } of this.offers(now)) {
      for (const profile of profiles) of(profile).connected++;
      for (const [profile, because] of resting) {
        const known = of(profile);
        known.connected++;
        known.resting.push(`${name}: ${because}`);
      }
    }
    return found;
  }

  /** A clock that was set back expires no worker. */
  #forget(now: number): void {
    for (const [name, { seenAt }] of this.#known)
      if (now - seenAt > FORGOTTEN_AFTER_MS) this.#known.delete(name);
  }
}

function textOf({ profiles, resting }: WorkerOffer): string {
  return JSON.stringify([[...profiles].sort(), [...resting].sort()]);
}
