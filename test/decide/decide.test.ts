import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { createMemo, decide } from '../../src/decide/decide.ts';
import type { Action, GraphView, ScheduleMemory, World } from '../../src/decide/world.ts';
import { taskKey } from '../../src/domain/ids.ts';
import type { Task } from '../../src/domain/task.ts';
import type { Verdict } from '../../src/domain/verdict.ts';
import {
  claude,
  config,
  graphView,
  http,
  NOW,
  profiles,
  run,
  settings,
  snapshot,
  task,
  world,
} from '../support/tasks.ts';

const MADE = { createdAt: '2027-03-10T11:00:00Z' };

function verdict(at: World, name: string, id: string): Verdict {
  const found = decide(at).verdicts.get(taskKey(`/${name}/.workgraph`, id));
  if (!found) throw new Error(`no verdict for ${id}`);
  return found;
}

const codeOf = (at: World, name: string, id: string) => {
  const { state, code } = verdict(at, name, id);
  return `${state}/${code}`;
};

const dispatched = (actions: readonly Action[]) =>
  actions.flatMap((action) => (action.kind === 'dispatch' ? [action.plan.task] : []));

describe('one decision', () => {
  const deploy = http('deploy-agent');
  const tasks = [
    task('build', { executor: 'deploy-agent', priority: 50 }),
    task('test', { after: ['build'] }),
    task('old', { status: 'done' }),
    task('draft', { paused: true }),
    task('lost', { executor: 'deploy-agnet' }),
    task('later', { schedule: '14:00' }),
    task('away', { status: 'in-progress', assigned: 'agent-9' }),
  ];
  const at = world([graphView('g', tasks, { profiles: profiles([deploy]) })]);

  test('a verdict for every task, a plan for what starts, an instant for the rest', () => {
    const decision = decide(at);
    const said = Object.fromEntries(
      [...decision.verdicts.values()].map((one) => [one.task, `${one.state}/${one.code}`]),
    );
    expect(said).toEqual({
      build: 'ready/dispatched',
      test: 'waiting/dependency',
      old: 'finished/status-done',
      draft: 'paused/paused',
      lost: 'held/no-profile',
      later: 'scheduled/schedule',
      away: 'running/status-in-progress',
    });
    expect(decision.actions).toEqual([
      {
        kind: 'note-schedule',
        graph: '/g/.workgraph',
        task: 'later',
        memory: { expression: '14:00 UTC -', baselineAt: NOW, lastNominalAt: null },
      },
      {
        kind: 'dispatch',
        plan: {
          graph: '/g/.workgraph',
          task: 'build',
          worktree: '/g',
          repo: '/g/.git',
          profile: deploy,
          because: 'key executor = deploy-agent',
          priority: 50,
          occurrence: null,
        },
      },
    ]);
    expect(decision.wakeAt).toBe(Date.parse('2027-03-10T14:00:00Z'));
    expect(verdict(at, 'g', 'build')).toMatchObject({
      executor: 'deploy-agent',
      because: 'key executor = deploy-agent',
    });
    expect(verdict(at, 'g', 'test').because).toBe('waits for build (open)');
  });

  test('an empty world asks for nothing', () => {
    expect(decide(world([]))).toMatchObject({ actions: [], wakeAt: null });
    expect(decide(world([])).verdicts.size).toBe(0);
  });

  test('a route that is wrong is said at once, also of a task that waits', () => {
    const waiting = task('b', { after: ['a'], executor: 'nobody' });
    expect(codeOf(world([graphView('g', [task('a'), waiting])]), 'g', 'b')).toBe('held/no-profile');
  });

  test('a schedule is noted before its task is dispatched, so that the occurrence can be remembered', () => {
    const due = task('a', { schedule: '11:30', ...MADE });
    const { actions } = decide(world([graphView('g', [due])]));
    expect(actions.map((action) => action.kind)).toEqual(['note-schedule', 'dispatch']);
    expect(actions[1]).toMatchObject({ plan: { occurrence: Date.parse('2027-03-10T11:30:00Z') } });
  });

  test('ready tasks start in the order of wg', () => {
    const ordered = [
      task('third', { dispatchCount: 1 }),
      task('second', { createdAt: '2027-03-10T10:00:00Z' }),
      task('first', { priority: 50 }),
    ];
    expect(dispatched(decide(world([graphView('g', ordered)])).actions)).toEqual([
      'first',
      'second',
      'third',
    ]);
  });
});

