import { describe, expect, test } from '@jest/globals';
import { orphanPatch, orphans, type RegisteredAgent } from '../../../src/decide/reconcile/orphans.ts';
import { NOW, task } from '../../support/tasks.ts';

const agent = (more: Partial<RegisteredAgent> = {}): RegisteredAgent => ({
  id: 'agent-1',
  pid: 4711,
  status: 'working',
  started_at: new Date(NOW - 60_000).toISOString(),
  ...more,
});

const found = (
  entry: RegisteredAgent | null,
  facts: { live?: boolean; ours?: boolean; status?: 'open' | 'in-progress'; keys?: string[] } = {},
) =>
  orphans(
    [
      task('a', {
        status: facts.status ?? 'in-progress',
        assigned: 'agent-1',
        foreignKeys: facts.keys ?? [],
      }),
    ],
    new Map(entry ? [[entry.id, entry]] : []),
    { now: NOW, isOurs: () => facts.ours ?? false, isLive: () => facts.live ?? false },
  ).length === 1;

describe('tasks whose agents are gone', () => {
  test.each([
    ['its process is gone', agent(), {}, true],
    ['its process lives', agent(), { live: true }, false],
    ['it is registered as dead', agent({ status: 'dead' }), { live: true }, true],
    ['it was registered a moment ago', agent({ started_at: new Date(NOW - 5000).toISOString() }), {}, false],
    ['it is parked: it has no process here', agent({ status: 'parked' }), {}, false],
    ['it is done and the task is being settled', agent({ status: 'done' }), {}, false],
    ['it is ours', agent(), { ours: true }, false],
    ['no one registered it: a person claimed it', null, {}, false],
    ['edge 9: opened under its hands, and its process is gone', agent(), { status: 'open' as const }, true],
    ['edge 9: opened under its hands, and no one knows it', null, { status: 'open' as const }, true],
    ['opened under its hands, and it still works', agent(), { status: 'open' as const, live: true }, false],
    ['its task has keys of another age', agent(), { keys: ['lifecycle'] }, false],
  ])('%s', (_name, entry, facts, wanted) => {
    expect(found(entry, facts)).toBe(wanted);
  });

  test('edge 25: the log line is none that the respawn throttle counts', () => {
    const { fields, log } = orphanPatch({ task: 'a', agent: 'agent-1', because: 'its process is gone' }, NOW);
    expect(fields).toEqual({ status: 'open', assigned: undefined, started_at: undefined });
    for (const words of ['process exited', 'PID reused', 'Triage:'])
      expect(log?.message).not.toContain(words);
  });
});
