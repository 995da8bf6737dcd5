// One supervisor per user, and one per graph. The authority is a flock held for life: the kernel frees it at once
// when the holder dies, and never otherwise, be it a stopped process or a suspended laptop. Besides, proper-lockfile
// is taken, for hosts that share the folder over a network file system. Knows no configuration.

import { chmodSync, mkdirSync, renameSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { messageOf, SupervisorError, systemCode } from '../domain/errors.ts';
import { GRAPH_FILES } from '../domain/graph-files.ts';
import type { ProcessIdentity } from '../domain/run.ts';
import { isoTime } from './clock.ts';
import type { FileLock, Locker } from './flock.ts';
import { readTextNow } from './regular-file.ts';

/** What the lock needs to know about processes; the executors' process table fits. */
export interface ProcessWitness {
  identify(pid: number): ProcessIdentity | null;
  isAlive(process: ProcessIdentity): boolean;
}

/** The holder's own description, for the next one to read. */
export interface InstanceFacts {
  /** ms. */
  readonly startedAt: number;
  readonly stateDir: string;
  readonly version: string;
}

/** The holder file as JSON. */
export interface InstanceHolder {
  readonly pid: number;
  readonly start_time: string;
  readonly boot_id: string;
  readonly host: string;
  readonly started_at: string;
  readonly state_dir: string;
  readonly version: string;
}

export interface InstanceLock {
  /** Releases everything; harmless the second time. */
  release(): Promise<void>;
  /** Releases what a successor in this process takes again; gives the descriptor by which the rest stays locked. */
  handOver(): Promise<number>;
}

export interface InstanceLockOptions {
  /** Created and never removed: a lock on a replaced file excludes no one. */
  readonly lockFile: string;
  readonly holderFile: string;
  readonly locker: Locker;
  readonly processes: ProcessWitness;
  readonly facts: InstanceFacts;
  /**
   * `machine`: one per user, in a private folder, with proper-lockfile besides. `graph`: one per graph and for all
   * users, in a folder that other users may share, by flock alone, for there are many.
   */
  readonly scope: 'machine' | 'graph';
  /** A descriptor by which an earlier program of this process left the lock held. */
  readonly inherited?: number | undefined;
  /** proper-lockfile's folder was taken away: stop dispatching and exit. Never throws. */
  readonly onCompromised?: (because: string) => void;
}

/** Longer than any pause of the event loop that a healthy supervisor makes. */
const STALE_MS = 30_000;
const UPDATE_MS = 5_000;

/** Takes the lock or throws `already-running`, which names pid, start and state folder of the holder. */
export async function holdInstanceLock(options: InstanceLockOptions): Promise<InstanceLock> {
  const { lockFile, holderFile, locker, scope } = options;
  try {
    mkdirSync(dirname(lockFile), { recursive: true, mode: scope === 'machine' ? 0o700 : 0o777 });
  } catch (thrown) {
    throw new SupervisorError('config', `${dirname(lockFile)} could not be created: ${messageOf(thrown)}.`, {
      hint: 'Make its parent folder writable.',
      cause: thrown,
    });
  }
  const { inherited } = options;
  const flock =
    (inherited === undefined ? null : locker.adopt(lockFile, inherited)) ?? locker.tryAcquire(lockFile);
  if (flock === null) throw alreadyRunning(options);
  try {
    if (scope === 'machine') makePrivate(lockFile);
    // Only now, under the lock, does the file describe an earlier holder for certain.
    const earlier = readHolder(holderFile);
    const shared = scope === 'machine' ? await takeShared(options, earlier) : null;
    try {
      writeHolder(options);
    } catch (thrown) {
      await shared?.release();
      throw thrown;
    }
    return releasing(flock, shared, holderFile);
  } catch (thrown) {
    flock.release();
    throw thrown;
  }
}

/** The current holder, for `status`: null if the process that the file names is dead or there is none. */
export function readInstanceHolder(holderFile: string, processes: ProcessWitness): InstanceHolder | null {
  const holder = readHolder(holderFile);
  return holder !== null && isLive(holder, processes) ? holder : null;
}

function releasing(flock: FileLock, shared: Shared | null, holderFile: string): InstanceLock {
  let released: Promise<void> | null = null;
  const release = async () => {
    await shared?.release();
    // Before the lock is released: afterwards the file may be the next holder's.
    rmSync(holderFile, { force: true });
    flock.release();
  };
  return {
    release() {
      released ??= release();
      return released;
    },
    async handOver() {
      await shared?.release();
      return flock.fd;
    },
  };
}

/**
 * A machine's lock is its user's alone: another user who could open it could hold it, and lock the supervisor out.
 */
function makePrivate(lockFile: string): void {
  try {
    chmodSync(lockFile, 0o600);
  } catch {
    // A file system without modes, or a file of another owner: the private folder around it still keeps others out.
  }
}

interface Shared {
  release(): Promise<void>;
}

async function takeShared(options: InstanceLockOptions, earlier: InstanceHolder | null): Promise<Shared> {
  const { lockFile, onCompromised } = options;
  const { default: lockfile } = await import('proper-lockfile');
  let lost = false;
  const take = () =>
    lockfile.lock(lockFile, {
      realpath: false,
      stale: STALE_MS,
      update: UPDATE_MS,
      retries: 0,
      onCompromised(error) {
        lost = true;
        onCompromised?.(`the lock folder ${lockFile}.lock was taken away: ${messageOf(error)}`);
      },
    });
  let release: () => Promise<void>;
  try {
    release = await take();
  } catch (thrown) {
    if (systemCode(thrown) !== 'ELOCKED') throw cannotLock(lockFile, thrown);
    // We hold the flock, so no process of this host has the folder: unless another host wrote the holder file, it was
    // left behind by a killed supervisor, and waiting until it is stale is pointless.
    if (earlier !== null && earlier.host !== hostname()) throw alreadyRunning(options);
    try {
      rmdirSync(`${lockFile}.lock`);
      release = await take();
    } catch (second) {
      throw cannotLock(lockFile, second);
    }
  }
  return {
    async release() {
      if (lost) return;
      try {
        await release();
      } catch {
        // It was taken away in the meantime: there is nothing left to release, and we are exiting anyway.
      }
    },
  };
}

function cannotLock(lockFile: string, cause: unknown): SupervisorError {
  return new SupervisorError('config', `${lockFile}.lock could not be taken: ${messageOf(cause)}.`, {
    hint: `Remove ${lockFile}.lock if no supervisor is running on any host that sees this folder.`,
    cause,
  });
}

function writeHolder(options: InstanceLockOptions): void {
  const { holderFile, processes, facts, scope } = options;
  const own = processes.identify(process.pid);
  const holder: InstanceHolder = {
    pid: process.pid,
    start_time: own?.startTime ?? '',
    boot_id: own?.bootId ?? '',
    host: hostname(),
    started_at: isoTime(facts.startedAt),
    state_dir: facts.stateDir,
    version: facts.version,
  };
  const temporary = `${holderFile}.tmp-${process.pid}`;
  try {
    // Left by a killed process with the same pid; removed rather than opened, as it may be a link.
    rmSync(temporary, { force: true });
    // A graph's holder must be readable for other users.
    const mode = scope === 'machine' ? 0o600 : 0o644;
    writeFileSync(temporary, `${JSON.stringify(holder)}\n`, { flag: 'wx', mode });
    renameSync(temporary, holderFile);
  } catch (thrown) {
    rmSync(temporary, { force: true });
    throw new SupervisorError('config', `${holderFile} could not be written: ${messageOf(thrown)}.`, {
      hint: 'Check the disk and the permissions of its folder.',
      cause: thrown,
    });
  }
}

function readHolder(holderFile: string): InstanceHolder | null {
  try {
    const value: unknown = JSON.parse(readTextNow(holderFile, GRAPH_FILES.supervisorHolder) ?? 'null');
    if (typeof value !== 'object' || value === null) return null;
    const holder = value as Partial<Record<keyof InstanceHolder, unknown>>;
    if (typeof holder.pid !== 'number') return null;
    for (const key of ['start_time', 'boot_id', 'host', 'started_at', 'state_dir', 'version'] as const)
      if (typeof holder[key] !== 'string') return null;
    return value as InstanceHolder;
  } catch {
    // Absent or not ours: only the flock says whether a supervisor runs; this file only names it.
    return null;
  }
}

function isLive(holder: InstanceHolder, processes: ProcessWitness): boolean {
  // Another host's processes cannot be checked; its lock is judged by proper-lockfile.
  if (holder.host !== hostname()) return true;
  return processes.isAlive({ pid: holder.pid, startTime: holder.start_time, bootId: holder.boot_id });
}

function alreadyRunning(options: InstanceLockOptions): SupervisorError {
  const { lockFile, holderFile, processes, scope } = options;
  const holds = scope === 'machine' ? 'is already running' : `already serves ${dirname(dirname(lockFile))}`;
  const holder = readHolder(holderFile);
  if (holder === null || !isLive(holder, processes))
    return new SupervisorError('already-running', `A supervisor ${holds}; it holds ${lockFile}.`, {
      hint: `See who it is with: fuser -v ${lockFile}`,
      details: { lock: lockFile },
    });
  const where = holder.host === hostname() ? '' : ` on ${holder.host}`;
  return new SupervisorError(
    'already-running',
    `A supervisor ${holds}: pid ${holder.pid}${where}, started ${holder.started_at}, state folder ${holder.state_dir}.`,
    {
      hint: 'Ask it with `supervisor status`, or stop it first.',
      details: { lock: lockFile, ...holder },
    },
  );
}
