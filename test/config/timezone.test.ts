import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { isTimezone, localTimezone, machineTimezone } from '../../src/config/timezone.ts';

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
  expect(machineTimezone({ TZ: 'CET-1CEST' })).toBe(localTimezone());
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
