import { afterEach, beforeEach, expect, test } from '@jest/globals';
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

test('what happened, of all tasks or of one, since when it is asked for', async () => {
  await ground.writeGraph(ground.repo, [
    { id: 'one', exec: 'true' },
    { id: 'two', exec: 'true' },
  ]);
  supervised = await supervise(ground);
  await Promise.all(['one', 'two'].map((task) => supervised?.event('run.settled', task)));
  const all = (await cli('events')).out;
  expect(all).toMatch(/dispatch .* one .*\n/);
  expect(all).toMatch(/done .* two .*\n/);
  const of = (await cli('events', 'one', '--json')).out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(of.map(({ name }) => name)).toEqual(expect.arrayContaining(['run.opened', 'run.settled']));
  expect(new Set(of.map(({ task }) => task))).toEqual(new Set(['one']));
  expect((await cli('events', '--since', '2999-01-01')).out).toBe('');
  const last = (await cli('events', '-n', '2')).out;
  expect(last.trimEnd().split('\n')).toHaveLength(2);
  // The last ones, of whatever happened since.
  expect((await cli('events')).out.indexOf(last)).toBeGreaterThan(0);
  expect((await cli('events', '-n', '0')).out).toBe('');
  expect(JSON.parse((await cli('events', 'one', '-n', '1', '--json')).out).task).toBe('one');
});

test('-n with --follow: the last ones, then the new ones, none of them twice', async () => {
  await ground.writeGraph(ground.repo, [{ id: 'one', exec: 'true' }]);
  supervised = await supervise(ground);
  await supervised.event('run.settled', 'one');
  const around = fakeSurroundings({ cwd: ground.repo, home: ground.folder });
  const ended = runCommandLine([...flags(), 'events', '-f', '-n', '50'], around);
  await around.shows(/done .* one /);
  await cli('add', 'Two', '--id', 'two', '--exec', 'true');
  await around.shows(/done .* two /);
  around.send('SIGINT');
  expect(await ended).toBe(0);
  expect(around.written.out.match(/done .* one /g)).toHaveLength(1);
});

test('--follow goes on with the next supervisor', async () => {
  await ground.writeGraph(ground.repo, []);
  const around = fakeSurroundings({ cwd: ground.repo, home: ground.folder });
  const ended = runCommandLine([...flags(), 'events', '-f', '--since', '1h'], around);
  await around.notes('no supervisor is running');
  supervised = await supervise(ground);
  await around.shows('started');
  await supervised.stop({ cancelAgents: false });
  await around.shows('stopped');
  await ground.writeGraph(ground.repo, [{ id: 'job', exec: 'true' }]);
  supervised = await supervise(ground);
  await around.shows(/done .* job /);
  around.send('SIGINT');
  expect(await ended).toBe(0);
});

test('without a supervisor: exit 5, and where the past is', async () => {
  expect(await cli('events')).toMatchObject({ status: 5, err: expect.stringContaining('supervisor runs') });
});
