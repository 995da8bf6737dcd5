// What earlier runs and waits teach about later ones, as samples to draw from. Pure.

import type { GraphPath } from '../domain/ids.ts';
import type { Outcome } from '../domain/outcome.ts';
import type { Run } from '../domain/run.ts';
import type { ScriptedEnd } from './course.ts';
import { workerPlaces } from './worker-places.ts';

/** This many finished runs are needed before anything is said of the next ones. */
export const RUNS_NEEDED = 20;
/** This many waits of one kind are needed before anything is said of the next one. */
const WAITS_NEEDED = 5;
/** A profile in one repository is a class of its own from this many runs on. */
const OWN_CLASS = 20;

/** Who or what a task waits for that only a person or another program ends. */
export type WaitKind = 'failed' | 'paused' | 'others';

interface Sample {
  readonly tookMs: number;
  /** Null: it had not ended when it was last seen. */
  readonly outcome: Outcome | null;
  /** For a deferred one: how long it was told to wait, ms. */
  readonly pauseMs: number;
}

/** Samples by class, and the waits for people. */
export class Experience {
  /** Ascending by duration. */
  readonly #classes = new Map<string, Sample[]>();
  readonly #waits: Readonly<Record<WaitKind, readonly number[]>>;
  /** How many finished runs it rests on. */
  readonly runs: number;
  /** By executor, how many places its workers elsewhere have. */
  readonly places: ReadonlyMap<string, number>;

