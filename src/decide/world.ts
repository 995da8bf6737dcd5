// The world at one moment, as plain values: all that deciding may know. Nothing here can do anything.

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

/** Something that keeps a whole graph from being dispatched. */
export interface GraphHold {
  /** e.g. `wg-daemon`, `other-supervisor`, `repo-paused`, `observing`. */
  readonly code: string;
  readonly because: string;
}

/** One graph with everything that judging its tasks takes. */
export interface GraphView {
  readonly graph: GraphPath;
  /** The worktree its work happens in (the main one where several reach it). */
  readonly worktree: string;
  readonly worktreeIsMain: boolean;
  /** Other worktrees that reach it: through a symlink, or as wg's own agent worktrees do. */
  readonly aliases?: readonly string[];
  readonly branch: string | null;
  readonly repo: string;
  readonly repoName: string;
  readonly settings: RepoSettings;
  /** graph.jsonl is committed: other worktrees of the repository may carry copies of these tasks. */
  readonly tracked: boolean;
  readonly snapshot: Snapshot;
  readonly profiles: ProfileSet;
  readonly hold: GraphHold | null;
  /** Tasks of other repositories, by this graph's own names for those. Absent: the world's. */
  readonly peers?: PeerStatuses;
  /** There is a `wg` command to run, for what only it knows the rules of. */
  readonly wgOnPath?: boolean;
  /** What that command can do, where it told. */
  readonly wgCan?: WgCapabilities;
  /** A whole task of the snapshot, with its log; asked for only where something is amiss. */
  detail?(id: TaskId): TaskDetail | null;
}

/** A result that was, or was to be, written into a graph. */
export interface KnownResult {
  readonly repo: string;
  readonly task: TaskId;
  /** The task's created_at. */
  readonly createdAt: string | null;
  /** Where it was worked on. */
  readonly graph: GraphPath;
  readonly run: RunId;
  readonly agent: string;
  readonly ended: 'succeeded' | 'failed';
  /** Fingerprint of what the task asked for. */
  readonly content: string;
  /** The log entry that the line ends with since the result stands in it; null: it was never written, '': there was none. */
  readonly mark: string | null;
  /** When it was known, ms. */
  readonly at: number;
}

/** What is known of tasks that are over, whatever their graphs say now. */
export interface KnownResults {
  /** The results of the tasks of one id; one made anew under the same id is another task. */
  of(repo: string, task: TaskId): readonly KnownResult[];
  /** The ids of all tasks of which a result is known. */
  tasksOf(repo: string): Iterable<TaskId>;
  /** Another number whenever something of the repository changed. */
  revisionOf(repo: string): number;
  /** The ids of which something else is known than at that revision; null: that is not kept. */
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
  /** Instants that came and are still to be run, oldest first; absent: none. */
  readonly pendingRuns?: readonly number[];
  /** The run of the last occurrence came to its end: the task was done. */
  readonly lastIsOver?: true;
}

/** What is remembered of schedules. */
export interface ScheduleMemories extends ReadonlyMap<TaskKey, ScheduleMemory> {
  /** Another number whenever something of the graph changed; absent: everything must be compared. */
  revisionOf?(graph: GraphPath): number;
}

/** Instants of a schedule that came and will not be run any more. */
export interface PassedInstants {
  readonly kind: 'missed' | 'skipped_overlap';
  /** The latest of them, ms. */
  readonly nominalAt: number;
  /** How many; eleven means more than ten. */
  readonly count: number;
  readonly because: string;
}

/** How a task's schedule stands, for `status`. */
export interface ScheduleState {
  /** The schedule's own words. */
  readonly text: string;
  readonly zone: string;
  /** When it would be run next, ms; null: not again by itself. */
  readonly nextAt: number | null;
}

