import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { RetryDecision } from '../../src/decide/retry.ts';
import {
  artifactStrings,
  claimPatch,
  completionPatch,
  EXTERNAL_TAG,
  releasePatch,
  reopenPatch,
  settlePatch,
  type TaskPatch,
} from '../../src/decide/settle.ts';
import type { FailureKind, Outcome } from '../../src/domain/outcome.ts';
import { TASK_STATUSES } from '../../src/domain/task.ts';
import { detail, NOW, task } from '../support/tasks.ts';

const STAMP = '2027-03-10T12:00:00.000Z';
const held = { status: 'in-progress', assigned: 'agent-7' } as const;

function settle(
  outcome: Outcome,
  more: Partial<Parameters<typeof settlePatch>[0]> = {},
  taskMore: Parameters<typeof detail>[1] = {},
): TaskPatch {
  return settlePatch({
    task: detail('a', { ...held, ...taskMore }),
    outcome,
    agent: 'agent-7',
    now: NOW,
    retry: null,
    hasOpenEvaluation: false,
    ...more,
  });
}

const failed = (failure: FailureKind, message = 'exit 3'): Outcome => ({
  kind: 'failed',
  failure,
  message,
  retryable: true,
});
const again: RetryDecision = {
  again: true,
  at: NOW + 60_000,
  counted: true,
  because: 'attempt 1 of 3 failed',
};

describe('claim', () => {
  test("wg's keys, and the line that wg writes", () => {
    expect(
      claimPatch({
        task: task('a', { dispatchCount: 2 }),
        agent: 'agent-7',
        now: NOW,
        executorName: 'deploy',
      }),
    ).toEqual({
      fields: { status: 'in-progress', assigned: 'agent-7', started_at: STAMP, dispatch_count: 3 },
      log: { timestamp: STAMP, actor: 'agent-7', message: 'Spawned by supervisor --executor deploy' },
    });
  });
  test('work of an external worker carries a tag, once', () => {
    const claim = { agent: 'agent-7', now: NOW, executorName: 'external', external: true };
    expect(claimPatch({ ...claim, task: task('a', { tags: ['x'] }) }).fields.tags).toEqual([
      'x',
      EXTERNAL_TAG,
    ]);
    expect(claimPatch({ ...claim, task: task('a', { tags: [EXTERNAL_TAG] }) }).fields).not.toHaveProperty(
      'tags',
    );
  });
});

describe('done', () => {
  test('as wg marks it', () => {
    expect(settle({ kind: 'succeeded' })).toEqual({
      fields: { status: 'done', completed_at: STAMP },
      log: { timestamp: STAMP, actor: 'agent-7', message: 'Task marked as done' },
    });
  });
  test.each([
    ['report', 'reported'],
    ['explore', 'explored'],
    ['deliver', 'delivered'],
  ])('with what a contract to %s brought', (contract, completion_disposition) => {
    const patch = settlePatch({
      task: detail('a', { ...held, contract }),
      outcome: { kind: 'succeeded' },
      agent: 'agent-7',
      now: NOW,
      retry: null,
      hasOpenEvaluation: false,
    });
    expect(patch.fields).toMatchObject({ status: 'done', completion_disposition });
  });
  test('waits for its evaluation, which system tasks have none of', () => {
    const pending = settle({ kind: 'succeeded' }, { hasOpenEvaluation: true });
    expect(pending.fields).toMatchObject({ status: 'pending-eval', completed_at: STAMP });
    const system = settlePatch({
      task: detail('.a', held),
      outcome: { kind: 'succeeded' },
      agent: 'agent-7',
      now: NOW,
      retry: null,
      hasOpenEvaluation: true,
    });
    expect(system.fields.status).toBe('done');
  });
  test.each([
    ['llm', 'pending-validation'],
    ['external', 'pending-validation'],
    ['none', 'done'],
    ['integrated', 'done'],
  ])('validation %s: %s', (validation, status) => {
    expect(settle({ kind: 'succeeded' }, {}, { validation }).fields.status).toBe(status);
  });
  test('artifacts are added to those that are there, none twice', () => {
    const outcome = { kind: 'succeeded', artifacts: ['b.txt', 'a.txt', 'b.txt', { n: 1 }] } as const;
    expect(settle(outcome, {}, { artifacts: ['a.txt'] }).fields.artifacts).toEqual([
      'a.txt',
      'b.txt',
      '{"n":1}',
    ]);
    expect(settle({ kind: 'succeeded', artifacts: [] }).fields).not.toHaveProperty('artifacts');
  });
  test('summary, session and usage', () => {
    const usage = { costUsd: 0.25, inputTokens: 10.9, outputTokens: 4, cacheReadInputTokens: Number.NaN };
    const patch = settle({ kind: 'succeeded', summary: ' shipped ', usage }, { session: 's-1' });
    expect(patch.log?.message).toBe('Task marked as done: shipped');
    expect(patch.fields).toMatchObject({
      session_id: 's-1',
      token_usage: {
        cost_usd: 0.25,
        input_tokens: 10,
        output_tokens: 4,
        cache_read_input_tokens: 0,
        cache_creation_input_tokens: 0,
      },
    });
    expect(settle({ kind: 'succeeded', usage: { turns: 3 } }).fields).not.toHaveProperty('token_usage');
  });
  test('every end takes the outside tag away', () => {
    const tags = ['x', EXTERNAL_TAG];
    const all = [
      settle({ kind: 'succeeded' }, {}, { tags }),
      settle({ kind: 'succeeded' }, {}, { tags, validation: 'llm' }),
      settle(failed('exit'), {}, { tags }),
      settle(failed('exit'), { retry: again }, { tags }),
      releasePatch({ task: task('a', { tags }), agent: 'agent-7', now: NOW, because: 'x' }),
      completionPatch({ task: detail('a', { tags }), result: 'failed', now: NOW, hasOpenEvaluation: false }),
      reopenPatch({ task: detail('a', { tags, status: 'failed' }), now: NOW }),
    ];
    for (const patch of all) expect(patch?.fields.tags).toEqual(['x']);
  });
});

