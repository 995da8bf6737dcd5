// Checks of the machine itself: what is installed, and whether locks, folders, disk, watches and clock will do.

import { execFile } from 'node:child_process';
import {
  accessSync,
  constants,
  existsSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  statfsSync,
  statSync,
  watch,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Paths } from '../../config/paths.ts';
import { shortagesOf } from '../../decide/capacity/machine-room.ts';
import { messageOf, SupervisorError, systemCode } from '../../domain/errors.ts';
import type { MachineLimits } from '../../domain/machine.ts';
import { bytesText } from '../../domain/machine.ts';
import { systemClock } from '../../platform/clock.ts';
import { findOnPath, onPath } from '../../platform/environment.ts';
import { machineProbe } from '../../platform/machine.ts';
import { type Context, shortPath } from '../context.ts';
import type { Finding } from './finding.ts';

export function nodeVersion(version = process.versions.node): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const fits = major > 20 || (major === 20 && minor >= 19);
  return {
    check: 'node',
    result: fits ? 'ok' : 'failed',
    because: fits ? version : `${version} is too old; 20.19 or newer is needed`,
  };
}

export async function git(context: Context): Promise<Finding> {
  const path = findOnPath('git', context.environment);
  if (path === null)
    return { check: 'git', result: 'failed', because: 'there is no git on PATH; install it' };
  const version = await firstLine(path, ['--version']);
  return version === null
    ? { check: 'git', result: 'failed', because: `${path} does not run` }
    : { check: 'git', result: 'ok', because: `${version} (${path})` };
}

