import { expect, test } from '@jest/globals';
import { createBus } from '../../src/platform/bus.ts';
import { RunCounts } from '../../src/telemetry/run-counts.ts';
import { createFakeClock } from '../support/fake-clock.ts';

function counting() {
  const clock = createFakeClock('2026-11-02T09:00:00Z');
  const bus = createBus(clock);
  const run = () => ({ model: 'opus', usage: { inputTokens: 10, outputTokens: 5, costUsd: 0.25 } });
  const counts = new RunCounts({ bus, run });
  const of = (id: string) => ({
    ...{ run: id, graph: '/g' as never, task: 't' as never, worktree: '/w', executor: 'claude', attempt: 1 },
  });
  return {
    ...{ clock, bus, counts },
    open: (id: string) => bus.emit('run.opened', { ...of(id), because: '' } as never),
    start: (id: string) => bus.emit('run.started', { ...of(id), agent: 'agent-1', pid: 1 } as never),
    finish: (id: string, kind: string) => bus.emit('run.finished', { ...of(id), outcome: { kind } } as never),
    settle: (id: string) => bus.emit('run.settled', { ...of(id), outcome: {}, status: 'done' } as never),
  };
}

test('starts, ends, durations and what they cost, by executor', () => {
  const { clock, counts, open, start, finish, settle } = counting();
  open('r1');
  clock.advance(200);
  start('r1');
  clock.advance(5000);
  finish('r1', 'succeeded');
  settle('r1');
  open('r2');
  start('r2');
  finish('r2', 'failed');
  settle('r2');
  expect([...counts.started]).toEqual([['claude', 2]]);
  expect([...counts.finished]).toEqual([
    ['claude\0succeeded', 1],
    ['claude\0failed', 1],
  ]);
  expect([...counts.tokens]).toEqual([
    ['claude\0opus\0input', 20],
    ['claude\0opus\0output', 10],
  ]);
  expect([...counts.cost]).toEqual([['claude', 0.5]]);
  expect(counts.takeDurations().map(({ of, duration }) => [of, duration.seconds])).toEqual([
    ['dispatch', 0.2],
    ['run', 5],
    ['dispatch', 0],
    ['run', 0],
  ]);
  expect(counts.takeDurations()).toEqual([]);
});

test('a run of an earlier supervisor, and a clock that was set back, measure nothing', () => {
  const { clock, counts, open, start, finish } = counting();
  finish('before', 'succeeded');
  open('r1');
  clock.jump(-60_000);
  start('r1');
  expect(counts.takeDurations()).toEqual([]);
  expect([...counts.finished]).toEqual([['claude\0succeeded', 1]]);
});

test('durations that no one takes are handed over before they become many', () => {
  const { counts, open, start } = counting();
  let asked = 0;
  counts.whenFull(() => {
    asked++;
    counts.takeDurations();
  });
  for (let n = 0; n < 2500; n++) {
    open(`r${n}`);
    start(`r${n}`);
  }
  expect(asked).toBe(2);
});
