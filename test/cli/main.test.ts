// The built program as a shell sees it: exit statuses, pipes, environment.

import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { builtCli, runCli } from '../support/built-cli.ts';
import { createPlayground, type Playground } from '../support/playground.ts';

let ground: Playground;
let main: string;
beforeAll(async () => {
  main = builtCli();
  ground = await createPlayground();
  await ground.writeConfig('');
  const tasks = Array.from({ length: 2000 }, (_, n) => ({
    id: `task-${n}`,
    title: 'A\u001b[31m long enough title 日本語',
  }));
  await ground.writeGraph(ground.repo, tasks);
}, 120_000);
afterAll(() => ground.remove());

const flags = () => ['--config', ground.configFile, '--state-dir', ground.stateDir];
const cli = (argv: string[], env: Record<string, string> = {}) =>
  runCli([...flags(), ...argv], { cwd: ground.repo, env });

test.each<[number, string[]]>([
  [0, ['--version']],
  [0, ['--help']],
  [0, ['status']],
  [2, []],
  [2, ['nonsense']],
  [2, ['done', 'task-1', '--artifacts', '{']],
  [5, ['drain']],
  [7, ['executors', 'test', 'claude']],
  [8, ['show', 'no-such-task']],
])('exit %d: %j', async (status, argv) => {
  const ended = await cli(argv, { PATH: `${process.env.PATH}` });
  expect({ status: ended.status, signal: ended.signal }).toEqual({ status, signal: null });
  if (status !== 0) expect(ended.err).not.toMatch(/^\s+at /m);
});

test('exit 3 for a configuration that is not there', async () => {
  const ended = await runCli(['--config', 'gone.toml', 'status'], { cwd: ground.repo });
  expect(ended.status).toBe(3);
});

describe('output', () => {
  test('a reader that leaves (`| head`) is no error', async () => {
    const shell = `'${process.execPath}' '${main}' ${flags().join(' ')} list --all --json | head -1; echo "\${PIPESTATUS[0]}"`;
    const { stdout, stderr } = await promisify(execFile)('bash', ['-c', shell], { cwd: ground.repo });
    expect(stdout).toBe('{\n0\n');
    expect(stderr).toBe('');
  });

  test('no colours into a pipe; FORCE_COLOR colours, NO_COLOR and --no-color never', async () => {
    const colored = async (argv: string[], env: Record<string, string>) =>
      (await cli(argv, env)).out.includes('\u001b[');
    expect(await colored(['status'], {})).toBe(false);
    expect(await colored(['status'], { FORCE_COLOR: '1' })).toBe(true);
    expect(await colored(['status'], { FORCE_COLOR: '1', NO_COLOR: '1' })).toBe(false);
    expect(await colored(['status', '--no-color'], { FORCE_COLOR: '1' })).toBe(false);
    expect(await colored(['status', '--json'], { FORCE_COLOR: '1' })).toBe(false);
  });

  test('40 columns: nothing is wider, nothing hostile gets through', async () => {
    const { out } = await cli(['list'], { COLUMNS: '40' });
    const lines = out.split('\n');
    expect(lines.length).toBeGreaterThan(2000);
    for (const line of lines.slice(0, 2001)) expect([...line].length).toBeLessThanOrEqual(40);
    expect(out).not.toContain('\u001b');
  });

  test('artifacts come through stdin', async () => {
    const ended = await runCli([...flags(), 'done', 'task-5', '--artifacts', '-', '--json'], {
      cwd: ground.repo,
      input: '{"from": "stdin"}',
    });
    expect(ended.status).toBe(0);
    expect(JSON.parse(ended.out)).toMatchObject({ task: 'task-5', status: 'done', duplicate: false });
    expect(JSON.stringify((await ground.readGraph(ground.repo)).get('task-5'))).toContain('stdin');
  });
});

test('a working folder that was deleted still lets commands run', async () => {
  const shell = `mkdir gone && cd gone && rmdir ../gone && '${process.execPath}' '${main}' --version`;
  const { stdout } = await promisify(execFile)('bash', ['-c', shell], { cwd: ground.folder });
  expect(stdout).toMatch(/^\d+\./);
});

test('run: SIGTERM ends it with 0, and its socket and lock are free again', async () => {
  const child = spawn(process.execPath, [main, ...flags(), 'run', '--observe'], {
    cwd: ground.repo,
    env: { PATH: process.env.PATH, HOME: ground.folder },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const closed = new Promise<number | null>((resolve) => child.once('close', resolve));
  let out = '';
  await new Promise<void>((resolve) => {
    child.stdout.on('data', (data: Buffer) => {
      out += data;
      if (out.includes('started')) resolve();
    });
    void closed.then(() => resolve());
  });
  const status = JSON.parse((await cli(['status', '--json'])).out);
  expect(status.supervisor).toMatchObject({ running: true, pid: child.pid, mode: 'observe' });
  child.kill('SIGTERM');
  expect(await closed).toBe(0);
  expect(existsSync(join(ground.stateDir, 'api.json'))).toBe(false);
  expect((await cli(['status'])).out).toMatch(/^no supervisor is running/);
});

test.each([
  ['status', '--json'],
  ['list'],
  ['--version'],
])('%s %s: output that cannot be written is an error', async (...argv) => {
  if (!existsSync('/dev/full')) return;
  const child = spawn(
    'sh',
    ['-c', 'exec "$@" > /dev/full', 'sh', process.execPath, main, ...flags(), ...argv],
    {
      cwd: ground.repo,
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  );
  let err = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text;
  });
  const status = await new Promise((resolve) => child.once('close', resolve));
  expect({ status, err }).toEqual({
    status: 1,
    err: expect.stringMatching(/^supervisor: cannot write: .*ENOSPC/),
  });
});

test('a user without an entry in passwd and without HOME gets a sentence', async () => {
  if (process.getuid?.() !== 0) return;
  const child = spawn(process.execPath, [main, 'status'], {
    cwd: '/',
    uid: 54321,
    gid: 54321,
    env: { PATH: process.env.PATH },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let err = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text;
  });
  const status = await new Promise((resolve) => child.once('close', resolve));
  expect({ status, err }).toEqual({
    status: 3,
    err: expect.stringMatching(/^supervisor: there is no home folder: .*uid 54321.*; set HOME/),
  });
});
