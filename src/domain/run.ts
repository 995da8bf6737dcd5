// One execution of one attempt, as the ledger keeps it.

import type { GraphPath, RunId, TaskId } from './ids.ts';
import type { Outcome, Usage } from './outcome.ts';
import type { ExecutorType } from './profile.ts';

/**
 * opened → claimed → started → finished → settled; started → handed-off → finished.
 * Ends without a settled outcome: abandoned (never started), interrupted (vanished), superseded (a newer fence),
 * overruled (the graph moved on).
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

/** The identity of a spawned process; a pid alone is reused by the system. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Kernel start time in clock ticks (Linux), or a text of second resolution elsewhere. */
  readonly startTime: string;
  /** Changes with every boot; runs of another boot are void. */
  readonly bootId: string;
}

export interface Run {
  readonly id: RunId;
  readonly graph: GraphPath;
  readonly task: TaskId;
  /** The task's created_at, so that a task deleted and made anew is another one. */
  readonly taskCreatedAt: string | null;
  readonly worktree: string;
  readonly repo: string;
  /** Profile name. */
  readonly executor: string;
  readonly type: ExecutorType;
  readonly because: string;
  /** 1-based; goes up only with attempts that were allowed to fail. */
  readonly attempt: number;
  /** Goes up with every claim of the task; an older one may write nothing. */
  readonly fence: number;
  /** `agent-N` in the graph's registry; '' until allocated. */
  readonly agent: string;
  readonly phase: RunPhase;
  readonly process: ProcessIdentity | null;
  /** The run's folder: the graph's `agents/agent-N/`. */
  readonly folder: string | null;
  /** What the far side calls it: a status URL or an id. */
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
  /** Tokens and money, also where the outcome came by another way than the program's end. */
  readonly usage?: Usage;
  /** It gave its place back and waits for the far side. Never written down: a run that is taken up begins anew. */
  readonly waits?: boolean;
}

/** What the work may tell of itself on its way. */
export interface RunNotes {
  readonly session?: string;
  readonly reference?: string;
  readonly model?: string;
  readonly usage?: Usage;
}

/** Phases in which a run still holds its task. */
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

/** Whether a run is on its way or at work here, as opposed to handed off or over. */
export function isUnderWay(run: Pick<Run, 'phase'>): boolean {
  return run.phase === 'opened' || run.phase === 'claimed' || run.phase === 'started';
}

/** Whether a run occupies one of the machine's places; handed-off work and a delivery that waits do not. */
export function holdsSlot(run: Pick<Run, 'phase' | 'waits'>): boolean {
  return isUnderWay(run) && run.waits !== true;
}
