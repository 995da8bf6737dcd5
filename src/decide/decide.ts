// The brain: from the world at one moment to what is to be done, why everything else is not, and when to look again.
// Pure: the daemon, `supervisor why` and the tests call this very function.

import { type GraphPath, type TaskId, type TaskKey, taskKey } from '../domain/ids.ts';
import type { Plan } from '../domain/plan.ts';
import { isOpenRun, type Run } from '../domain/run.ts';
import type { Task } from '../domain/task.ts';
import type { Verdict } from '../domain/verdict.ts';
import { type AdmitState, admit } from './admit.ts';
import { type CopyMemo, createCopyMemo, findCopies } from './identity.ts';
import { isStartable, type JudgedGraph, type JudgedGraphs, judgeGraph } from './judge.ts';
import { nextAgingAt } from './priority.ts';
import { isOurs, reconcileRuns } from './reconcile.ts';
import { profileNamed } from './route.ts';
import type { ScheduleCache } from './schedule.ts';
import { Verdicts } from './verdicts.ts';
import type { Action, Decision, GraphView, World } from './world.ts';

/** What one caller keeps from decision to decision, so that only what changed is judged anew. */
export interface DecideMemo {
  readonly graphs: JudgedGraphs;
  readonly copies: CopyMemo;
  readonly schedules: ScheduleCache;
}

/** An empty memo. A decision is the same with any memo and with none. */
export function createMemo(): DecideMemo {
  return { graphs: new Map(), copies: createCopyMemo(), schedules: new Map() };
}

const LINGERING = {
  state: 'held',
  code: 'stopping',
  because: 'it is open again, but the agent of its last attempt has not ended yet',
  nextAt: null,
} as const;

/** Decides. */
export function decide(world: World, memo: DecideMemo = createMemo()): Decision {
  const views = new Map(world.graphs.map((view) => [view.graph, view]));
  const judged = judgeAll(world, memo);
  const open = new Set(world.runs.filter(isOpenRun).map((run) => taskKey(run.graph, run.task)));
  const overlay = new Map<TaskKey, Verdict>();
  for (const run of world.runs) noteRun(run, views.get(run.graph), overlay);

  const actions: Action[] = reconcileRuns(world);
  const candidates: Plan[] = [];
  let wakeAt: number | null = null;
  for (const graph of judged.values()) {
    for (const note of graph.notes) actions.push({ kind: 'note-schedule', ...note });
    for (const plan of graph.plans) {
      const key = taskKey(plan.graph, plan.task);
      if (world.lingering.has(key)) overlay.set(key, verdictOf(plan, LINGERING));
      else if (!open.has(key)) candidates.push(plan);
    }
    wakeAt = earlier(wakeAt, graph.nextAt);
  }

  const { admitted, held } = admit(candidates, admitState(world, views));
  for (const { plan, state, code, because, nextAt } of held) {
    const at = code === 'idle' ? agingOf(plan, views, world.now) : nextAt;
    wakeAt = earlier(wakeAt, at);
    overlay.set(taskKey(plan.graph, plan.task), verdictOf(plan, { state, code, because, nextAt: at }));
  }
  for (const plan of admitted) {
    if (!world.standstill) actions.push({ kind: 'dispatch', plan });
    else
      overlay.set(
        taskKey(plan.graph, plan.task),
        verdictOf(plan, { state: 'held', ...world.standstill, nextAt: null }),
      );
  }
  const kept = new Map<GraphPath, ReadonlyMap<TaskId, Verdict>>();
  for (const [path, graph] of judged) kept.set(path, graph.verdicts);
  return { actions, verdicts: new Verdicts(kept, overlay), wakeAt };
}

/** What admitting takes to know, from the world. */
export function admitState(world: World, views: ReadonlyMap<GraphPath, GraphView>): AdmitState {
  const settings = new Map(world.graphs.map((view) => [view.repo, view.settings]));
  return {
    now: world.now,
    maxConcurrent: world.config.maxConcurrent,
    runs: world.runs,
    pauses: world.pauses,
    settingsOf: (repo) => settings.get(repo) ?? null,
    profileOf: (run) => {
      const view = views.get(run.graph);
      return view ? profileNamed(run.executor, view.profiles) : null;
    },
  };
}

function judgeAll(world: World, memo: DecideMemo): ReadonlyMap<GraphPath, JudgedGraph> {
  const copies = findCopies(world.graphs, memo.copies);
  const judged = new Map<GraphPath, JudgedGraph>();
  for (const view of world.graphs) {
    const known = memo.graphs.get(view.graph);
    const graph = known?.isValid(view, world, copies)
      ? known
      : judgeGraph(view, world, copies, memo.schedules);
    judged.set(view.graph, graph);
    memo.graphs.set(view.graph, graph);
  }
  for (const path of memo.graphs.keys()) if (!judged.has(path)) memo.graphs.delete(path);
  return judged;
}

/** Says of a task that one of our runs holds how far that run is. */
function noteRun(run: Run, view: GraphView | undefined, overlay: Map<TaskKey, Verdict>): void {
  const task = view?.snapshot.tasks.get(run.task);
  if (!task || !isOpenRun(run)) return;
  const said = wordsOf(run, task);
  if (said)
    overlay.set(taskKey(run.graph, run.task), {
      graph: run.graph,
      task: run.task,
      nextAt: null,
      executor: run.executor,
      ...said,
    });
}

function wordsOf(run: Run, task: Task): Pick<Verdict, 'state' | 'code' | 'because'> | null {
  const attempt = `${run.executor}, attempt ${run.attempt}`;
  if (run.phase === 'opened' && isStartable(task))
    return { state: 'running', code: 'starting', because: `it is being started (${attempt})` };
  if (!isOurs(task, run)) {
    if (!isStartable(task)) return null;
    const who = run.agent === '' ? run.id : `${run.agent} (${run.id})`;
    return { state: 'held', code: 'stopping', because: `it is open again, but ${who} has not ended yet` };
  }
  switch (run.phase) {
    case 'handed-off':
      return { state: 'running', code: 'handed-off', because: `handed off as ${run.agent} (${attempt})` };
    case 'finished':
      return {
        state: 'running',
        code: 'finishing',
        because: `${run.agent} is over; its outcome is being written`,
      };
    default:
      return { state: 'running', code: 'running', because: `${run.agent} works on it (${attempt})` };
  }
}

function agingOf(plan: Plan, views: ReadonlyMap<GraphPath, GraphView>, now: number): number | null {
  const task = views.get(plan.graph)?.snapshot.tasks.get(plan.task);
  return task ? nextAgingAt(task, now) : null;
}

function verdictOf(plan: Plan, reason: Pick<Verdict, 'state' | 'code' | 'because' | 'nextAt'>): Verdict {
  return { graph: plan.graph, task: plan.task, executor: plan.profile.name, ...reason };
}

function earlier(a: number | null, b: number | null): number | null {
  if (a === null || b === null) return a ?? b;
  return Math.min(a, b);
}
