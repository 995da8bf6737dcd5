// The README's first ten minutes, run as they stand: the built program under the name `supervisor`, a repository and a
// home of one's own. Whatever else the README shows as a command must at least be one.

import { execFile } from 'node:child_process';
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { BUILT, personEnvironment } from './support/actors.ts';
import { createPlayground, type Playground } from './support/playground.ts';

const run = promisify(execFile);
const README = new URL('../README.md', import.meta.url);

let playground: Playground;
let environment: Record<string, string | undefined>;

beforeEach(async () => {
  playground = await createPlayground();
  const bin = join(playground.folder, 'bin');
  await mkdir(bin);
  // As `npm link` does it.
  await symlink(BUILT, join(bin, 'supervisor'));
  const { PATH } = personEnvironment(playground.folder);
  environment = personEnvironment(playground.folder, { PATH: `${bin}:${PATH}` });
});
afterEach(() => playground.remove());

/** The sh block after a marker. */
async function block(marker: string): Promise<string> {
  const text = await readFile(README, 'utf8');
  const found = new RegExp(`<!-- test: ${marker} -->\\n\`\`\`sh\\n([\\s\\S]*?)\`\`\``).exec(text)?.[1];
  if (found === undefined) throw new Error(`no block ${marker} in the README`);
  return found;
}

/** Each line on its own, as a person types them; gives what each printed. Throws for one that does not exit with 0. */
async function typed(script: string): Promise<Map<string, string>> {
  const said = new Map<string, string>();
  for (const line of script.split('\n').filter((text) => text.trim() !== '')) {
    const { stdout } = await run('sh', ['-c', line], { cwd: playground.repo, env: environment });
    said.set(line.split(' ').slice(0, 2).join(' '), stdout);
  }
  return said;
}

test('the first ten minutes do what they say', async () => {
  const said = await typed(await block('first-ten-minutes'));
  expect(said.get('supervisor add')).toContain('goodbye');
  const status = said.get('supervisor status') ?? '';
  expect(status).toContain(playground.repo.split('/').at(-1));
  expect(status).toMatch(/no supervisor is running/i);
  const ran = said.get('supervisor run') ?? '';
  for (const word of ['hello', 'goodbye', 'done']) expect(ran).toContain(word);
  const list = said.get('supervisor list') ?? '';
  expect(list).toMatch(/hello.*done/);
  expect(list).toMatch(/goodbye.*done/);
  expect(said.get('supervisor logs')).toContain(`hello from ${playground.repo}`);
  const tasks = await playground.readGraph(playground.repo);
  expect([...tasks.values()].map((task) => [task.id, task.status])).toEqual([
    ['hello', 'done'],
    ['goodbye', 'done'],
  ]);
}, 60_000);

test('the whole block also runs as one script', async () => {
  const script = join(playground.folder, 'block.sh');
  await writeFile(script, `set -e\n${await block('first-ten-minutes')}`);
  const { stdout } = await run('sh', [script], { cwd: playground.repo, env: environment });
  expect(stdout).toContain(`hello from ${playground.repo}`);
}, 60_000);

test('what names an executor is added, and `why` gives the reason and the next step that the README promises', async () => {
  const said = await typed(await block('first-ten-minutes'));
  expect(said.size).toBeGreaterThan(3);
  const text = await readFile(README, 'utf8');
  const adds = [...text.matchAll(/^supervisor add .*--executor .*$/gm)].map(([line]) => line);
  expect(adds.length).toBeGreaterThanOrEqual(3);
  await typed(adds.join('\n'));
  const { stdout } = await run('sh', ['-c', 'supervisor why deploy-to-staging'], {
    cwd: playground.repo,
    env: environment,
  });
  expect(stdout).toContain('no executor deploy-agent is configured');
  expect(stdout).toContain('[executors.');
}, 60_000);

test('every command that the README shows exists', async () => {
  const text = await readFile(README, 'utf8');
  const shown = new Set(
    [...text.matchAll(/(?:^|`)supervisor ((?:[a-z]+ ?){1,2})/gm)].map(([, words = '']) =>
      words.trim().split(' '),
    ),
  );
  const { stdout: help } = await run('sh', ['-c', 'supervisor --help'], { env: environment });
  const commands = new Set([...help.matchAll(/^ {2}([a-z]+)[| ]/gm)].map(([, name]) => name));
  expect(commands.size).toBeGreaterThan(20);
  for (const [command = ''] of shown) expect([command, commands.has(command)]).toEqual([command, true]);
});

test('the configuration that the README shows is one', async () => {
  const text = await readFile(README, 'utf8');
  const toml = [...text.matchAll(/```toml\n([\s\S]*?)```/g)].map(([, found]) => found ?? '');
  const here = /<<'TOML'\n([\s\S]*?)\nTOML/.exec(text)?.[1] ?? '';
  expect(toml.length).toBeGreaterThan(0);
  expect(here).toContain('[[repos]]');
  const config = join(playground.folder, '.config', 'workgraph-supervisor');
  await mkdir(config, { recursive: true });
  await writeFile(join(config, 'supervisor.toml'), [here, ...toml].join('\n'));
  // What it serves is looked at as well.
  const places = [...[here, ...toml].join('\n').matchAll(/^path = "~\/(.+)"$/gm)].map(
    ([, path = '']) => path,
  );
  for (const path of places)
    await run('git', ['init', '-q', join(playground.folder, path)], { env: environment });
  const { stdout, stderr } = await run('sh', ['-c', 'supervisor config check'], {
    cwd: playground.repo,
    env: environment,
  });
  expect([stderr, stdout]).toEqual(['', expect.stringContaining('supervisor.toml')]);
}, 60_000);
