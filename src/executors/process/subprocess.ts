// Launches agents and attends to them until they are over: this process's own by their exit, those of an earlier
// supervisor by looking. It knows no executor type; what output means and how an agent wants to be ended comes in as a
// Watch.

import type { StopReason } from '../../domain/outcome.ts';
import type { ProcessIdentity } from '../../domain/run.ts';
import type { Clock } from '../../platform/clock.ts';
import { type Assignment, type Begun, type Handle, type RunControl, stopReason } from '../executor.ts';
import { stoppedOutcome } from '../stopped.ts';
import { type Child, exitStatus, type Launch, recordedPid, startAgent } from './launch.ts';
import type { Poller } from './poller.ts';
import type { Processes } from './process-table.ts';
import { readInPlace } from './run-folder.ts';
import { endRunProcesses } from './terminate.ts';

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
  /** For `Executor.recover`. */
  recover(run: {
    readonly id: string;
    readonly folder: string;
  }): Promise<ProcessIdentity | null | 'never' | 'away'>;
}

/** What a run left when it ended by itself is ended too, except what took the run's mark off. */
const LEFTOVERS = ['SIGTERM', 'SIGKILL'] as const;

/** How often and how long a folder is waited for that is away with what our own child said. */
const AWAY_LOOKS = 8;
const AWAY_WAIT_MS = 250;

/** Launches agents and attends to them, to this process's own and to those of an earlier one alike. */
export function createSubprocesses(means: ProcessMeans): Subprocesses {
  const children = new Map<string, Child>();

  return {
    async launch(assignment, launch, control) {
      if (control.signal.aborted)
        return { kind: 'ended', outcome: stoppedOutcome(stopReason(control.signal)) };
      const started = await startAgent(assignment, launch, means);
      if (started.kind === 'deferred') return { kind: 'ended', outcome: started.outcome };
      children.set(assignment.run, started.child);
      return { kind: 'running', process: started.identity };
    },

    async attend(assignment, handle, control, watch) {
      const child = children.get(assignment.run);
      child?.hold(true);
      try {
        const end = (ladder: readonly NodeJS.Signals[]) =>
          endAll(assignment, handle.process, ladder, control, means);
        const cause = await firstCause(handle.process, child, control, watch, means);
        if (cause === 'gone') return await afterDeath(assignment, end, control, child, means.clock);
        if (cause === 'stop' && stopReason(control.signal) === 'detached')
          return { kind: 'stopped', reason: 'detached' };
        const lives = child === undefined ? isAlive(handle.process, means) : !child.gone;
        if (!lives) return await afterDeath(assignment, end, control, child, means.clock);
        await end(watch.ladder);
        if (cause === 'end') return { kind: 'ended' };
        return { kind: 'stopped', reason: cause === 'silent' ? 'silent' : stopReason(control.signal) };
      } finally {
        child?.hold(false);
        if (child?.gone) children.delete(assignment.run);
      }
    },

    async recover({ id, folder }) {
      const found = await readInPlace(
        () => folder,
        async () => {
          if ((await exitStatus(folder)) !== null) return null;
          const wrapper = await wrapperOf(id, folder, means);
          if (wrapper !== null) return wrapper;
          // It may have ended while the processes were looked through.
          return (await exitStatus(folder)) === null ? 'none' : null;
        },
      );
      if (found !== 'none') return found;
      // Its wrapper is gone and with it the exit status: what it left can bring no result any more.
      await endRunProcesses(id, null, LEFTOVERS, { ...means, graceMs: means.graceMs() });
      return 'never';
    },
  };
}

/** The live wrapper that a run was started with: it carries the run's mark and the pid that it wrote down. */
async function wrapperOf(run: string, folder: string, means: ProcessMeans): Promise<ProcessIdentity | null> {
  const { processes, stateDir } = means;
  const marked = (await processes.marked()).filter((one) => one.run === run && one.stateDir === stateDir);
  const pid = await recordedPid(folder);
  // No pid yet: it was started a moment ago and has not begun the command, so it is alone.
  const wrapper = pid === null ? marked[0] : marked.find((one) => one.pid === pid);
  return wrapper ? { pid: wrapper.pid, startTime: wrapper.startTime, bootId: wrapper.bootId } : null;
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
  control: RunControl,
  child: Child | undefined,
  clock: Clock,
): Promise<Exit> {
  const recorded = await recordedStatus(assignment, child, clock);
  await end(LEFTOVERS);
  // Where the wrapper could not write it down (a full disk), it is known as long as the wrapper was our own child.
  const code = (recorded === 'away' ? null : recorded) ?? child?.status ?? null;
  // Somebody decided about it: what it came to counts no more. What has ended by itself is asked when its folder is back.
  if (recorded === 'away' && code === null)
    return { kind: 'stopped', reason: isDecided(control.signal) ? stopReason(control.signal) : 'detached' };
  if (code === null && control.signal.aborted) return { kind: 'stopped', reason: stopReason(control.signal) };
  // Killed together with its wrapper the command may have gone on until just now; there is no status to believe.
  return code === null ? { kind: 'vanished' } : { kind: 'exited', code };
}

/** What the wrapper wrote down. One of our own whose folder is away is waited for a little: what it said is there, too. */
async function recordedStatus(
  assignment: Assignment,
  child: Child | undefined,
  clock: Clock,
): Promise<number | null | 'away'> {
  const read = () =>
    readInPlace(
      () => assignment.folder,
      () => exitStatus(assignment.folder),
    );
  let recorded = await read();
  for (let n = 0; recorded === 'away' && child?.status != null && n < AWAY_LOOKS; n++) {
    await clock.sleep(AWAY_WAIT_MS);
    recorded = await read();
  }
  return recorded;
}

/** Ended by somebody's decision, rather than by time or with the supervisor. */
function isDecided(signal: AbortSignal): boolean {
  if (!signal.aborted) return false;
  const reason = stopReason(signal);
  return reason !== 'timeout' && reason !== 'silent' && reason !== 'shutdown';
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
