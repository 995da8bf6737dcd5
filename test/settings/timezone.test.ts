import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { isTimezone, localTimezone, machineTimezone } from '../../src/settings/timezone.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'zone-'));
});
afterEach(() => rm(folder, { recursive: true }));

test.each([
  ['Europe/Berlin', true],
  ['UTC', true],
  ['Mars/Olympus', false],
  ['', false],
])('%p is a zone: %p', (name, expected) => {
  expect(isTimezone(name)).toBe(expected);
});

test('TZ says which zone the machine is in; a wrong one is left to the language', () => {
  expect(machineTimezone({ TZ: 'Asia/Kolkata' })).toBe('Asia/Kolkata');
  expect(machineTimezone({ TZ: ':Asia/Kolkata' })).toBe('Asia/Kolkata');
  expect(machineTimezone({ TZ: '/usr/share/zoneinfo/Asia/Kolkata' })).toBe('Asia/Kolkata');
});

test('without TZ the link does, and a changed link is noticed', async () => {
  const link = join(folder, 'localtime');
  await symlink('/usr/share/zoneinfo/Europe/Berlin', link);
  expect(machineTimezone({}, link)).toBe('Europe/Berlin');
  await rm(link);
  await symlink('../var/db/timezone/zoneinfo/America/Argentina/Ushuaia', link);
  expect(machineTimezone({}, link)).toBe('America/Argentina/Ushuaia');
});

test('a copy instead of a link, a strange link or none is left to the language', async () => {
  const link = join(folder, 'localtime');
  expect(machineTimezone({}, link)).toBe(localTimezone());
  await writeFile(link, 'TZif2');
  expect(machineTimezone({}, link)).toBe(localTimezone());
  await rm(link);
  await symlink('/usr/share/zoneinfo/Mars/Olympus', link);
  expect(machineTimezone({}, link)).toBe(localTimezone());
});

test.each([
  ['CET-1', 'Etc/GMT-1'],
  ['EST5', 'Etc/GMT+5'],
  ['<+03>-3', 'Etc/GMT-3'],
  ['UTC0', 'Etc/GMT+0'],
  ['CET-1:00', 'Etc/GMT-1'],
])('a POSIX rule without daylight saving, %s, is understood', (rule, zone) => {
  expect(machineTimezone({ TZ: rule })).toBe(zone);
});

test.each([
  'CET-1CEST',
  'CET-1CEST,M3.5.0,M10.5.0/3',
  'IST-5:30',
  'Mars/Olympus',
  '/etc/my-zone',
  'XYZ-99',
])('TZ=%s, which has no name, is refused rather than taken for UTC', (rule) => {
  expect(() => machineTimezone({ TZ: rule })).toThrow(/not the name of a time zone/);
});
