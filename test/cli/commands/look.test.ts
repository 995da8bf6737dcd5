import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { runCommandLine } from '../../../src/cli/program.ts';
import { createPlayground, type Playground } from '../../support/playground.ts';
import { type Supervised, supervise } from '../../support/supervised.ts';
import { command, fakeSurroundings } from '../fake-surroundings.ts';

let ground: Playground;
let supervised: Supervised | null = null;
beforeEach(async () => {
  ground = await createPlayground();
  await ground.writeConfig('');
});
afterEach(async () => {
  await supervised?.stop({ cancelAgents: true });
  supervised = null;
  await ground.remove();
});

const flags = () => ['--config', ground.configFile, '--state-dir', ground.stateDir];
const cli = (...argv: string[]) => command({ cwd: ground.repo, home: ground.folder }, ...flags(), ...argv);

describe('status', () => {
  test('without a supervisor: the shape of the contract, and a reason for every open task', async () => {
    await ground.writeGraph(ground.repo, [
      { id: 'free', exec: 'true' },
      { id: 'later', schedule: '2099-01-01T00:00:00Z' },
      { id: 'blocked', after: ['free'] },
      { id: 'over', status: 'done' },
    ]);
    const { status, out } = await cli('status', '--json');
    expect(status).toBe(0);
    const report = JSON.parse(out);
    expect(Object.keys(report)).toEqual(
      expect.arrayContaining([
        'generated_at',
        'supervisor',
        'limits',
        'worktrees',
        'runs',
        'held',
        'schedules',
      ]),
    );
    expect(report.supervisor).toMatchObject({ running: false, pid: null, state: 'stopped' });
    expect(report.worktrees[0]).toMatchObject({
      path: ground.repo,
      branch: 'main',
      counts: { open: 3, done: 1 },
    });
    expect(report.held.map((task: { task: string }) => task.task).sort()).toEqual([
      'blocked',
      'free',
      'later',
    ]);
    for (const task of report.held) expect(task.because).not.toBe('');
    expect(report.schedules).toMatchObject([{ task: 'later', next_at: '2099-01-01T00:00:00.000Z' }]);
    expect((await cli('status')).out).toMatch(/^no supervisor is running/);
  });

  test('a claim that git brought into other worktrees is named once, at home; another claim of a copy is not hidden', async () => {
    const there = await ground.worktree('there');
    const line = { id: 'theirs', status: 'in-progress', created_at: '2026-06-01T10:00:00Z' };
    const claim = { ...line, assigned: 'agent-9', started_at: '2026-06-01T11:00:00Z' };
    await ground.writeGraph(there, [claim, { id: 'unsaid', status: 'in-progress' }]);
    await ground.writeGraph(ground.repo, [claim, { id: 'unsaid', status: 'in-progress' }]);
    const claimed = async () =>
      JSON.parse((await cli('status', '--json')).out).claimed.map(
        ({ task, worktree }: { task: string; worktree: string }) => [task, worktree],
      );
    const unsaid = [ground.repo, there].map((worktree) => ['unsaid', worktree]);
    expect((await claimed()).sort()).toEqual([['theirs', ground.repo], ...unsaid].sort());
    await ground.writeGraph(there, [{ ...claim, assigned: 'agent-10' }]);
    expect((await claimed()).sort()).toEqual(
      [
        ['theirs', ground.repo],
        ['theirs', there],
        ['unsaid', ground.repo],
      ].sort(),
    );
  });

  test('every running task is named, also what others have claimed: as many as are counted', async () => {
    await ground.writeGraph(ground.repo, [
      { id: 'theirs', status: 'in-progress', assigned: 'agent-9', started_at: '2026-06-01T11:00:00Z' },
      { id: 'unsaid', status: 'in-progress' },
      { id: 'over', status: 'done', assigned: 'agent-8' },
    ]);
    const report = JSON.parse((await cli('status', '--json')).out);
    expect(report.claimed).toEqual([
      { task: 'theirs', worktree: ground.repo, agent: 'agent-9', since: '2026-06-01T11:00:00Z' },
      { task: 'unsaid', worktree: ground.repo, agent: null, since: null },
    ]);
    expect(report.worktrees[0].counts.running).toBe(report.runs.length + report.claimed.length);
    expect((await cli('status')).out).toMatch(
      /Claimed by others\n.*\ntheirs .*agent-9.*\nunsaid .*not named/,
    );
  });

  test('with one: what runs', async () => {
    await ground.writeGraph(ground.repo, [{ id: 'ask', tags: ['executor:external'] }]);
    supervised = await supervise(ground);
    await supervised.event('run.handed-off', 'ask');
    const report = JSON.parse((await cli('status', '--json')).out);
    expect(report.supervisor).toMatchObject({ running: true, pid: process.pid, state: 'running' });
    expect(report.runs).toMatchObject([{ task: 'ask', executor: 'external', phase: 'handed-off' }]);
    expect((await cli('status')).out).toMatch(/^supervisor running · pid \d+/);
  });

  test('--watch shows news until it is interrupted', async () => {
    await ground.writeGraph(ground.repo, [{ id: 'one' }]);
    const around = fakeSurroundings({ cwd: ground.repo, home: ground.folder });
    const ended = runCommandLine([...flags(), 'status', '--watch'], around);
    await around.shows('one');
    await ground.writeGraph(ground.repo, [{ id: 'one' }, { id: 'fresh' }]);
    await around.shows('fresh');
    around.send('SIGINT');
    expect(await ended).toBe(0);
  });
});

