import { describe, expect, test } from '@jest/globals';
import { VERDICT_CODES } from '../../../src/decide/codes.ts';
import { assessReadiness, explainReadiness } from '../../../src/decide/readiness/readiness.ts';
import type { ReadinessView } from '../../../src/decide/readiness/readiness-view.ts';
import { TASK_STATUSES, type Task } from '../../../src/domain/task.ts';
import { type WgCapabilities, wgCapabilities } from '../../../src/domain/wg-capabilities.ts';
import { NOW, task, view } from '../../support/tasks.ts';

/** A wg that takes nothing but done for done. */
const WG: WgCapabilities = {
  ...wgCapabilities({
    ready: ['after-done'],
    readsWaiting: true,
    readsBoundary: true,
    readsParked: true,
    added: null,
    claimed: null,
    helpAll: '',
    addHelp: '',
    traceHelp: '',
  }),
};

const iso = (at: number) => new Date(at).toISOString();

/** `ready`, or `state/code`. */
function judged(one: Task, others: readonly Task[] = [], more: Partial<ReadinessView> = {}): string {
  const readiness = assessReadiness(one, view([one, ...others], more));
  return readiness.ready ? 'ready' : `${readiness.state}/${readiness.code}`;
}

function because(one: Task, others: readonly Task[] = [], more: Partial<ReadinessView> = {}): string {
  const readiness = assessReadiness(one, view([one, ...others], more));
  return readiness.ready ? '' : readiness.because;
}

describe('status', () => {
  test('only open and incomplete tasks can start', () => {
    const found = Object.fromEntries(TASK_STATUSES.map((status) => [status, judged(task('a', { status }))]));
    expect(found).toEqual({
      open: 'ready',
      incomplete: 'ready',
      'in-progress': 'running/status-in-progress',
      done: 'finished/status-done',
      failed: 'finished/status-failed',
      abandoned: 'finished/status-abandoned',
      waiting: 'waiting/status-waiting',
      blocked: 'waiting/status-blocked',
      'pending-validation': 'waiting/status-pending-validation',
      'pending-eval': 'waiting/status-pending-eval',
      'failed-pending-eval': 'waiting/status-failed-pending-eval',
    });
  });

  test('says who works on it, and why it failed', () => {
    expect(because(task('a', { status: 'in-progress', assigned: 'agent-3' }))).toBe('claimed by agent-3');
    expect(because(task('a', { status: 'in-progress' }))).toContain('no agent is named');
    expect(because(task('a', { status: 'failed', failureReason: 'no disk' }))).toBe('it failed: no disk');
  });

  test('a paused draft waits for a person, in the words of wg', () => {
    expect(judged(task('a', { paused: true }))).toBe('paused/paused');
    const paused = because(task('a', { paused: true }));
    expect(paused).toContain('`supervisor retry a`');
    expect(paused).toContain('`supervisor edit a --no-paused`');
    expect(paused).toContain('wg publish');
  });
});

describe('time gates', () => {
  test.each([
    ['notBefore', 'not-before'],
    ['readyAfter', 'ready-after'],
  ] as const)('%s holds until its instant, and not a millisecond longer', (key, code) => {
    expect(judged(task('a', { [key]: iso(NOW + 1) }))).toBe(`scheduled/${code}`);
    expect(judged(task('a', { [key]: iso(NOW) }))).toBe('ready');
    const readiness = assessReadiness(task('a', { [key]: iso(NOW + 5000) }), view([]));
    expect(readiness).toMatchObject({ nextAt: NOW + 5000 });
  });

  test.each(['2099-01-01T00:00:00', '2099-01-01', 'soon', ''])('%p gates nothing, as in wg', (notBefore) => {
    expect(judged(task('a', { notBefore }))).toBe('ready');
  });
});

describe('cron gate', () => {
  const cron = { cronEnabled: true, cronSchedule: '0 2 * * *' };
  test('next_cron_fire decides where it parses', () => {
    expect(judged(task('a', { ...cron, nextCronFire: iso(NOW + 1) }))).toBe('scheduled/cron');
    expect(judged(task('a', { ...cron, nextCronFire: iso(NOW) }))).toBe('ready');
  });
  test('an expression that wg cannot read never comes due', () => {
    expect(judged(task('a', { cronEnabled: true, cronSchedule: '0 2 * *' }))).toBe('held/cron-never');
    expect(judged(task('a', { cronEnabled: true }))).toBe('held/cron-never');
  });
  test('a schedule that is not enabled gates nothing', () => {
    expect(judged(task('a', { cronSchedule: '0 2 * * *' }))).toBe('ready');
  });
});

