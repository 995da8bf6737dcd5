// Weeks of work on paper: arrivals, heavy-tailed durations, failures, quotas; and what a ledger would have recorded.

import { chanceOf } from '../../src/cli/drill/chance.ts';
import { taskKey } from '../../src/domain/ids.ts';
import type { Outcome } from '../../src/domain/outcome.ts';
import type { Run } from '../../src/domain/run.ts';
import { type Course, type CourseEvent, courseOf, type Script } from '../../src/forecast/course.ts';
import type { Recorded, StoodVerdict } from '../../src/forecast/replay.ts';
import { config, graphView, NOW, run, task, world } from '../support/tasks.ts';

export const DAY_MS = 86_400_000;

/** The same sequence for the same seed, in [0, 1). */
export const chance = (seed: number): (() => number) => chanceOf(seed).share;

/** A duration whose logarithm is normal: the median, and now and then ten times that. ms. */
export function heavyTailed(random: () => number, medianMs: number): number {
  const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return Math.max(1000, Math.round(medianMs * Math.exp(0.9 * normal)));
}

const REPORTED = { kind: 'failed', failure: 'reported', message: 'no', retryable: true } as const;

export interface WeekAsked {
  readonly seed: number;
  readonly graphs: number;
  readonly tasks: number;
  readonly places: number;
  readonly days?: number;
  /** The share of runs that fail. */
  readonly failing?: number;
  readonly medianMs?: number;
}

/** A world before a week, and what will happen in it. */
export function week(asked: WeekAsked) {
  const { seed, graphs, tasks, places, days = 7, failing = 0.1, medianMs = 600_000 } = asked;
  const random = chance(seed);
  const events: CourseEvent[] = [];
  const views = Array.from({ length: graphs }, (_, g) => {
    const name = `g${g}`;
    const mine = Array.from({ length: tasks }, (_, t) => {
      const after = t > 0 && random() < 0.5 ? [`t${Math.floor(random() * t)}`] : [];
      return task(`t${t}`, { after, paused: true, createdAt: new Date(NOW).toISOString() });
    });
    for (const { id } of mine)
      events.push({
        at: NOW + Math.floor(random() * days * DAY_MS),
        change: { kind: 'edit', graph: `/${name}/.workgraph`, task: id, to: { paused: false } },
      });
    return graphView(name, mine);
  });
  const before = world(views, { config: config({ maxConcurrent: places, retry: RETRY }) });
  const script: Script = {
    random,
    endOf: () => {
      const outcome: Outcome = random() < failing ? REPORTED : { kind: 'succeeded', usage: { costUsd: 1 } };
      return { afterMs: heavyTailed(random, medianMs), outcome };
    },
  };
  return { world: before, script, events };
}

const RETRY = { attempts: 3, backoffMs: 10_000, maxBackoffMs: 300_000 };

/** What a ledger knows of a course: its runs, and what was said of their tasks while they waited for room. */
export function recordOf(course: Course, from: number, to: number): Recorded {
  const stood = new Map<string, StoodVerdict[]>();
  const runs = course.runs.map((one): Run => {
    const key = taskKey(one.graph, one.task);
    if (one.kept && one.startedAt > one.readyAt) {
      const state = one.kept.code === 'quota' ? 'held' : 'queued';
      const verdict = { state, ...one.kept, from: one.readyAt, to: one.startedAt };
      stood.set(
        key,
        [...(stood.get(key) ?? []), verdict].sort((a, b) => a.from - b.from),
      );
    }
    const name = one.graph.split('/')[1] ?? '';
    return run(name, one.task, {
      id: `run_${key}_${one.n}`,
      ...{ executor: one.executor, phase: 'settled', outcome: one.outcome },
      ...{ openedAt: one.startedAt, startedAt: one.startedAt, finishedAt: one.endedAt },
    });
  });
  return {
    ...{ from, to, runs, watched: [{ from, to }] },
    verdictsOf: (graph, id) => stood.get(taskKey(graph, id)) ?? [],
  };
}

/** A whole week, lived through. */
export function lived(asked: WeekAsked) {
  const { world: before, script, events } = week(asked);
  const until = NOW + 60 * DAY_MS;
  const course = courseOf(before, script, events, until);
  return { before, course, record: recordOf(course, NOW - 1, until), until };
}
