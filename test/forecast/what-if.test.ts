// What if: a week that was lived through, replayed by the same and by another configuration.

import { expect, test } from '@jest/globals';
import { courseOf } from '../../src/forecast/course.ts';
import { replayOf, reproduction } from '../../src/forecast/replay.ts';
import { compare } from '../../src/forecast/what-if.ts';
import { config, NOW } from '../support/tasks.ts';
import { DAY_MS, lived, recordOf } from './weeks.ts';

test.each([
  1, 2, 3, 4, 5,
])('the same configuration starts all runs when they were started (week %i)', (seed) => {
  const { before, course, record, until } = lived({ seed, graphs: 6, tasks: 60, places: 3 });
  expect(course.runs.length).toBeGreaterThan(300);
  expect(course.runs.some(({ kept }) => kept?.code === 'machine-limit')).toBe(true);
  const replay = replayOf(before, record);
  const again = courseOf(replay.world, replay.script, replay.events, until);
  const { runs, same } = reproduction(replay, again);
  expect(runs).toBe(course.runs.length);
  expect(same / runs).toBeGreaterThanOrEqual(0.99);
});

test('more places shorten the waiting, and each start that moves says why it was later', () => {
  const { before, record, until } = lived({ seed: 7, graphs: 6, tasks: 60, places: 2 });
  const more = { ...before, config: config({ ...before.config, maxConcurrent: 8 }) };
  const result = compare(replayOf(before, record), replayOf(more, record), until);
  expect(result.reproduced.same / result.reproduced.runs).toBeGreaterThanOrEqual(0.99);
  for (const { before: was, after: would } of result.repos) expect(would.p95).toBeLessThan(was.p95);
  expect(result.moved.length).toBe(10);
  expect(result.moved[0]?.because).toMatch(/the machine runs 2 of 2 at once/);
  expect(result.after.runs).toBe(result.before.runs);
  expect(result.after.costUsd).toBeCloseTo(result.before.costUsd);
});

test('fewer places make work wait longer', () => {
  const { before, record, until } = lived({ seed: 8, graphs: 4, tasks: 40, places: 6 });
  const fewer = { ...before, config: config({ ...before.config, maxConcurrent: 1 }) };
  const result = compare(replayOf(before, record), replayOf(fewer, record), until);
  expect(Math.max(...result.repos.map(({ after }) => after.longest))).toBeGreaterThan(
    Math.max(...result.repos.map(({ before: was }) => was.longest)),
  );
});

test('a time without a supervisor is one in the replay', () => {
  const { before, course, until } = lived({ seed: 9, graphs: 2, tasks: 20, places: 9 });
  const gap = { from: NOW + DAY_MS, to: NOW + 2 * DAY_MS };
  const record = recordOf(course, NOW - 1, until);
  const watched = [
    { from: NOW - 1, to: gap.from },
    { from: gap.to, to: until },
  ];
  const replay = replayOf(before, { ...record, watched });
  const { runs } = courseOf(replay.world, replay.script, replay.events, until);
  expect(runs.filter(({ startedAt }) => startedAt > gap.from && startedAt < gap.to)).toEqual([]);
  expect(runs.length).toBe(course.runs.length);
});

test('a quota that ran out pauses its account in the replay, and is counted', () => {
  const { before, course, until } = lived({ seed: 10, graphs: 2, tasks: 20, places: 9 });
  const [first] = [...course.runs].sort((a, b) => a.startedAt - b.startedAt);
  if (!first) throw new Error('no run');
  const told = { code: 'quota', because: 'the quota of claude is used up' };
  const late = { ...first, startedAt: first.startedAt + DAY_MS, endedAt: first.endedAt + DAY_MS, kept: told };
  const runs = course.runs.map((run) => (run === first ? late : run));
  const replay = replayOf(before, recordOf({ ...course, runs }, NOW - 1, until));
  const again = courseOf(replay.world, replay.script, replay.events, until);
  expect(again.pauses).toEqual([expect.objectContaining({ scope: 'account', code: 'quota' })]);
  const [one] = again.runs.filter(({ graph, task }) => graph === first.graph && task === first.task);
  expect(one?.startedAt).toBeGreaterThanOrEqual(late.startedAt);
});

test('runs of graphs that are not served any more are left out and counted', () => {
  const { before, record, until } = lived({ seed: 11, graphs: 3, tasks: 10, places: 3 });
  const less = { ...before, graphs: before.graphs.slice(1) };
  const result = compare(replayOf(less, record), replayOf(less, record), until);
  expect(result.leftOut).toBeGreaterThan(0);
  expect(result.movedCount).toBe(0);
});