describe('a graph that is held', () => {
  const tasks = [task('a'), task('p', { paused: true }), task('d', { status: 'done' })];
  test('its problem is the reason of every open task, and others continue', () => {
    const problem = {
      code: 'invalid-line',
      message: '/g/.workgraph/graph.jsonl line 3: bad status',
    } as const;
    const graph = graphView('g', tasks);
    const broken = { ...graph, snapshot: snapshot(graph.graph, tasks, { problem }) };
    const at = world([broken, graphView('h', [task('x')])]);
    expect([codeOf(at, 'g', 'a'), codeOf(at, 'g', 'p'), codeOf(at, 'g', 'd')]).toEqual([
      'held/invalid-line',
      'held/invalid-line',
      'finished/status-done',
    ]);
    expect(verdict(at, 'g', 'a').because).toContain('line 3');
    expect(dispatched(decide(at).actions)).toEqual(['x']);
  });
  test('a hold from outside likewise', () => {
    const hold = { code: 'wg-daemon', because: 'wg service (pid 7) dispatches this graph' };
    const at = world([graphView('g', tasks, { hold })]);
    expect(verdict(at, 'g', 'a')).toMatchObject({ state: 'held', ...hold });
    expect(decide(at).actions).toEqual([]);
  });
});

describe('runs of the supervisor', () => {
  const inProgress = task('a', { status: 'in-progress', assigned: 'agent-1' });
  const having = (phase: 'opened' | 'claimed' | 'started' | 'handed-off' | 'finished', one = inProgress) => {
    const open = run('g', 'a', { phase });
    return world([graphView('g', [one])], { runs: [open], attended: new Set([open.id]) });
  };
  test.each([
    ['claimed', 'running/running'],
    ['started', 'running/running'],
    ['handed-off', 'running/handed-off'],
    ['finished', 'running/finishing'],
  ] as const)('%s: %s', (phase, expected) => {
    expect(codeOf(having(phase), 'g', 'a')).toBe(expected);
    expect(verdict(having(phase), 'g', 'a')).toMatchObject({ executor: 'claude' });
  });
  test('one that was just begun is not begun again', () => {
    expect(codeOf(having('opened', task('a')), 'g', 'a')).toBe('running/starting');
    expect(dispatched(decide(having('opened', task('a'))).actions)).toEqual([]);
  });
  test.each([
    'claimed',
    'started',
    'handed-off',
    'finished',
  ] as const)('a task that is open again waits until its %s run is closed', (phase) => {
    const at = having(phase, task('a'));
    expect(codeOf(at, 'g', 'a')).toBe('held/stopping');
    expect(dispatched(decide(at).actions)).toEqual([]);
  });
  test('a task that has finished has finished, whatever the run', () => {
    expect(codeOf(having('started', task('a', { status: 'done' })), 'g', 'a')).toBe('finished/status-done');
  });
  test('an agent that still ends takes its place in the worktree, and only once', () => {
    const graph = graphView('g', [task('a', { status: 'done' }), task('b')]);
    const ending = [run('g', 'a', { phase: 'started' })];
    const limited = { ...graph, settings: { ...graph.settings, maxConcurrentPerWorktree: 1 } };
    expect(codeOf(world([limited], { ending }), 'g', 'b')).toBe('queued/worktree-limit');
    const twice = { ...graph, settings: { ...graph.settings, maxConcurrentPerWorktree: 2 } };
    const finished = [run('g', 'a', { phase: 'finished' })];
    expect(dispatched(decide(world([twice], { ending, runs: finished })).actions)).toHaveLength(1);
  });
  test('a task whose last agent still ends is not begun', () => {
    const at = world([graphView('g', [task('a')])], {
      endingTasks: new Set([taskKey('/g/.workgraph', 'a')]),
    });
    expect(codeOf(at, 'g', 'a')).toBe('held/stopping');
    expect(dispatched(decide(at).actions)).toEqual([]);
  });
});

