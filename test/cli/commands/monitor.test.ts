// `status --watch` as a monitor: with keys that a test presses, and in a real terminal.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { runCommandLine } from '../../../src/cli/program.ts';
import { builtCli } from '../../support/built-cli.ts';
import { createPlayground, type Playground } from '../../support/playground.ts';
import { type Supervised, supervise } from '../../support/supervised.ts';
import { fakeSurroundings } from '../fake-surroundings.ts';

let ground: Playground;
let supervised: Supervised | null = null;
let terminal: ChildProcess | null = null;
beforeEach(async () => {
  ground = await createPlayground();
  await ground.writeConfig('[retry]\nattempts = 1\n[executors.human]\ntype = "external"\n');
  await ground.writeGraph(ground.repo, [
    { id: 'breaks', exec: `test -e ${join(ground.folder, 'mended')} || { echo no database; exit 3; }` },
  ]);
});
afterEach(async () => {
  if (terminal?.exitCode === null) terminal.kill('SIGKILL');
  terminal = null;
  await supervised?.stop({ cancelAgents: true });
  supervised = null;
  await ground.remove();
});

const flags = () => ['--config', ground.configFile, '--state-dir', ground.stateDir];
const around = () =>
  fakeSurroundings({
    ...{ cwd: ground.repo, home: ground.folder, isTTY: true, keys: true, rows: 24, columns: 80 },
    variables: { NO_COLOR: '1' },
  });

test('a failed task is seen, its log and its reasons are read, and one key tries it once more', async () => {
  supervised = await supervise(ground);
  await supervised.event('run.settled', 'breaks');
  const screen = around();
  const ended = runCommandLine([...flags(), 'status', '--watch'], screen);
  await screen.shows('> ✗ breaks');
  screen.press('l');
  await screen.shows('no database');
  screen.press('w');
  await screen.shows(/Why breaks/);
  screen.press('escape');
  await writeFile(join(ground.folder, 'mended'), '');
  screen.press('r');
  await supervised.nth(2, 'run.settled', 'breaks');
  await screen.shows('$ supervisor retry breaks');
  await screen.shows('nothing waits, nothing runs');
  screen.press('q');
  expect(await ended).toBe(0);
  expect(screen.written.out.endsWith('\u001b[?1049l')).toBe(true);
});

test('what a task asks is answered', async () => {
  await ground.writeGraph(ground.repo, [{ id: 'ask', executor: 'human' }]);
  supervised = await supervise(ground);
  await supervised.event('run.handed-off', 'ask');
  const { run } = await supervised.control.claim({ task: 'ask' }, 'w');
  await supervised.control.input(run.run, { question: 'Blue or red?', options: ['blue', 'red'] });
  const screen = around();
  const ended = runCommandLine([...flags(), 'status', '--watch'], screen);
  await screen.shows('Blue or red?');
  for (const key of ['a', '2', 'return']) screen.press(key);
  expect((await supervised.event('run.answered', 'ask')).answer).toBe('red');
  await screen.shows('$ supervisor answer ask red');
  screen.press('q');
  expect(await ended).toBe(0);
});

test('without a supervisor it shows what there is, and says why a key does nothing', async () => {
  await ground.writeGraph(ground.repo, [{ id: 'breaks', status: 'failed', failure_reason: 'exit 3' }]);
  const screen = around();
  const ended = runCommandLine([...flags(), 'status', '--watch'], screen);
  await screen.shows('> ✗ breaks');
  screen.press('r');
  await screen.shows('no supervisor is running: start one');
  screen.send('SIGINT');
  expect(await ended).toBe(0);
});

const { stdout = '' } = spawnSync('script', ['--version'], { encoding: 'utf8' });
const inTerminal = stdout.includes('util-linux') ? test : test.skip;

inTerminal('in a real terminal: keys are read one by one, and the terminal is left as it was', async () => {
  supervised = await supervise(ground);
  await supervised.event('run.settled', 'breaks');
  const program = [process.execPath, builtCli(), ...flags(), 'status', '--watch'];
  const line = `stty rows 24 cols 80; before=$(stty -g); ${program.map((word) => `'${word}'`).join(' ')}; test "$before" = "$(stty -g)" && echo as-it-was`;
  const child = spawn('script', ['-qec', line, '/dev/null'], {
    cwd: ground.repo,
    env: { PATH: process.env.PATH ?? '', HOME: ground.folder, TERM: 'xterm', SHELL: '/bin/sh' },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  terminal = child;
  let shown = '';
  let look = () => {};
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    shown += text;
    look();
  });
  const shows = (text: string) =>
    new Promise<void>((resolve) => {
      look = () => {
        if (shown.includes(text)) resolve();
      };
      look();
    });
  const ended = new Promise((resolve) => child.once('close', resolve));
  await shows('Needs you');
  child.stdin.write('l');
  await shows('Log of breaks');
  await writeFile(join(ground.folder, 'mended'), '');
  child.stdin.write('r');
  await supervised.nth(2, 'run.settled', 'breaks');
  child.stdin.write('\u0003');
  await shows('as-it-was');
  expect(await ended).toBe(0);
  const [, window = ''] = shown.split('\u001b[?1049h');
  expect(window).toContain('\u001b[?1049l');
  expect(window).not.toContain('\u001b[3J');
});