test('status --watch uses the alternate screen, keeps to the window and never clears the scrollback', async () => {
  const tasks = Array.from({ length: 40 }, (_, n) => ({
    id: `t${n}`,
    status: 'failed',
    failure_reason: `r${n}`,
  }));
  await ground.writeGraph(ground.repo, tasks);
  const around = fakeSurroundings({
    cwd: ground.repo,
    home: ground.folder,
    isTTY: true,
    rows: 10,
    columns: 80,
  });
  const ended = runCommandLine([...flags(), 'status', '--watch'], around);
  await around.shows('more lines');
  around.send('SIGINT');
  expect(await ended).toBe(0);
  const shown = around.written.out;
  expect(shown.startsWith('\u001b[?1049h')).toBe(true);
  expect(shown.endsWith('\u001b[?1049l')).toBe(true);
  expect(shown).not.toContain('\u001b[3J');
  const [frame = ''] = shown.split('\u001b[J');
  expect(frame.split('\n').length).toBeLessThanOrEqual(10);
});

test('inbox names what failed, with the command that settles it; it is the same list as in status', async () => {
  await ground.writeGraph(ground.repo, [{ id: 'sad', status: 'failed', failure_reason: 'exit status 2' }]);
  expect((await cli('inbox')).out).toMatch(/✗ sad.*exit status 2.*\$ supervisor retry sad/s);
  const { items } = JSON.parse((await cli('inbox', '--json')).out);
  expect(items).toMatchObject([{ kind: 'failed', task: 'sad', command: 'supervisor retry sad' }]);
  expect(JSON.parse((await cli('status', '--json')).out).inbox).toEqual(items);
  expect((await cli('status')).out).toMatch(/Needs you\n✗ sad/);
  await ground.writeGraph(ground.repo, [{ id: 'fine', status: 'done' }]);
  expect((await cli('inbox')).out).toBe('nothing waits for you\n');
});