describe('failed', () => {
  test('as wg marks it', () => {
    expect(settle(failed('exit'), {}, { retryCount: 1 })).toEqual({
      fields: {
        status: 'failed',
        retry_count: 2,
        failure_reason: 'exit 3',
        failure_class: 'agent-exit-nonzero',
      },
      log: { timestamp: STAMP, actor: 'agent-7', message: 'Task marked as failed: exit 3' },
    });
  });
  test.each([
    ['exit', 'agent-exit-nonzero'],
    ['timeout', 'agent-hard-timeout'],
    ['silent', 'agent-hard-timeout'],
    ['rate-limited', 'api-error429-rate-limit'],
    ['provider', 'api-error5xx-transient'],
    ['interrupted', 'wrapper-internal'],
    ['unreachable', 'wrapper-internal'],
    ['reported', undefined],
    ['refused', undefined],
  ] as const)('%s is spelt %s on disk', (failure, spelt) => {
    const { fields } = settle(failed(failure));
    expect(fields).toHaveProperty('failure_class', spelt);
  });
  test('a refused retry fails', () => {
    expect(settle(failed('exit'), { retry: { again: false, because: 'enough' } }).fields.status).toBe(
      'failed',
    );
  });
  test('a long reason is cut, and the graph stays small', () => {
    const patch = settle(failed('exit', 'x'.repeat(100_000)));
    expect(String(patch.fields.failure_reason).length).toBeLessThanOrEqual(2000);
    expect(patch.log?.message.length).toBeLessThanOrEqual(2000);
  });
});

describe('tried again', () => {
  test('open, unassigned, after the delay', () => {
    const { fields, log } = settle(failed('exit'), { retry: again });
    expect(fields).toEqual({
      status: 'open',
      assigned: undefined,
      started_at: undefined,
      ready_after: '2027-03-10T12:01:00.000Z',
      retry_count: 1,
      session_id: undefined,
    });
    expect(Object.keys(fields)).toEqual(expect.arrayContaining(['assigned', 'started_at']));
    expect(log?.message).toContain('exit 3');
  });
  test('an attempt that does not count is not counted', () => {
    const quota = settle(failed('rate-limited'), { retry: { ...again, counted: false } }, { retryCount: 4 });
    expect(quota.fields.retry_count).toBe(4);
  });
  test.each([
    ['interrupted', 's-1'],
    ['rate-limited', 's-1'],
    ['provider', 's-1'],
    ['exit', undefined],
    ['timeout', undefined],
  ] as const)('%s: the session to resume is %s', (failure, session) => {
    expect(settle(failed(failure), { retry: again, session: 's-1' }).fields.session_id).toBe(session);
  });
});

describe('released', () => {
  const release = {
    task: task('a', { spawnFailures: 1 }),
    agent: 'agent-7',
    now: NOW,
    because: 'never started',
  };
  test('open again, nothing counted', () => {
    expect(releasePatch(release)).toEqual({
      fields: { status: 'open', assigned: undefined, started_at: undefined },
      log: { timestamp: STAMP, actor: 'agent-7', message: 'Task released: never started' },
    });
  });
  test('paused as after `wg kill`, or counted as a failed start', () => {
    expect(releasePatch({ ...release, paused: true }).fields.paused).toBe(true);
    expect(releasePatch({ ...release, failedStart: true }).fields.spawn_failures).toBe(2);
  });
  test('what is no end of the work cannot be settled', () => {
    expect(() => settle({ kind: 'stopped', reason: 'shutdown' })).toThrow('settles nothing');
  });
});

