// Yesterday with another configuration: two courses of one record, and how they differ. Pure.

import { type GraphPath, type TaskId, type TaskKey, taskKey } from '../domain/ids.ts';
import { type Course, type CourseRun, courseOf } from './course.ts';
import { type Replay, reproduction } from './replay.ts';
import { quantile, sum } from './statistics.ts';

/** How long runs waited for room, ms, and how many there were. */
export interface Waiting {
  readonly runs: number;
  readonly p50: number;
  readonly p95: number;
  readonly longest: number;
}

export interface RepoDifference {
  /** The repository's id. */
  readonly repo: string;
  readonly before: Waiting;
  readonly after: Waiting;
}

/** A run that starts at another time. Instants in ms. */
export interface MovedStart {
  readonly graph: GraphPath;
  readonly task: TaskId;
  /** Which of the task's runs, from 1. */
  readonly run: number;
  /** Null: it does not start within the time. */
  readonly before: number | null;
  readonly after: number | null;
  /** What keeps it in the course in which it is later. */
  readonly because: string;
}

/** Sums over a course. */
export interface CourseSums {
  readonly runs: number;
  readonly costUsd: number;
  /** When the last run ended, ms; null: there was none. */
  readonly lastEnd: number | null;
  /** Pauses of accounts because their quota was used up, and how long they were in all, ms. */
  readonly quotaStops: number;
  readonly quotaMs: number;
  /** Runs that were still under way at the end. */
  readonly open: number;
}

export interface WhatIf {
  /** How true the replay is: the recorded starts that it repeats within a second, with the configuration as it is. */
  readonly reproduced: { readonly runs: number; readonly same: number };
  readonly leftOut: number;
  readonly repos: readonly RepoDifference[];
  readonly before: CourseSums;
  readonly after: CourseSums;
  /** The first that start at another time, in order. */
  readonly moved: readonly MovedStart[];
  readonly movedCount: number;
}

/** Starts that differ by less are the same, ms. */
const SAME_MS = 1000;
const SHOWN = 10;

/** Compares a record replayed with today's configuration and with another one, until an instant (ms). */
export function compare(before: Replay, after: Replay, until: number): WhatIf {
  const was = courseOf(before.world, before.script, before.events, until);
  const would = courseOf(after.world, after.script, after.events, until);
  const moved = movedStarts(was, would);
  const repos = new Set([...was.runs, ...would.runs].map(({ repo }) => repo));
  return {
    reproduced: reproduction(before, was),
    leftOut: before.leftOut,
    repos: [...repos].sort().map((repo) => ({
      ...{ repo, before: waitingOf(was.runs, repo), after: waitingOf(would.runs, repo) },
    })),
    ...{ before: sumsOf(was), after: sumsOf(would) },
    ...{ moved: moved.slice(0, SHOWN), movedCount: moved.length },
  };
}

function waitingOf(runs: readonly CourseRun[], repo: string): Waiting {
  const waits = runs
    .filter((run) => run.repo === repo)
    .map(({ readyAt, startedAt }) => startedAt - readyAt)
    .sort((a, b) => a - b);
  const [p50, p95] = [quantile(waits, 0.5), quantile(waits, 0.95)];
  return { runs: waits.length, p50, p95, longest: waits.at(-1) ?? 0 };
}

function sumsOf({ runs, pauses, open }: Course): CourseSums {
  const quota = pauses.filter(({ code }) => code === 'quota');
  return {
    runs: runs.length,
    costUsd: sum(runs.map(({ outcome }) => ('usage' in outcome ? (outcome.usage?.costUsd ?? 0) : 0))),
    lastEnd: runs.length === 0 ? null : Math.max(...runs.map(({ endedAt }) => endedAt)),
    quotaStops: quota.length,
    quotaMs: sum(quota.map(({ from, until }) => (until ?? from) - from)),
    open,
  };
}

function movedStarts(was: Course, would: Course): MovedStart[] {
  const before = byRun(was);
  const after = byRun(would);
  const moved: MovedStart[] = [];
  for (const key of new Set([...before.keys(), ...after.keys()])) {
    const [one, other] = [before.get(key), after.get(key)];
    const [at, then] = [one?.startedAt ?? null, other?.startedAt ?? null];
    if (at !== null && then !== null && Math.abs(at - then) < SAME_MS) continue;
    const run = one ?? other;
    if (!run) continue;
    const later = (then ?? Number.POSITIVE_INFINITY) > (at ?? Number.POSITIVE_INFINITY) ? other : one;
    const { graph, task, n } = run;
    moved.push({ graph, task, run: n + 1, before: at, after: then, because: whyLater(later) });
  }
  return moved.sort((a, b) => firstOf(a) - firstOf(b));
}

function whyLater(run: CourseRun | undefined): string {
  if (!run) return 'it does not start in this time';
  return run.kept?.because ?? 'what it waits for ends later';
}

function firstOf({ before, after }: MovedStart): number {
  return Math.min(before ?? Number.POSITIVE_INFINITY, after ?? Number.POSITIVE_INFINITY);
}

function byRun({ runs }: Course): ReadonlyMap<`${TaskKey} ${number}`, CourseRun> {
  return new Map(runs.map((run) => [`${taskKey(run.graph, run.task)} ${run.n}`, run]));
}