describe('dependencies', () => {
  const waiting = task('b', { after: ['a'] });
  test.each([
    ['done', 'ready'],
    ['abandoned', 'held/dependency-abandoned'],
    ['failed', 'held/dependency-failed'],
    ['open', 'waiting/dependency'],
    ['in-progress', 'waiting/dependency'],
    ['incomplete', 'waiting/dependency'],
    ['blocked', 'waiting/dependency'],
    ['waiting', 'waiting/dependency'],
    ['pending-validation', 'waiting/dependency'],
    ['pending-eval', 'waiting/dependency'],
    ['failed-pending-eval', 'waiting/dependency'],
  ] as const)('one that is %s: %s', (status, expected) => {
    expect(judged(waiting, [task('a', { status })])).toBe(expected);
  });

  const older = { wgCan: { ...WG, satisfying: ['done', 'abandoned'] as const } };
  const today = { wgCan: { ...WG, age: '2026-08' as const } };

  test('whether abandoned counts says the wg that serves the graph; without one it does not', () => {
    const gone = task('a', { status: 'abandoned' });
    expect(judged(waiting, [gone], older)).toBe('ready');
    expect(judged(waiting, [task('a', { status: 'failed' })], older)).toBe('held/dependency-failed');
    const oldest = { wgCan: { ...WG, satisfying: ['done', 'failed', 'abandoned'] as const } };
    expect(judged(waiting, [task('a', { status: 'failed' })], oldest)).toBe('ready');
    expect(judged(waiting, [gone], today)).toBe('held/dependency-abandoned');
    expect(because(waiting, [gone], today)).toBe(
      'waits for a (abandoned, which does not count for the wg on PATH, of 2026-08)',
    );
    expect(because(waiting, [gone])).toContain('which counts as done only where a wg on PATH takes it so');
    const judgeWhy = (tasks: Task[]) =>
      explainReadiness(waiting, view(tasks, older)).find(({ name }) => name === 'dependencies');
    expect(judgeWhy([waiting, gone])).toMatchObject({
      met: true,
      because: 'done: a (abandoned, which counts as done for the wg on PATH, of 2026-05)',
    });
  });

  test('what a wg of today wrote goes by its rule, whatever wg is installed', () => {
    const gone = task('a', { status: 'abandoned', hasLifecycle: true });
    expect(judged(waiting, [gone], older)).toBe('held/dependency-abandoned');
    expect(because(waiting, [gone], older)).toContain('the wg that wrote its lifecycle');
  });

  test.each<[Partial<Task>, Partial<Task>, string]>([
    [{}, {}, 'ready'],
    [{ disposition: 'landed' }, {}, 'ready'],
    [{ contract: 'report', disposition: 'reported' }, {}, 'held/dependency-contract'],
    [{ contract: 'explore' }, {}, 'held/dependency-contract'],
    [{ contract: 'deliver', disposition: 'delivered' }, {}, 'held/dependency-contract'],
    [{ contract: 'deliver', disposition: 'delivered' }, { inputsFrom: ['a'] }, 'ready'],
    [{ contract: 'deliver' }, { inputsFrom: ['a'] }, 'held/dependency-contract'],
    [{}, { inputsFrom: ['a'] }, 'held/dependency-contract'],
    [{}, { inputsFrom: ['other'] }, 'ready'],
  ])('done with %j, for one with %j: %s', (brought, wants, expected) => {
    expect(judged({ ...waiting, ...wants }, [task('a', { status: 'done', ...brought })])).toBe(expected);
  });

  test('what a dependency lacks by its contract is said', () => {
    const reported = task('a', { status: 'done', contract: 'report', disposition: 'reported' });
    expect(because(waiting, [reported])).toBe(
      'waits for a (done, but it is reported; here only what is landed counts)',
    );
  });

  test('what was archived as done counts; what was archived otherwise does not, and is no missing task', () => {
    const archive = (status: string): ReadinessView => {
      const tasks = Object.assign(new Map([[waiting.id, waiting]]), {
        archivedStatus: (id: string) => (id === 'a' ? status : undefined),
      });
      return { ...view([waiting]), tasks };
    };
    expect(assessReadiness(waiting, archive('done'))).toEqual({ ready: true });
    expect(assessReadiness(waiting, archive('abandoned'))).toMatchObject({
      code: 'dependency-abandoned',
      because: 'waits for a (archived as abandoned; only what was archived as done counts)',
    });
  });

  test('a missing one blocks, and is named', () => {
    expect(judged(waiting)).toBe('held/dependency-missing');
    expect(because(waiting)).toBe('waits for a, which does not exist');
  });

  test('all are named, and what a person must repair gives the code', () => {
    const one = task('z', { after: ['a', 'gone', 'b'] });
    expect(judged(one, [task('a'), task('b', { status: 'failed' })])).toBe('held/dependency-missing');
    expect(because(one, [task('a', { paused: true }), task('b', { status: 'failed' })])).toBe(
      'waits for a (open, paused), gone, which does not exist, b (failed)',
    );
  });

  test('a hundred are not all named', () => {
    const after = Array.from({ length: 100 }, (_, i) => `t${i}`);
    expect(because(task('z', { after }))).toContain('and 97 more');
  });

  test('what only `before` says is no dependency', () => {
    expect(judged(task('b'), [task('a', { before: ['b'] })])).toBe('ready');
  });
});