describe('list, show, why', () => {
  beforeEach(() =>
    ground.writeGraph(ground.repo, [
      { id: 'build', title: 'Build \u001b[31mit\u001b]0;x\u0007', exec: 'make' },
      { id: 'deploy', after: ['build'], tags: ['executor:nobody'] },
      { id: 'old', status: 'done' },
      { id: '.evaluate-old' },
    ]),
  );

  test.each(['--state', '--status'])('list %s with an unknown word is wrong usage', async (flag) => {
    const { status, err } = await cli('list', flag, 'bogus');
    expect([status, err]).toEqual([2, expect.stringContaining(`${flag} bogus is not one of `)]);
  });

  test('list hides what has finished and internal, and says so', async () => {
    const { out } = await cli('list');
    expect(out).toContain('build');
    expect(out).not.toMatch(/^old/m);
    expect(out).toContain('2 finished or internal not shown');
    expect(out).not.toContain('\u001b');
    expect((await cli('list', '--all')).out).toMatch(/^old /m);
  });

  test('list filters, also as JSON', async () => {
    const states = JSON.parse((await cli('list', '--json', '--status', 'done')).out);
    expect(states.tasks.map((task: { task: string }) => task.task)).toEqual(['old']);
    expect((await cli('list', '--executor', 'claude', '--state', 'running')).out).toMatch(/^no tasks/);
  });

  test('show prints one task in full', async () => {
    expect((await cli('show', 'build')).out).toMatch(/^Build it\n/);
    expect(JSON.parse((await cli('show', 'build', '--json')).out)).toMatchObject({
      task: 'build',
      fields: { exec: 'make' },
    });
  });

  test('why names what is not met', async () => {
    const { out } = await cli('why', 'deploy');
    expect(out).toMatch(/✗ dependencies +waits for build/);
    const report = JSON.parse((await cli('why', 'deploy', '--json')).out);
    expect(report.conditions.some((condition: { met: boolean }) => !condition.met)).toBe(true);
  });

  test.each(['show', 'why'])('%s of an unknown task: exit 8 and a neighbour', async (name) => {
    const { status, out, err } = await cli(name, 'biuld');
    expect({ status, out }).toEqual({ status: 8, out: '' });
    expect(err).toContain('did you mean build?');
  });
});

test('runs that failed, that are recent, that say something; of a worktree by its name or branch', async () => {
  const other = await ground.worktree('side');
  await ground.writeConfig('[retry]\nattempts = 1\n');
  await ground.writeGraph(ground.repo, [
    { id: 'good', exec: 'true' },
    { id: 'bad', exec: 'exit 7' },
  ]);
  await ground.writeGraph(other, [{ id: 'aside', exec: 'true' }]);
  supervised = await supervise(ground);
  await Promise.all(['good', 'bad', 'aside'].map((task) => supervised?.event('run.settled', task)));
  const tasks = async (...argv: string[]) => {
    const { status, out } = await cli('runs', '--json', ...argv);
    expect(status).toBe(0);
    return JSON.parse(out)
      .runs.map((run: { task: string }) => run.task)
      .sort();
  };
  const look = async () => {
    expect(await tasks()).toEqual(['aside', 'bad', 'good']);
    expect(await tasks('--failed')).toEqual(['bad']);
    expect(await tasks('--grep', 'EXIT')).toEqual(['bad']);
    expect(await tasks('--grep', "';%")).toEqual([]);
    expect(await tasks('--since', '1h')).toEqual(['aside', 'bad', 'good']);
    expect(await tasks('--since', '2999-01-01')).toEqual([]);
    for (const name of ['side', other]) expect(await tasks('--worktree', name)).toEqual(['aside']);
    expect(await tasks('--worktree', 'main')).toEqual(['bad', 'good']);
  };
  await look();
  await supervised.stop({ cancelAgents: false });
  await look();
  expect(await cli('runs', '--failed', '--grep', 'nothing')).toMatchObject({ out: 'no such runs\n' });
  expect(await cli('runs', '--worktree', 'nowhere')).toMatchObject({ status: 8 });
});

