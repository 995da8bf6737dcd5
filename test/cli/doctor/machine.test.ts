import { mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { clock, disk, nodeVersion, otherSupervisor, pressure } from '../../../src/cli/doctor/machine.ts';
import { fakeContext } from '../fake-surroundings.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'doctor-machine-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

test.each([
  ['20.18.3', 'failed'],
  ['20.19.0', 'ok'],
  ['24.1.0', 'ok'],
])('Node %s: %s', (version, result) => {
  expect(nodeVersion(version).result).toBe(result);
});

describe('pressure', () => {
  const LIMITS = { memoryPressure: 10, minMemoryBytes: 1, maxLoad: 20, cpuPressure: 95, minDiskBytes: 1 };
  const probe = (memoryPressure: number) => ({
    read: async (_folders: readonly string[], at: number) => ({
      at,
      memory: { availableBytes: 4e9, totalBytes: 8e9, pressure: memoryPressure },
      load: { average: 1.5, cores: 1, pressure: 3 },
      disks: new Map(),
    }),
  });
  const ask = (memoryPressure: number) =>
    pressure(fakeContext(), { stateDir: folder }, LIMITS, probe(memoryPressure));

  test('a machine with room has figures', async () => {
    expect(await ask(0)).toEqual({
      ...{ check: 'pressure', result: 'ok' },
      because: '4.0 GB of 8.0 GB memory available, load 1.5 on 1 core',
    });
  });

  test('what is short is a note: work waits, nothing is broken', async () => {
    expect(await ask(14)).toEqual({
      ...{ check: 'pressure', result: 'note' },
      because:
        'the machine is short of memory: some avg10 = 14 % (limit 10 %): tasks are queued until there is room ([machine] in supervisor.toml)',
    });
  });
});

describe('the clock', () => {
  const ledgerFile = () => join(folder, 'ledger.sqlite');

  test('before what the ledger wrote last it is wrong, whether the ledger has a log beside it or not', () => {
    writeFileSync(ledgerFile(), '');
    const wroteAt = Date.parse('2026-11-02T09:00:00Z');
    utimesSync(ledgerFile(), wroteAt / 1000, wroteAt / 1000);
    expect(clock({ ledgerFile: ledgerFile() }, wroteAt - 30_000).result).toBe('ok');
    expect(clock({ ledgerFile: ledgerFile() }, wroteAt - 3_600_000)).toMatchObject({
      result: 'failed',
      because: expect.stringContaining('2026-11-02 09:00'),
    });
    writeFileSync(`${ledgerFile()}-wal`, '');
    utimesSync(`${ledgerFile()}-wal`, wroteAt / 1000 + 7200, wroteAt / 1000 + 7200);
    expect(clock({ ledgerFile: ledgerFile() }, wroteAt + 3_600_000).result).toBe('failed');
  });

  test('without a ledger nothing contradicts it', () => {
    expect(clock({ ledgerFile: ledgerFile() }, 0).result).toBe('ok');
  });
});

describe('the disk', () => {
  const stat = (freeMiB: number, ffree = 1000) =>
    (() => ({ bsize: 4096, bavail: freeMiB * 256, files: 1000, ffree })) as never;
  const stateDir = '/nowhere/yet/state';

  test.each([
    [4096, 'ok'],
    [100, 'note'],
    [3, 'failed'],
  ])('%d MiB free: %s', (free, result) => {
    expect(disk({ stateDir }, stat(free)).result).toBe(result);
  });

  test('full of files', () => {
    expect(disk({ stateDir }, stat(4096, 0))).toMatchObject({
      result: 'failed',
      because: expect.stringContaining('not one more file'),
    });
  });

  test('the real one is asked for the nearest folder that exists', () => {
    expect(disk({ stateDir: join(folder, 'a/b') }).because).toContain('MiB');
  });
});

test('another supervisor in front of us on PATH is told, a link to ours is none', () => {
  const ours = join(folder, 'lib/main.js');
  mkdirSync(join(folder, 'lib'));
  mkdirSync(join(folder, 'bin'));
  writeFileSync(ours, '', { mode: 0o755 });
  const context = fakeContext({ variables: { PATH: join(folder, 'bin') } });
  expect(otherSupervisor(context, ours)).toEqual([]);
  symlinkSync(ours, join(folder, 'bin/supervisor'));
  expect(otherSupervisor(context, ours)).toEqual([]);
  rmSync(join(folder, 'bin/supervisor'));
  writeFileSync(join(folder, 'bin/supervisor'), '', { mode: 0o755 });
  expect(otherSupervisor(context, ours)).toEqual([
    { check: 'PATH', result: 'note', because: expect.stringContaining('wgs') },
  ]);
});
