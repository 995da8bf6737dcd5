// No test depends on today's date. Suites that take the real time beside a date that is written down are run once more on
// other days: a leap day years ahead, and the night in which daylight saving time begins. `TEST_CLOCK=2032-02-29T23:59:30Z npm run jest` does this with any suite.

import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { clockVariables, shiftedDate } from './shifted-date.mjs';

const TESTS = join(import.meta.dirname, '..');
const ROOT = join(TESTS, '..');

/** Those with many processes of their own take minutes, and run on request only. */
const LONG =
  /^(?:architecture|(?:scenarios|crash|model|simulation|soak|support|graph|cli|worktrees|executors\/(?:process|queue))\/)/;

function suitesWithRealTime(): string[] {
  return readdirSync(TESTS, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.test.ts') && !LONG.test(path))
    .filter((path) =>
      /systemClock\(\)|Date\.now\(\)|new Date\(\)/.test(readFileSync(join(TESTS, path), 'utf8')),
    );
}

/** Shifts the whole process, files' times included, where someone has installed it. */
const FAKETIME = ['x86_64-linux-gnu', 'aarch64-linux-gnu', '', '../local/lib']
  .map((place) => join('/usr/lib', place, 'faketime/libfaketime.so.1'))
  .find((path) => existsSync(path));
if (FAKETIME === undefined) process.stderr.write('dates: without libfaketime only Date itself is shifted\n');

function clockOf(day: string): Readonly<Record<string, string>> {
  if (FAKETIME === undefined) return { TEST_CLOCK: day };
  const seconds = Math.round((Date.parse(day) - Date.now()) / 1000);
  return { LD_PRELOAD: FAKETIME, FAKETIME: `+${seconds}`, FAKETIME_DONT_FAKE_MONOTONIC: '1' };
}

/** Ends with what the run printed; its status is in the first line. */
function runOn(day: string, zone: string, suites: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const args = ['node_modules/jest/bin/jest.js', '--silent', '--runTestsByPath', ...suites];
    const child = spawn(process.execPath, ['--experimental-vm-modules', ...args], {
      cwd: ROOT,
      env: { ...process.env, ...clockOf(day), TZ: zone },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let text = '';
    child.stderr.on('data', (data: Buffer) => {
      text += data.toString();
    });
    child.once('error', reject);
    child.once('close', (status) => resolve(`${status}\n${text}`));
  });
}

test.each([
  ['a leap day years ahead', '2032-02-29T23:59:30Z', 'UTC'],
  ['the night of a change to daylight saving time', '2027-03-28T00:59:30Z', 'Europe/Berlin'],
])(
  'suites that take the real time pass on %s',
  async (_which, day, zone) => {
    const suites = suitesWithRealTime();
    expect(suites).toContain('executors/http/response.table.test.ts');
    const ended = await runOn(
      day,
      zone,
      suites.map((path) => join('test', path)),
    );
    expect(ended).toMatch(/^0\n/);
  },
  600_000,
);

test('another day is one for what reads the clock, in this process and in those that it starts', () => {
  const year = 366 * 86_400_000;
  const Shifted = shiftedDate(Date, year);
  const ahead = (ms: number) => Math.round((ms - Date.now()) / 60_000) * 60_000;
  expect([Shifted.now(), new Shifted().getTime(), Date.parse(Shifted())].map(ahead)).toEqual([
    year,
    year,
    year,
  ]);
  expect(new Shifted(5).getTime()).toBe(5);
  expect(new Shifted()).toBeInstanceOf(Date);
  expect(Shifted.parse('1970-01-01T00:00:05Z')).toBe(5000);
  expect(clockVariables(-5).TEST_CLOCK).toBe('-5');
});