describe('standing still', () => {
  const dispatchBlocked = { code: 'draining', because: 'the supervisor is draining' };
  test('judges everything and dispatches nothing; healing continues', () => {
    const open = run('g', 'b', { phase: 'finished', outcome: { kind: 'succeeded' } });
    const tasks = [task('a'), task('b', { status: 'in-progress', assigned: 'agent-1' })];
    const at = world([graphView('g', tasks)], { dispatchBlocked, runs: [open] });
    expect(verdict(at, 'g', 'a')).toMatchObject({ state: 'held', ...dispatchBlocked, executor: 'claude' });
    expect(decide(at).actions.map((action) => action.kind)).toEqual(['settle']);
  });
});

describe('copies', () => {
  const place = (name: string, tasks: Parameters<typeof graphView>[1], main: boolean): GraphView =>
    graphView(name, tasks, { repo: '/r/.git', worktreeIsMain: main, tracked: true });
  test('one task in three worktrees starts once', () => {
    const at = world([
      place('c', [task('a', MADE)], false),
      place('b', [task('a', MADE)], true),
      place('d', [task('a', MADE)], false),
    ]);
    expect(dispatched(decide(at).actions)).toEqual(['a']);
    expect([codeOf(at, 'b', 'a'), codeOf(at, 'c', 'a'), codeOf(at, 'd', 'a')]).toEqual([
      'ready/dispatched',
      'copy/copy',
      'copy/copy',
    ]);
  });
  test('what waits for a copy starts when it is done at home', () => {
    const own = task('own', { after: ['a'], createdAt: '2027-03-10T11:30:00Z' });
    const home = (status: 'open' | 'done') => place('main', [task('a', { ...MADE, status })], true);
    const feature = place('feature', [task('a', MADE), own], false);
    expect(dispatched(decide(world([home('done'), feature])).actions)).toEqual(['own']);
    expect(codeOf(world([home('open'), feature]), 'feature', 'own')).toBe('waiting/dependency');
  });
  test('while the graph of a run cannot be read, or is not served, no copy of its task starts', () => {
    const copy = place('c', [task('a', MADE)], false);
    const gone = {
      ...place('b', [], true),
      snapshot: snapshot('/b/.workgraph', [], { problem: { code: 'missing', message: 'gone' } }),
    };
    const at = (phase: 'opened' | 'claimed' | 'started' | 'handed-off', graphs = [gone, copy]) =>
      world(graphs, {
        runs: [run('b', 'a', { repo: '/r/.git', phase, taskCreatedAt: MADE.createdAt })],
      });
    for (const phase of ['claimed', 'started', 'handed-off'] as const)
      for (const graphs of [[gone, copy], [copy]])
        expect(codeOf(at(phase, graphs), 'c', 'a')).toBe('held/copy-elsewhere');
    // No one has begun.
    expect(codeOf(at('opened'), 'c', 'a')).toBe('ready/dispatched');
    const anew = place('c', [task('a', { createdAt: '2027-03-10T11:45:00Z' })], false);
    expect(codeOf(at('started', [gone, anew]), 'c', 'a')).toBe('ready/dispatched');
  });
  test('with duplicates = "each" every copy is its own task', () => {
    const each = { settings: settings({ duplicates: 'each' }) };
    const at = world([
      { ...place('b', [task('a', MADE)], true), ...each },
      { ...place('c', [task('a', MADE)], false), ...each },
    ]);
    expect(dispatched(decide(at).actions)).toEqual(['a', 'a']);
  });
});

describe('idle work', () => {
  test('names when it ages', () => {
    const idle = task('i', { priority: 0, ...MADE });
    const at = world([graphView('g', [task('a'), idle])]);
    expect(verdict(at, 'g', 'i')).toMatchObject({
      state: 'queued',
      code: 'idle',
      nextAt: Date.parse('2027-03-11T11:00:00Z'),
    });
    expect(decide(at).wakeAt).toBe(Date.parse('2027-03-11T11:00:00Z'));
  });
});