describe('evaluation gate', () => {
  const done = task('a', { status: 'done' });
  const waiting = task('b', { after: ['a'] });
  test.each([
    ['open', 'waiting/evaluation-gate'],
    ['in-progress', 'waiting/evaluation-gate'],
    ['done', 'ready'],
    ['failed', 'ready'],
    ['abandoned', 'ready'],
  ] as const)('an evaluation that is %s: %s', (status, expected) => {
    expect(judged(waiting, [done, task('.evaluate-a', { status })])).toBe(expected);
  });
  test('stands before an abandoned dependency too', () => {
    const gone = task('a', { status: 'abandoned' });
    const older = { wgCan: { ...WG, satisfying: ['done', 'abandoned'] as const } };
    expect(judged(waiting, [gone, task('.evaluate-a')], older)).toBe('waiting/evaluation-gate');
  });
  test('does not stand before system tasks, nor behind them', () => {
    const system = task('.b', { after: ['a'], exec: 'true' });
    expect(judged(system, [done, task('.evaluate-a')])).toBe('ready');
    const behind = task('c', { after: ['.a'] });
    expect(judged(behind, [task('.a', { status: 'done' }), task('.evaluate-.a')])).toBe('ready');
  });
  test('stands on a satisfied back-edge', () => {
    const first = task('a', { after: ['b'] });
    const second = task('b', { after: ['a'], status: 'done' });
    expect(judged(first, [second, task('.evaluate-b')])).toBe('waiting/evaluation-gate');
  });
});