  /**
   * `waits`: how long tasks waited for people until they continued, ms. Runs that are still open at `now` count, too: they
   * take at least as long as they have taken, and without them the others would look too short.
   */
  constructor(runs: readonly Run[], waits: Readonly<Record<WaitKind, readonly number[]>>, now = 0) {
    this.#waits = waits;
    this.places = workerPlaces(runs);
    let told = 0;
    for (const run of runs) {
      const sample = sampleOf(run, now);
      if (sample === null) continue;
      if (sample.outcome !== null) told++;
      for (const key of classesOf(run)) {
        const known = this.#classes.get(key);
        if (known) known.push(sample);
        else this.#classes.set(key, [sample]);
      }
    }
    for (const samples of this.#classes.values()) samples.sort((a, b) => a.tookMs - b.tookMs);
    this.runs = told;
  }

  get isEnough(): boolean {
    return this.runs >= RUNS_NEEDED;
  }

  /**
   * What one course draws from. Each course weighs the same runs differently, so that the ranges are as wide as little
   * experience makes them. `random` in [0, 1).
   */
  draws(random: () => number): Draws {
    return new Draws(this.#classes, this.#waits, random);
  }
}

/** The draws of one course. */
export class Draws {
  readonly #classes: ReadonlyMap<string, readonly Sample[]>;
  readonly #waits: Readonly<Record<WaitKind, readonly number[]>>;
  readonly #random: () => number;
  readonly #weighed = new Map<string, Weighed>();

  constructor(
    classes: ReadonlyMap<string, readonly Sample[]>,
    waits: Readonly<Record<WaitKind, readonly number[]>>,
    random: () => number,
  ) {
    this.#classes = classes;
    this.#waits = waits;
    this.#random = random;
  }

  /** The end of a run that has been running for a while, ms. */
  end(of: Pick<Run, 'repo' | 'executor'>, ranMs: number, now: number): ScriptedEnd {
    const drawn = this.#classOf(of).drawn(ranMs, this.#random);
    // Longer than any before it: as long again is all that can be said.
    if (drawn === null) {
      const afterMs = Math.max(1, -Math.max(ranMs, 1) * Math.log(1 - this.#random()));
      return { afterMs, outcome: { kind: 'succeeded' } };
    }
    const { tookMs, outcome, pauseMs } = drawn;
    const afterMs = Math.max(1, tookMs - ranMs);
    if (outcome?.kind === 'deferred')
      return { afterMs, outcome: { ...outcome, until: now + afterMs + pauseMs } };
    return { afterMs, outcome: outcome ?? { kind: 'succeeded' } };
  }

  /** How much longer a wait for people lasts that has lasted a while, ms; null: not known. */
  wait(kind: WaitKind, waitedMs: number): number | null {
    const known = this.#waits[kind];
    if (known.length < WAITS_NEEDED) return null;
    const longer = known.filter((ms) => ms > waitedMs);
    const one = longer[Math.floor(this.#random() * longer.length)];
    return one === undefined ? null : one - waitedMs;
  }

  /** The narrowest class that is large enough. */
  #classOf(of: Pick<Run, 'repo' | 'executor'>): Weighed {
    const [own = '', profile = '', all = ''] = classesOf(of);
    const size = (key: string) => this.#classes.get(key)?.length ?? 0;
    const key = size(own) >= OWN_CLASS ? own : size(profile) > 0 ? profile : all;
    const known = this.#weighed.get(key);
    if (known) return known;
    const weighed = new Weighed(this.#classes.get(key) ?? [], this.#random);
    this.#weighed.set(key, weighed);
    return weighed;
  }
}

/**
 * A distribution of durations by Kaplan and Meier's estimate, which counts what had not ended, over samples that are
 * weighed by chance (Rubin's Bayesian bootstrap).
 */
class Weighed {
  readonly #samples: readonly Sample[];
  /** The share of runs that have ended with each sample. */
  readonly #ended: Float64Array;
  /** How far a duration is smeared, as a factor's logarithm: what was never seen exactly happens, too. */
  readonly #width: number;

  constructor(samples: readonly Sample[], random: () => number) {
    this.#samples = samples;
    const weights = Float64Array.from(samples, () => -Math.log(1 - random()));
    this.#ended = new Float64Array(samples.length);
    let atRisk = weights.reduce((all, one) => all + one, 0);
    let left = 1;
    for (const [n, { outcome }] of samples.entries()) {
      const weight = weights[n] ?? 0;
      if (outcome !== null && atRisk > 0) left *= 1 - Math.min(1, weight / atRisk);
      atRisk -= weight;
      this.#ended[n] = 1 - left;
    }
    this.#width = smearOf(samples);
  }

  /** A sample longer than that, ms; null: longer than all of them. */
  drawn(ranMs: number, random: () => number): Sample | null {
    const before = this.#firstBeyond((n) => (this.#samples[n]?.tookMs ?? 0) > ranMs);
    const passed = before === 0 ? 0 : (this.#ended[before - 1] ?? 0);
    const asked = passed + random() * (1 - passed);
    const found = this.#samples[this.#firstBeyond((n) => (this.#ended[n] ?? 0) > asked)];
    if (!found || passed >= 1) return null;
    const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
    return { ...found, tookMs: found.tookMs * Math.exp(this.#width * normal) };
  }

  /** The first sample for which that is so, or how many there are; it is so for all after it. */
  #firstBeyond(isSo: (n: number) => boolean): number {
    let low = 0;
    let high = this.#samples.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (isSo(middle)) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

/** Silverman's rule of thumb over the logarithms. */
function smearOf(samples: readonly Sample[]): number {
  const logs = samples.flatMap(({ tookMs, outcome }) => (outcome === null ? [] : [Math.log(tookMs)]));
  if (logs.length < 2) return 0;
  const mean = logs.reduce((all, one) => all + one, 0) / logs.length;
  const deviation = Math.sqrt(logs.reduce((all, one) => all + (one - mean) ** 2, 0) / logs.length);
  return 0.9 * deviation * logs.length ** -0.2;
}

/** From the narrowest to the widest. */
function classesOf({ repo, executor }: Pick<Run, 'repo' | 'executor'>): readonly string[] {
  return [`${executor}\n${repo}`, executor, ''];
}

/** What a run teaches; null: nothing, as it was stopped from outside. */
function sampleOf({ openedAt, finishedAt, outcome, usage }: Run, now: number): Sample | null {
  if (finishedAt === null || outcome === null)
    return now > openedAt ? { tookMs: now - openedAt, outcome: null, pauseMs: 0 } : null;
  if (outcome.kind === 'stopped' && outcome.reason !== 'timeout' && outcome.reason !== 'silent') return null;
  const tookMs = Math.max(1, finishedAt - openedAt);
  if (outcome.kind === 'deferred')
    return { tookMs, outcome, pauseMs: Math.max(0, (outcome.until ?? finishedAt) - finishedAt) };
  return { tookMs, outcome: usage === undefined ? outcome : { ...outcome, usage }, pauseMs: 0 };
}

/** A verdict that stood and one that followed it, for the waits of people. */
export interface StoodState {
  readonly state: string;
  readonly code: string;
  /** ms. */
  readonly from: number;
  readonly to: number | null;
}

/** How long tasks waited for people, from what was said of them over time. */
export function waitsOf(
  tasks: Iterable<{ readonly graph: GraphPath; readonly spans: readonly StoodState[] }>,
): Record<WaitKind, number[]> {
  const waits: Record<WaitKind, number[]> = { failed: [], paused: [], others: [] };
  for (const { spans } of tasks)
    for (const { state, code, from, to } of spans) {
      if (to === null) continue;
      if (code === 'status-failed') waits.failed.push(to - from);
      else if (state === 'paused') waits.paused.push(to - from);
      else if (code === 'status-in-progress') waits.others.push(to - from);
    }
  return waits;
}