describe('a memo', () => {
  test('lets a task age', () => {
    const memo = createMemo();
    const at = world([graphView('g', [task('a', MADE), task('b', { priority: 50 })])]);
    expect(dispatched(decide(at, memo).actions)).toEqual(['b', 'a']);
    const later = { ...at, now: NOW + 2 * 86_400_000 };
    expect(dispatched(decide(later, memo).actions)).toEqual(['a', 'b']);
  });
  test('notices what was remembered of a schedule, and what a peer says', () => {
    const memo = createMemo();
    const tasks = [task('a', { schedule: '12:00:30' }), task('b', { after: ['web:x'] })];
    const at = world([graphView('g', tasks)]);
    const [note] = decide(at, memo).actions;
    if (note?.kind !== 'note-schedule') throw new Error('no note');
    const noted = { ...at, schedules: new Map([[taskKey(note.graph, note.task), note.memory]]) };
    expect(decide(noted, memo).actions).toEqual([]);
    const spent = { ...note.memory, lastNominalAt: NOW - 1 };
    const known = { ...noted, schedules: new Map([[taskKey(note.graph, note.task), spent]]) };
    expect(dispatched(decide(known, memo).actions)).toEqual(['a']);
    expect(dispatched(decide({ ...noted, peers: new Map([['web:x', 'done']]) }, memo).actions)).toEqual([
      'b',
    ]);
  });
  test('forgets graphs that are gone', () => {
    const memo = createMemo();
    decide(world([graphView('g', [task('a')]), graphView('h', [])]), memo);
    decide(world([graphView('h', [])]), memo);
    expect([...memo.graphs.keys()]).toEqual(['/h/.workgraph']);
  });
});

test('a task that comes into being at the entry of a cycle decides again which task waits', () => {
  const memo = createMemo();
  const begun = [task('d', { after: ['c', 'b'] }), task('c', { after: ['d'] })];
  decide(world([graphView('m', begun)]), memo);
  const entered = world([graphView('m', [...begun, task('b')])]);
  const kept = decide(entered, memo);
  expect([...kept.verdicts]).toEqual([...decide(entered).verdicts]);
  expect(kept.actions.map((action) => (action.kind === 'dispatch' ? action.plan.task : action.kind))).toEqual(
    ['b'],
  );
  // And when it is gone again.
  const left = world([graphView('m', begun)]);
  expect([...decide(left, memo).verdicts]).toEqual([...decide(left).verdicts]);
});

