import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { runCommandLine } from '../../../src/cli/program.ts';
import { createPlayground, type Playground } from '../../support/playground.ts';
import { type Supervised, supervise } from '../../support/supervised.ts';
import { command, fakeSurroundings } from '../fake-surroundings.ts';

let ground: Playground;
let supervised: Supervised | null = null;
beforeEach(async () => {
  ground = await createPlayground();
  await ground.writeConfig('[retry]\nattempts = 1\n');
});
afterEach(async () => {
  await supervised?.stop({ cancelAgents: true });
  supervised = null;
  await ground.remove();
});

const flags = () => ['--config', ground.configFile, '--state-dir', ground.stateDir];
const cli = (...argv: string[]) => command({ cwd: ground.repo, home: ground.folder }, ...flags(), ...argv);
const begin = (...argv: string[]) => {
  const around = fakeSurroundings({ cwd: ground.repo, home: ground.folder });
  return { around, ended: runCommandLine([...flags(), 'wait', ...argv], around) };
};

test('0 when all are done, told by the supervisor', async () => {
  await ground.writeGraph(ground.repo, [
    { id: 'first', exec: 'true', paused: true },
    { id: 'second', exec: 'true', after: ['first'] },
  ]);
  supervised = await supervise(ground);
  const { around, ended } = begin('first', 'second');
  await around.notes('second is waiting: ');
  await cli('edit', 'first', '--no-paused');
  expect(await ended).toBe(0);
  expect(around.written.out).toContain('first is done\n');
  expect(around.written.out).toContain('second is done\n');
});

test('1 as soon as one fails; --for over waits for the others too', async () => {
  await ground.writeGraph(ground.repo, [
    { id: 'bad', exec: 'false' },
    { id: 'later', paused: true },
  ]);
  supervised = await supervise(ground);
  await supervised.event('run.settled', 'bad');
  expect(await cli('wait', 'bad', 'later', '--json')).toMatchObject({ status: 1 });
  const { around, ended } = begin('bad', 'later', '--for', 'over');
  await around.shows('bad is failed\n');
  await cli('done', 'later');
  expect(await ended).toBe(1);
});

test('without a supervisor it watches the graphs; 124 when it takes too long, 8 for what is not there', async () => {
  await ground.writeGraph(ground.repo, [{ id: 'job' }]);
  const { around, ended } = begin('job');
  await around.notes('job is ');
  await ground.writeGraph(ground.repo, [{ id: 'job', status: 'done' }]);
  expect(await ended).toBe(0);
  await ground.writeGraph(ground.repo, [{ id: 'job' }]);
  expect(await cli('wait', 'job', '--timeout', '1ms')).toMatchObject({
    status: 124,
    err: expect.stringContaining('supervisor why'),
  });
  expect((await cli('wait', 'no-such')).status).toBe(8);
  expect((await cli('wait', 'job', '--for', 'ever')).status).toBe(2);
});

test('continues when the supervisor stops and another one starts', async () => {
  await ground.writeGraph(ground.repo, [{ id: 'job', exec: 'true', paused: true }]);
  supervised = await supervise(ground);
  const { around, ended } = begin('job');
  await around.notes('job is paused');
  await supervised.stop({ cancelAgents: false });
  await ground.writeGraph(ground.repo, [{ id: 'job', exec: 'true' }]);
  await around.notes('no supervisor is running');
  supervised = await supervise(ground);
  expect(await ended).toBe(0);
});

test('interrupted: 130, and what was left is not said to be late', async () => {
  await ground.writeGraph(ground.repo, [{ id: 'job' }]);
  const { around, ended } = begin('job');
  await around.notes('job is ');
  around.send('SIGINT');
  expect(await ended).toBe(130);
});
