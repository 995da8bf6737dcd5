// The world at one moment, as plain values: all that deciding may know. Nothing here has effects.

import type { Config, RepoSettings } from '../domain/config.ts';
import type { Snapshot } from '../domain/graph.ts';
import type { GraphPath, RunId, TaskId, TaskKey } from '../domain/ids.ts';
import type { Outcome, StopReason } from '../domain/outcome.ts';
import type { Plan } from '../domain/plan.ts';
import type { ProfileSet } from '../domain/profile.ts';
import type { Run } from '../domain/run.ts';
import type { TaskDetail } from '../domain/task.ts';
import type { Verdict } from '../domain/verdict.ts';
import type { WgCapabilities } from '../domain/wg-capabilities.ts';
import type { Spending } from './capacity/budgets.ts';
import type { MachineView } from './capacity/machine-room.ts';
import type { WorkersOfProfile } from './routes/worker-words.ts';

/** Something that keeps a whole graph from being dispatched. */
export interface GraphHold {
  /** e.g. `wg-daemon`, `other-supervisor`, `repo-paused`, `observing`. */
  readonly code: string;
  readonly because: string;
}

/** One graph with everything that judging its tasks needs. */
export interface GraphView {
  readonly graph: GraphPath;
  /** The worktree its work happens in (the main one if several reach it). */
  readonly worktree: string;
  readonly worktreeIsMain: boolean;
  /** Other worktrees that reach it: through a symlink, or as wg's own agent worktrees do. */
  readonly aliases?: readonly string[];
  readonly branch: string | null;
  readonly repo: string;
  readonly repoName: string;
  readonly settings: RepoSettings;
  /** graph.jsonl is committed: other worktrees of the repository may have copies of these tasks. */
  readonly tracked: boolean;
  readonly snapshot: Snapshot;
  readonly profiles: ProfileSet;
  readonly hold: GraphHold | null;
  /** Tasks of other repositories, by this graph's own names for them. Absent: the world's. */
  readonly peers?: PeerStatuses;
  /** A `wg` command can be run, for rules that only it knows. */
  readonly wgOnPath?: boolean;
  /** The capabilities that command reported. */
  readonly wgCan?: WgCapabilities;
  /** A whole task of the snapshot, with its log; requested only when something is inconsistent. */
  detail?(id: TaskId): TaskDetail | null;
}

/** A result that was, or was to be, written into a graph. */
export interface KnownResult {
  readonly repo: string;
  readonly task: TaskId;
  /** The task's created_at. */
  readonly createdAt: string | null;
  /** Where the work happened. */
  readonly graph: GraphPath;
  readonly run: RunId;
  readonly agent: string;
  readonly ended: 'succeeded' | 'failed';
  /** Fingerprint of what the task asked for. */
  readonly content: string;
  /** The log entry the line ends with once the result is in it; null: it was never written, '': there was none. */
  readonly mark: string | null;
  /** When it was known, ms. */
  readonly at: number;
}

/** What is known of finished tasks, whatever their graphs say now. */
export interface KnownResults {
  /** The results of the tasks of one id; one created again under the same id is another task. */
  of(repo: string, task: TaskId): readonly KnownResult[];
  /** The ids of all tasks with a known result. */
  tasksOf(repo: string): Iterable<TaskId>;
  /** Changes whenever something of the repository changes. */
  revisionOf(repo: string): number;
  /** The ids whose knowledge changed since that revision; null: not tracked. */
  changedSince(repo: string, revision: number): Iterable<TaskId> | null;
  /** Whether the task asks for the same as when the result was known. */
  isSameContent(known: KnownResult, task: TaskDetail): boolean;
}

/** Status of a task in another repository, for `peer:task` dependencies; keys are the dependency as written. */
export type PeerStatuses = ReadonlyMap<string, string>;

/** When a schedule was first seen on a task, and the last occurrence that was dispatched (ms). */
export interface ScheduleMemory {
  /** The schedule text and zone it belongs to; an edited one starts afresh. */
  readonly expression: string;
  readonly baselineAt: number;
  readonly lastNominalAt: number | null;
  /** Past instants that are still to run, oldest first; absent: none. */
  readonly pendingRuns?: readonly number[];
  /** The run of the last occurrence finished: the task was done. */
  readonly lastIsOver?: true;
}

/** What is remembered of schedules. */
export interface ScheduleMemories extends ReadonlyMap<TaskKey, ScheduleMemory> {
  /** Changes whenever something of the graph changes; absent: everything must be compared. */
  revisionOf?(graph: GraphPath): number;
}

/** Instants of a schedule that have passed and will not run any more. */
export interface PassedInstants {
  readonly kind: 'missed' | 'skipped_overlap';
  /** The latest of them, ms. */
  readonly nominalAt: number;
  /** How many; eleven means more than ten. */
  readonly count: number;
  readonly because: string;
}

/** The state of a task's schedule, for `status`. */
export interface ScheduleState {
  /** The schedule as written. */
  readonly text: string;
  readonly zone: string;
  /** When it would run next, ms; null: not again without a change. */
  readonly nextAt: number | null;
}