describe('properties, over worlds that change', () => {
  const ids = ['a', 'b', 'c', 'd'];
  const soon = (ms: number) => new Date(NOW + ms).toISOString();
  const oneTask = fc.record(
    {
      status: fc.constantFrom(
        'open',
        'open',
        'open',
        'in-progress',
        'done',
        'failed',
        'incomplete',
        'pending-eval',
      ),
      after: fc.array(fc.constantFrom(...ids, 'gone', 'peer:x'), { maxLength: 2 }),
      priority: fc.constantFrom(0, 5, 10, 50),
      paused: fc.constantFrom(false, false, false, true),
      assigned: fc.constantFrom('agent-1', 'agent-2'),
      createdAt: fc.constantFrom(MADE.createdAt, soon(-86_400_000 + 30_000), 'nonsense'),
      notBefore: fc.constantFrom(soon(20_000), soon(-1), 'nonsense'),
      schedule: fc.constantFrom('12:01', '* * * * *', 'nonsense', '2027-03-10T12:00:30'),
      executor: fc.constantFrom('claude', 'command', 'nobody', 'http://h/x', 'scheduled'),
      recentDeaths: fc.constantFrom([], [NOW - 10_000, NOW - 20_000], [NOW - 299_000, NOW - 5, NOW - 4]),
      cronEnabled: fc.constant(true),
      cronSchedule: fc.constantFrom('* * * * *', '0 2 * * *'),
      nextCronFire: fc.constantFrom(soon(15_000), soon(-1)),
    },
    { requiredKeys: ['status'] },
  );
  const graph = fc.array(oneTask, { maxLength: ids.length });
  const run1 = fc.record({
    graph: fc.constantFrom('m', 'n', 'o'),
    task: fc.constantFrom(...ids),
    phase: fc.constantFrom('opened', 'claimed', 'started', 'handed-off', 'finished'),
    attended: fc.boolean(),
  });
  const step = fc.record({
    elapsed: fc.integer({ min: -30_000, max: 60_000 }),
    graphs: fc.record({ m: graph, n: graph, o: graph }, { requiredKeys: [] }),
    hold: fc.boolean(),
    runs: fc.array(run1, { maxLength: 2 }),
    maxConcurrent: fc.integer({ min: 0, max: 4 }),
    peer: fc.constantFrom('open', 'done'),
    dispatchBlocked: fc.constantFrom(false, false, true),
    paused: fc.constantFrom(false, false, true),
    note: fc.boolean(),
  });

  const PROFILES = profiles([claude('claude', { maxConcurrent: 2 })]);

  test('a decision is the same with a memo and without; one verdict each; nothing starts twice', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 6 }), (steps) => {
        const memo = createMemo();
        const schedules = new Map<string, ScheduleMemory>();
        const views = new Map<string, GraphView>();
        for (const [i, name] of ['m', 'n', 'o'].entries())
          views.set(
            name,
            graphView(name, [], {
              // m and n are worktrees of one repository and may hold copies.
              repo: name === 'o' ? '/o/.git' : '/r/.git',
              worktreeIsMain: i !== 1,
              tracked: true,
              profiles: PROFILES,
            }),
          );
        let now = NOW;
        for (const one of steps) {
          now += one.elapsed;
          for (const [name, made] of Object.entries(one.graphs)) {
            const before = views.get(name);
            if (!before || !made) continue;
            const tasks = made.map((more, i) => task(ids[i] ?? 'x', more as Parameters<typeof task>[1]));
            views.set(name, { ...before, snapshot: snapshot(before.graph, tasks) });
          }
          const graphs = [...views.values()].map((view, i) => ({
            ...view,
            hold: one.hold && i === 1 ? { code: 'wg-daemon', because: 'a daemon' } : null,
          }));
          const runs = one.runs.map((more, i) =>
            run(more.graph, more.task, { phase: more.phase, id: `run_${i}` }),
          );
          const at = world(graphs, {
            now,
            config: config({ maxConcurrent: one.maxConcurrent }),
            runs,
            attended: new Set(runs.filter((_, i) => one.runs[i]?.attended).map((open) => open.id)),
            schedules: new Map(schedules),
            peers: new Map([['peer:x', one.peer]]),
            dispatchBlocked: one.dispatchBlocked ? { code: 'draining', because: 'draining' } : null,
            pauses: one.paused
              ? [{ scope: 'profile', name: 'command', code: 'quota', because: 'x', until: now + 5000 }]
              : [],
          });
          const kept = decide(at, memo);
          const fresh = decide(at);
          expect(kept.actions).toEqual(fresh.actions);
          expect([...kept.verdicts]).toEqual([...fresh.verdicts]);
          expect(kept.wakeAt).toBe(fresh.wakeAt);

          const keys = graphs.flatMap((view) =>
            [...view.snapshot.tasks.keys()].map((id) => taskKey(view.graph, id)),
          );
          expect([...kept.verdicts.keys()].sort()).toEqual(keys.sort());
          expect(kept.verdicts.size).toBe(keys.length);
          if (kept.wakeAt !== null) expect(kept.wakeAt).toBeGreaterThan(now);
          const starting = kept.actions.flatMap((action) =>
            action.kind === 'dispatch' ? [action.plan] : [],
          );
          const started = starting.map((plan) => taskKey(plan.graph, plan.task));
          expect(new Set(started).size).toBe(started.length);
          for (const plan of starting) {
            expect(runs.some((open) => open.graph === plan.graph && open.task === plan.task)).toBe(false);
            expect(kept.verdicts.get(taskKey(plan.graph, plan.task))).toMatchObject({ state: 'ready' });
          }
          for (const [key, said] of kept.verdicts) {
            expect(said.because).not.toBe('');
            if (said.state === 'ready') expect(started).toContain(key);
          }
          if (one.note)
            for (const action of kept.actions)
              if (action.kind === 'note-schedule')
                schedules.set(taskKey(action.graph, action.task), action.memory);
        }
      }),
      { numRuns: 400 },
    );
  });

  test('after any edits of a few tasks, what is kept of the others is what judging them again gives', () => {
    const names = ['a', 'b', 'c', 'd', 'e', '.evaluate-a', '.evaluate-b'];
    const edited = oneTask.map((made) => made as Parameters<typeof task>[1]);
    const edit = fc.record({
      graph: fc.constantFrom('m', 'n', 'o'),
      id: fc.constantFrom(...names),
      more: fc.oneof({ weight: 4, arbitrary: edited }, { weight: 1, arbitrary: fc.constant(null) }),
      /** Only the waiting is changed, or all but the waiting. */
      only: fc.constantFrom('all', 'all', 'after', 'status'),
      after: fc.array(fc.constantFrom(...names, 'peer:x'), { maxLength: 3 }),
      first: fc.boolean(),
    });
    const moment = fc.record({
      edits: fc.array(edit, { maxLength: 3 }),
      elapsed: fc.constantFrom(0, 0, 0, 1, 1000, 16_000, 90_000, -40_000),
      hold: fc.constantFrom(false, false, false, true),
      peer: fc.constantFrom('open', 'done'),
      note: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(moment, { minLength: 2, maxLength: 12 }), (moments) => {
        const memo = createMemo();
        const schedules = new Map<string, ScheduleMemory>();
        const tasks = new Map(['m', 'n', 'o'].map((name) => [name, new Map<string, Task>()]));
        const views = ['m', 'n', 'o'].map((name) =>
          graphView(name, [], {
            repo: name === 'o' ? '/o/.git' : '/r/.git',
            worktreeIsMain: name === 'm',
            tracked: true,
            profiles: PROFILES,
          }),
        );
        let now = NOW;
        for (const { edits, elapsed, hold, peer, note } of moments) {
          now += elapsed;
          for (const { graph: name, id, more, only, after, first } of edits) {
            const before = tasks.get(name) ?? new Map<string, Task>();
            const old = before.get(id);
            const made =
              more && only !== 'all' && old
                ? { ...old, ...(only === 'after' ? { after } : { status: more.status ?? 'open' }) }
                : more && task(id, { ...more, after });
            const others = [...before].filter(([other]) => other !== id);
            const fresh: [string, Task][] = made ? [[id, made]] : [];
            if (old && made) tasks.set(name, new Map(before).set(id, made));
            else tasks.set(name, new Map(first ? [...fresh, ...others] : [...others, ...fresh]));
          }
          for (const [i, view] of views.entries()) {
            const now = [...(tasks.get(['m', 'n', 'o'][i] ?? '')?.values() ?? [])];
            const before = [...view.snapshot.tasks.values()];
            const isSame = now.length === before.length && now.every((one, at) => one === before[at]);
            views[i] = {
              ...view,
              ...(isSame ? {} : { snapshot: snapshot(view.graph, now) }),
              hold: hold && i === 1 ? { code: 'wg-daemon', because: 'a daemon' } : null,
            };
          }
          const at = world([...views], {
            now,
            schedules: new Map(schedules),
            peers: new Map([['peer:x', peer]]),
          });
          const kept = decide(at, memo);
          const fresh = decide(at);
          expect(kept.actions).toEqual(fresh.actions);
          expect([...kept.verdicts]).toEqual([...fresh.verdicts]);
          expect(kept.wakeAt).toBe(fresh.wakeAt);
          expect(kept.schedules).toEqual(fresh.schedules);
          if (!note) continue;
          for (const action of kept.actions)
            if (action.kind === 'note-schedule')
              schedules.set(taskKey(action.graph, action.task), action.memory);
        }
      }),
      { numRuns: 500 },
    );
  });
});
