// The one typed list of events behind the log, the API stream, `run`'s live output and waiting in tests.

import type { ActionTaken } from './action.ts';
import type { GraphPath, RunId, TaskId } from './ids.ts';
import type { Outcome, StopReason } from './outcome.ts';

interface OfRun {
  readonly run: RunId;
  readonly graph: GraphPath;
  readonly task: TaskId;
  readonly worktree: string;
  readonly executor: string;
  readonly attempt: number;
  /** The external orchestrator's own name for it, returned unchanged. */
  readonly external_ref?: string;
}

interface OfSchedule {
  readonly graph: GraphPath;
  readonly task: TaskId;
  readonly nominalAt: number;
  /** How many there were; more than ten are not counted. */
  readonly count: number;
  readonly because: string;
}

/** Event name → its fields. Names are stable. */
export interface EventMap {
  'supervisor.started': { readonly pid: number; readonly mode: string };
  'supervisor.draining': { readonly because: string };
  /** A successor takes over in this process; callers that wait are answered first. */
  'supervisor.restarting': { readonly pid: number };
  'supervisor.stopped': { readonly stillRunning: number };
  'config.loaded': { readonly file: string | null };
  'config.rejected': { readonly message: string };
  'worktrees.changed': { readonly added: readonly string[]; readonly removed: readonly string[] };
  'graph.changed': { readonly graph: GraphPath; readonly tasks: number };
  'graph.problem': { readonly graph: GraphPath; readonly message: string };
  'graph.healed': { readonly graph: GraphPath };
  'watch.degraded': { readonly message: string };
  'run.opened': OfRun & { readonly because: string };
  'run.claimed': OfRun & { readonly agent: string };
  'run.abandoned': OfRun & { readonly because: string };
  'run.started': OfRun & { readonly agent: string; readonly pid: number | null };
  'run.adopted': OfRun & { readonly agent: string; readonly pid: number | null };
  'run.handed-off': OfRun & { readonly reference: string | null };
  'run.progress': OfRun & { readonly message: string };
  /** Its task was released, no attempt counted. */
  'run.released': OfRun & { readonly because: string };
  /** An external worker has not sent a heartbeat for too long. */
  'run.stale': OfRun & { readonly because: string; readonly action: 'flag' | 'retry' | 'fail' };
  /** The worker waits for a person's answer. */
  'run.input': OfRun & { readonly question: string; readonly options: readonly string[] };
  /** A person answered; the worker's lease runs again. */
  'run.answered': OfRun & { readonly question: string; readonly answer: string };
  /** No output for this long (5 min: warning, 15 min: critical); it is left running. */
  'run.silent': OfRun & { readonly silentMs: number; readonly level: 'warning' | 'critical' };
  /** A hook of it ended, begins again after it was cut off, or is not run in a repository that is not trusted. */
  'run.hook': OfRun & {
    readonly hook: 'before_run' | 'after_run';
    readonly result: 'ok' | 'failed' | 'stopped' | 'again' | 'skipped';
    /** '' if it ended well. */
    readonly because: string;
  };
  'run.stopping': OfRun & { readonly reason: StopReason };
  'run.finished': OfRun & { readonly outcome: Outcome };
  'run.settled': OfRun & { readonly outcome: Outcome; readonly status: string };
  'run.overruled': OfRun & { readonly because: string };
  /** An older state of the graph had removed its claim: the claim was written again, and the work continued. */
  'run.reclaimed': OfRun & { readonly because: string };
  /** The same for a result: it is in the graph again, and nothing was run. `run`: empty if none was involved. */
  'result.restored': {
    readonly graph: GraphPath;
    readonly task: TaskId;
    readonly run: RunId;
    readonly status: string;
    readonly because: string;
  };
  'run.retrying': OfRun & { readonly againAt: number; readonly because: string };
  /** Instants of a schedule that will not run any more. `nominalAt`: the latest of them, ms. */
  'schedule.missed': OfSchedule;
  /** Instants that came before the task's previous run had finished. */
  'schedule.skipped_overlap': OfSchedule;
  /** A recurring task that was done is open again and waits for its next instant. */
  'schedule.reopened': { readonly graph: GraphPath; readonly task: TaskId; readonly nextAt: number | null };
  'task.held': {
    readonly graph: GraphPath;
    readonly task: TaskId;
    readonly code: string;
    readonly because: string;
  };
  /** A person had something done, through the page or a command. */
  'action.taken': ActionTaken;
  'tick.finished': { readonly dispatched: number; readonly wakeAt: number | null };
}

export type EventName = keyof EventMap;

/** An event as it is recorded: its name, when (ms), and its fields. */
export type Event = { [N in EventName]: { readonly name: N; readonly at: number } & EventMap[N] }[EventName];