/** A profile, or an account, that may start nothing until something changes or an instant passes. */
export interface Pause {
  readonly scope: 'task' | 'profile' | 'account' | 'worktree' | 'repo' | 'machine';
  /** The taskKey, profileKey (just the name if a person paused it), account name, worktree path, repository id, or ''. */
  readonly name: string;
  readonly code: string;
  readonly because: string;
  /** ms; null: until a person or a change lifts it. */
  readonly until: number | null;
}

export interface World {
  readonly now: number;
  readonly config: Config;
  readonly graphs: readonly GraphView[];
  /** Every open run of the ledger. */
  readonly runs: readonly Run[];
  /** Runs that this process attends to: started or reattached, and not yet finished. */
  readonly attended: ReadonlySet<RunId>;
  /** Tasks whose last run is settled while its process is still exiting: nothing new may start on them yet. */
  readonly endingTasks: ReadonlySet<TaskKey>;
  /** The runs of these, as far as a local process still works: it uses its slot until it exits. */
  readonly ending?: readonly Run[];
  /** What is remembered of each task's schedule. */
  readonly schedules: ScheduleMemories;
  readonly pauses: readonly Pause[];
  readonly peers: PeerStatuses;
  /**
   * Why nothing at all is dispatched (draining, observing, no supervisor): judge everything, dispatch nothing. Null:
   * dispatch.
   */
  readonly dispatchBlocked: GraphHold | null;
  /** What runs used; absent: not known, and no budget is judged. */
  readonly spending?: Spending;
  /** The machine; absent: it is not looked at, or the look is too old. */
  readonly machine?: MachineView;
  /** Results of finished tasks; absent: none is known. */
  readonly results?: KnownResults;
  /** Workers on other machines, by the profiles that they offer; absent: none is connected. */
  readonly workers?: ReadonlyMap<string, WorkersOfProfile>;
  /** Since when (ms) a claim or result is missing from a graph: by run id or task key, from the last decision. */
  readonly doubts?: ReadonlyMap<string, number>;
}

/** What is to be done. Applying makes no further decisions. */
export type Action =
  | { readonly kind: 'dispatch'; readonly plan: Plan }
  /** Reattach to a run that an earlier supervisor began, or keep waiting for a handed-off one. */
  | { readonly kind: 'attend'; readonly run: Run }
  /** Deliver a claimed run to its agent again: whether it arrived before the supervisor died is unknown. */
  | { readonly kind: 'resume'; readonly run: Run }
  /** Stop the agent of a run: the graph says so. */
  | { readonly kind: 'stop'; readonly run: Run; readonly reason: StopReason; readonly because: string }
  /** The outcome is in the ledger but not in the graph yet. */
  | { readonly kind: 'settle'; readonly run: Run; readonly outcome: Outcome }
  /** Release the task, no attempt counted: it was claimed but never started. */
  | { readonly kind: 'release'; readonly run: Run; readonly because: string }
  /** An older line of the task came back under its run: write the claim again. */
  | { readonly kind: 'reclaim'; readonly run: Run }
  /** An older line came back of a task that is known to be finished: write the result again. */
  | { readonly kind: 'restore'; readonly graph: GraphPath; readonly known: KnownResult }
  /** Close the run in the ledger; the graph takes precedence. */
  | {
      readonly kind: 'close';
      readonly run: Run;
      readonly phase: 'abandoned' | 'overruled' | 'superseded' | 'settled';
      readonly because: string;
    }
  /** Record how far a schedule has come, before anything is dispatched because of it. */
  | {
      readonly kind: 'note-schedule';
      readonly graph: GraphPath;
      readonly task: TaskId;
      readonly memory: ScheduleMemory;
      readonly passed?: readonly PassedInstants[];
    }
  /** Reopen a recurring task that is done, for its next instant. */
  | {
      readonly kind: 'reopen';
      readonly graph: GraphPath;
      readonly task: TaskId;
      readonly nextAt: number | null;
    };

export interface Decision {
  readonly actions: readonly Action[];
  /** What workers on other machines may take now, in the order in which it is due. */
  readonly offers: readonly Plan[];
  /** Exactly one verdict for every task of every graph. */
  readonly verdicts: ReadonlyMap<TaskKey, Verdict>;
  /** The state of each graph's schedules; wg's own cron is not among them. */
  readonly schedules: ReadonlyMap<GraphPath, ReadonlyMap<TaskId, ScheduleState>>;
  /** A local process starts or waits for room: the state of the machine counts. */
  readonly asksMachine: boolean;
  /** When to decide again at the latest, ms; null: when something happens. */
  readonly wakeAt: number | null;
  /** Since when (ms) a claim or result is missing: input to the next decision. */
  readonly doubts: ReadonlyMap<string, number>;
  /** Large graphs that are still being judged: their verdicts are those of before. Absent: none is. */
  readonly unjudged?: ReadonlySet<GraphPath>;
}
