// Whether everything that a task waits for is done (wg-rules 4.1, 4.6): missing and failed dependencies block,
// abandoned ones do not; evaluation gates, peers, copies elsewhere and edges that only close a cycle.

import type { TaskId } from '../domain/ids.ts';
import { isSystemTask, isTerminal, satisfiesDependents, type Task, type TaskStatus } from '../domain/task.ts';
import { type NotReady, nameList, notReady, type ReadinessView } from './readiness-view.ts';

type Blocker = {
  readonly kind: 'open' | 'failed' | 'missing' | 'peer' | 'evaluation';
  readonly text: string;
};

const DEPENDENCY_CODES = {
  missing: { state: 'held', code: 'dependency-missing' },
  failed: { state: 'held', code: 'dependency-failed' },
  evaluation: { state: 'waiting', code: 'evaluation-gate' },
  peer: { state: 'waiting', code: 'dependency-peer' },
  open: { state: 'waiting', code: 'dependency' },
} as const;

/** What a task still waits for; its answer names every open dependency. */
export function dependenciesAgainst(task: Task, view: ReadinessView): NotReady | null {
  const blockers: Blocker[] = [];
  for (const id of task.after) {
    const blocker = blockerOf(id, task, view);
    if (blocker) blockers.push(blocker);
  }
  if (blockers.length === 0) return null;
  // What a person must put right is said first: nothing else could start the task.
  for (const kind of ['missing', 'failed', 'open', 'peer', 'evaluation'] as const) {
    if (!blockers.some((blocker) => blocker.kind === kind)) continue;
    const { state, code } = DEPENDENCY_CODES[kind];
    return notReady(state, code, `waits for ${nameList(blockers.map((blocker) => blocker.text))}`);
  }
  return null;
}

function blockerOf(id: TaskId, task: Task, view: ReadinessView): Blocker | null {
  const system = isSystemTask(task.id);
  const peer = isPeerReference(id);
  const here = peer ? undefined : view.tasks.get(id);
  const elsewhere = peer ? null : view.statusElsewhere(id);
  const status = peer ? view.peers.get(id) : here?.status;
  if (isSatisfied(status) || isSatisfied(elsewhere ?? undefined)) {
    if (system || isSystemTask(id)) return null;
    return evaluationBlocker(id, view);
  }
  if (system && (isEvaluating(status) || isEvaluating(elsewhere ?? undefined))) return null;
  if (view.isBackEdge(id, task.id)) return null;
  if (peer) return { kind: 'peer', text: `${id} (${status ?? 'cannot be read'})` };
  if (!here) return { kind: 'missing', text: `${id}, which does not exist` };
  if (here.status === 'failed') return { kind: 'failed', text: `${id} (failed)` };
  const paused = here.paused && here.status === 'open' ? ', paused' : '';
  return { kind: 'open', text: `${id} (${elsewhere ?? here.status}${paused})` };
}

/** wg's evaluation gate: `.evaluate-X` must be absent or over before X counts as done for ordinary tasks. */
function evaluationBlocker(id: TaskId, view: ReadinessView): Blocker | null {
  const evaluation = `.evaluate-${id}`;
  const gate = view.tasks.get(evaluation);
  if (!gate || isTerminal(gate.status)) return null;
  const elsewhere = view.statusElsewhere(evaluation);
  if (elsewhere !== null && isTerminal(elsewhere)) return null;
  return { kind: 'evaluation', text: `the evaluation of ${id}: ${evaluation} (${gate.status})` };
}

function isSatisfied(status: string | undefined): boolean {
  return status !== undefined && satisfiesDependents(status as TaskStatus);
}

function isEvaluating(status: string | undefined): boolean {
  return status === 'pending-eval' || status === 'failed-pending-eval';
}

/** `peer:task` with both halves names a task of another repository; wg never looks for it in this graph. */
export function isPeerReference(id: TaskId): boolean {
  const colon = id.indexOf(':');
  return colon > 0 && colon < id.length - 1;
}