describe('system tasks', () => {
  test.each(['pending-eval', 'failed-pending-eval'] as const)('%s counts as done for them', (status) => {
    const system = task('.x', { after: ['a'], exec: 'true' });
    expect(judged(system, [task('a', { status })])).toBe('ready');
    expect(judged(system, [task('a', { status: 'pending-validation' })])).toBe('waiting/dependency');
  });
  test("wg's machinery is run where there is a wg, and held with the remedy where there is none", () => {
    const evaluation = task('.evaluate-a', { exec: 'wg evaluate run a', tags: ['evaluation'] });
    const assign = task('.assign-a', { exec: '  wg  assign a --auto' });
    expect(judged(evaluation)).toBe('held/wg-system-task');
    expect(judged(assign)).toBe('held/wg-system-task');
    const words = assessReadiness(assign, view([assign]));
    expect(words.ready ? '' : words.because).toContain('[agency] auto_assign = false');
    expect(words.ready ? '' : words.because).toContain('supervisor done .assign-a');
    for (const one of [evaluation, assign])
      expect(assessReadiness(one, view([one], { wgOnPath: true }))).toEqual({ ready: true });
    expect(judged(task('.x', { exec: 'make', tags: ['agency'] }))).toBe('waiting/wg-system-task');
    expect(judged(task('.place-a'))).toBe('waiting/wg-system-task');
  });
  test('what answers messages is ordinary work', () => {
    expect(judged(task('.respond-to-a'))).toBe('ready');
  });
  test('keys of another age: held without wg, which is then said to be missing', () => {
    const one = task('a', { foreignKeys: ['lifecycle'] });
    expect(judged(one)).toBe('held/needs-wg');
    expect(assessReadiness(one, view([one], { wgOnPath: true }))).toEqual({ ready: true });
    const today = { wgOnPath: true, wgCan: { ...WG, candidates: true } };
    expect(judged(one, [], today)).toBe('held/needs-wg');
    expect(because(one, [], today)).toContain('only its own workers');
  });
  test('one with a command of its own starts, unless its subject was abandoned', () => {
    expect(judged(task('.nightly', { exec: 'make clean' }))).toBe('ready');
    const one = task('.nightly', { exec: 'make clean', after: ['a'] });
    expect(judged(one, [task('a', { status: 'abandoned' })])).toBe('held/dependency-abandoned');
  });
});

describe('back-edges', () => {
  test('the header of a cycle need not wait for its end, the others wait', () => {
    const tasks = [task('a', { after: ['c'] }), task('b', { after: ['a'] }), task('c', { after: ['b'] })];
    const judge = (id: string) => judged(tasks.find((one) => one.id === id) ?? task(id), tasks);
    expect([judge('a'), judge('b'), judge('c')]).toEqual([
      'ready',
      'waiting/dependency',
      'waiting/dependency',
    ]);
  });
  test('they are looked for only when a dependency is open', () => {
    let asked = 0;
    const isBackEdge = () => {
      asked++;
      return false;
    };
    judged(task('b', { after: ['a'] }), [task('a', { status: 'done' })], { isBackEdge });
    expect(asked).toBe(0);
    judged(task('b', { after: ['a'] }), [task('a')], { isBackEdge });
    expect(asked).toBe(1);
  });
});

describe('peers', () => {
  const one = task('b', { after: ['web:build'] });
  test('the status of the other repository counts', () => {
    expect(judged(one, [], { peers: new Map([['web:build', 'done']]) })).toBe('ready');
    expect(judged(one, [], { peers: new Map([['web:build', 'failed']]) })).toBe('waiting/dependency-peer');
    expect(because(one, [], { peers: new Map([['web:build', 'open']]) })).toBe('waits for web:build (open)');
  });
  test('one that cannot be read blocks', () => {
    expect(judged(one)).toBe('waiting/dependency-peer');
    expect(because(one)).toContain('cannot be read');
  });
  test('a local task of that name does not help, as in wg', () => {
    expect(judged(one, [task('web:build', { status: 'done' })])).toBe('waiting/dependency-peer');
  });
  test.each([':a', 'a:'])('%s is an ordinary id', (id) => {
    expect(judged(task('b', { after: [id] }), [task(id, { status: 'done' })])).toBe('ready');
  });
});

describe('copies elsewhere', () => {
  const one = task('b', { after: ['a'] });
  test('a dependency is satisfied when its home is done, or the copy itself', () => {
    const statusElsewhere = (id: string) => (id === 'a' ? ('done' as const) : null);
    expect(judged(one, [task('a')], { statusElsewhere })).toBe('ready');
    expect(judged(one, [task('a', { status: 'done' })], { statusElsewhere: () => 'open' })).toBe('ready');
    expect(judged(one, [task('a')], { statusElsewhere: () => 'in-progress' })).toBe('waiting/dependency');
    expect(because(one, [task('a')], { statusElsewhere: () => 'in-progress' })).toBe(
      'waits for a (in-progress)',
    );
  });
  test('an evaluation that has finished at home has finished here', () => {
    const tasks = [task('a', { status: 'done' }), task('.evaluate-a')];
    const statusElsewhere = (id: string) => (id === '.evaluate-a' ? ('done' as const) : null);
    expect(judged(one, tasks, { statusElsewhere })).toBe('ready');
  });
});

