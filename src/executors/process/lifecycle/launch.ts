// Starts one agent as a process that outlives this supervisor: a session of its own, output to files, and a wrapper
// that records the exit status, so that the next supervisor can continue attending.

import { constants } from 'node:fs';
import { type FileHandle, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { messageOf, systemCode } from '../../../domain/errors.ts';
import { RUN_FILE_MAX_BYTES } from '../../../domain/graph-files.ts';
import type { RunId } from '../../../domain/ids.ts';
import type { Deferred } from '../../../domain/outcome.ts';
import type { ProcessIdentity } from '../../../domain/run.ts';
import type { Clock } from '../../../platform/clock.ts';
import { openRegular, readText } from '../../../platform/regular-file.ts';
import type { Assignment } from '../../executor.ts';
import { STATE_MARK } from '../environment/environment.ts';
import { findProgram, isFolder, programMissing } from '../environment/find-program.ts';
import { keptExitFile, makeKeptExits } from './kept-exits.ts';
import type { Processes } from './process-table.ts';

/** What to run, and its input and output files. */
export interface Launch {
  readonly argv: readonly [string, ...string[]];
  readonly cwd: string;
  readonly environment: Readonly<Record<string, string>>;
  /** A file to read as standard input; null: none. */
  readonly stdin: string | null;
  /** Files that output is appended to; may be the same. */
  readonly stdout: string;
  readonly stderr: string;
}

const EXIT_FILE = 'exit.json';
const PID_FILE = 'agent.pid';
const APPENDING = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT;
const NEW = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL;
/** The agent may replace either of them. */
const TERMS = { maxBytes: RUN_FILE_MAX_BYTES };

// Descriptors 3 and 5 are the exit file and its copy, 4 the file for its own pid, the arguments are the command. The traps do nothing, yet a
// trapped signal, unlike an ignored one, is reset to its default in the command; the shell itself survives to record the
// status. A signal n shows as 128+n. All three are opened before it begins: the folder may be moved at any moment, and
// another run's may be at its path by then.
const WRAPPER = `trap : INT TERM HUP QUIT
echo $$ >&4
exec 4>&-
"$@" 3>&- 5>&-
c=$?
trap '' INT TERM HUP QUIT
printf '{"exit":%d}\\n' "$c" >&5
printf '{"exit":%d}\\n' "$c" >&3
exit "$c"`;

/** A process that this supervisor started itself. */
export interface Child {
  readonly exited: Promise<void>;
  gone: boolean;
  /** Its exit status once it is gone; null if it was killed together with its wrapper. */
  status: number | null;
  /** Whether it keeps this program from exiting. */
  hold(held: boolean): void;
}

interface LaunchMeans {
  readonly clock: Clock;
  readonly processes: Processes;
  readonly stateDir: string;
}

export type Started =
  /** The identity is null if it exited before it could be read. */
  | { readonly kind: 'started'; readonly identity: ProcessIdentity | null; readonly child: Child }
  | { readonly kind: 'deferred'; readonly outcome: Deferred };

/** Starts the agent, or says what is missing. Never rejects for an error of the system. */
export async function startAgent(
  assignment: Assignment,
  launch: Launch,
  means: LaunchMeans,
): Promise<Started> {
  const hold = await whatIsMissing(assignment, launch);
  if (hold !== null) return { kind: 'deferred', outcome: hold };
  const [name, ...args] = launch.argv;
  const program = await findProgram(name, launch.cwd, launch.environment);
  if (program === null)
    return { kind: 'deferred', outcome: programMissing(name, assignment.profile, launch.environment) };
  try {
    return { kind: 'started', ...(await spawn(assignment, { ...launch, argv: [program, ...args] }, means)) };
  } catch (thrown) {
    return { kind: 'deferred', outcome: notStarted(assignment, thrown, means.clock.now()) };
  }
}

async function whatIsMissing(assignment: Assignment, launch: Launch): Promise<Deferred | null> {
  const { worktree, task } = assignment;
  const hold = (code: string, because: string): Deferred => ({
    kind: 'deferred',
    code,
    because,
    scope: 'task',
  });
  if (!(await isFolder(worktree.path)))
    return hold(
      'worktree-missing',
      `the worktree ${worktree.path} of task ${task.id} is not there: restore it, or \`git worktree prune\``,
    );
  if (!(await isFolder(launch.cwd)))
    return hold(
      'folder-missing',
      `the folder ${launch.cwd}, where profile ${assignment.profile.name} works (cwd), is not there: ` +
        `make it, or change \`cwd\` in ${assignment.profile.origin.file}`,
    );
  return null;
}

async function spawn(
  assignment: Assignment,
  launch: Launch,
  means: LaunchMeans,
): Promise<{ identity: ProcessIdentity | null; child: Child }> {
  const exitFile = join(assignment.folder, EXIT_FILE);
  const pidFile = join(assignment.folder, PID_FILE);
  // A status from an earlier use of this folder would finish the run before it began.
  const keptFile = keptExitFile(means.stateDir, assignment.run);
  await makeKeptExits(means.stateDir);
  for (const file of [exitFile, pidFile, keptFile]) await rm(file, { force: true });
  const files: FileHandle[] = [];
  const opened = async (path: string, flags: number): Promise<number> => {
    const file = await openRegular(path, flags, {}, 0o600);
    if (file === null) throw Object.assign(new Error(`there is no ${path}`), { code: 'ENOENT' });
    files.push(file);
    return file.fd;
  };
  try {
    const stdin = launch.stdin === null ? 'ignore' : await opened(launch.stdin, constants.O_RDONLY);
    const stdout = await opened(launch.stdout, APPENDING);
    const stderr = await opened(launch.stderr, APPENDING);
    const exit = await opened(exitFile, NEW);
    const pid = await opened(pidFile, NEW);
    const kept = await opened(keptFile, NEW);
    const running = execa('/bin/sh', ['-c', WRAPPER, 'supervisor-run', ...launch.argv], {
      cwd: launch.cwd,
      env: { ...launch.environment, [STATE_MARK]: means.stateDir },
      extendEnv: false,
      detached: true,
      cleanup: false,
      buffer: false,
      reject: false,
      // execa's types know the three standard descriptors only; it passes on any other just as well.
      stdio: [stdin as 0 | 'ignore', stdout as 1, stderr as 2, exit as 1, pid as 1, kept as 1],
    });
    if (running.pid === undefined) throw await running;
    const identity = means.processes.identify(running.pid);
    const child: Child = {
      gone: false,
      status: null,
      hold: (held) => (held ? running.ref() : running.unref()),
      exited: running.then(({ exitCode }) => {
        child.status = exitCode ?? null;
        child.gone = true;
      }),
    };
    running.unref();
    return { identity, child };
  } finally {
    await Promise.all(files.map((file) => file.close()));
  }
}

function notStarted(assignment: Assignment, thrown: unknown, now: number): Deferred {
  const code = systemCode(thrown);
  const said = messageOf(thrown);
  if (code === 'E2BIG')
    return {
      kind: 'deferred',
      code: 'too-large',
      because: `task ${assignment.task.id} makes a command line longer than this system allows: shorten its text (${said})`,
      scope: 'task',
    };
  return {
    kind: 'deferred',
    code: 'executor-unavailable',
    because: `the agent of task ${assignment.task.id} could not be started in ${assignment.folder}: ${said}`,
    // A shortage of processes, files or space is temporary.
    until: now + 60_000,
    scope: 'task',
  };
}

/** The pid that the wrapper recorded when it began, or null. That process need not be the wrapper any more. */
export async function recordedPid(folder: string): Promise<number | null> {
  try {
    const pid = Number(await readText(join(folder, PID_FILE), TERMS));
    return Number.isInteger(pid) && pid > 1 ? pid : null;
  } catch {
    // It was never started, or has not come that far.
    return null;
  }
}

/** The exit status that the wrapper recorded in the run's folder, or null. */
export function exitStatus(folder: string): Promise<number | null> {
  return statusIn(join(folder, EXIT_FILE));
}

/** The copy of it that the supervisor keeps itself, or null. */
export function keptStatus(stateDir: string, run: RunId): Promise<number | null> {
  return statusIn(keptExitFile(stateDir, run));
}

async function statusIn(file: string): Promise<number | null> {
  try {
    const recorded: unknown = JSON.parse((await readText(file, TERMS)) ?? 'null');
    if (typeof recorded !== 'object' || recorded === null || !('exit' in recorded)) return null;
    return typeof recorded.exit === 'number' ? recorded.exit : null;
  } catch {
    // Missing, or not ours: no status is known, and the caller handles that.
    return null;
  }
}
