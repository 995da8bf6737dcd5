import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createPlayground, type Playground } from '../../support/playground.ts';
import { type Supervised, supervise } from '../../support/supervised.ts';
import { command } from '../fake-surroundings.ts';

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

const cli = (...argv: string[]) =>
  command(
    { cwd: ground.repo, home: ground.folder },
    ...['--config', ground.configFile, '--state-dir', ground.stateDir],
    ...argv,
  );

describe('with a supervisor', () => {
  test('an open question is in status, why and show with the command that answers it; answered, it is in none', async () => {
    await ground.writeGraph(ground.repo, [{ id: 'job', tags: ['executor:external'] }]);
    supervised = await supervise(ground);
    await supervised.event('run.handed-off', 'job');
    const { run } = await supervised.control.claim({ task: 'job' }, 'w');
    expect(await cli('answer', 'job', 'blue')).toMatchObject({
      status: 1,
      err: expect.stringContaining('has asked nothing'),
    });
    await supervised.control.input(run.run, { question: 'Blue or\u001b[2J red?', options: ['blue', 'red'] });
    for (const argv of [['status'], ['why', 'job'], ['show', 'job']]) {
      const { out } = await cli(...argv);
      expect(out).toContain('supervisor answer job TEXT');
      expect(out).toContain('blue | red');
      expect(out).not.toContain('\u001b[2J');
    }
    expect(await cli('answer', 'job', ' ')).toMatchObject({ status: 2 });
    expect(await cli('answer', 'job', 'blue', '--question', 'Left or right?')).toMatchObject({
      status: 1,
      err: expect.stringContaining('asks something else'),
    });
    expect(await cli('answer', 'job', 'blue')).toMatchObject({
      status: 0,
      out: expect.stringMatching(/^answered: Blue or red\?\n/),
    });
    expect((await supervised.control.heartbeat(run.run)).answer).toBe('blue');
    expect(await cli('heartbeat', 'job')).toMatchObject({ status: 0, out: 'continue\nanswer: blue\n' });
    // By the beginning of the run's id as well.
    for (const name of ['job', run.run.slice(0, 29)])
      expect(JSON.parse((await cli('answer', name, 'blue', '--json')).out)).toMatchObject({
        duplicate: true,
      });
    for (const argv of [['status'], ['why', 'job'], ['show', 'job']])
      expect((await cli(...argv)).out).not.toContain('supervisor answer');
  });

  test('a paused executor starts nothing until it is resumed', async () => {
    await ground.writeGraph(ground.repo, []);
    supervised = await supervise(ground);
    expect(await cli('pause', 'command', '--reason', 'lunch')).toMatchObject({ status: 0 });
    await ground.writeGraph(ground.repo, [{ id: 'job', exec: 'true' }]);
    const why = async () => JSON.parse((await cli('why', 'job', '--json')).out);
    await supervised.bus.next('tick.finished');
    expect((await why()).because).toContain('lunch');
    expect(await cli('resume', 'command')).toMatchObject({ status: 0 });
    await supervised.event('run.settled', 'job');
  });

  test('drain, and resume takes new work again', async () => {
    await ground.writeGraph(ground.repo, []);
    supervised = await supervise(ground);
    expect(await cli('drain', '--json')).toMatchObject({ status: 0, out: '{\n  "state": "draining"\n}\n' });
    expect(supervised.supervisor.state).toBe('draining');
    expect(await cli('resume')).toMatchObject({ status: 0, out: 'resumed everything\n' });
    expect(supervised.supervisor.state).toBe('running');
  });

  test('what is paused is a problem of status and a reason of why, with the way back', async () => {
    await ground.writeGraph(ground.repo, [{ id: 'idle', paused: true }]);
    supervised = await supervise(ground);
    const paused = async () =>
      (await supervised?.control.status())?.problems.filter(({ code }) => code === 'paused');
    expect(await paused()).toEqual([]);
    await cli('pause', '--reason', 'lunch');
    await ground.writeGraph(ground.repo, [{ id: 'new', exec: 'true' }]);
    const told = 'the whole machine is paused: lunch; `supervisor resume` resumes it';
    expect(await paused()).toEqual([{ code: 'paused', message: told }]);
    expect((await cli('status')).out).toContain('supervisor resume');
    while ((await supervised.control.tasks({})).every(({ task }) => task !== 'new'))
      await supervised.bus.next('tick.finished');
    expect(await supervised.control.why({ task: 'new' })).toMatchObject({
      state: 'held',
      code: 'paused',
      because: told,
      conditions: expect.arrayContaining([{ name: 'not held back', met: false, because: told }]),
    });
    await cli('resume');
    expect(await paused()).toEqual([]);
    await cli('pause', 'command');
    await cli('pause', ground.repo);
    expect((await paused())?.map(({ message }) => message)).toEqual([
      expect.stringMatching(/^executor command is paused: .*`supervisor resume command`/),
      expect.stringMatching(/^repository \S+ is paused: .*`supervisor resume \S+`/),
    ]);
    await supervised.stop({ cancelAgents: false });
    supervised = null;
    const report = JSON.parse((await cli('status', '--json')).out);
    expect(report.problems.map(({ code }: { code: string }) => code)).toEqual(['paused', 'paused']);
  });

  test('reload: fine, and a refused edit is exit 3 with its place', async () => {
    await ground.writeGraph(ground.repo, []);
    supervised = await supervise(ground);
    expect(await cli('reload')).toMatchObject({ status: 0, err: '' });
    await ground.writeConfig('[supervisor]\nmode = "dispach"\n');
    const { status, err } = await cli('reload');
    expect(status).toBe(3);
    expect(err).toMatch(/supervisor\.toml:\d+/);
  });

  test('cancel ends the run, retry starts it again', async () => {
    await ground.writeGraph(ground.repo, [{ id: 'long', exec: 'exec sleep 600' }]);
    supervised = await supervise(ground);
    await supervised.event('run.started', 'long');
    const over = supervised.bus.next('tick.finished');
    const { status, out } = await cli('cancel', 'long', '--reason', 'enough');
    expect(status).toBe(0);
    expect(out).toMatch(/^cancelled long \(run_/);
    await over;
    await settled('long', 'open');
    expect(await cli('cancel', 'long')).toMatchObject({ status: 1 });
    expect(await cli('retry', 'long')).toMatchObject({ status: 0 });
    await supervised.bus.next('run.started', (event) => event.task === 'long').catch(() => {});
    expect((await cli('runs', 'long', '--open')).out).toContain('long');
  });
});

test('retry of a done task says so, and changes nothing', async () => {
  await ground.writeGraph(ground.repo, [{ id: 'fine', status: 'done' }]);
  const { status, err } = await cli('retry', 'fine');
  expect([status, err]).toEqual([1, expect.stringContaining('fine is done; there is nothing to retry')]);
  expect((await ground.readGraph(ground.repo)).get('fine')).toMatchObject({ status: 'done' });
});

test('retry of a task that someone works on does not say that it is open, and changes nothing', async () => {
  await ground.writeGraph(ground.repo, [{ id: 'busy', status: 'in-progress', assigned: 'agent-9' }]);
  const before = await ground.readGraph(ground.repo);
  expect(await cli('retry', 'busy')).toMatchObject({
    status: 0,
    out: 'busy is claimed by agent-9: nothing was changed; `supervisor fail busy --reason WHY` ends that attempt\n',
  });
  expect((await cli('reopen', 'busy')).out).toBe((await cli('retry', 'busy')).out);
  expect(await ground.readGraph(ground.repo)).toEqual(before);
});

test('retry without a supervisor opens the task for the next one', async () => {
  await ground.writeGraph(ground.repo, [{ id: 'bad', status: 'failed', failure_reason: 'x' }]);
  expect(await cli('retry', 'bad')).toMatchObject({
    status: 0,
    out: 'bad is open again; no supervisor is running to start it\n',
  });
  expect((await ground.readGraph(ground.repo)).get('bad')).toMatchObject({ status: 'open' });
});

test.each([
  ['pause'],
  ['resume'],
  ['drain'],
  ['reload'],
  ['cancel', 'x'],
])('%s needs a supervisor: exit 5', async (...argv) => {
  const { status, out, err } = await cli(...argv);
  expect({ status, out }).toEqual({ status: 5, out: '' });
  expect(err).toContain('supervisor run');
});

/** Waits, tick by tick, until the graph shows a status. */
async function settled(id: string, status: string): Promise<void> {
  while ((await ground.readGraph(ground.repo)).get(id)?.status !== status)
    await supervised?.supervisor.tick();
}