describe("the dispatcher's filters", () => {
  test('a task that is assigned is left alone', () => {
    expect(judged(task('a', { assigned: 'agent-1' }))).toBe('held/assigned');
    expect(because(task('a', { assigned: 'agent-1' }))).toContain('wg unclaim a');
  });
  test.each([
    'done',
    'in-progress',
    'failed',
  ] as const)('the assignee of a task that is %s is no obstacle', (status) => {
    const one = task('a', { status, assigned: 'agent-1' });
    const said = explainReadiness(one, view([one])).find(({ name }) => name === 'assigned');
    expect(said).toMatchObject({ met: true, because: 'it went to agent-1' });
  });
  test.each([
    'compact-loop',
    'archive-loop',
    'chat-loop',
    'coordinator-loop',
    'registry-refresh-loop',
    'user-board',
  ])('tag %s belongs to the daemon', (tag) => {
    expect(judged(task('a', { tags: ['x', tag] }))).toBe('held/daemon-tag');
  });
  test('a tag that merely looks like it does not', () => {
    expect(judged(task('a', { tags: ['daemon-loop'] }))).toBe('ready');
  });

  const ago = (...seconds: number[]) => seconds.map((s) => NOW - s * 1000);
  test.each([
    [ago(10), 'ready'],
    [ago(59, 100), 'scheduled/respawn-throttle'],
    [ago(60, 100), 'ready'],
    [ago(119, 130, 140), 'scheduled/respawn-throttle'],
    [ago(120, 130, 140), 'ready'],
    [ago(239, 250, 260, 270), 'scheduled/respawn-throttle'],
    [ago(240, 250, 260, 270), 'ready'],
    [ago(290, 291, 292, 293, 294), 'held/respawn-throttle'],
    [ago(290, 291, 292, 293, 301), 'ready'],
    [ago(300, 301, 302, 303, 304, 305), 'ready'],
  ])('respawn throttle %#: %s', (recentDeaths, expected) => {
    expect(judged(task('a', { recentDeaths }))).toBe(expected);
  });
  test('the throttle names when it has finished, or may be', () => {
    const two = assessReadiness(task('a', { recentDeaths: ago(10, 20) }), view([]));
    expect(two).toMatchObject({ nextAt: NOW + 50_000 });
    const old = assessReadiness(task('a', { recentDeaths: ago(10, 290) }), view([]));
    expect(old).toMatchObject({ nextAt: NOW + 10_000 });
    const five = assessReadiness(task('a', { recentDeaths: ago(1, 2, 3, 4, 5) }), view([]));
    expect(five).toMatchObject({ nextAt: NOW + 295_000 });
  });

  test('five failed starts are enough', () => {
    expect(judged(task('a', { spawnFailures: 4 }))).toBe('ready');
    expect(judged(task('a', { spawnFailures: 5 }))).toBe('held/spawn-failures');
  });
  test('a key whose rules we do not know leaves the task to wg', () => {
    expect(judged(task('a', { foreignKeys: ['lifecycle'] }))).toBe('held/needs-wg');
    expect(because(task('a', { foreignKeys: ['lifecycle'] }))).toContain('lifecycle');
  });
});

describe('explaining', () => {
  test('every condition is looked at, also behind an unmet one', () => {
    const one = task('b', { paused: true, after: ['a'], assigned: 'agent-2', notBefore: 'soon' });
    const conditions = explainReadiness(one, view([one, task('a')]));
    expect(conditions.filter((condition) => !condition.met).map((condition) => condition.name)).toEqual([
      'paused',
      'dependencies',
      'assigned',
    ]);
    expect(conditions.every((condition) => condition.because.length > 0)).toBe(true);
    expect(conditions.find((condition) => condition.name === 'not before')?.because).toContain(
      'gates nothing',
    );
  });
  test('agrees with the judgement for a ready task', () => {
    expect(explainReadiness(task('a'), view([])).every((condition) => condition.met)).toBe(true);
  });
  test('every code is in the documented list', () => {
    for (const status of TASK_STATUSES) {
      const code = judged(task('a', { status })).split('/')[1];
      if (code) expect(Object.keys(VERDICT_CODES)).toContain(code);
    }
  });
});
