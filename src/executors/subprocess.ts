// Runs one agent as a process that outlives this supervisor: a session of its own, output to files, and a wrapper that
// writes down the exit status, so that whoever comes after can go on attending. It knows no executor type; what output
// means and how an agent wants to be ended comes in as a Watch.

import { mkdir, open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { messageOf, systemCode } from '../domain/errors.ts';
import type { Deferred, StopReason } from '../domain/outcome.ts';
import type { ProcessIdentity } from '../domain/run.ts';
import type { Clock } from '../seams/clock.ts';
import { STATE_MARK } from './agent-environment.ts';
import { endRunProcesses } from './ending.ts';
import { type Assignment, type Begun, type Handle, type RunControl, stopReason } from './executor.ts';
import type { Poller } from './poller.ts';
import type { Processes } from './processes.ts';
import { findProgram, isFolder, programMissing } from './program.ts';
import { stoppedOutcome } from './stopped.ts';

/** What process-based executors share. One for all of them, so that one timer serves every run. */
export interface ProcessMeans {
  readonly clock: Clock;
  readonly processes: Processes;
  readonly poller: Poller;
  /** The supervisor's state folder: the mark by which two supervisors tell their agents apart. */
  readonly stateDir: string;
  /** From the polite signal to the next harder one, ms; asked each time, since configuration may change. */
  readonly graceMs: () => number;
  /** The supervisor's own variables, for the `{ env = "NAME" }` of profiles. */
  readonly variables: Readonly<Record<string, string | undefined>>;
}

/** What is to be run, and where its input and output are. */
export interface Launch {
  readonly argv: readonly [string, ...string[]];
  readonly cwd: string;
  readonly environment: Readonly<Record<string, string>>;
  /** A file to read as standard input; null: none. */
  readonly stdin: string | null;
  /** Files that output is added to; may be the same. */
  readonly stdout: string;
  readonly stderr: string;
}

/** How an executor looks at its agent while it runs. */
export interface Watch {
  /** Signals from polite to hard. */
  readonly ladder: readonly NodeJS.Signals[];
  /** Looks at the output now and then. `end`: the run is pointless, end it; `silent`: it says nothing for too long. */
  look(): Promise<'go-on' | 'end' | 'silent'>;
}

/** How a process came to its end. */
export type Exit =
  | { readonly kind: 'exited'; readonly code: number }
  /** No exit status was left: it was killed together with its wrapper, or the machine went down. */
  | { readonly kind: 'vanished' }
  | { readonly kind: 'stopped'; readonly reason: StopReason }
  /** Ended because the watch asked for it. */
  | { readonly kind: 'ended' };

export interface Subprocesses {
  launch(assignment: Assignment, launch: Launch, control: RunControl): Promise<Begun>;
  attend(assignment: Assignment, handle: Handle, control: RunControl, watch: Watch): Promise<Exit>;
}

const EXIT_FILE = 'exit.json';

// $1 is the exit file, the rest the command. The traps do nothing, yet a trapped signal, unlike an ignored one, is
// back to its default in the command; the shell itself lives on to record what came of it. A signal n shows as 128+n.
const WRAPPER = `trap : INT TERM HUP QUIT
f=$1; shift
"$@"
c=$?
trap '' INT TERM HUP QUIT
printf '{"exit":%d}\\n' "$c" >"$f.tmp.$$" && command -p mv -f "$f.tmp.$$" "$f"
exit "$c"`;

/** What a run left when it ended by itself is ended too, except what took the run's mark off. */
const LEFTOVERS = ['SIGTERM', 'SIGKILL'] as const;

interface Child {
  readonly exited: Promise<void>;
  gone: boolean;
  hold(held: boolean): void;
}

/** Launches agents and attends to them, to this process's own and to those of an earlier one alike. */
export function createSubprocesses(means: ProcessMeans): Subprocesses {
  const children = new Map<string, Child>();

  return {
    async launch(assignment, launch, control) {
      const hold = await whatIsMissing(assignment, launch);
      if (hold !== null) return { kind: 'ended', outcome: hold };
      if (control.signal.aborted)
        return { kind: 'ended', outcome: stoppedOutcome(stopReason(control.signal)) };
      const [name, ...args] = launch.argv;
      const program = await findProgram(name, launch.cwd, launch.environment);
      if (program === null)
        return { kind: 'ended', outcome: programMissing(name, assignment.profile, launch.environment) };
      try {
        const started = await spawn(assignment, { ...launch, argv: [program, ...args] }, means);
        children.set(assignment.run, started.child);
        return { kind: 'running', process: started.identity };
      } catch (thrown) {
        return { kind: 'ended', outcome: notStarted(assignment, thrown, means.clock.now()) };
      }
    },

    async attend(assignment, handle, control, watch) {
      const child = children.get(assignment.run);
      child?.hold(true);
      try {
        const end = (ladder: readonly NodeJS.Signals[]) =>
          endAll(assignment, handle.process, ladder, control, means);
        const cause = await firstCause(handle.process, child, control, watch, means);
        if (cause === 'gone') return await afterDeath(assignment, end);
        if (cause === 'stop' && stopReason(control.signal) === 'detached')
          return { kind: 'stopped', reason: 'detached' };
        const lives = child === undefined ? isAlive(handle.process, means) : !child.gone;
        if (!lives) return await afterDeath(assignment, end);
        await end(watch.ladder);
        if (cause === 'end') return { kind: 'ended' };
        return { kind: 'stopped', reason: cause === 'silent' ? 'silent' : stopReason(control.signal) };
      } finally {
        child?.hold(false);
        if (child?.gone) children.delete(assignment.run);
      }
    },
  };
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
  means: ProcessMeans,
): Promise<{ identity: ProcessIdentity | null; child: Child }> {
  const exitFile = join(assignment.folder, EXIT_FILE);
  await mkdir(assignment.folder, { recursive: true, mode: 0o700 });
  // A status from an earlier use of this folder would end the run before it began.
  await rm(exitFile, { force: true });
  const files = await Promise.all([
    launch.stdin === null ? null : open(launch.stdin, 'r'),
    open(launch.stdout, 'a', 0o600),
    open(launch.stderr, 'a', 0o600),
  ]);
  const [stdin, stdout, stderr] = files;
  try {
    const running = execa('/bin/sh', ['-c', WRAPPER, 'supervisor-run', exitFile, ...launch.argv], {
      cwd: launch.cwd,
      env: { ...launch.environment, [STATE_MARK]: means.stateDir },
      extendEnv: false,
      detached: true,
      cleanup: false,
      buffer: false,
      reject: false,
      // execa's types know the three standard descriptors only; it hands any other on just as well.
      stdin: (stdin?.fd as 0 | undefined) ?? 'ignore',
      stdout: stdout.fd as 1,
      stderr: stderr.fd as 2,
    });
    if (running.pid === undefined) throw await running;
    const identity = means.processes.identify(running.pid);
    const child: Child = {
      gone: false,
      hold: (held) => (held ? running.ref() : running.unref()),
      exited: running.then(() => {
        child.gone = true;
      }),
    };
    running.unref();
    return { identity, child };
  } finally {
    await Promise.all(files.map((file) => file?.close()));
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
    // No processes, files or space left are nobody's fault for long.
    until: now + 60_000,
    scope: 'task',
  };
}

type Cause = 'gone' | 'stop' | 'end' | 'silent';

function isAlive(process: ProcessIdentity | null, means: ProcessMeans): boolean {
  return process !== null && means.processes.isAlive(process);
}

/** What happens first: it ends by itself, it is to be stopped, or the watch has seen enough. */
function firstCause(
  process: ProcessIdentity | null,
  child: Child | undefined,
  control: RunControl,
  watch: Watch,
  means: ProcessMeans,
): Promise<Cause> {
  return new Promise<Cause>((resolve, reject) => {
    const settle = (cause: Cause) => {
      control.signal.removeEventListener('abort', stop);
      leave();
      resolve(cause);
    };
    const stop = () => settle('stop');
    const leave = means.poller.add(async () => {
      try {
        if (child === undefined && !isAlive(process, means)) return settle('gone');
        const word = await watch.look();
        if (word !== 'go-on') settle(word);
      } catch (thrown) {
        leave();
        reject(thrown);
      }
    });
    if (child === undefined && !isAlive(process, means)) return settle('gone');
    void child?.exited.then(() => settle('gone'));
    if (control.signal.aborted) return stop();
    control.signal.addEventListener('abort', stop, { once: true });
  });
}

/** Its exit status, after everything that it left behind was ended. */
async function afterDeath(
  assignment: Assignment,
  end: (ladder: readonly NodeJS.Signals[]) => Promise<void>,
): Promise<Exit> {
  const code = await exitStatus(assignment.folder);
  await end(LEFTOVERS);
  // Killed together with its wrapper the command may have gone on until just now; there is no status to believe.
  return code === null ? { kind: 'vanished' } : { kind: 'exited', code };
}

async function endAll(
  assignment: Assignment,
  leader: ProcessIdentity | null,
  ladder: readonly NodeJS.Signals[],
  control: RunControl,
  means: ProcessMeans,
): Promise<void> {
  const left = await endRunProcesses(assignment.run, leader, ladder, { ...means, graceMs: means.graceMs() });
  if (left.length > 0)
    control.progress(`could not be ended: process ${left.map((one) => one.pid).join(', ')}; end it by hand`);
}

/** The exit status that the wrapper recorded, or null. */
async function exitStatus(folder: string): Promise<number | null> {
  try {
    const recorded: unknown = JSON.parse(await readFile(join(folder, EXIT_FILE), 'utf8'));
    if (typeof recorded !== 'object' || recorded === null || !('exit' in recorded)) return null;
    return typeof recorded.exit === 'number' ? recorded.exit : null;
  } catch {
    // Missing, or not ours: no status is known, and the caller has a word for that.
    return null;
  }
}
