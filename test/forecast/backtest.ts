// Forecasts from points within weeks that were lived through, against what then happened.

import { taskKey } from '../../src/domain/ids.ts';
import type { Run } from '../../src/domain/run.ts';
import { courseOf } from '../../src/forecast/course.ts';
import { Experience } from '../../src/forecast/experience.ts';
import { Forecasts } from '../../src/forecast/forecast.ts';
import { NOW, world } from '../support/tasks.ts';
import { chance, DAY_MS, recordOf, week } from './weeks.ts';

export interface Backtest {
  /** Ends that were forecast. */
  readonly told: number;
  /** Those between the 10 % and the 90 % instant. */
  readonly inside: number;
  /** Mean pinball loss of the five quantiles, ms, and that of a reference class which knows no graph. */
  readonly loss: number;
  readonly referenceLoss: number;
}

const QUANTILES = [
  ['p10', 0.1],
  ['p50', 0.5],
  ['p80', 0.8],
  ['p90', 0.9],
  ['p95', 0.95],
] as const;

/**
 * Weeks in which all tasks are there from the beginning: the forecaster may know of no task that has not come yet. At
 * each point it knows the runs that had ended, those under way, and the graph.
 */
export function backtest(asked: { weeks: number; points: number; draws: number }): Backtest {
  let [told, inside, loss, referenceLoss] = [0, 0, 0, 0];
  for (let seed = 1; seed <= asked.weeks; seed++) {
    const { world: before, script } = week({ seed, graphs: 3, tasks: 40, places: 3, failing: 0.1 });
    const started = {
      ...before,
      graphs: before.graphs.map((view) => ({
        ...view,
        snapshot: {
          ...view.snapshot,
          tasks: new Map([...view.snapshot.tasks].map(([id, task]) => [id, { ...task, paused: false }])),
        },
      })),
    };
    const course = courseOf(started, script, [], NOW + 30 * DAY_MS);
    const lastEnd = Math.max(...course.runs.map(({ endedAt }) => endedAt));
    const all = recordOf(course, NOW, lastEnd).runs;
    for (let point = 1; point <= asked.points; point++) {
      const now = NOW + Math.floor(((lastEnd - NOW) * point) / (asked.points + 2));
      const ended = all.filter(({ finishedAt }) => (finishedAt ?? 0) <= now);
      const known = [...ended, ...openAt(all, now)];
      const experience = new Experience(known, { failed: [], paused: [], others: [] }, now);
      if (!experience.isEnough) continue;
      const at = asItWas(started, course, all, now);
      const forecasts = new Forecasts({ world: at, experience, random: chance(seed * 100 + point) });
      for (let n = 0; n < asked.draws; n++) forecasts.draw();
      const truth = new Map(
        course.ends
          .filter(({ status }) => status === 'done')
          .map((end) => [taskKey(end.graph, end.task), end.at]),
      );
      const reference = ended
        .map(({ openedAt, finishedAt }) => (finishedAt ?? 0) - openedAt)
        .sort((a, b) => a - b);
      for (const one of forecasts.tasks()) {
        const end = truth.get(taskKey(one.graph, one.task));
        // One that failed for good, or would now and then, has no end to compare.
        if (end === undefined || one.p90 === null || one.p10 === null) continue;
        told++;
        if (end >= one.p10 && end <= one.p90) inside++;
        for (const [name, share] of QUANTILES) {
          const guess = one[name] ?? one.p90;
          loss += pinball(end - guess, share) / QUANTILES.length;
          const plain = now + (reference[Math.floor(share * (reference.length - 1))] ?? 0);
          referenceLoss += pinball(end - plain, share) / QUANTILES.length;
        }
      }
    }
  }
  return { told, inside, loss: loss / told, referenceLoss: referenceLoss / told };
}

function pinball(miss: number, share: number): number {
  return miss >= 0 ? miss * share : -miss * (1 - share);
}

/** The runs that were under way. */
function openAt(all: readonly Run[], now: number): Run[] {
  return all
    .filter(({ openedAt, finishedAt }) => openedAt <= now && (finishedAt ?? 0) > now)
    .map((one) => ({ ...one, phase: 'started', outcome: null, finishedAt: null }));
}

/** The world at an instant of a course. */
function asItWas(
  before: ReturnType<typeof world>,
  course: ReturnType<typeof courseOf>,
  all: readonly Run[],
  now: number,
) {
  const ends = new Map(
    course.ends.filter(({ at }) => at <= now).map((end) => [taskKey(end.graph, end.task), end]),
  );
  const runs = openAt(all, now);
  const open = new Map(runs.map((one) => [taskKey(one.graph, one.task), one]));
  const graphs = before.graphs.map((view) => {
    const tasks = [...view.snapshot.tasks.values()].map((task) => {
      const key = taskKey(view.graph, task.id);
      const end = ends.get(key);
      const running = open.get(key);
      if (end) return { ...task, status: end.status, completedAt: new Date(end.at).toISOString() };
      return running ? { ...task, status: 'in-progress' as const, assigned: running.agent } : task;
    });
    return { ...view, snapshot: { ...view.snapshot, tasks: new Map(tasks.map((task) => [task.id, task])) } };
  });
  return world(graphs, { now, config: before.config, runs, attended: new Set(runs.map(({ id }) => id)) });
}
