// The brain: from the world at one moment to what is to be done, why everything else is not, and when to look again.
// Pure: the daemon, `supervisor why` and the tests call this very function.

import { type GraphPath, type TaskId, taskOfKey } from '../domain/ids.ts';
import type { Plan } from '../domain/plan.ts';
import { isOpenRun, type Run } from '../domain/run.ts';
import type { Task } from '../domain/task.ts';
import type { Verdict } from '../domain/verdict.ts';
import { type Admission, admit, type PlanQueue } from './admit.ts';
import { type CopyMemo, createCopyMemo, findCopies } from './identity.ts';
import { type JudgedGraph, type JudgedGraphs, judgeGraph } from './judge.ts';
import { isStartable } from './judged-inputs.ts';
import { toldPause } from './pauses.ts';
import { isOurs, reconcileRuns } from './reconcile.ts';
import { mayReopen, stopsForReplaced } from './recur.ts';
import type { RoomState } from './room.ts';
import { profileNamed } from './route.ts';
import { createScheduleCache, type ScheduleCache } from './schedule.ts';
import { Verdicts } from './verdicts.ts';
import type { Action, Decision, GraphHold, GraphView, World } from './world.ts';

/** What one caller keeps from decision to decision, so that only what changed is judged anew. */
export interface DecideMemo {
  readonly graphs: JudgedGraphs;
  readonly copies: CopyMemo;
  readonly schedules: ScheduleCache;
}

/** An empty memo. A decision is the same with any memo and with none. */
export function createMemo(): DecideMemo {
  return { graphs: new Map(), copies: createCopyMemo(), schedules: createScheduleCache() };
}

const LINGERING = {
  state: 'held',
  code: 'stopping',
  because: 'it is open again, but the agent of its last attempt has not ended yet',
} as const;

/** Decides. */
export function decide(world: World, memo: DecideMemo = createMemo()): Decision {
  const views = new Map(world.graphs.map((view) => [view.graph, view]));
  const judged = judgeAll(world, memo);
  const said = saidOfRuns(world, views);
  const isBusy = (plan: Plan) => said.busy.get(plan.graph)?.has(plan.task) ?? false;

  const actions: Action[] = reconcileRuns(world);
  const queues: PlanQueue[] = [];
  let wakeAt: number | null = null;
  for (const [path, graph] of judged) {
    for (const note of graph.schedules.notes) actions.push({ kind: 'note-schedule', ...note });
    for (const reopening of graph.schedules.reopenings) {
      const tasks = views.get(path)?.snapshot.tasks ?? new Map();
      const isFree = !said.busy.get(path)?.has(reopening.task);
      if (isFree && mayReopen(reopening, world, tasks, graph.ready.keys()))
        actions.push({ kind: 'reopen', ...reopening });
    }
    const { replaced } = graph.schedules;
    if (replaced.length > 0) actions.push(...stopsForReplaced(path, replaced, world.runs));
    queues.push(...graph.queues);
    wakeAt = earlier(wakeAt, graph.nextAt);
  }
  for (const { until } of world.pauses)
    if (until !== null && until > world.now) wakeAt = earlier(wakeAt, until);

  const admission = admit(queues, roomState(world, views), isBusy);
  if (!world.standstill) for (const plan of admission.admitted) actions.push({ kind: 'dispatch', plan });
  const kept = new Map<GraphPath, ReadonlyMap<TaskId, Verdict>>();
  for (const [path, graph] of judged) kept.set(path, graph.verdicts);
  const ofReady = readyWords(world, judged, admission);
  const schedules = new Map([...judged].map(([path, graph]) => [path, graph.schedules.states]));
  return { actions, verdicts: new Verdicts(kept, said.verdicts, ofReady), schedules, wakeAt };
}

/** What is said of the tasks that could start by themselves: they start, or lack room. */
function readyWords(
  world: World,
  judged: ReadonlyMap<GraphPath, JudgedGraph>,
  admission: Admission,
): (kept: Verdict) => Verdict {
  const admitted = new Set(admission.admitted);
  return (kept) => {
    const ready = judged.get(kept.graph)?.ready.get(kept.task);
    if (!ready) return kept;
    if (admitted.has(ready.plan))
      return world.standstill ? standing(kept, ready.plan, world.standstill) : kept;
    const held = admission.heldBecause(ready.plan);
    // Where nothing is started at all, want of room says nothing.
    if (world.standstill && held.state === 'queued') return standing(kept, ready.plan, world.standstill);
    return { ...kept, ...held, ...(held.code === 'idle' ? { nextAt: ready.agingAt } : {}) };
  };
}

/** What is said of a task that could start where nothing is started. */
function standing(kept: Verdict, plan: Plan, standstill: GraphHold): Verdict {
  const would = `it would go to ${plan.profile.name}, because of ${plan.because}`;
  const because = standstill.code === 'observe' ? `${standstill.because}; ${would}` : standstill.because;
  return { ...kept, state: 'held', code: standstill.code, because };
}

/** What judging the room takes to know, from the world. */
export function roomState(world: World, views: ReadonlyMap<GraphPath, GraphView>): RoomState {
  const settings = new Map(world.graphs.map((view) => [view.repo, view.settings]));
  return {
    now: world.now,
    maxConcurrent: world.config.maxConcurrent,
    runs: world.runs,
    pauses: world.pauses.map((pause) => toldPause(pause, world.graphs)),
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
      : judgeGraph(view, world, copies, memo.schedules, known);
    judged.set(view.graph, graph);
    memo.graphs.set(view.graph, graph);
  }
  for (const path of memo.graphs.keys()) if (!judged.has(path)) memo.graphs.delete(path);
  return judged;
}

/** Which tasks our runs hold, and what is said of them. */
interface SaidOfRuns {
  readonly busy: ReadonlyMap<GraphPath, ReadonlySet<TaskId>>;
  readonly verdicts: ReadonlyMap<GraphPath, ReadonlyMap<TaskId, Verdict>>;
}

function saidOfRuns(world: World, views: ReadonlyMap<GraphPath, GraphView>): SaidOfRuns {
  const busy = new Map<GraphPath, Set<TaskId>>();
  const verdicts = new Map<GraphPath, Map<TaskId, Verdict>>();
  const say = (graph: GraphPath, id: TaskId, executor: string | null, words: Words | null) => {
    busy.set(graph, (busy.get(graph) ?? new Set()).add(id));
    if (!words) return;
    const verdict = { graph, task: id, nextAt: null, executor, ...words };
    verdicts.set(graph, (verdicts.get(graph) ?? new Map<TaskId, Verdict>()).set(id, verdict));
  };
  for (const key of world.lingering) {
    const ref = taskOfKey(key);
    const task = ref && views.get(ref.graph)?.snapshot.tasks.get(ref.task);
    if (ref && task) say(ref.graph, ref.task, null, isStartable(task) ? LINGERING : null);
  }
  for (const run of world.runs) {
    const task = views.get(run.graph)?.snapshot.tasks.get(run.task);
    if (task && isOpenRun(run)) say(run.graph, run.task, run.executor, wordsOf(run, task));
  }
  return { busy, verdicts };
}

type Words = Pick<Verdict, 'state' | 'code' | 'because'>;

/** How far a run is; null where the graph has the last word. */
function wordsOf(run: Run, task: Task): Words | null {
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

function earlier(a: number | null, b: number | null): number | null {
  if (a === null || b === null) return a ?? b;
  return Math.min(a, b);
}
