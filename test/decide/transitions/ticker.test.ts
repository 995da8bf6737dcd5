import { describe, expect, test } from '@jest/globals';
import { cycleMovesAfter } from '../../../src/decide/transitions/cycle-iteration.ts';
import { tickerMoves } from '../../../src/decide/transitions/ticker.ts';
import {
  type TaskMessage,
  TICKER_DEFAULTS,
  type TickerView,
} from '../../../src/decide/transitions/ticker-view.ts';
import type { TaskDetail, TaskStatus } from '../../../src/domain/task.ts';
import { detail, NOW } from '../../support/tasks.ts';

const iso = (ms: number) => new Date(ms).toISOString();

/** A task with fields as its line would carry them. */
function line(id: string, status: TaskStatus, more: Partial<TaskDetail> = {}): TaskDetail {
  return detail(id, { status, ...more, hasCycleConfig: more.fields?.cycle_config !== undefined });
}

function view(tasks: readonly TaskDetail[], more: Partial<TickerView> = {}): TickerView {
  const byId = new Map(tasks.map((one) => [one.id, one]));
  return {
    tasks: byId,
    now: NOW,
    peers: new Map(),
    settings: TICKER_DEFAULTS,
    detail: (id) => byId.get(id) ?? null,
    addressed: new Set(),
    messages: () => [],
    score: () => null,
    modifiedAt: () => null,
    ...more,
  };
}

/** Task → the status that the rules give it. */
function statuses(tasks: readonly TaskDetail[], more: Partial<TickerView> = {}): Record<string, unknown> {
  const { moves } = tickerMoves(view(tasks, more));
  return Object.fromEntries(moves.map((move) => [move.task, move.patch.fields.status]));
}

const message = (id: number, more: Partial<TaskMessage> = {}): TaskMessage => ({
  id,
  at: NOW - 1000,
  sender: 'user',
  body: 'more please',
  status: 'sent',
  ...more,
});

describe('states that only a tick ends', () => {
  test('pending-validation becomes done, unless a person wants to see it', () => {
    expect(
      statuses([
        line('a', 'pending-validation'),
        line('b', 'pending-validation', { tags: ['human-review'] }),
      ]),
    ).toEqual({ a: 'done' });
  });

  test.each([
    ['missing', [], { a: 'done' }],
    ['open', [line('.evaluate-a', 'open')], {}],
    ['done', [line('.evaluate-a', 'done')], { a: 'done' }],
    ['failed', [line('.evaluate-a', 'failed')], { a: 'done' }],
  ])('pending-eval with its evaluation %s', (_name, more, wanted) => {
    expect(statuses([line('a', 'pending-eval'), ...more])).toEqual(wanted);
  });

  test('completed_at is kept where it stands', () => {
    const { moves } = tickerMoves(view([line('a', 'pending-eval', { completedAt: iso(NOW - 5) })]));
    expect(moves[0]?.patch.fields.completed_at).toBe(iso(NOW - 5));
  });

  test('failed-pending-eval: the score decides; edge 27: without an evaluation it does not hang', () => {
    const waits = line('a', 'failed-pending-eval');
    const over = line('.evaluate-a', 'done');
    expect(statuses([waits, line('.evaluate-a', 'in-progress')])).toEqual({});
    expect(statuses([waits, over], { score: () => 0.7 })).toEqual({ a: 'done' });
    expect(statuses([waits, over], { score: () => 0.69 })).toEqual({ a: 'failed' });
    expect(statuses([waits])).toEqual({ a: 'failed' });
    expect(statuses([waits, over])).toEqual({ a: undefined, '.evaluate-a': 'open' });
    const twice = line('a', 'failed-pending-eval', { fields: { meta_eval_attempts: 2 } });
    expect(statuses([twice, over])).toEqual({ a: 'failed' });
  });

  test('blocked opens when everything is done, abandoned or gone; without dependencies it stays', () => {
    const blocked = line('a', 'blocked', { after: ['x', 'y', 'gone'] });
    expect(statuses([blocked, line('x', 'done'), line('y', 'abandoned')])).toEqual({ a: 'open' });
    expect(statuses([blocked, line('x', 'done'), line('y', 'failed')])).toEqual({});
    expect(statuses([line('b', 'blocked')])).toEqual({});
    const peer = line('c', 'blocked', { after: ['lib:build'] });
    expect(statuses([peer])).toEqual({});
    expect(statuses([peer], { peers: new Map([['lib:build', 'done']]) })).toEqual({ c: 'open' });
  });

  test('a task with keys of another age is never moved', () => {
    expect(statuses([line('a', 'pending-eval', { foreignKeys: ['lifecycle'] })])).toEqual({});
  });
});

