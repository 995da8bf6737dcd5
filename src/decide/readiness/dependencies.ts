// Whether everything a task waits for is done (wg-rules 4.1, 4.6): missing dependencies block; failed and abandoned
// ones follow the rule of the wg that serves the graph; plus archived ones, evaluation gates, peers, copies elsewhere
// and edges that only close a cycle.

import type { TaskId } from '../../domain/ids.ts';
import { dispositionOf, isSystemTask, isTerminal, type Task } from '../../domain/task.ts';
import { type NotReady, nameList, notReady, type ReadinessView } from './readiness-view.ts';

type Blocker = {
  readonly kind: 'open' | 'failed' | 'abandoned' | 'contract' | 'missing' | 'peer' | 'evaluation';
  readonly text: string;
};

const DEPENDENCY_CODES = {
  missing: { state: 'held', code: 'dependency-missing' },
  failed: { state: 'held', code: 'dependency-failed' },
  abandoned: { state: 'held', code: 'dependency-abandoned' },
  contract: { state: 'held', code: 'dependency-contract' },
  evaluation: { state: 'waiting', code: 'evaluation-gate' },
  peer: { state: 'waiting', code: 'dependency-peer' },
  open: { state: 'waiting', code: 'dependency' },
} as const;

/** What a task still waits for; the answer names every open dependency. */
export function dependenciesAgainst(task: Task, view: ReadinessView): NotReady | null {
  const blockers: Blocker[] = [];
  for (const id of task.after) {
    const blocker = blockerOf(id, task, view);
    if (blocker) blockers.push(blocker);
  }
  if (blockers.length === 0) return null;
  // What a person must fix comes first: nothing else could start the task.
  for (const kind of ['missing', 'failed', 'abandoned', 'contract', 'open', 'peer', 'evaluation'] as const) {
    if (!blockers.some((blocker) => blocker.kind === kind)) continue;
    const { state, code } = DEPENDENCY_CODES[kind];
    return notReady(state, code, `waits for ${nameList(blockers.map((blocker) => blocker.text))}`);
  }
  return null;
}

function blockerOf(id: TaskId, task: Task, view: ReadinessView): Blocker | null {
  const isPeer = isPeerReference(id);
  const here = isPeer ? undefined : view.tasks.get(id);
  const elsewhere = (isPeer ? null : view.statusElsewhere(id)) ?? undefined;
  const archived = isPeer || here ? undefined : view.tasks.archivedStatus?.(id);
  const status = isPeer ? view.peers.get(id) : here?.status;
  const isSystem = isSystemTask(task.id);
  if (archived === 'done' || [status, elsewhere].some((end) => countsAsDone(end, [task, here], view))) {
    const unfit = here?.status === 'done' ? contractBlocker(here, task) : null;
    return unfit ?? (isSystem || isSystemTask(id) ? null : evaluationBlocker(id, view));
  }
  if (isSystem && (isEvaluating(status) || isEvaluating(elsewhere))) return null;
  if (view.isBackEdge(id, task.id)) return null;
  if (isPeer) return { kind: 'peer', text: `${id} (${status ?? 'cannot be read'})` };
  if (here) return openBlocker(here, task, elsewhere, view);
  if (archived === undefined) return { kind: 'missing', text: `${id}, which does not exist` };
  return {
    kind: 'abandoned',
    text: `${id} (archived as ${archived}; only what was archived as done counts)`,
  };
}

function openBlocker(here: Task, task: Task, elsewhere: string | undefined, view: ReadinessView): Blocker {
  const { id, status } = here;
  if (status === 'abandoned')
    return { kind: 'abandoned', text: `${id} (abandoned, ${ruleText('abandoned', [task, here], view)})` };
  if (status === 'failed') return { kind: 'failed', text: `${id} (failed)` };
  const paused = here.paused && status === 'open' ? ', paused' : '';
  return { kind: 'open', text: `${id} (${elsewhere ?? status}${paused})` };
}

/**
 * A task that wants another's delivered output as its input continues only from that; any other only from work that
 * landed. The keys are written by a wg of July 2026 or later alone, so that its rule counts wherever they stand.
 */
function contractBlocker(done: Task, task: Task): Blocker | null {
  const brought = dispositionOf(done);
  const wanted = task.inputsFrom?.includes(done.id)
    ? 'delivered'
    : isSystemTask(task.id)
      ? brought
      : 'landed';
  if (brought === wanted) return null;
  const has = brought === null ? `its contract is ${done.contract}` : `it is ${brought}`;
  return { kind: 'contract', text: `${done.id} (done, but ${has}; here only what is ${wanted} counts)` };
}

/** wg's evaluation gate: `.evaluate-X` must be absent or finished before X counts as done for ordinary tasks. */
function evaluationBlocker(id: TaskId, view: ReadinessView): Blocker | null {
  const evaluation = `.evaluate-${id}`;
  const gate = view.tasks.get(evaluation);
  if (!gate || isTerminal(gate.status)) return null;
  const elsewhere = view.statusElsewhere(evaluation);
  if (elsewhere !== null && isTerminal(elsewhere)) return null;
  return { kind: 'evaluation', text: `the evaluation of ${id}: ${evaluation} (${gate.status})` };
}

/** Written only by current versions of wg: only done dependencies count, whichever version is installed. */
function isOfToday(tasks: readonly (Task | undefined)[]): boolean {
  return tasks.some((task) => task?.hasLifecycle === true);
}

/**
 * Failed and abandoned dependencies count if the wg on PATH treats them as done; without a wg they do not, to avoid
 * starting too early.
 */
function countsAsDone(
  status: string | undefined,
  tasks: readonly (Task | undefined)[],
  { wgCan }: ReadinessView,
): boolean {
  if (status === 'done') return true;
  return !isOfToday(tasks) && (wgCan?.satisfying.some((end) => end === status) ?? false);
}

/** Which rule applied. */
function ruleText(status: string, tasks: readonly (Task | undefined)[], view: ReadinessView): string {
  if (isOfToday(tasks)) return 'which does not count for the wg that wrote its lifecycle';
  if (!view.wgCan) return 'which counts as done only where a wg on PATH takes it so';
  const counts = countsAsDone(status, tasks, view);
  return `which ${counts ? 'counts as done' : 'does not count'} for the wg on PATH, of ${view.wgCan.age}`;
}

/** The text for a task with no dependencies. */
export function doneDependencies(task: Task, view: ReadinessView): string {
  if (task.after.length === 0) return 'it waits for nothing';
  const names = task.after.map((id) => {
    const here = view.tasks.get(id);
    if (!here) return view.tasks.archivedStatus?.(id) === undefined ? id : `${id} (archived)`;
    if (here.status !== 'abandoned' && here.status !== 'failed') return id;
    return `${id} (${here.status}, ${ruleText(here.status, [task, here], view)})`;
  });
  return `done: ${nameList(names)}`;
}

function isEvaluating(status: string | undefined): boolean {
  return status === 'pending-eval' || status === 'failed-pending-eval';
}

/** `peer:task` with both halves names a task of another repository; wg never searches this graph for it. */
export function isPeerReference(id: TaskId): boolean {
  const colon = id.indexOf(':');
  return colon > 0 && colon < id.length - 1;
}