/** Takes and releases a lock in a folder of our own: the only proof that locking works here. */
export async function flock(): Promise<Finding> {
  const { createLocker } = await import('../../platform/flock.ts');
  const folder = mkdtempSync(join(tmpdir(), 'supervisor-doctor-'));
  try {
    const lock = createLocker().tryAcquire(join(folder, 'lock'));
    lock?.release();
    return lock
      ? { check: 'flock', result: 'ok', because: 'file locks work' }
      : { check: 'flock', result: 'failed', because: 'a new lock file could not be locked' };
  } catch (thrown) {
    const hint = thrown instanceof SupervisorError && thrown.hint !== undefined ? `; ${thrown.hint}` : '';
    return { check: 'flock', result: 'failed', because: `${messageOf(thrown)}${hint}` };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A watch is set on a folder of our own: whether one more is to be had only trying tells. */
export function watches(): Finding {
  const check = 'watches';
  const folder = mkdtempSync(join(tmpdir(), 'supervisor-doctor-'));
  try {
    watch(folder).close();
    return { check, result: 'ok', because: 'changes of files are noticed at once' };
  } catch (thrown) {
    const code = systemCode(thrown);
    const limit = code === 'EMFILE' ? 'max_user_instances' : 'max_user_watches';
    const because =
      code === 'ENOSPC' || code === 'EMFILE'
        ? `all inotify watches of this user are taken, so graphs are only looked at every two seconds; raise fs.inotify.${limit} with sysctl`
        : `files cannot be watched (${messageOf(thrown)}), so graphs are only looked at every two seconds`;
    return { check, result: 'note', because };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export function folders(paths: Paths, context: Context): Finding[] {
  const wanted = [
    ['state', paths.stateDir],
    ['socket', dirname(paths.socket)],
  ] as const;
  return wanted.map(([check, folder]): Finding => {
    const existing = nearestFolder(folder);
    try {
      accessSync(existing, constants.W_OK | constants.X_OK);
    } catch {
      // Whatever the reason is, the next step is the same.
      return {
        check,
        result: 'failed',
        because: `${folder} cannot be written; make it yours, or use --state-dir`,
      };
    }
    const made = existing === folder ? '' : ' (made at the first run)';
    return { check, result: 'ok', because: `${shortPath(folder, context)}${made}` };
  });
}

function nearestFolder(folder: string): string {
  let nearest = folder;
  while (!existsSync(nearest) && dirname(nearest) !== nearest) nearest = dirname(nearest);
  return nearest;
}

const MIB = 1024 * 1024;
/** Below this the ledger and the graphs may soon not be written, bytes; agents need more. */
const LITTLE_SPACE = 512 * MIB;
const NO_SPACE = 16 * MIB;

/** Room for the ledger, as bytes and as files. */
export function disk(paths: Pick<Paths, 'stateDir'>, statOf = statfsSync): Finding {
  const check = 'disk';
  try {
    const { bavail, bsize, files, ffree } = statOf(nearestFolder(paths.stateDir));
    const free = bavail * bsize;
    const left = `${Math.floor(free / MIB)} MiB are free for ${paths.stateDir}`;
    // File systems that make inodes as they go along count none at all.
    if (files > 0 && ffree === 0)
      return { check, result: 'failed', because: `${left}, but not one more file; remove some` };
    if (free < NO_SPACE) return { check, result: 'failed', because: `only ${left}; make room` };
    if (free < LITTLE_SPACE) return { check, result: 'note', because: `only ${left}; make room soon` };
    return { check, result: 'ok', because: left };
  } catch (thrown) {
    return { check, result: 'note', because: `how much is free is not known: ${messageOf(thrown)}` };
  }
}

/** Memory, load and disk against the limits from which on nothing more starts. */
export async function pressure(
  { environment, now }: Pick<Context, 'environment' | 'now'>,
  { stateDir }: Pick<Paths, 'stateDir'>,
  limits: MachineLimits | undefined,
  probe = machineProbe(environment.platform, systemClock().after),
): Promise<Finding> {
  const check = 'pressure';
  const reading = await probe.read([nearestFolder(stateDir)], now());
  const short = limits ? shortagesOf(reading, limits, []) : [];
  if (short.length > 0)
    return {
      check,
      result: 'note',
      because: `${short.map(({ because }) => because).join('; ')}: tasks are queued until there is room ([machine] in supervisor.toml)`,
    };
  const { memory, load } = reading;
  const figures = [
    ...(memory
      ? [`${bytesText(memory.availableBytes)} of ${bytesText(memory.totalBytes)} memory available`]
      : []),
    ...(load
      ? [`load ${load.average.toFixed(1)} on ${load.cores} ${load.cores === 1 ? 'core' : 'cores'}`]
      : []),
  ];
  return { check, result: 'ok', because: figures.join(', ') };
}

/** A minute's difference is what a slow disk or a coarse file system makes. */
const CLOCK_SLACK_MS = 60_000;

/** The clock against what the ledger wrote last: before that it cannot be. */
export function clock(paths: Pick<Paths, 'ledgerFile'>, now: number): Finding {
  const check = 'clock';
  const written = [paths.ledgerFile, `${paths.ledgerFile}-wal`].map(writtenAt);
  const last = Math.max(...written);
  const time = (at: number) => new Date(at).toISOString().slice(0, 16).replace('T', ' ');
  if (now + CLOCK_SLACK_MS < last)
    return {
      check,
      result: 'failed',
      because: `it says ${time(now)} UTC, but the ledger was written at ${time(last)}; set the clock, or schedules and leases go by a wrong time`,
    };
  return { check, result: 'ok', because: `${time(now)} UTC` };
}

function writtenAt(file: string): number {
  try {
    return statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  } catch {
    // What is wrong with its folder is a finding of its own.
    return 0;
  }
}

/** Two programs are called wg: WorksGood's, which makes the graphs, and WireGuard's. */
export async function wg({ environment }: Context): Promise<Finding> {
  const { createWgKnowledge } = await import('../../wg/capabilities.ts');
  const check = 'wg';
  const knowledge = createWgKnowledge(environment);
  const others: string[] = [];
  for (const path of onPath('wg', environment)) {
    const program = await knowledge.ask(path);
    if (program.kind === 'worksgood') {
      const because = `${path}, with the rules of ${program.can.age}`;
      return { check, result: 'ok', because: [because, ...others].join('; ') };
    }
    if (program.kind === 'unknown')
      return { check, result: 'note', because: `${path} does not answer as wg does: ${program.because}` };
    others.push(`${path} is WireGuard's program of that name and is passed over`);
  }
  const without =
    others.length === 0
      ? 'not on PATH: not needed, `supervisor add`, `edit` and `show` work without it'
      : `${others.join('; ')}; WorksGood's is not on PATH`;
  return { check, result: 'note', because: without };
}

/** Another program of our name in front of us on PATH; npm has a package that installs one. Nothing when it is ours. */
export function otherSupervisor({ environment }: Context, ours: string): Finding[] {
  const first = findOnPath('supervisor', environment);
  if (first === null || isSame(first, ours)) return [];
  const because = `\`supervisor\` on PATH is ${first}, not this program; call this one \`wgs\``;
  return [{ check: 'PATH', result: 'note', because }];
}

/** A link to the program, or another copy of this package: npm's launcher and a checkout may stand side by side. */
function isSame(path: string, ours: string): boolean {
  try {
    const real = realpathSync(path);
    return real === realpathSync(ours) || /workgraph-supervisor[^/]*\/(?:dist|bundle)\//.test(real);
  } catch {
    // One of them is gone.
    return false;
  }
}

function firstLine(program: string, args: readonly string[]): Promise<string | null> {
  return new Promise((resolve) => {
    execFile(program, [...args], { timeout: 5000 }, (error, stdout) =>
      resolve(error ? null : (stdout.split('\n')[0] ?? '')),
    );
  });
}
