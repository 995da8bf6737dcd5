import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { DiskSpace } from '../../src/domain/machine.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { type MachinePlaces, machineProbe } from '../../src/platform/machine.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'machine-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

const { after } = systemClock();

async function put(files: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), text);
  }
}

const read = (folders: readonly string[] = [], more: Partial<MachinePlaces> = {}) =>
  machineProbe('linux', after, {
    proc: join(folder, 'proc'),
    cgroups: join(folder, 'cgroup'),
    ...more,
  }).read(folders, 5);

const PRESSURE = (avg10: string, avg60: string) =>
  `some avg10=${avg10} avg60=${avg60} avg300=0.10 total=1\nfull avg10=99.00 avg60=99.00 avg300=9 total=1\n`;
const MEMINFO = 'MemTotal:       16000000 kB\nMemFree:          100000 kB\nMemAvailable:    8000000 kB\n';

describe('memory and load', () => {
  test('as Linux tells them', async () => {
    await put({
      'proc/meminfo': MEMINFO,
      'proc/pressure/memory': PRESSURE('14.25', '1.00'),
      'proc/pressure/cpu': PRESSURE('1.00', '69.15'),
    });
    expect(await read()).toMatchObject({
      at: 5,
      memory: { availableBytes: 8_192_000_000, totalBytes: 16_384_000_000, pressure: 14.25 },
      load: { average: expect.any(Number), cores: expect.any(Number), pressure: 69.15 },
    });
  });

  test('without PSI, or with files that say nothing, there is no pressure', async () => {
    await put({ 'proc/meminfo': MEMINFO, 'proc/pressure/memory': '', 'proc/pressure/cpu': 'some avg10=x' });
    const { memory, load } = await read();
    expect(memory?.pressure).toBeNull();
    expect(load?.pressure).toBeNull();
  });

  test('where nothing is to be read at all, the system answers', async () => {
    const { memory } = await read();
    expect(memory?.totalBytes).toBeGreaterThan(0);
    expect(memory?.pressure).toBeNull();
  });

  test('macOS: free memory says nothing there, load does', async () => {
    const { memory, load } = await machineProbe('darwin', after, { proc: join(folder, 'none') }).read([], 5);
    expect(memory).toBeNull();
    expect(load?.cores).toBeGreaterThan(0);
  });

  test('the tightest limit of our control groups counts; files that were read are freed on demand', async () => {
    await put({
      'proc/meminfo': MEMINFO,
      'proc/self/cgroup': '0::/user.slice/supervisor.service\n',
      'cgroup/user.slice/memory.max': '3000000000\n',
      'cgroup/user.slice/memory.current': '2900000000\n',
      'cgroup/user.slice/memory.stat': 'anon 900000000\nfile 2000000000\nshmem 500000000\n',
      'cgroup/user.slice/supervisor.service/memory.max': 'max\n',
    });
    expect((await read()).memory).toMatchObject({ availableBytes: 1_600_000_000, totalBytes: 3_000_000_000 });
  });

  test('a group with more room than the machine does not count, nor one that leads out of the tree', async () => {
    await put({
      'proc/meminfo': MEMINFO,
      'proc/self/cgroup': '0::/a\n',
      'cgroup/a/memory.max': '90000000000\n',
      'cgroup/a/memory.current': '1\n',
    });
    expect((await read()).memory).toMatchObject({ availableBytes: 8_192_000_000 });
    await put({
      'proc/self/cgroup': '0::/../outside\n',
      'outside/memory.max': '1000\n',
      'outside/memory.current': '0\n',
    });
    expect((await read()).memory).toMatchObject({ availableBytes: 8_192_000_000 });
  });
});

describe('disks', () => {
  test('each folder once; what is gone is unknown', async () => {
    const asked: string[] = [];
    const space = async (of: string): Promise<DiskSpace> => {
      asked.push(of);
      if (of === '/gone') throw Object.assign(new Error('no'), { code: 'ENOENT' });
      return { freeBytes: 1, totalBytes: 2 };
    };
    const { disks } = await read(['/a', '/gone', '/a'], { space });
    expect(asked).toEqual(['/a', '/gone']);
    expect([...disks]).toEqual([['/a', { freeBytes: 1, totalBytes: 2 }]]);
  });

  test('the real answer of a real folder', async () => {
    const space = (await read([folder])).disks.get(folder);
    expect(space?.totalBytes).toBeGreaterThan(0);
    expect(space?.freeBytes).toBeLessThanOrEqual(space?.totalBytes ?? 0);
  });

  test('a file system that hangs delays no reading for long, and is not asked again while it hangs', async () => {
    let waits: (() => void) | null = null;
    let asked = 0;
    let patience = 0;
    const probe = machineProbe(
      'linux',
      (ms, act) => {
        patience = ms;
        queueMicrotask(act);
        return () => {};
      },
      {
        proc: join(folder, 'proc'),
        space: () => {
          asked++;
          return new Promise<DiskSpace>((resolve) => {
            waits = () => resolve({ freeBytes: 1, totalBytes: 2 });
          });
        },
      },
    );
    expect((await probe.read(['/nfs'], 1)).disks.size).toBe(0);
    expect(patience).toBe(1000);
    expect((await probe.read(['/nfs'], 2)).disks.size).toBe(0);
    expect(asked).toBe(1);
    (waits as (() => void) | null)?.();
  });
});

test('files that may not be read are unknown', async () => {
  await put({ 'proc/meminfo': MEMINFO, 'proc/pressure/memory': PRESSURE('50', '50') });
  await chmod(join(folder, 'proc/pressure'), 0o000);
  const { memory } = await read();
  await chmod(join(folder, 'proc/pressure'), 0o700);
  // Root may read everything.
  expect(memory?.pressure ?? null).toBe(process.getuid?.() === 0 ? 50 : null);
});
