// Looks at the machine: memory, load and free disk space, cheaply and without starting anything.

import { readFile, statfs } from 'node:fs/promises';
import { availableParallelism, freemem, loadavg, totalmem } from 'node:os';
import { join } from 'node:path';
import type { DiskSpace, MachineReading } from '../domain/machine.ts';
import type { Clock } from './clock.ts';

/** Looks at the machine. */
export interface MachineProbe {
  /** `folders`: those whose free disk space is asked for. Never rejects. */
  read(folders: readonly string[], now: number): Promise<MachineReading>;
}

/** A file system that does not answer within this time (a network share) is unknown, ms. */
const DISK_PATIENCE_MS = 1_000;

/** Where the system tells; tests pass folders of their own. */
export interface MachinePlaces {
  readonly platform: NodeJS.Platform;
  readonly proc: string;
  readonly cgroups: string;
  /** Free space of a folder. */
  readonly space: (folder: string) => Promise<DiskSpace>;
  readonly after: Clock['after'];
}

/** This machine. */
export function machineProbe(
  platform: NodeJS.Platform,
  after: Clock['after'],
  places: Partial<MachinePlaces> = {},
): MachineProbe {
  const all = { platform, after, proc: '/proc', cgroups: '/sys/fs/cgroup', space: spaceOf, ...places };
  /** Folders whose file system has not answered yet: asking again would only use up one more thread. */
  const pending = new Set<string>();
  return {
    async read(folders, now) {
      const [memory, load, disks] = await Promise.all([
        memoryOf(all),
        loadOf(all),
        disksOf([...new Set(folders)], pending, all),
      ]);
      return { at: now, memory, load, disks };
    },
  };
}

async function memoryOf(places: MachinePlaces): Promise<MachineReading['memory']> {
  const info = await textOf(join(places.proc, 'meminfo'));
  const ofMachine = {
    // What `os` calls free on macOS leaves out what the system frees on demand, so it only understates.
    availableBytes: kibibytes(info, 'MemAvailable') ?? freemem(),
    totalBytes: kibibytes(info, 'MemTotal') ?? totalmem(),
  };
  // On macOS free memory is near zero on a machine that is fine, and nothing better is told without a process.
  if (places.platform === 'darwin') return null;
  const group = await tightestGroup(places);
  const pressure = pressureIn(await textOf(join(places.proc, 'pressure', 'memory')), 'avg10');
  const bounds = group !== null && group.availableBytes < ofMachine.availableBytes ? group : ofMachine;
  return { ...bounds, pressure };
}

async function loadOf({ proc }: MachinePlaces): Promise<MachineReading['load']> {
  const [average = 0] = loadavg();
  const pressure = pressureIn(await textOf(join(proc, 'pressure', 'cpu')), 'avg60');
  return { average, cores: availableParallelism(), pressure };
}

/** The part of a memory limit (systemd, a container) that is left to us and our agents; null: there is none. */
async function tightestGroup({
  proc,
  cgroups,
}: MachinePlaces): Promise<{ readonly availableBytes: number; readonly totalBytes: number } | null> {
  const own = /^0::(\/.*)$/m.exec(await textOf(join(proc, 'self', 'cgroup')))?.[1];
  if (own === undefined || own.split('/').includes('..')) return null;
  let tightest: { availableBytes: number; totalBytes: number } | null = null;
  const parts = own.split('/').filter((part) => part !== '');
  for (let depth = parts.length; depth >= 0; depth--) {
    const folder = join(cgroups, ...parts.slice(0, depth));
    const limit = Number((await textOf(join(folder, 'memory.max'))).trim() || Number.NaN);
    if (!Number.isFinite(limit) || limit <= 0) continue;
    const current = Number((await textOf(join(folder, 'memory.current'))).trim());
    const stat = await textOf(join(folder, 'memory.stat'));
    // Read files are freed on demand; what lies in tmpfs is counted among them and is not.
    const reclaimable = Math.max(0, count(stat, 'file') - count(stat, 'shmem'));
    const availableBytes = Math.max(0, limit - Math.max(0, current - reclaimable));
    if (tightest === null || availableBytes < tightest.availableBytes)
      tightest = { availableBytes, totalBytes: limit };
  }
  return tightest;
}

async function disksOf(
  folders: readonly string[],
  pending: Set<string>,
  { space, after }: MachinePlaces,
): Promise<ReadonlyMap<string, DiskSpace>> {
  const found = new Map<string, DiskSpace>();
  const asked = folders.filter((folder) => !pending.has(folder));
  const answers = asked.map(async (folder) => {
    pending.add(folder);
    try {
      found.set(folder, await space(folder));
    } catch {
      // A folder that is gone, or a file system without an answer: unknown.
    } finally {
      pending.delete(folder);
    }
  });
  await new Promise<void>((resolve) => {
    const cancel = after(DISK_PATIENCE_MS, resolve);
    void Promise.all(answers).then(() => {
      cancel();
      resolve();
    });
  });
  return new Map(found);
}

async function spaceOf(folder: string): Promise<DiskSpace> {
  const { bavail, blocks, bsize } = await statfs(folder);
  return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
}

/** '' if there is no such file, or it cannot be read (PSI that is compiled in but turned off). */
async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, 'latin1');
  } catch {
    // Not every kernel has it: unknown.
    return '';
  }
}

function kibibytes(info: string, name: string): number | null {
  const found = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(info)?.[1];
  return found === undefined ? null : Number(found) * 1024;
}

function count(stat: string, name: string): number {
  return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(stat)?.[1] ?? 0);
}

function pressureIn(text: string, window: 'avg10' | 'avg60'): number | null {
  const found = new RegExp(`^some .*\\b${window}=(\\d+(?:\\.\\d+)?)`, 'm').exec(text)?.[1];
  return found === undefined ? null : Number(found);
}
