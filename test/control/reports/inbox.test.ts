import { expect, test } from '@jest/globals';
import { inboxOf } from '../../../src/control/reports/inbox.ts';
import type { Reportable } from '../../../src/control/reports/reports.ts';
import { decide } from '../../../src/decide/decide.ts';
import type { KnownResult, KnownResults, World } from '../../../src/decide/world.ts';
import { taskKey } from '../../../src/domain/ids.ts';
import type { Task } from '../../../src/domain/task.ts';
import { type Lease, newLease } from '../../../src/runs/lease-row.ts';
import { detail, graphView, run, snapshot, task, world } from '../../support/tasks.ts';

const at = (minute: number) => new Date(Date.UTC(2026, 5, 1, 12, minute)).toISOString();

function inbox(of: World, leases: Readonly<Record<string, Lease>> = {}) {
  const input = {
    world: of,
    decision: decide(of),
    leaseOf: (id: string) => leases[id] ?? null,
  } as unknown as Reportable;
  return inboxOf(input, []);
}

const graphOf = (tasks: readonly Task[]) => world([graphView('shop', tasks)]);

test('failed tasks are named with their reason, the one that waits longest first', () => {
  const items = inbox(
    graphOf([
      task('render', { status: 'failed', failureReason: 'exit status 2', lastInteractionAt: at(9) }),
      task('deploy', { status: 'failed', failureReason: 'no disk', lastInteractionAt: at(3) }),
      task('fine', { status: 'done' }),
    ]),
  );
  expect(items.map(({ task: id, because, command }) => [id, because, command])).toEqual([
    ['deploy', 'no disk', 'supervisor retry deploy'],
    ['render', 'exit status 2', 'supervisor retry render'],
  ]);
});

test('what waits for another task is not an item, and counts as blocked by it, through others too', () => {
  const items = inbox(
    graphOf([
      task('a', { status: 'failed' }),
      task('b', { after: ['a'] }),
      task('c', { after: ['b'] }),
      task('d', { after: ['c', 'b'], status: 'done' }),
    ]),
  );
  expect(items).toHaveLength(1);
  expect(items[0]).toMatchObject({ task: 'a', blocks: 2 });
});

test.each([
  ['executor-unavailable', true],
  ['quota', false],
])('what is looked at again on its own, but in vain, waits for a person: %s', (code, isListed) => {
  const tasks = graphOf([task('a'), task('b')]);
  const until = tasks.now + 60_000;
  const pause = { scope: 'profile', name: 'claude', code, because: 'there is no program claude', until };
  const of = { ...tasks, pauses: [pause] } as unknown as World;
  expect(inbox(of)).toEqual(
    isListed
      ? [expect.objectContaining({ kind: 'configuration', code, tasks: ['a', 'b'], because: pause.because })]
      : [],
  );
});

test('a circle of dependencies is counted and ends', () => {
  const items = inbox(graphOf([task('a', { status: 'failed', after: ['b'] }), task('b', { after: ['a'] })]));
  expect(items[0]).toMatchObject({ task: 'a', blocks: 1 });
});

test.each([
  'succeeded',
  'failed',
] as const)('work that %s before its line was rewound is not simply repeated', (ended) => {
  const createdAt = at(0);
  const known = {
    task: 't',
    createdAt,
    run: 'r',
    agent: 'agent-1',
    content: '',
    mark: null,
    at: Date.parse(at(5)),
  };
  const result: KnownResult = { ...known, repo: '/shop/.git', graph: '/other/.workgraph', ended };
  const results: KnownResults = {
    of: (_repo, id) => (id === 't' ? [result] : []),
    tasksOf: () => ['t'],
    revisionOf: () => 1,
    changedSince: () => null,
    isSameContent: () => true,
  };
  const one = task('t', { createdAt });
  const view = graphView('shop', [one], { tracked: true, detail: () => detail('t', { createdAt }) });
  // What was looked at long enough ago is no longer in doubt.
  const items = inbox(
    world([view], {
      results,
      doubts: new Map([[taskKey(view.graph, 't'), 0]]),
    }),
  );
  const action = ended === 'succeeded' ? 'done' : 'retry';
  expect(items).toMatchObject([{ kind: 'rewound', command: `supervisor ${action} t`, action }]);
});

test('tasks that one setting holds are one item', () => {
  const lost = { executor: 'deploy-agent' };
  const items = inbox(graphOf([task('x', lost), task('y', lost), task('z', { executor: 'other' })]));
  expect(items.map(({ kind, code, tasks }) => [kind, code, tasks])).toEqual([
    ['configuration', 'no-profile', ['x', 'y']],
    ['configuration', 'no-profile', ['z']],
  ]);
});

test('a question comes with its options until it is answered; work that went silent is released by hand', () => {
  const of = world([graphView('shop', [task('cart', { status: 'in-progress', assigned: 'agent-1' })])], {
    runs: [run('shop', 'cart', { phase: 'handed-off' })],
    attended: new Set(['run_shop_cart']),
  });
  const question = JSON.stringify({ question: 'Stripe or Adyen?', options: ['Stripe', 'Adyen'] });
  const asked = newLease('http', { question, heartbeatAt: Date.parse(at(1)) });
  expect(inbox(of, { run_shop_cart: asked })).toMatchObject([
    {
      kind: 'question',
      task: 'cart',
      because: 'Stripe or Adyen?',
      options: ['Stripe', 'Adyen'],
      since: at(1),
      command: 'supervisor answer cart TEXT',
      action: 'answer',
    },
  ]);
  // Since it was asked, however often its worker was heard of later.
  const earlier = newLease('http', {
    question: JSON.stringify({ ...JSON.parse(question), askedAt: Date.parse(at(1)) }),
    heartbeatAt: Date.parse(at(3)),
  });
  expect(inbox(of, { run_shop_cart: earlier })).toMatchObject([{ since: at(1) }]);
  expect(inbox(of, { run_shop_cart: { ...asked, answer: 'Adyen' } })).toEqual([]);
  expect(inbox(of, { run_shop_cart: newLease('hold', { staleAt: Date.parse(at(2)) }) })).toMatchObject([
    { kind: 'stale', command: 'supervisor release cart', action: 'release', since: at(2) },
  ]);
});

test('the command names the worktree where the id alone means several tasks, and is safe to paste', () => {
  const broken = task("a'b; rm", { status: 'failed' });
  const items = inbox(world([graphView('one', [broken]), graphView('two', [broken])]));
  expect(items.map(({ command }) => command)).toEqual([
    "supervisor retry 'a'\\''b; rm' --worktree /one",
    "supervisor retry 'a'\\''b; rm' --worktree /two",
  ]);
});

test('a graph that cannot be read is no list of its tasks, and one that the daemon of wg serves is no one’s turn', () => {
  const failed = [task('a', { status: 'failed' })];
  const problem = { code: 'invalid-line', message: 'line 3 is not JSON' } as const;
  const of = world([
    graphView('torn', failed, { snapshot: snapshot('/torn/.workgraph', failed, { problem }) }),
    graphView('theirs', failed, { hold: { code: 'wg-daemon', because: 'a wg daemon serves it' } }),
  ]);
  expect(inbox(of)).toEqual([]);
});
