import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { createPlayground, type Playground } from '../../support/playground.ts';
import { type Supervised, supervise } from '../../support/supervised.ts';
import { command } from '../fake-surroundings.ts';

let ground: Playground;
let other: Playground;
let supervised: Supervised | null = null;
beforeEach(async () => {
  [ground, other] = [await createPlayground(), await createPlayground()];
  await ground.writeConfig('# mine\n\n[limits] # kept\n');
});
afterEach(async () => {
  await supervised?.stop({ cancelAgents: true });
  supervised = null;
  await Promise.all([ground.remove(), other.remove()]);
});

const at = (cwd: string, ...argv: string[]) =>
  command(
    { cwd, home: ground.folder },
    ...['--config', ground.configFile, '--state-dir', ground.stateDir],
    ...argv,
  );
const text = () => readFile(ground.configFile, 'utf8');

test('add from anywhere in the repository, list, remove: the rest of the file stays as it is', async () => {
  const before = await text();
  const side = await other.worktree('side');
  const below = join(side, 'deep');
  await mkdir(below);
  // Adding a task where no supervisor looks says this very command.
  expect((await at(other.repo, 'add', 'A job')).err).toContain(`supervisor repos add ${other.repo}`);
  expect(await at(below, 'repos', 'add')).toMatchObject({
    status: 0,
    out: expect.stringContaining('added to'),
  });
  expect(await text()).toBe(`${before}\n[[repos]]\npath = "${other.repo}"\n`);
  expect(await at(other.repo, 'repos', 'add')).toMatchObject({ out: 'served already\n' });
  const { repos } = JSON.parse((await at('/', 'repos', '--json')).out);
  expect(repos).toMatchObject([
    { path: ground.repo, by: 'repos' },
    { path: other.repo, by: 'repos', worktrees: 2 },
  ]);
  expect(await at('/', 'repos', 'remove', other.repo)).toMatchObject({ status: 0 });
  expect(await text()).toBe(before);
  expect(await at('/', 'repos', 'remove', other.repo)).toMatchObject({ status: 8 });
  expect(await at(ground.folder, 'repos', 'add', '.')).toMatchObject({ status: 8 });
});

test('a running supervisor serves it at once', async () => {
  await ground.writeGraph(ground.repo, []);
  await other.writeGraph(other.repo, [{ id: 'job', exec: 'true' }]);
  supervised = await supervise(ground);
  expect(await at(other.repo, 'repos', 'add')).toMatchObject({ status: 0 });
  await supervised.event('run.settled', 'job');
});

test('a file that is wrong already, or whose block is not plain to read, is left alone', async () => {
  await writeFile(ground.configFile, `repos = [{ path = "${ground.repo}" }]\n`);
  const before = await text();
  expect(await at(ground.repo, 'repos', 'remove', '.')).toMatchObject({
    status: 8,
    err: expect.stringContaining('in an editor'),
  });
  await writeFile(ground.configFile, 'no toml');
  expect(await at(other.repo, 'repos', 'add')).toMatchObject({ status: 3 });
  expect(before).toContain('repos = [');
  expect(await text()).toBe('no toml');
});
