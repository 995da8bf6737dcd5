import { expect, test } from '@jest/globals';
import { decide } from '../../../src/decide/decide.ts';
import { cameBack, lossOf, markOf } from '../../../src/decide/reconcile/rewind.ts';
import type { KnownResult } from '../../../src/decide/world.ts';
import type { LogEntry, TaskDetail } from '../../../src/domain/task.ts';
import { detail, graphView, NOW, run, settings, world } from '../../support/tasks.ts';

const at = (ms: number) => new Date(NOW + ms).toISOString();
const claim: LogEntry = { timestamp: at(0), actor: 'agent-1', message: 'Spawned by supervisor' };
const later: LogEntry = { timestamp: at(1), message: 'Unclaimed' };
const earlier: LogEntry = { timestamp: at(-1000), message: 'Added' };

test.each<[string, Partial<TaskDetail>, string]>([
  ['its claim is in the log: someone gave it away', { log: [claim, later] }, 'decided'],
  ['an older line', { log: [earlier] }, 'rewound'],
  ['an older line that someone wrote a word on', { log: [earlier, later] }, 'rewound'],
  ['an older claim', { status: 'in-progress', assigned: 'agent-0', startedAt: at(-500) }, 'rewound'],
  ['claimed by someone since', { status: 'in-progress', assigned: 'agent-2', startedAt: at(500) }, 'decided'],
  ['done on an older line since', { status: 'done', log: [earlier, later] }, 'decided'],
  ['done, long ago', { status: 'done', log: [earlier] }, 'rewound'],
  ['the claim of another agent of the same instant', { log: [{ ...claim, actor: 'agent-2' }] }, 'rewound'],
])('a run whose task is not its own: %s', (_what, more, expected) => {
  expect(lossOf(run('g', 'a'), detail('a', more))).toBe(expected);
});

const result: KnownResult = {
  ...{ repo: '/g/.git', task: 'a', createdAt: at(-9999), graph: '/g/.workgraph', run: 'run_1' },
  ...{ agent: 'agent-1', ended: 'succeeded', content: 'x', mark: markOf(claim), at: NOW },
};
const back = (
  more: Partial<TaskDetail>,
  isSame = true,
  graph = 'g',
  duplicates: 'once' | 'each' = 'once',
) => {
  const whole = detail('a', { createdAt: at(-9999), ...more });
  const view = { ...graphView(graph, []), settings: settings({ duplicates }) };
  const found = cameBack(
    result,
    view,
    whole,
    () => whole,
    () => isSame,
  );
  return found ? (found.isProven ? 'proven' : 'unproven') : null;
};

test('a result whose line is older', () => {
  expect(back({ log: [earlier] })).toBe('proven');
  expect(back({ status: 'in-progress', startedAt: at(-1) })).toBe('proven');
  expect(back({ status: 'failed' })).toBe('proven');
  expect(back({}, false)).toBe('unproven');
  expect(back({}, true, 'h')).toBe('unproven');
  // A copy that was merged while the run was under way has its claim.
  const merged = { status: 'in-progress', assigned: 'agent-1', startedAt: at(-1) } as const;
  expect(back(merged, true, 'h')).toBe('proven');
  expect(back({ ...merged, assigned: 'agent-2' }, true, 'h')).toBe('unproven');
  expect(back(merged, false, 'h')).toBe('unproven');
  expect(back({ foreignKeys: ['lifecycle'] })).toBe('unproven');
});

test('what stands, what someone decided, and another task are none', () => {
  for (const status of ['done', 'abandoned', 'pending-eval', 'pending-validation'] as const)
    expect(back({ status })).toBeNull();
  expect(back({ log: [claim, later] })).toBeNull();
  expect(back({ status: 'in-progress', startedAt: at(1) })).toBeNull();
  expect(back({ lastInteractionAt: at(1) }, false)).toBeNull();
  expect(back({ createdAt: at(-1) })).toBeNull();
  expect(back({}, true, 'h', 'each')).toBeNull();
});

test('nothing follows before the grace has finished, and nothing is begun in that graph meanwhile', () => {
  const rewound = detail('a', { log: [earlier] });
  const view = { ...graphView('g', [rewound, detail('b')]), detail: () => rewound };
  const one = run('g', 'a');
  const look = (doubts: ReadonlyMap<string, number>) =>
    decide(world([view], { runs: [one], attended: new Set([one.id]), doubts }));
  const first = look(new Map());
  expect(first.actions).toEqual([]);
  expect(first.doubts).toEqual(new Map([[one.id, NOW]]));
  expect(first.wakeAt).toBe(NOW + 5000);
  expect([...first.verdicts.values()].map(({ state, code }) => `${state} ${code}`)).toEqual([
    'held rewound',
    'held rewound',
  ]);
  // A clock that was set back makes nothing old.
  expect(look(new Map([[one.id, NOW + 60_000]])).actions).toEqual([]);
  const second = look(new Map([[one.id, NOW - 5000]]));
  expect(second.actions.map(({ kind }) => kind)).toEqual(['reclaim', 'dispatch']);
});

test('a copy does not start while its home is away and the run there has just finished', () => {
  const created = { createdAt: at(-9999) };
  const home = { ...graphView('g', []), tracked: true };
  const away = { ...home.snapshot, problem: { code: 'missing', message: 'it is not there' } } as const;
  const copy = { ...graphView('h', [detail('a', created)]), repo: home.repo, tracked: true };
  const ended = run('g', 'a', {
    phase: 'finished',
    outcome: { kind: 'succeeded' },
    taskCreatedAt: at(-9999),
  });
  const decided = decide(world([{ ...home, snapshot: away }, copy], { runs: [ended], attended: new Set() }));
  expect(decided.actions.filter(({ kind }) => kind === 'dispatch')).toEqual([]);
  expect([...decided.verdicts.values()].map(({ code }) => code)).toEqual(['copy-elsewhere']);
});