describe('waiting', () => {
  const parked = { timestamp: iso(NOW - 60_000), actor: 'agent-1', message: 'Agent parked. Waiting for: x' };
  const waiting = (mode: 'all' | 'any', ...conditions: readonly Record<string, unknown>[]) =>
    line('a', 'waiting', {
      assigned: 'agent-1',
      log: [parked],
      fields: { wait_condition: { mode, conditions }, checkpoint: 'half way' },
    });
  const onTask = (task_id: string, status = 'done') => ({ type: 'task-status', task_id, status });
  const timer = (resume_after: string) => ({ type: 'timer', resume_after });

  test('a task status: met, still open, never', () => {
    const one = waiting('all', onTask('x'));
    expect(statuses([one, line('x', 'done')])).toEqual({ a: 'open' });
    expect(statuses([one, line('x', 'failed')])).toEqual({});
    expect(statuses([one, line('x', 'abandoned')])).toEqual({ a: 'failed' });
    expect(statuses([one])).toEqual({ a: 'failed' });
  });

  test('all and any', () => {
    const x = line('x', 'done');
    expect(statuses([waiting('all', onTask('x'), onTask('y')), x, line('y', 'open')])).toEqual({});
    expect(statuses([waiting('any', onTask('x'), onTask('y')), x, line('y', 'open')])).toEqual({ a: 'open' });
    expect(statuses([waiting('any', onTask('gone'), onTask('y')), line('y', 'open')])).toEqual({});
  });

  test('a timer by its instant or counted from the parking; the time of the next look is known', () => {
    expect(statuses([waiting('all', timer(iso(NOW)))])).toEqual({ a: 'open' });
    expect(statuses([waiting('all', timer('1m'))])).toEqual({ a: 'open' });
    const later = tickerMoves(view([waiting('all', timer('5m'))]));
    expect(later).toEqual({ moves: [], nextAt: NOW + 240_000 });
    expect(statuses([waiting('all', timer('soon'))])).toEqual({ a: 'failed' });
  });

  test('messages count from the parking on; human input comes from no program', () => {
    const human = waiting('all', { type: 'human-input' });
    const any = waiting('all', { type: 'message' });
    const from = (sender: string, at = NOW - 1) => ({ messages: () => [message(1, { sender, at })] });
    expect(statuses([human], from('user'))).toEqual({ a: 'open' });
    expect(statuses([human], from('agent-7'))).toEqual({});
    expect(statuses([any], from('agent-7'))).toEqual({ a: 'open' });
    expect(statuses([any], from('agent-1'))).toEqual({});
    expect(statuses([any], from('user', NOW - 120_000))).toEqual({});
  });

  test.each([
    ['seconds', 1e-3],
    ['milliseconds', 1],
    ['microseconds', 1e3],
    ['nanoseconds', 1e6],
  ])('a changed file, its old time recorded in %s', (_unit, perMs) => {
    const changed = waiting('all', {
      type: 'file-changed',
      path: 'notes.md',
      mtime_at_wait: Math.floor((NOW - 5000) * perMs),
    });
    expect(statuses([changed], { modifiedAt: () => NOW })).toEqual({ a: 'open' });
    expect(statuses([changed], { modifiedAt: () => NOW - 5000 })).toEqual({});
    expect(statuses([changed], { modifiedAt: () => null })).toEqual({});
  });

  test('tasks that wait for each other fail instead of waiting for ever', () => {
    const other = line('b', 'waiting', {
      fields: { wait_condition: { mode: 'all', conditions: [onTask('a')] } },
    });
    expect(statuses([waiting('all', onTask('b')), other])).toEqual({ a: 'failed', b: 'failed' });
  });

  test('what resumes keeps its checkpoint in words and is free', () => {
    const { moves } = tickerMoves(view([waiting('all', timer('1m'))]));
    expect(moves[0]?.patch.fields).toMatchObject({ assigned: undefined, wait_condition: undefined });
    expect(moves[0]?.patch.fields.checkpoint).toContain('half way');
  });
});

describe('messages to a finished task (edge 34)', () => {
  const finished = (more: Partial<TaskDetail> = {}) =>
    line('a', 'done', { assigned: 'agent-1', startedAt: iso(NOW - 9000), ...more });
  const addressed = (...messages: readonly TaskMessage[]) => ({
    addressed: new Set(['a']),
    messages: () => messages,
  });

  test('open it again, at most five times, a minute apart', () => {
    expect(statuses([finished()], addressed(message(1)))).toEqual({ a: 'open' });
    expect(statuses([finished({ fields: { resurrection_count: 5 } })], addressed(message(1)))).toEqual({});
    const lately = finished({ fields: { last_resurrected_at: iso(NOW - 20_000) } });
    expect(tickerMoves(view([lately], addressed(message(1))))).toEqual({ moves: [], nextAt: NOW + 40_000 });
  });

  test.each([
    ['read', message(1, { status: 'read' })],
    ['its own', message(1, { sender: 'agent-1' })],
    ["the supervisor's", message(1, { sender: 'supervisor' })],
    ['older than its last attempt', message(1, { at: NOW - 10_000 })],
  ])('not a message that is %s', (_name, one) => {
    expect(statuses([finished()], addressed(one))).toEqual({});
  });

  test('the tag resurrect:false stops it', () => {
    expect(statuses([finished({ tags: ['resurrect:false'] })], addressed(message(1)))).toEqual({});
  });

  test('where work continues downstream a task of its own answers', () => {
    const { moves } = tickerMoves(
      view([finished({ before: ['b'] }), line('b', 'in-progress')], addressed(message(1))),
    );
    expect(moves).toHaveLength(1);
    expect(moves[0]?.patch.fields.status).toBeUndefined();
    expect(moves[0]?.add).toMatchObject({ id: '.respond-to-a', after: ['a'] });
  });

  test('its assignment is asked for again', () => {
    expect(statuses([finished(), line('.assign-a', 'done')], addressed(message(1)))).toEqual({
      a: 'open',
      '.assign-a': 'open',
    });
  });
});