test('runs: nothing yet, then what ran, with and without the supervisor', async () => {
  await ground.writeGraph(ground.repo, [{ id: 'quick', exec: 'echo hi' }]);
  expect(await cli('runs')).toMatchObject({ status: 0, out: 'nothing has run yet\n' });
  supervised = await supervise(ground);
  await supervised.event('run.settled', 'quick');
  expect((await cli('runs')).out).toMatch(/quick .*settled/);
  await supervised.stop({ cancelAgents: false });
  const { runs } = JSON.parse((await cli('runs', 'quick', '--json')).out);
  expect(runs).toMatchObject([
    { task: 'quick', executor: 'command', phase: 'settled', outcome: { kind: 'succeeded' } },
  ]);
  expect((await cli('runs', '--open')).out).toBe('nothing is running\n');
});

test('a task or worktree that is nowhere: exit 8, with and without the supervisor', async () => {
  await ground.writeGraph(ground.repo, [
    { id: 'ask', executor: 'external' },
    { id: 'idle', paused: true },
  ]);
  const expectRefusals = async () => {
    for (const words of [
      ['runs', 'nope'],
      ['runs', '--worktree', '/zz'],
      ['runs', 'ask', '--worktree', '/zz'],
      ['list', '--worktree', '/zz'],
    ]) {
      const { status, out, err } = await cli(...words);
      expect({ words, status, out }).toEqual({ words, status: 8, out: '' });
      expect(err).toContain(words.includes('nope') ? 'there is no task nope' : 'at /zz');
    }
    expect(await cli('runs', 'idle')).toMatchObject({ status: 0, out: 'nothing has run yet\n' });
    expect(await cli('list', '--worktree', ground.repo)).toMatchObject({ status: 0 });
  };
  await expectRefusals();
  supervised = await supervise(ground);
  await supervised.event('run.handed-off', 'ask');
  await expectRefusals();
  const { id } = await supervised.control.task({ task: 'ask' });
  expect((await cli('runs', id)).out).toContain('ask');
});

test('a task of which only what ran is left is still told of', async () => {
  await ground.writeGraph(ground.repo, [{ id: 'quick', exec: 'true' }]);
  supervised = await supervise(ground);
  await supervised.event('run.settled', 'quick');
  await supervised.stop({ cancelAgents: false });
  await ground.writeGraph(ground.repo, [{ id: 'other', paused: true }]);
  expect((await cli('runs', 'quick')).out).toMatch(/quick .*settled/);
  expect(await cli('runs', 'quick', '--open')).toMatchObject({ status: 0 });
});

test('what was reported done while no supervisor ran no longer counts as running', async () => {
  await ground.writeGraph(ground.repo, [
    { id: 'ask', executor: 'external' },
    { id: 'still', executor: 'external' },
  ]);
  supervised = await supervise(ground);
  await supervised.event('run.handed-off', 'ask');
  await supervised.event('run.handed-off', 'still');
  await supervised.stop({ cancelAgents: false });
  expect(await cli('done', 'ask')).toMatchObject({ status: 0 });
  const report = JSON.parse((await cli('status', '--json')).out);
  expect(report.runs.map((run: { task: string }) => run.task)).toEqual(['still']);
  const { runs } = JSON.parse((await cli('runs', '--json')).out);
  const progress = Object.fromEntries(
    runs.map((run: { task: string; progress: unknown }) => [run.task, run.progress]),
  );
  expect(progress).toEqual({
    ask: 'its task is done in the graph; the next supervisor closes it',
    still: null,
  });
});

test('worktrees, with the state and reason of each', async () => {
  await ground.writeGraph(ground.repo, [{ id: 'a' }]);
  const feature = await ground.worktree('feature');
  const { worktrees } = JSON.parse((await cli('worktrees', '--json')).out);
  expect(worktrees).toMatchObject([
    { path: ground.repo, state: 'watched' },
    { path: feature, state: 'no-graph' },
  ]);
  expect((await cli('worktrees')).out).toContain('neither a .wg nor a .workgraph');
});
