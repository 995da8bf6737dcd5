import { existsSync } from 'node:fs';
import { mkdtemp, readFile, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { systemClock } from '../../src/platform/clock.ts';
import { runVerify } from '../../src/wg/verify.ts';
import { eventually } from '../support/actors.ts';

let cwd: string;
beforeEach(async () => {
  cwd = await realpath(await mkdtemp(join(tmpdir(), 'verify-')));
});
afterEach(() => rm(cwd, { recursive: true, force: true }));

const run = (command: string, timeoutMs = 0) =>
  runVerify({
    command,
    cwd,
    timeoutMs,
    clock: systemClock(),
    variables: { PATH: process.env.PATH ?? '', ONE: '1' },
  });

test('runs in the folder it is given, with the environment it is given', async () => {
  expect(await run('pwd >where; test "$ONE" = 1 && test -z "$HOME"')).toEqual({ passed: true });
  expect((await readFile(join(cwd, 'where'), 'utf8')).trim()).toBe(cwd);
});

test('what failed says how, with the end of its output', async () => {
  const failed = await run(
    'i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done; echo the end >&2; exit 7',
  );
  expect(failed).toMatchObject({ passed: false, because: expect.stringContaining('failed with status 7') });
  expect(failed.passed || failed.because).toContain('the end');
  expect((failed.passed ? '' : failed.because).length).toBeLessThan(2000);
  expect(await run('kill -9 $$')).toMatchObject({ because: expect.stringContaining('SIGKILL') });
  expect(await run('no-such-program')).toMatchObject({ because: expect.stringContaining('status 127') });
});

test('its time over, it is ended with all that it started', async () => {
  const late = await run('sleep 300 & echo $! >pid; sleep 300', 300);
  expect(late).toMatchObject({ passed: false, because: expect.stringContaining('did not end within 300ms') });
  const pid = Number(await readFile(join(cwd, 'pid'), 'utf8'));
  await eventually(() => !existsSync(`/proc/${pid}`) || isGone(pid));
});

test('a background process that keeps its output open does not hold it up', async () => {
  try {
    expect(await run('sleep 1000 & echo $! >pid', 60_000)).toEqual({ passed: true });
  } finally {
    process.kill(Number(await readFile(join(cwd, 'pid'), 'utf8')), 'SIGKILL');
  }
});

function isGone(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return false;
  } catch {
    // ESRCH is what is waited for.
    return true;
  }
}