describe('completion by another', () => {
  const complete = { now: NOW, hasOpenEvaluation: false } as const;
  test('names who reported it; a task that no one held is theirs', () => {
    const patch = completionPatch({
      ...complete,
      task: detail('a'),
      result: 'succeeded',
      agent: 'samantha',
      summary: 'ok',
      artifacts: { result: 'fine' },
    });
    expect(patch.fields).toEqual({
      status: 'done',
      completed_at: STAMP,
      artifacts: ['{"result":"fine"}'],
      assigned: 'samantha',
    });
    expect(patch.log).toMatchObject({ actor: 'samantha', message: 'Task marked as done: ok' });
  });
  test('a claimant stays the claimant', () => {
    const patch = completionPatch({
      ...complete,
      task: detail('a', held),
      result: 'succeeded',
      agent: 'samantha',
    });
    expect(patch.fields).not.toHaveProperty('assigned');
    expect(completionPatch({ ...complete, task: detail('a', held), result: 'succeeded' }).log?.actor).toBe(
      'agent-7',
    );
  });
  test('failure, with its reason', () => {
    const patch = completionPatch({
      ...complete,
      task: detail('a', held),
      result: 'failed',
      reason: 'no credit',
    });
    expect(patch.fields).toMatchObject({ status: 'failed', failure_reason: 'no credit', retry_count: 1 });
  });
});

describe('opened again', () => {
  test.each(['failed', 'incomplete', 'abandoned'] as const)('from %s, without its traces', (status) => {
    const patch = reopenPatch({
      task: detail('a', { status, assigned: 'agent-7', spawnFailures: 5, paused: true }),
      now: NOW,
    });
    expect(patch?.fields).toMatchObject({ status: 'open' });
    for (const key of [
      'assigned',
      'failure_reason',
      'failure_class',
      'ready_after',
      'spawn_failures',
      'paused',
      'session_id',
    ]) {
      expect(patch?.fields).toHaveProperty(key, undefined);
      expect(Object.keys(patch?.fields ?? {})).toContain(key);
    }
  });
  test('an open one loses what parks it, or is left alone', () => {
    expect(reopenPatch({ task: detail('a'), now: NOW })).toBeNull();
    expect(
      Object.keys(
        reopenPatch({ task: detail('a', { readyAfter: STAMP, paused: true }), now: NOW })?.fields ?? {},
      ),
    ).toEqual(['paused', 'ready_after']);
  });
  test.each(['done', 'in-progress', 'pending-eval', 'waiting'] as const)('%s is left alone', (status) => {
    expect(reopenPatch({ task: detail('a', { status }), now: NOW })).toBeNull();
  });
});

describe('artifacts as texts', () => {
  test.each([
    [undefined, []],
    [null, []],
    ['out.txt', ['out.txt']],
    [
      ['a', { b: 1 }, 2, null, ['c']],
      ['a', '{"b":1}', '2', 'null', '["c"]'],
    ],
    [{ result: 'x' }, ['{"result":"x"}']],
    [0, ['0']],
    [false, ['false']],
    ['', ['']],
  ])('%j', (value, texts) => {
    expect(artifactStrings(value)).toEqual(texts);
  });
});

describe('property: whatever an agent says', () => {
  const texts = fc.oneof(
    fc.string(),
    fc.constantFrom('process exited with 1', 'PID reused', 'Triage: x', 'process exited process exited'),
  );
  test('feeds no throttle, and keeps wg able to load the line', () => {
    fc.assert(
      fc.property(texts, texts, (a, b) => {
        const patches = [
          settle({ kind: 'succeeded', summary: a }),
          settle(failed('exit', a)),
          settle(failed('exit', a), { retry: { ...again, because: b } }),
          releasePatch({ task: task('a'), agent: 'agent-1', now: NOW, because: a }),
          completionPatch({
            task: detail('a'),
            result: 'failed',
            now: NOW,
            hasOpenEvaluation: false,
            reason: a,
          }),
        ];
        for (const { fields, log } of patches) {
          expect(log?.message).not.toMatch(/process exited|PID reused|Triage:/);
          expect(TASK_STATUSES).toContain(fields.status);
          // null stands in no field: wg refuses it in most.
          expect(Object.values(fields)).not.toContain(null);
        }
      }),
    );
  });
});
