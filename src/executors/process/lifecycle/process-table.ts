// Identifies processes, and which of them belong to a run: by start time, group and a mark in the environment, never
// by name. Signals only what it has just identified. Waiting and the order of signals are in terminate.ts.

import { readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { systemCode } from '../../../domain/errors.ts';
import type { ProcessIdentity } from '../../../domain/run.ts';
import { RUN_MARK, STATE_MARK } from '../environment/environment.ts';

/** A live process that carries a run's mark in its environment. */
export interface MarkedProcess extends ProcessIdentity {
  readonly run: string;
  readonly stateDir: string;
}

export interface Processes {
  /** The current identity of a pid; null if there is none (a zombie has none: its work is done). */
  identify(pid: number): ProcessIdentity | null;
  /** The same process still lives: pid, start time and boot match, and it is no zombie. */
  isAlive(process: ProcessIdentity): boolean;
  /** The live members of a process group. */
  group(id: number): Promise<readonly ProcessIdentity[]>;
  /** Every live process with a run mark, except this one and its ancestors. */
  marked(): Promise<readonly MarkedProcess[]>;
  /** What each of these processes and its descendants take, by its pid. One look at the table for all. */
  usage(roots: readonly number[]): Promise<ReadonlyMap<number, TreeUse>>;
  /** Signals one process if it is still this one; false if it is gone. */
  signal(process: ProcessIdentity, signal: NodeJS.Signals): boolean;
  /** Signals a whole group if `witness`, one of its members, is still the same; false if it is gone. */
  signalGroup(id: number, witness: ProcessIdentity, signal: NodeJS.Signals): boolean;
}

/** One live process of a process table. */
export interface ProcessRow {
  readonly startTime: string;
  readonly group: number;
  readonly parent: number;
  /** Memory that it holds, bytes. */
  readonly bytes: number;
  /** Processor time of it and of its children that have ended, ms. */
  readonly cpuMs: number;
}

/** What a process and its descendants take together. */
export interface TreeUse {
  readonly bytes: number;
  readonly cpuMs: number;
}

/** What a platform provides; `createProcesses` builds on it. */
export interface ProcessTable {
  bootId(): string;
  /** Null if there is no such process, and for a zombie. */
  read(pid: number): ProcessRow | null;
  pids(): Promise<readonly number[]>;
  rows(): Promise<ReadonlyMap<number, ProcessRow>>;
  /** The environment of a process as `NAME=value` strings; empty if it may not be read. */
  environment(pids: readonly number[]): Promise<ReadonlyMap<number, string>>;
}

/** Sends a signal; false if there is no recipient (any more). */
function send(target: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(target, signal);
  } catch (thrown) {
    // ESRCH: gone in between. EPERM: it changed its user, so we cannot stop it; it still shows as alive.
    if (systemCode(thrown) === 'ESRCH' || systemCode(thrown) === 'EPERM') return false;
    throw thrown;
  }
}

/** Processes as this platform's table shows them. */
export function createProcesses(table: ProcessTable): Processes {
  const identify: Processes['identify'] = (pid) => {
    // 0 and below address groups, 1 is init: a damaged ledger must not reach them.
    if (!Number.isInteger(pid) || pid <= 1) return null;
    const found = table.read(pid);
    return found === null ? null : { pid, startTime: found.startTime, bootId: table.bootId() };
  };
  const isAlive: Processes['isAlive'] = (known) => {
    const now = identify(known.pid);
    return now !== null && now.startTime === known.startTime && now.bootId === known.bootId;
  };
  let scan: Promise<readonly MarkedProcess[]> | null = null;
  let nextScan: Promise<readonly MarkedProcess[]> | null = null;

  return {
    identify,
    isAlive,
    async group(id) {
      if (!Number.isInteger(id) || id <= 1 || !send(-id, 0)) return [];
      const members: ProcessIdentity[] = [];
      for (const [pid, row] of await table.rows())
        if (row.group === id) members.push({ pid, startTime: row.startTime, bootId: table.bootId() });
      return members;
    },
    marked() {
      // A caller during a scan may know of a process the scan has already passed, so one more scan follows; a hundred
      // runs that end together share it.
      if (scan === null) return begin();
      nextScan ??= scan
        .catch(() => [])
        .then(() => {
          nextScan = null;
          return begin();
        });
      return nextScan;
    },
    usage: async (roots) => (roots.length === 0 ? new Map() : usageOf(roots, await table.rows())),
    signal: (known, signal) => isAlive(known) && send(known.pid, signal),
    signalGroup: (id, witness, signal) =>
      id > 1 && isAlive(witness) && table.read(witness.pid)?.group === id && send(-id, signal),
  };

  function begin(): Promise<readonly MarkedProcess[]> {
    scan = scanMarked().finally(() => {
      scan = null;
    });
    return scan;
  }

  async function scanMarked(): Promise<readonly MarkedProcess[]> {
    const own = new Set<number>([process.pid]);
    for (let pid = process.ppid; pid > 1 && !own.has(pid); pid = table.read(pid)?.parent ?? 0) own.add(pid);
    const pids = (await table.pids()).filter((pid) => !own.has(pid));
    const found: MarkedProcess[] = [];
    for (const [pid, environment] of await table.environment(pids)) {
      const run = mark(environment, RUN_MARK);
      if (run === null) continue;
      const who = identify(pid);
      if (who !== null) found.push({ ...who, run, stateDir: mark(environment, STATE_MARK) ?? '' });
    }
    return found;
  }
}

