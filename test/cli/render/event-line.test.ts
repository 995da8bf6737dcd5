import { describe, expect, test } from '@jest/globals';
import { colors } from '../../../src/cli/render/color.ts';
import { eventLine } from '../../../src/cli/render/event-line.ts';
import type { Event } from '../../../src/domain/event.ts';

const paint = colors(false);
const AT = new Date(2026, 5, 1, 9, 0, 0).getTime();
const OF = {
  run: 'run_1',
  graph: '/r/.workgraph',
  task: 'build',
  worktree: '/src/shop',
  executor: 'claude',
  attempt: 1,
};

function line(event: Event): string | null {
  return eventLine(event, paint);
}

describe('eventLine', () => {
  test('a dispatch names task, executor and because', () => {
    expect(line({ name: 'run.opened', at: AT, ...OF, because: 'tag executor:claude' })).toBe(
      '09:00:00  dispatch     build (shop) → claude, because tag executor:claude',
    );
    expect(line({ name: 'run.opened', at: AT, ...OF, attempt: 2, because: 'x' })).toContain(
      ', attempt 2, because x',
    );
  });

  test('an end says how the task stands and the result', () => {
    const outcome = { kind: 'failed', failure: 'exit', message: 'exit status 2', retryable: false } as const;
    expect(line({ name: 'run.settled', at: AT, ...OF, outcome, status: 'failed' })).toBe(
      '09:00:00  failed       build (shop) → claude  failed (exit): exit status 2',
    );
  });

  test('a question and its answer, without what would steer the terminal', () => {
    const asked = {
      name: 'run.input',
      at: AT,
      ...OF,
      question: 'Blue\u001b[2J or red?',
      options: [],
    } as const;
    expect(line(asked)).toMatch(/^09:00:00 {2}asks {9}build \(shop\) → claude {2}Blue.* or red\?$/);
    expect(line(asked)).not.toContain('\u001b');
    const answered = {
      name: 'run.answered',
      at: AT,
      ...OF,
      question: 'Which?',
      answer: 'blue\nish',
    } as const;
    expect(line(answered)).toBe('09:00:00  answered     build (shop) → claude  blue ish');
  });

  test('a retry is told now, for later', () => {
    const later = AT + 90_000;
    expect(line({ name: 'run.retrying', ...OF, at: AT, againAt: later, because: 'unreachable' })).toBe(
      '09:00:00  retry        build (shop) → claude at 09:01:30, because unreachable',
    );
  });

  test('what was written again is told', () => {
    const because = 'an older state of the graph came back (git?)';
    expect(line({ name: 'run.reclaimed', at: AT, ...OF, because })).toBe(
      `09:00:00  reclaimed    build (shop) → claude, because ${because}`,
    );
    const { graph, task, run } = OF;
    expect(line({ name: 'result.restored', at: AT, graph, task, run, status: 'done', because })).toBe(
      `09:00:00  restored     build is done, because ${because}`,
    );
  });

  test('one agent that is left is one', () => {
    const stopped = (stillRunning: number) => line({ name: 'supervisor.stopped', at: AT, stillRunning });
    expect(stopped(1)).toContain('1 agent runs on');
    expect(stopped(2)).toContain('2 agents run on');
    expect(stopped(0)).not.toContain('run');
  });

  test('noise has no line', () => {
    expect(line({ name: 'tick.finished', at: AT, dispatched: 0, wakeAt: null })).toBeNull();
    expect(line({ name: 'run.progress', at: AT, ...OF, message: 'x' })).toBeNull();
  });

  test('always one harmless line', () => {
    const hostile = 'a\u001b]0;x\u0007\nb';
    const text = line({ name: 'run.started', at: AT, ...OF, task: hostile, agent: hostile, pid: 1 });
    expect(text).toContain('a b (shop)');
    expect(text).not.toMatch(/\p{Control}/u);
  });
});
