// Launches agents and attends to them until they exit: own child processes by their exit, those of an earlier
// supervisor by polling. Knows no executor type; the meaning of output and how to stop an agent come in as a Watch.

import type { StopReason } from '../../../domain/outcome.ts';
import type { ProcessIdentity } from '../../../domain/run.ts';
import type { Clock } from '../../../platform/clock.ts';
import { type Assignment, type Begun, type Handle, type RunControl, stopReason } from '../../executor.ts';
import { stoppedOutcome } from '../../stopped.ts';
import { type Child, exitStatus, keptStatus, type Launch, recordedPid, startAgent } from './launch.ts';
import type { Poller } from './poller.ts';
import type { Processes } from './process-table.ts';
import { readInPlace } from './run-folder.ts';
import { endRunProcesses } from './terminate.ts';

/** Shared by process-based executors, so that one timer serves every run. */
export interface ProcessMeans {
  readonly clock: Clock;
  readonly processes: Processes;
  readonly poller: Poller;
  /** The supervisor's state folder: distinguishes the agents of two supervisors. */
  readonly stateDir: string;
  /** From the polite signal to the next harder one, ms; read each time, since configuration may change. */
  readonly graceMs: () => number;
  /** The supervisor's own variables, for the `{ env = "NAME" }` of profiles. */
  readonly variables: Readonly<Record<string, string | undefined>>;
}

/** How an executor watches its agent while it runs. */
export interface Watch {
  /** Signals from polite to hard. */
  readonly ladder: readonly NodeJS.Signals[];
  /** Checks the output periodically. `end`: the run is pointless, stop it; `silent`: no output for too long. */
  look(): Promise<'go-on' | 'end' | 'silent'>;
}

/** How a process ended. */
export type Exit =
  | { readonly kind: 'exited'; readonly code: number }
  /** No exit status was left: it was killed together with its wrapper, or the machine crashed. */
  | { readonly kind: 'vanished' }
  | { readonly kind: 'stopped'; readonly reason: StopReason }
  /** Stopped because the watch asked for it. */
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

/** What a run leaves behind is stopped, too, except processes that removed the run's mark. */
const LEFTOVERS = ['SIGTERM', 'SIGKILL'] as const;

/** How often and how long to wait for a missing folder that contains the status of our own child. */
const AWAY_LOOKS = 8;
const AWAY_WAIT_MS = 250;

/** Launches agents and attends to them, including those of an earlier process. */
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
        if (cause === 'gone') return await afterDeath(assignment, end, control, child, means);
        if (cause === 'stop' && stopReason(control.signal) === 'detached')
          return { kind: 'stopped', reason: 'detached' };
        const lives = child === undefined ? isAlive(handle.process, means) : !child.gone;
        if (!lives) return await afterDeath(assignment, end, control, child, means);
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
          // It may have exited while the processes were searched.
          return (await exitStatus(folder)) === null ? 'none' : null;
        },
      );
      if (found !== 'none' && found !== 'away') return found;
      if ((await keptStatus(means.stateDir, id)) !== null) return null;
      if (found === 'away') return found;
      // Its wrapper is gone and with it the exit status: remaining processes cannot bring a result any more.
      await endRunProcesses(id, null, LEFTOVERS, { ...means, graceMs: means.graceMs() });
      return 'never';
    },
  };
}

/** The live wrapper that a run was started with: it has the run's mark and the recorded pid. */
async function wrapperOf(run: string, folder: string, means: ProcessMeans): Promise<ProcessIdentity | null> {
  const { processes, stateDir } = means;
  const marked = (await processes.marked()).filter((one) => one.run === run && one.stateDir === stateDir);
  const pid = await recordedPid(folder);
  // No pid yet: it has just started and has not begun the command, so it is alone.
  const wrapper = pid === null ? marked[0] : marked.find((one) => one.pid === pid);
  return wrapper ? { pid: wrapper.pid, startTime: wrapper.startTime, bootId: wrapper.bootId } : null;
}

type Cause = 'gone' | 'stop' | 'end' | 'silent';

function isAlive(process: ProcessIdentity | null, means: ProcessMeans): boolean {
  return process !== null && means.processes.isAlive(process);
}

/** Whichever comes first: it exits, it is to be stopped, or the watch has seen enough. */
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

/** Its exit status, after everything it left behind was stopped. */
async function afterDeath(
  assignment: Assignment,
  end: (ladder: readonly NodeJS.Signals[]) => Promise<void>,
  control: RunControl,
  child: Child | undefined,
  means: ProcessMeans,
): Promise<Exit> {
  const recorded = await recordedStatus(assignment, child, means);
  await end(LEFTOVERS);
  // If the wrapper could not record it (a full disk), it is known while the wrapper is our own child.
  const code = (recorded === 'away' ? null : recorded) ?? child?.status ?? null;
  // Stopped by a decision: its result no longer counts. One that exited on its own is read when its folder is back.
  if (recorded === 'away' && code === null)
    return { kind: 'stopped', reason: isDecided(control.signal) ? stopReason(control.signal) : 'detached' };
  if (code === null && control.signal.aborted) return { kind: 'stopped', reason: stopReason(control.signal) };
  // Killed together with its wrapper, the command may have run on until this moment; there is no reliable status.
  return code === null ? { kind: 'vanished' } : { kind: 'exited', code };
}

/** The recorded exit status. For our own child with a missing folder, waits a little for it to come back. */
async function recordedStatus(
  assignment: Assignment,
  child: Child | undefined,
  { clock, stateDir }: ProcessMeans,
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
  if (typeof recorded === 'number') return recorded;
  return (await keptStatus(stateDir, assignment.run)) ?? recorded;
}

/** Stopped by a decision, rather than by time or with the supervisor. */
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
