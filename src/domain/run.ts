// One execution of one attempt, as the ledger stores it.

import type { GraphPath, RunId, TaskId } from './ids.ts';
import type { Footprint } from './machine.ts';
import type { Outcome, Usage } from './outcome.ts';
import type { ExecutorType } from './profile.ts';

/**
 * opened → claimed → started → finished → settled; started → handed-off → finished. Closed without a settled outcome:
 * abandoned (never started), interrupted (vanished), superseded (a newer fence), overruled (the graph moved on).
 */
export const RUN_PHASES = [
  'opened',
  'claimed',
  'started',
  'handed-off',
  'finished',
  'settled',
  'abandoned',
  'interrupted',
  'superseded',
  'overruled',
] as const;
export type RunPhase = (typeof RUN_PHASES)[number];

/** The identity of a spawned process; the system reuses pids. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Kernel start time in clock ticks (Linux), or a string with a resolution of seconds elsewhere. */
  readonly startTime: string;
  /** Changes with every boot; processes of another boot are gone. */
  readonly bootId: string;
}

export interface Run {
  readonly id: RunId;
  readonly graph: GraphPath;
  readonly task: TaskId;
  /** The task's created_at, so that a task deleted and created again is another one. */
  readonly taskCreatedAt: string | null;
  readonly worktree: string;
  readonly repo: string;
  /** Profile name. */
  readonly executor: string;
  readonly type: ExecutorType;
  readonly because: string;
  /** 1-based; increases only with attempts that were allowed to fail. */
  readonly attempt: number;
  /** Increases with every claim of the task; an older one may write nothing. */
  readonly fence: number;
  /** `agent-N` in the graph's registry; '' until allocated. */
  readonly agent: string;
  readonly phase: RunPhase;
  readonly process: ProcessIdentity | null;
  /** The run's folder: the graph's `agents/agent-N/`. */
  readonly folder: string | null;
  /** The remote side's name for it: a status URL or an id. */
  readonly reference: string | null;
  /** Absolute end of the attempt, ms; null: none. */
  readonly deadlineAt: number | null;
  readonly occurrence: number | null;
  readonly openedAt: number;
  readonly startedAt: number | null;
  readonly finishedAt: number | null;
  readonly outcome: Outcome | null;
  /** The session of its CLI, which a later call may resume. */
  readonly session?: string;
  readonly model?: string;
  /** Tokens and money, even if the outcome did not come from the program's exit. */
  readonly usage?: Usage;
  /** The most that its processes took together; absent: it was too short to be measured. */
  readonly footprint?: Footprint;
  /** The worktree of its own, in which its agent works; absent: that of its graph. */
  readonly place?: string;
  /** The first of its ports; absent: it has none. */
  readonly portBase?: number;
  /** It released its slot and waits for the remote side. Not stored: a reattached run starts without it. */
  readonly waits?: boolean;
}

/** What the work may report while it runs. */
export interface RunNotes {
  readonly session?: string;
  readonly reference?: string;
  readonly model?: string;
  readonly usage?: Usage;
  readonly footprint?: Footprint;
  readonly place?: string;
  readonly portBase?: number;
}

/** Phases in which a run still owns its task. */
export function isOpenRun(run: Pick<Run, 'phase'>): boolean {
  switch (run.phase) {
    case 'opened':
    case 'claimed':
    case 'started':
    case 'handed-off':
    case 'finished':
      return true;
    default:
      return false;
  }
}

/** Whether a run is starting or running here, as opposed to handed off or finished. */
export function isUnderWay(run: Pick<Run, 'phase'>): boolean {
  return run.phase === 'opened' || run.phase === 'claimed' || run.phase === 'started';
}

/** Whether someone works on it, here or elsewhere: it has begun and is not finished. */
export function isAtWork(run: Pick<Run, 'phase'>): boolean {
  return isUnderWay(run) || run.phase === 'handed-off';
}

/** Whether a run uses one of the machine's slots; handed-off work and a waiting delivery do not. */
export function holdsSlot(run: Pick<Run, 'phase' | 'waits'>): boolean {
  return isUnderWay(run) && run.waits !== true;
}
