// Owns flock(2), the lock that wg, other supervisors and we agree on, and with it the koffi library. Does not know
// what is locked. Never blocks a thread of the pool: it tries, and a child process queues if needed.

import { closeSync, constants, fstatSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { messageOf, SupervisorError, systemCode } from '../domain/errors.ts';
import { systemClock } from './clock.ts';
import { type LockProgram, PERL, type Tried, tryWith, UTIL_LINUX, waitWith } from './lock-program.ts';
import { openNow } from './regular-file.ts';

/** A lock that is held. Releasing twice is harmless; the exit of the process releases it, too. */
export interface FileLock {
  /** The descriptor that the lock belongs to. */
  readonly fd: number;
  release(): void;
}

/** Takes exclusive flock(2) locks. Every failure is a SupervisorError of code `graph` that names the lock file. */
export interface Locker {
  /**
   * Waits in the kernel's queue; rejects after `timeoutMs`, or when the signal aborts. Creates the file, never its
   * folder.
   */
  acquire(
    path: string,
    options: { readonly timeoutMs: number; readonly signal?: AbortSignal },
  ): Promise<FileLock>;
  /** The lock if it is free now, null if it is held. */
  tryAcquire(path: string): FileLock | null;
  /** A lock that an earlier program of this process left held by this descriptor; null if it holds no such lock. */
  adopt(path: string, fd: number): FileLock | null;
}

/** flock(2) as a function: 0, or the errno it failed with. */
export type NativeFlock = (fd: number, operation: number) => number;

const LOCK_EX = 2;
const LOCK_NB = 4;
const LOCK_UN = 8;
const EINTR = 4;
/** EAGAIN of Linux and of macOS; neither number has another meaning on these systems. */
const WOULD_BLOCK = new Set([11, 35]);

/** Retries before a helper is started: most holders are done within milliseconds. */
const QUICK_WAITS_MS = [1, 3, 5];
/** The lock file was replaced this often: some program keeps deleting it. */
const MAX_REPLACED = 20;

/** flock(2) through koffi, or null if koffi does not load. */
export function koffiFlock(): NativeFlock | null {
  try {
    const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
    const flock = koffi.load(null).func('int flock(int fd, int operation)');
    return (fd, operation) => (flock(fd, operation) === 0 ? 0 : koffi.errno());
  } catch {
    // No build for this machine, or not installed: the programs below do the same a little slower.
    return null;
  }
}

export interface LockerOptions {
  /** Returns flock(2), or null if there is none. */
  readonly native?: () => NativeFlock | null;
  /** Programs to wait with, in order of preference. */
  readonly programs?: readonly LockProgram[];
}

/** A locker for this machine. koffi is loaded at the first lock, not before. */
export function createLocker(options: LockerOptions = {}): Locker {
  const clock = systemClock();
  const programs = options.programs ?? [UTIL_LINUX, PERL];
  let loaded: NativeFlock | null | undefined;
  const native = () => {
    if (loaded === undefined) loaded = (options.native ?? koffiFlock)();
    return loaded;
  };

  function tryOn(fd: number): Tried {
    const flock = native();
    if (flock !== null) {
      for (;;) {
        const errno = flock(fd, LOCK_EX | LOCK_NB);
        if (errno === 0) return 'locked';
        if (WOULD_BLOCK.has(errno)) return 'held';
        if (errno !== EINTR) return { broken: `flock failed with errno ${errno}` };
      }
    }
    const reasons: string[] = [];
    for (const program of programs) {
      const tried = tryWith(program, fd);
      if (typeof tried === 'string') return tried;
      reasons.push(tried.broken);
    }
    return { broken: nothingWorks(reasons) };
  }

  async function waitOn(fd: number, deadline: number, signal: AbortSignal | undefined): Promise<Tried> {
    const reasons: string[] = [];
    for (const program of programs) {
      const seconds = Math.max((deadline - clock.now()) / 1000, 0.001);
      const tried = await waitWith(program, seconds, fd, clock, signal);
      if (typeof tried === 'string') return tried;
      if (signal?.aborted) return 'held';
      reasons.push(tried.broken);
    }
    if (native() === null) return { broken: nothingWorks(reasons) };
    // Without any program to queue there are still retries, though a busy lock may starve us.
    while (clock.now() < deadline && !signal?.aborted) {
      await clock.sleep(5, signal);
      const tried = tryOn(fd);
      if (tried !== 'held') return tried;
    }
    return 'held';
  }

  /** First a few quick tries, then in the queue. */
  async function untilTried(fd: number, deadline: number, signal: AbortSignal | undefined): Promise<Tried> {
    const isQuick = native() !== null;
    let tried: Tried = isQuick ? tryOn(fd) : 'held';
    for (const wait of isQuick ? QUICK_WAITS_MS : []) {
      if (tried !== 'held' || signal?.aborted || clock.now() >= deadline) break;
      await clock.sleep(wait, signal);
      tried = tryOn(fd);
    }
    return tried === 'held' ? await waitOn(fd, deadline, signal) : tried;
  }

  function hold(fd: number): FileLock {
    let held = true;
    return {
      fd,
      release() {
        if (!held) return;
        held = false;
        // Unlocked before closing: a copy of the descriptor in some child must not keep the lock.
        native()?.(fd, LOCK_UN);
        closeSync(fd);
      },
    };
  }

  return {
    tryAcquire(path) {
      for (let round = 0; round < MAX_REPLACED; round++) {
        const fd = openLock(path);
        let keep = false;
        try {
          const tried = tryOn(fd);
          if (tried === 'held') return null;
          if (tried !== 'locked') throw cannotLock(path, tried.broken);
          if (!isStill(fd, path)) continue;
          keep = true;
          return hold(fd);
        } finally {
          if (!keep) closeSync(fd);
        }
      }
      throw alwaysReplaced(path);
    },

    adopt(path, fd) {
      try {
        // To lock again what is held by the same descriptor succeeds.
        return isStill(fd, path) && tryOn(fd) === 'locked' ? hold(fd) : null;
      } catch {
        // No such descriptor.
        return null;
      }
    },

    async acquire(path, { timeoutMs, signal }) {
      const deadline = clock.now() + timeoutMs;
      for (let round = 0; round < MAX_REPLACED; round++) {
        if (signal?.aborted) throw cancelled(path);
        const fd = openLock(path);
        let keep = false;
        try {
          const tried = await untilTried(fd, deadline, signal);
          if (signal?.aborted) throw cancelled(path);
          if (tried === 'held') throw timedOut(path, timeoutMs);
          if (tried !== 'locked') throw cannotLock(path, tried.broken);
          if (!isStill(fd, path)) continue;
          keep = true;
          return hold(fd);
        } finally {
          if (!keep) closeSync(fd);
        }
      }
      throw alwaysReplaced(path);
    },
  };
}

function openLock(path: string): number {
  try {
    return openOrCreate(path);
  } catch (thrown) {
    throw cannotLock(path, messageOf(thrown), thrown);
  }
}

function openOrCreate(path: string): number {
  // Writable, because network file systems refuse an exclusive lock on a read-only descriptor. Without O_CREAT if it
  // exists: to create, the system waits for other operations in the folder. A link to a lock elsewhere is honoured,
  // as wg does; none is ever followed to create a file.
  const there = openNow(path, constants.O_RDWR, { links: 'follow' });
  const fd = there ?? openNow(path, constants.O_RDWR | constants.O_CREAT, {}, 0o666);
  if (fd === null) throw Object.assign(new Error('its folder does not exist'), { code: 'ENOENT' });
  return fd;
}

/** False if the path names another file by now: a lock on a deleted file excludes no one. */
function isStill(fd: number, path: string): boolean {
  const ours = fstatSync(fd);
  const theirs = statSync(path, { throwIfNoEntry: false });
  return theirs !== undefined && theirs.ino === ours.ino && theirs.dev === ours.dev;
}

function nothingWorks(reasons: readonly string[]): string {
  return `neither the koffi library nor a helper program works here (${reasons.join('; ') || 'no helper program known'})`;
}

function cannotLock(path: string, why: string, cause?: unknown): SupervisorError {
  const code = systemCode(cause);
  const hint =
    code === 'ENOENT'
      ? 'check that its folder still exists'
      : code !== undefined
        ? 'check who may write in its folder, and that the file system is writable'
        : 'install the flock program (package util-linux) or perl, or reinstall this program with its dependencies';
  return new SupervisorError('graph', `cannot lock ${path}: ${why}`, {
    hint,
    cause,
    details: { lock: path, ...(code === undefined ? {} : { code }) },
  });
}

function timedOut(path: string, timeoutMs: number): SupervisorError {
  return new SupervisorError(
    'graph',
    `${path} was locked by another program for ${(timeoutMs / 1000).toFixed(1)} s`,
    { hint: `see who holds it with "fuser -v ${path}" and try again`, details: { lock: path, timeoutMs } },
  );
}

function cancelled(path: string): SupervisorError {
  return new SupervisorError('graph', `waiting for ${path} was cancelled`, { details: { lock: path } });
}

function alwaysReplaced(path: string): SupervisorError {
  return new SupervisorError(
    'graph',
    `${path} is deleted and created again all the time, so a lock on it means nothing`,
    {
      hint: 'find the program that deletes it; lock files are never to be removed',
      details: { lock: path },
    },
  );
}