/** A profile, or an account, that may start nothing until something changes or an instant passes. */
export interface Pause {
  readonly scope: 'task' | 'profile' | 'account' | 'repo' | 'machine';
  /** The taskKey, profileKey (a name alone where a person paused it), account name, repository id, or ''. */
  readonly name: string;
  readonly code: string;
  readonly because: string;
  /** ms; null: until a person or a change undoes it. */
  readonly until: number | null;
}

export interface World {
  readonly now: number;
  readonly config: Config;
  readonly graphs: readonly GraphView[];
  /** Every open run of the ledger. */
  readonly runs: readonly Run[];
  /** Runs that this process attends to: begun or adopted, not yet ended. */
  readonly attended: ReadonlySet<RunId>;
  /** Tasks whose last run is settled while its process still ends: nothing new may start on them yet. */
  readonly endingTasks: ReadonlySet<TaskKey>;
  /** The runs of these, as far as a process of ours still works: it takes its place until it has ended. */
  readonly ending?: readonly Run[];
  /** What is remembered of each task's schedule. */
  readonly schedules: ScheduleMemories;
  readonly pauses: readonly Pause[];
  readonly peers: PeerStatuses;
  /** Why nothing at all is dispatched (draining, observing, no supervisor): judge everything, dispatch nothing. Null: dispatch. */
  readonly dispatchBlocked: GraphHold | null;
  /** Results of tasks that are over; absent: none is known. */
  readonly results?: KnownResults;
  /** Since when (ms) something of ours is missing from a graph: by run id or task key, as the last decision said. */
  readonly doubts?: ReadonlyMap<string, number>;
}

/** What is to be done. Applying decides nothing more. */
export type Action =
  | { readonly kind: 'dispatch'; readonly plan: Plan }
  /** Take up a run that an earlier supervisor began, or go on waiting for a handed-off one. */
  | { readonly kind: 'attend'; readonly run: Run }
  /** Deliver a claimed run to its agent again: whether it arrived before the supervisor died is not known. */
  | { readonly kind: 'resume'; readonly run: Run }
  /** End the agent of a run: the graph says so. */
  | { readonly kind: 'stop'; readonly run: Run; readonly reason: StopReason; readonly because: string }
  /** The outcome is in the ledger, the graph does not show it yet. */
  | { readonly kind: 'settle'; readonly run: Run; readonly outcome: Outcome }
  /** Give the task back, no attempt counted: it was claimed but never started. */
  | { readonly kind: 'release'; readonly run: Run; readonly because: string }
  /** An older line of the task came back under its run: the claim is written again. */
  | { readonly kind: 'reclaim'; readonly run: Run }
  /** An older line of a task came back that is known to be over: the result is written again. */
  | { readonly kind: 'restore'; readonly graph: GraphPath; readonly known: KnownResult }
  /** Close the run in the ledger, the graph keeps its word. */
  | {
      readonly kind: 'close';
      readonly run: Run;
      readonly phase: 'abandoned' | 'overruled' | 'superseded' | 'settled';
      readonly because: string;
    }
  /** Write down how far a schedule has come, before anything is dispatched because of it. */
  | {
      readonly kind: 'note-schedule';
      readonly graph: GraphPath;
      readonly task: TaskId;
      readonly memory: ScheduleMemory;
      readonly passed?: readonly PassedInstants[];
    }
  /** Open a recurring task that is done, for its next instant. */
  | {
      readonly kind: 'reopen';
      readonly graph: GraphPath;
      readonly task: TaskId;
      readonly nextAt: number | null;
    };

export interface Decision {
  readonly actions: readonly Action[];
  /** Exactly one verdict for every task of every graph. */
  readonly verdicts: ReadonlyMap<TaskKey, Verdict>;
  /** How the schedules of each graph stand; wg's own cron is not among them. */
  readonly schedules: ReadonlyMap<GraphPath, ReadonlyMap<TaskId, ScheduleState>>;
  /** When to look again at the latest, ms; null: when something happens. */
  readonly wakeAt: number | null;
  /** Since when (ms) something of ours is missing: what the next decision is to be told. */
  readonly doubts: ReadonlyMap<string, number>;
}