describe('cycles', () => {
  const cycle = (config: Record<string, unknown>, more: Record<string, unknown> = {}) => [
    line('a', 'done', {
      after: ['b'],
      completedAt: iso(NOW - 100),
      fields: { cycle_config: config, ...more },
    }),
    line('b', 'done', { after: ['a'] }),
  ];

  test('all done: the next iteration, the delay on the owner only', () => {
    const { moves } = tickerMoves(view(cycle({ max_iterations: 3, delay: '5m' })));
    const fields = Object.fromEntries(moves.map((move) => [move.task, move.patch.fields]));
    expect(fields.a).toMatchObject({
      status: 'open',
      loop_iteration: 1,
      ready_after: iso(NOW + 300_000),
      last_iteration_completed_at: iso(NOW - 100),
      completed_at: undefined,
    });
    expect(fields.b).toMatchObject({ status: 'open', loop_iteration: 1 });
    expect(fields.b).not.toHaveProperty('ready_after');
    expect(moves[0]?.patch.log?.message).toBe('Re-activated by cycle iteration (iteration 1/3)');
  });

  test('ends at max_iterations; 0 never ends', () => {
    expect(statuses(cycle({ max_iterations: 3 }, { loop_iteration: 2 }))).toEqual({});
    expect(statuses(cycle({ max_iterations: 0 }, { loop_iteration: 99 }))).toEqual({ a: 'open', b: 'open' });
  });

  test('convergence ends it, unless a guard or no_converge forces it', () => {
    const converged = (config: Record<string, unknown>) => {
      const [a, b] = cycle(config);
      return [a as TaskDetail, { ...(b as TaskDetail), tags: ['converged'] }];
    };
    expect(statuses(converged({ max_iterations: 9 }))).toEqual({});
    expect(statuses(converged({ max_iterations: 9, guard: 'Always' }))).toEqual({});
    expect(statuses(converged({ max_iterations: 9, no_converge: true }))).toEqual({ a: 'open', b: 'open' });
    const guard = { IterationLessThan: 5 };
    expect(statuses(converged({ max_iterations: 9, guard }))).toEqual({ a: 'open', b: 'open' });
  });

  test('a guard that does not hold ends it', () => {
    const guard = { TaskStatus: { task: 'go', status: 'done' } };
    const tasks = cycle({ max_iterations: 9, guard });
    expect(statuses([...tasks, line('go', 'open')])).toEqual({});
    expect(statuses([...tasks, line('go', 'done')])).toEqual({ a: 'open', b: 'open' });
    expect(
      statuses(cycle({ max_iterations: 9, guard: { IterationLessThan: 1 } }, { loop_iteration: 1 })),
    ).toEqual({});
  });

  test('edge 33: a failure restarts all members, three times at most', () => {
    const failing = (restarts: number, more: Record<string, unknown> = {}) => {
      const [a, b] = cycle({ max_iterations: 9, ...more }, { cycle_failure_restarts: restarts });
      return [
        { ...(a as TaskDetail), status: 'in-progress' as const },
        { ...(b as TaskDetail), status: 'failed' as const },
      ];
    };
    expect(statuses(failing(0))).toEqual({ a: 'open', b: 'open' });
    expect(statuses(failing(3))).toEqual({});
    expect(statuses(failing(0, { restart_on_failure: false }))).toEqual({});
    expect(statuses(failing(4, { max_failure_restarts: 5 }))).toEqual({ a: 'open', b: 'open' });
  });

  test('not without a configuration, not while a member continues, not with one that only wg may change', () => {
    expect(statuses([line('a', 'done', { after: ['b'] }), line('b', 'done', { after: ['a'] })])).toEqual({});
    const [a, b] = cycle({ max_iterations: 9 }) as [TaskDetail, TaskDetail];
    expect(statuses([a, { ...b, status: 'open' }])).toEqual({});
    expect(statuses([a, { ...b, foreignKeys: ['lifecycle'] }])).toEqual({});
  });

  test('the implicit cycle of one task and what it waits for, in its completion only', () => {
    const tasks = [
      line('a', 'done', { after: ['b'], fields: { cycle_config: { max_iterations: 2 } } }),
      line('b', 'done'),
    ];
    expect(statuses(tasks)).toEqual({});
    expect(
      cycleMovesAfter('a', view(tasks))
        .map((move) => move.task)
        .sort(),
    ).toEqual(['a', 'b']);
  });
});
