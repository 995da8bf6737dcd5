// `supervisor drill` as a user runs it: it finds nothing in this build, and leaves nothing, also when it is interrupted
// or killed.

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { markedProcesses } from '../../src/cli/drill/processes.ts';
import { BUILT, eventually, personEnvironment } from '../support/actors.ts';

let temporary: string;
let child: ChildProcess | null = null;

beforeEach(() => {
  temporary = realpathSync(mkdtempSync(join(tmpdir(), 'supervisor-test-')));
});
afterEach(async () => {
  child?.kill('SIGKILL');
  for (const folder of folders())
    for (const { pid } of await processesOf(folder)) process.kill(pid, 'SIGKILL');
  rmSync(temporary, { recursive: true, force: true });
});

const folders = () => readdirSync(temporary).map((name) => join(temporary, name));
const processesOf = (folder: string) => markedProcesses({ folder, stateDir: join(folder, 'state') });

/** Starts it with a temporary folder of its own; `ended` gives what it printed. */
function startDrill(...args: string[]) {
  const started = spawn(process.execPath, [BUILT, 'drill', ...args], {
    env: personEnvironment(temporary, { TMPDIR: temporary }),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  child = started;
  let out = '';
  let err = '';
  started.stdout.on('data', (data: Buffer) => {
    out += data.toString();
  });
  started.stderr.on('data', (data: Buffer) => {
    err += data.toString();
  });
  const ended = new Promise<{ status: number | null; out: string; err: string }>((resolve) =>
    started.once('close', (status) => resolve({ status, out, err })),
  );
  return { started, ended };
}

/** The folder of the drill once agents work in it. */
const atWork = () =>
  eventually(() =>
    folders().find((folder) => {
      try {
        return readFileSync(join(folder, 'journal'), 'utf8') !== '';
      } catch {
        // It is just being made.
        return false;
      }
    }),
  );

test('killed in the middle, what it left is removed by the next, which finds nothing wrong', async () => {
  const first = startDrill('--seconds', '30', '--seed', '1');
  const folder = await atWork();
  first.started.kill('SIGKILL');
  await first.ended;
  expect(folders()).toEqual([folder]);

  const { ended } = startDrill('--seconds', '3', '--seed', '2', '--json');
  const { status, out, err } = await ended;
  const report = JSON.parse(out) as Record<string, number | unknown[]>;
  expect({ findings: report.findings, status }).toEqual({ findings: [], status: 0 });
  expect(err).toBe(`removed ${folder}, left by a drill that was killed\n`);
  expect(report).toMatchObject({
    seed: 2,
    tasks: 20,
    done: 20,
    run_twice: 0,
    lost: 0,
    stranded: 0,
    orphans: 0,
  });
  expect(Number(report.kills) + Number(report.stops)).toBeGreaterThan(0);
  expect(Number(report.disk_bytes)).toBeLessThan(150e6);
  expect(folders()).toEqual([]);
  expect(await processesOf(folder)).toEqual([]);
});

test('interrupted, it removes everything and says so', async () => {
  const { started, ended } = startDrill('--seconds', '30', '--seed', '3');
  const folder = await atWork();
  started.kill('SIGINT');
  const { status, out, err } = await ended;
  expect(out).toMatch(/^A throw-away repository, 30 s of kills and git operations. Seed 3\n/);
  expect({ status, err }).toEqual({
    status: 130,
    err: 'ended by a signal; everything that it made is removed. Seed 3\n',
  });
  expect(folders()).toEqual([]);
  expect(await processesOf(folder)).toEqual([]);
});
