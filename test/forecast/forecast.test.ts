// Forecasts: ranges that hold what they promise, from every point of weeks that were lived through.

import { describe, expect, test } from '@jest/globals';
import { taskKey } from '../../src/domain/ids.ts';
import type { Profile } from '../../src/domain/profile.ts';
import { Experience, RUNS_NEEDED, waitsOf } from '../../src/forecast/experience.ts';
import { Forecasts } from '../../src/forecast/forecast.ts';
import { command, graphView, NOW, profiles, run, task, world } from '../support/tasks.ts';
import { backtest } from './backtest.ts';
import { chance } from './weeks.ts';

const NO_WAITS = { failed: [], paused: [], others: [] };
const HOUR = 3_600_000;

function past(count: number, more: Parameters<typeof run>[2] = {}) {
  return Array.from({ length: count }, (_, n) =>
    run('a', `old${n}`, {
      ...{ openedAt: NOW - 9 * HOUR, finishedAt: NOW - 9 * HOUR + ((n % 10) + 1) * 60_000, phase: 'settled' },
      ...{ outcome: { kind: 'succeeded', usage: { costUsd: 2 } } },
      ...more,
    }),
  );
}

function forecastOf(w: ReturnType<typeof world>, experience: Experience, target?: string, draws = 100) {
  const graph = '/a/.workgraph';
  const asked = { world: w, experience, random: chance(5) };
  const forecasts = new Forecasts(
    target === undefined ? asked : { ...asked, target: { graph, task: target } },
  );
  for (let n = 0; n < draws; n++) forecasts.draw();
  return forecasts;
}

test('fewer than twenty finished runs are not enough to say anything', () => {
  expect(new Experience(past(RUNS_NEEDED - 1), NO_WAITS).isEnough).toBe(false);
  expect(new Experience(past(RUNS_NEEDED), NO_WAITS).isEnough).toBe(true);
  const cancelled = past(50, { outcome: { kind: 'stopped', reason: 'cancelled' } });
  expect(new Experience(cancelled, NO_WAITS).runs).toBe(0);
});

test('a chain takes as long as its parts, and its way leads through all of them', () => {
  const view = graphView('a', [task('x'), task('y', { after: ['x'] }), task('z', { after: ['y'] })]);
  const target = forecastOf(world([view]), new Experience(past(40), NO_WAITS), 'z').target();
  expect(target?.path.map(({ task: id, share }) => [id, share])).toEqual([
    ['z', 1],
    ['y', 1],
    ['x', 1],
  ]);
  // Three times one to ten minutes.
  expect(((target?.p50 ?? 0) - NOW) / 60_000).toBeGreaterThan(12);
  expect(((target?.p50 ?? 0) - NOW) / 60_000).toBeLessThan(21);
  expect(target?.p95 ?? 0).toBeGreaterThan(target?.p50 ?? 0);
  expect(target?.spread?.work).toBeCloseTo(1);
  expect(target?.costUsd).toEqual({ p10: 6, p90: 6 });
});

test('tasks for workers elsewhere start without one being connected, as many at once as ever before', () => {
  const tpu: Profile = { ...command(), type: 'remote', name: 'tpu', run: 'default', push: '' };
  const view = graphView(
    'a',
    ['w', 'x', 'y', 'z'].map((id) => task(id, { executor: 'tpu' })),
    { profiles: profiles([tpu]) },
  );
  // One after the other, each for ten minutes: there was one place.
  const before = Array.from({ length: 30 }, (_, n) =>
    run('a', `old${n}`, {
      ...{ executor: 'tpu', type: 'remote', phase: 'settled', outcome: { kind: 'succeeded' } },
      ...{ openedAt: NOW - (n + 1) * 600_000, finishedAt: NOW - n * 600_000 },
    }),
  );
  const experience = new Experience(before, NO_WAITS);
  expect(experience.places).toEqual(new Map([['tpu', 1]]));
  const ends = forecastOf(world([view]), experience)
    .tasks()
    .map(({ p50 }) => ((p50 ?? 0) - NOW) / 60_000);
  expect(ends.sort((a, b) => a - b)).toEqual([10, 20, 30, 40]);
});

test('a run under way ends later than what it has taken already', () => {
  const view = graphView('a', [task('x', { status: 'in-progress', assigned: 'agent-1' })]);
  const running = run('a', 'x', { openedAt: NOW - 8 * 60_000, startedAt: NOW - 8 * 60_000 });
  const w = world([view], { runs: [running], attended: new Set([running.id]) });
  const [x] = forecastOf(w, new Experience(past(100), NO_WAITS)).tasks();
  expect(((x?.p10 ?? 0) - NOW) / 60_000).toBeGreaterThan(0);
  // Those that took longer than eight minutes took nine or ten, more or less.
  expect(((x?.p50 ?? 0) - NOW) / 60_000).toBeLessThan(5);
});

describe('what waits for a person', () => {
  const view = graphView('a', [
    task('broken', { status: 'failed', completedAt: new Date(NOW).toISOString() }),
    task('next', { after: ['broken'] }),
  ]);

  test('has no end while nothing is known of how long people take', () => {
    const target = forecastOf(world([view]), new Experience(past(40), NO_WAITS), 'next').target();
    expect([target?.p50, target?.p95, target?.ends]).toEqual([null, null, 0]);
  });

  test('ends when people have come as late as they did before, and the spread says so', () => {
    const waits = waitsOf([
      {
        graph: '/a/.workgraph',
        spans: Array.from({ length: 12 }, (_, n) => ({
          ...{ state: 'finished', code: 'status-failed', from: n * 100 * HOUR },
          to: n * 100 * HOUR + (n + 1) * HOUR,
        })),
      },
    ]);
    const target = forecastOf(world([view]), new Experience(past(40), waits), 'next').target();
    expect(target?.ends).toBe(1);
    expect(((target?.p50 ?? 0) - NOW) / HOUR).toBeGreaterThan(3);
    expect(target?.spread?.people ?? 0).toBeGreaterThan(0.9);
  });
});

test('places count towards the spread where work waits for them', () => {
  const view = graphView(
    'a',
    Array.from({ length: 30 }, (_, n) => task(`t${n}`)),
  );
  const narrow = world([view], { config: { ...world([]).config, maxConcurrent: 1 } });
  const target = forecastOf(narrow, new Experience(past(40), NO_WAITS), 't29').target();
  expect(target?.spread?.places ?? 0).toBeGreaterThan(0.5);
});

test('the same chance gives the same forecast', () => {
  const view = graphView('a', [task('x'), task('y', { after: ['x'] })]);
  const told = () => forecastOf(world([view]), new Experience(past(40), NO_WAITS), 'y').target();
  expect(told()).toEqual(told());
});

test('the range of 80 % holds what it says, from many points of several weeks', () => {
  const { inside, told } = backtest({ weeks: 5, points: 4, draws: 50 });
  expect(told).toBeGreaterThan(150);
  expect(inside / told).toBeGreaterThan(0.72);
  expect(inside / told).toBeLessThan(0.88);
});

test('a task is looked up by its graph as well', () => {
  const two = world([graphView('a', [task('x')]), graphView('b', [task('x')])]);
  const keys = forecastOf(two, new Experience(past(40), NO_WAITS))
    .tasks()
    .map((one) => taskKey(one.graph, one.task));
  expect(new Set(keys).size).toBe(2);
});