function usageOf(
  roots: readonly number[],
  rows: ReadonlyMap<number, ProcessRow>,
): ReadonlyMap<number, TreeUse> {
  const children = new Map<number, number[]>();
  for (const [pid, { parent }] of rows) {
    const known = children.get(parent);
    if (known) known.push(pid);
    else children.set(parent, [pid]);
  }
  const found = new Map<number, TreeUse>();
  for (const root of roots) {
    if (!rows.has(root)) continue;
    // The table was not read in one moment: a pid that was reused meanwhile could close a circle.
    const tree = new Set<number>([root]);
    let bytes = 0;
    let cpuMs = 0;
    for (const pid of tree) {
      bytes += rows.get(pid)?.bytes ?? 0;
      cpuMs += rows.get(pid)?.cpuMs ?? 0;
      for (const child of children.get(pid) ?? []) tree.add(child);
    }
    found.set(root, { bytes, cpuMs });
  }
  return found;
}

/** The value of a variable in NUL-separated `NAME=value` texts, or null. */
function mark(environment: string, name: string): string | null {
  const at = environment.startsWith(`${name}=`) ? 0 : environment.indexOf(`\0${name}=`) + 1;
  if (at === 0 && !environment.startsWith(`${name}=`)) return null;
  const end = environment.indexOf('\0', at);
  return environment.slice(at + name.length + 1, end === -1 ? undefined : end);
}

/** The unit of times in /proc: the same on every architecture that Node runs on. */
const MS_PER_TICK = 10;

/** The process table of Linux, read from /proc. */
export function linuxProcessTable(): ProcessTable {
  let boot: string | null = null;
  let page: number | null = null;
  /** Other than 4 KiB on some ARM machines. */
  const pageBytes = () => {
    page ??= Number(/^KernelPageSize:\s+(\d+) kB$/m.exec(text('/proc/self/smaps') ?? '')?.[1] ?? 4) * 1024;
    return page;
  };
  const text = (path: string): string | null => {
    try {
      return readFileSync(path, 'latin1');
    } catch {
      // Gone in between, or another user's: in both cases not one of our processes.
      return null;
    }
  };
  const pids: ProcessTable['pids'] = async () =>
    (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const read: ProcessTable['read'] = (pid) => {
    const stat = text(`/proc/${pid}/stat`);
    if (stat === null) return null;
    // The name in parentheses may contain anything, parentheses too: fields are counted after the last one.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z' || fields[0] === 'X') return null;
    const ticks = [11, 12, 13, 14].reduce((sum, n) => sum + Number(fields[n] ?? 0), 0);
    return {
      startTime: fields[19] ?? '',
      group: Number(fields[2]),
      parent: Number(fields[1]),
      bytes: Number(fields[21] ?? 0) * pageBytes(),
      cpuMs: ticks * MS_PER_TICK,
    };
  };
  return {
    bootId() {
      boot ??= text('/proc/sys/kernel/random/boot_id')?.trim() ?? 'unknown';
      return boot;
    },
    read,
    pids,
    async rows() {
      const rows = new Map<number, ProcessRow>();
      for (const pid of await pids()) {
        const row = read(pid);
        if (row !== null) rows.set(pid, row);
      }
      return rows;
    },
    async environment(wanted) {
      const found = new Map<number, string>();
      for (const [count, pid] of wanted.entries()) {
        const raw = text(`/proc/${pid}/environ`);
        if (raw?.includes(`${RUN_MARK}=`)) found.set(pid, Buffer.from(raw, 'latin1').toString('utf8'));
        // Reads of /proc are synchronous and quick; yields now and then all the same.
        if (count % 64 === 63) await Promise.resolve().then(() => readdir('/proc/self/task'));
      }
      return found;
    },
  };
}
