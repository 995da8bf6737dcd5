// The core: from the world at one moment to what to do, why everything else waits, and when to decide again. Pure:
// the daemon, `supervisor why` and the tests call this very function.

import { type GraphPath, type TaskId, taskKey, taskOfKey } from '../domain/ids.ts';
import type { Plan } from '../domain/plan.ts';
import { isOffered, runsHere, waitsInQueue } from '../domain/profile.ts';
import { isOpenRun, type Run } from '../domain/run.ts';
import type { Task } from '../domain/task.ts';
import type { Verdict } from '../domain/verdict.ts';
import { type Admission, admit, type PlanQueue } from './capacity/admit.ts';
import { budgetsOf, withBudgets } from './capacity/budget-state.ts';
import { READ_EVERY_MS } from './capacity/machine-room.ts';
import { toldPause } from './capacity/pauses.ts';
import type { RoomState } from './capacity/room.ts';
import { instantText } from './instant.ts';
import { isStartable } from './judge/cache-validity.ts';
import { type Interim, type Interims, interimJudgement } from './judge/interim.ts';
import { type JudgedGraphs, type Judgement, judgeGraph } from './judge/judge.ts';
import { Verdicts } from './judge/verdicts.ts';
import { type CopyMemo, createCopyMemo, findCopies } from './reconcile/identity.ts';
import { type CameBackMemo, findCameBack } from './reconcile/known-results.ts';
import { isOurs, reconcileRuns } from './reconcile/reconcile.ts';
import {
  type CameBack,
  type Doubt,
  doubtOf,
  rewoundResultWords,
  rewoundRunWords,
} from './reconcile/rewind.ts';
import { profileNamed } from './routes/route.ts';
import { awaitsWorker } from './routes/worker-words.ts';
import { createScheduleCache, type ScheduleCache } from './schedules/schedule.ts';
import { mayReopen, stopsForReplaced } from './transitions/recur.ts';
import type { Action, Decision, GraphHold, GraphView, KnownResults, World } from './world.ts';

/** What a caller keeps between decisions, so that only what changed is judged again. */
export interface DecideMemo {
  readonly graphs: JudgedGraphs;
  readonly copies: CopyMemo;
  readonly schedules: ScheduleCache;
  readonly cameBack: CameBackMemo;
}

/** An empty memo. The decision is the same with any memo and with none. */
export function createMemo(): DecideMemo {
  return {
    graphs: new Map(),
    copies: createCopyMemo(),
    schedules: createScheduleCache(),
    cameBack: new Map(),
  };
}

const LINGERING = {
  state: 'held',
  code: 'stopping',
  because: 'it is open again, but the agent of its last attempt has not ended yet',
} as const;

const NONE: Interims = new Map();

/** Decides. `interims`: the graphs that are still being judged, of which nothing but that is judged here. */
export function decide(world: World, memo: DecideMemo = createMemo(), interims: Interims = NONE): Decision {
  const views = new Map(world.graphs.map((view) => [view.graph, view]));
  const judged = judgeAll(world, memo, interims);
  const reconciled = reconcileRuns(world, views);
  const said = new Said();
  sayOfRuns(world, views, reconciled.doubts, said);
  const cameBack = findCameBack(world.graphs, world.results, memo.cameBack, (graph) => interims.has(graph));
  const rewound = judgeResults(world, cameBack, judged, said);
  const doubts = new Map([...reconciled.doubts, ...rewound.doubts]);
  const unsure = unsureGraphs(world, reconciled.doubts, rewound.unsure);
  const isBusy = (plan: Plan) => said.isBusy(plan.graph, plan.task);

  const actions: Action[] = [...reconciled.actions, ...rewound.actions];
  // Of many graphs few have anything to do: nothing is made for each of the others.
  const queues: PlanQueue[] = [];
  const schedules = new Map<GraphPath, Judgement['schedules']['states']>();
  let nextAt: number | null = null;
  for (const [path, graph] of judged) {
    if (asksForActions(graph.schedules))
      actions.push(
        ...scheduleActions(
          world,
          views.get(path),
          path,
          graph,
          (task) => said.isBusy(path, task) || unsure.has(path),
        ),
      );
    if (!unsure.has(path)) for (const queue of graph.queues) queues.push(queue);
    schedules.set(path, graph.schedules.states);
    if (graph.nextAt !== null && (nextAt === null || graph.nextAt < nextAt)) nextAt = graph.nextAt;
  }
  const room = roomState(world, views);
  const admission = admit(queues, room, isBusy);
  const admitted = world.dispatchBlocked ? [] : admission.admitted;
  const offers = admitted
    .filter(({ profile }) => isOffered(profile.type))
    .map((plan) => withBudgets(plan, room.budgets));
  for (const plan of admitted)
    if (!isOffered(plan.profile.type))
      actions.push({ kind: 'dispatch', plan: withBudgets(plan, room.budgets) });
  for (const stop of room.budgets?.toStop() ?? []) actions.push({ kind: 'stop', reason: 'budget', ...stop });
  const asksMachine = queues.some(
    ({ profile, plans }) => runsHere(profile.type) && plans.some((plan) => !isBusy(plan)),
  );
  const wakeAt = earliest(
    [nextAt],
    [...doubts.values()].map(({ until }) => until),
    world.pauses.map(({ until }) => (until !== null && until > world.now ? until : null)),
    [room.budgets?.nextWindowAt ?? null],
    // Shortages are seen to end by looking.
    [admission.awaitsMachine ? world.now + READ_EVERY_MS : null],
  );
  const ready = {
    say: readyWords(world, judged, admission, unsure),
    apart: toldApart(world, admission),
  };
  const since = new Map([...doubts].map(([key, doubt]) => [key, doubt.since]));
  const verdicts = new Verdicts(judged, said.verdicts, ready);
  const unjudged = new Set(interims.keys());
  return { actions, offers, verdicts, schedules, asksMachine, wakeAt, doubts: since, unjudged };
}

/** Whether anything may follow from the schedules of a graph. */
function asksForActions({ notes, reopenings, replaced }: Judgement['schedules']): boolean {
  return notes.length + reopenings.length + replaced.length > 0;
}

/** What follows from the schedules of a graph. `isTaken`: the task cannot be opened again just now. */
function scheduleActions(
  world: World,
  view: GraphView | undefined,
  path: GraphPath,
  { schedules, ready }: Judgement,
  isTaken: (task: TaskId) => boolean,
): Action[] {
  const actions: Action[] = schedules.notes.map((note) => ({ kind: 'note-schedule', ...note }));
  const tasks = view?.snapshot.tasks ?? new Map();
  for (const reopening of schedules.reopenings)
    if (!isTaken(reopening.task) && mayReopen(reopening, world, tasks, ready.keys()))
      actions.push({ kind: 'reopen', ...reopening });
  const { replaced } = schedules;
  if (replaced.length > 0) actions.push(...stopsForReplaced(path, replaced, world.runs));
  return actions;
}

/** Verdicts of the tasks that could start: they start, or wait for capacity. */
function readyWords(
  world: World,
  judged: ReadonlyMap<GraphPath, Judgement>,
  admission: Admission,
  unsure: ReadonlyMap<GraphPath, number>,
): (kept: Verdict) => Verdict {
  const admitted = new Set(admission.admitted);
  return (kept) => {
    const ready = judged.get(kept.graph)?.ready.get(kept.task);
    if (!ready) return kept;
    if (admitted.has(ready.plan)) {
      if (world.dispatchBlocked) return standing(kept, ready.plan, world.dispatchBlocked);
      const { profile } = ready.plan;
      return isOffered(profile.type) ? { ...kept, ...awaitsWorker(profile, world.workers) } : kept;
    }
    const until = unsure.get(kept.graph);
    if (until !== undefined) return { ...kept, ...unsureWords(until) };
    const held = admission.heldBecause(ready.plan);
    // If nothing is being started at all, lack of capacity is no reason.
    if (world.dispatchBlocked && held.state === 'queued')
      return standing(kept, ready.plan, world.dispatchBlocked);
    return { ...kept, ...held, ...(held.code === 'idle' ? { nextAt: ready.agingAt } : {}) };
  };
}

/** By graph, the tasks that could start and are not told what others of their profile are told; null: each may be. */
function toldApart(
  { dispatchBlocked }: World,
  { admitted, apart }: Admission,
): ReadonlyMap<GraphPath, readonly TaskId[]> | null {
  // Then each is told where it would go.
  if (apart === null || dispatchBlocked?.code === 'observe') return null;
  const told = new Map<GraphPath, TaskId[]>();
  const add = (graph: GraphPath, task: TaskId) => {
    const known = told.get(graph);
    if (known) known.push(task);
    else told.set(graph, [task]);
  };
  for (const { graph, task } of admitted) add(graph, task);
  for (const key of apart) {
    const ref = taskOfKey(key);
    if (ref) add(ref.graph, ref.task);
  }
  return told;
}

/** The verdict of a task that could start while nothing is being started. */
function standing(kept: Verdict, plan: Plan, dispatchBlocked: GraphHold): Verdict {
  const would = `it would go to ${plan.profile.name}, because of ${plan.because}`;
  const because =
    dispatchBlocked.code === 'observe' ? `${dispatchBlocked.because}; ${would}` : dispatchBlocked.because;
  return { ...kept, state: 'held', code: dispatchBlocked.code, because };
}

/** The inputs to the capacity limits, from the world. */
export function roomState(world: World, views: ReadonlyMap<GraphPath, GraphView>): RoomState {
  // Asked for few of them.
  let settings: ReadonlyMap<string, GraphView['settings']> | null = null;
  const budgets = budgetsOf(world, views);
  return {
    ...(budgets ? { budgets } : {}),
    ...(world.machine ? { machine: world.machine } : {}),
    now: world.now,
    maxConcurrent: world.config.maxConcurrent,
    runs: withEnding(world, views),
    pauses: world.pauses.map((pause) => toldPause(pause, world.graphs)),
    settingsOf(repo) {
      settings ??= new Map(world.graphs.map((view) => [view.repo, view.settings]));
      return settings.get(repo) ?? null;
    },
    profileOf: (run) => {
      const view = views.get(run.graph);
      return view ? profileNamed(run.executor, view.profiles) : null;
    },
  };
}

/**
 * Everything that uses a slot: open runs, and processes that keep running after their task was reported as finished.
 * Runs of a graph that is gone use no slot that others could have.
 */
export function withEnding(
  { runs, ending = [], graphs }: Pick<World, 'runs' | 'ending' | 'graphs'>,
  known: Pick<ReadonlySet<GraphPath>, 'has'> = new Set(graphs.map(({ graph }) => graph)),
): readonly Run[] {
  const over = new Set(ending.map((run) => run.id));
  return [...runs.filter((run) => !over.has(run.id)), ...ending].filter((run) => known.has(run.graph));
}

function judgeAll(world: World, memo: DecideMemo, interims: Interims): ReadonlyMap<GraphPath, Judgement> {
  const copies = findCopies(countedGraphs(world.graphs, interims), memo.copies);
  const judged = new Map<GraphPath, Judgement>();
  for (const view of world.graphs) {
    const interim = interims.get(view.graph);
    if (interim) {
      judged.set(view.graph, interimJudgement(view, interim));
      continue;
    }
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

/** Each graph with the state that counts where graphs are compared. */
export function countedGraphs(
  graphs: readonly GraphView[],
  interims: ReadonlyMap<GraphPath, Pick<Interim, 'counted'>>,
): readonly GraphView[] {
  if (interims.size === 0) return graphs;
  return graphs.map((view) => {
    const interim = interims.get(view.graph);
    return interim ? { ...view, snapshot: interim.counted } : view;
  });
}

/** Tasks that must not start because of what the ledger knows, and their verdicts. */
class Said {
  readonly verdicts = new Map<GraphPath, Map<TaskId, Verdict>>();
  readonly #busy = new Map<GraphPath, Set<TaskId>>();

  /** `words` null: the graph decides. */
  say(graph: GraphPath, task: TaskId, executor: string | null, words: Words | null): void {
    this.#busy.set(graph, (this.#busy.get(graph) ?? new Set()).add(task));
    if (!words) return;
    const verdict = { graph, task, nextAt: null, executor, ...words };
    this.verdicts.set(graph, (this.verdicts.get(graph) ?? new Map<TaskId, Verdict>()).set(task, verdict));
  }

  isBusy(graph: GraphPath, task: TaskId): boolean {
    return this.#busy.get(graph)?.has(task) ?? false;
  }
}

function sayOfRuns(
  world: World,
  views: ReadonlyMap<GraphPath, GraphView>,
  doubts: ReadonlyMap<string, Doubt>,
  said: Said,
): void {
  for (const key of world.endingTasks) {
    const ref = taskOfKey(key);
    const task = ref && views.get(ref.graph)?.snapshot.tasks.get(ref.task);
    if (ref && task) said.say(ref.graph, ref.task, null, isStartable(task) ? LINGERING : null);
  }
  for (const run of world.runs) {
    if (!isOpenRun(run)) continue;
    const view = views.get(run.graph);
    const task = view?.snapshot.tasks.get(run.task);
    const doubt = doubts.get(run.id);
    const isMissing = !view || view.snapshot.problem !== null || !task;
    if (doubt || (isMissing && ownsCopies(run, world.results))) sayOfCopies(run, world.graphs, said);
    if (!view || !task) continue;
    const words = doubt
      ? rewoundRunWords(run, task, doubt, view.settings.onRewind)
      : wordsOf(run, task, world.workers);
    said.say(run.graph, run.task, run.executor, words);
  }
}

/**
 * Whether no copy of its task may start because of a run: it is at work, or it ended and its result is not in the book
 * yet, as after a crash between the two. What a known result comes to is said with the results.
 */
function ownsCopies(run: Run, results: KnownResults | undefined): boolean {
  if (run.phase !== 'finished') return run.phase !== 'opened';
  return !results?.of(run.repo, run.task).some(({ createdAt }) => createdAt === run.taskCreatedAt);
}

/** While the line a run works on is missing, a copy in another worktree must not be mistaken for the task. */
function sayOfCopies(run: Run, graphs: readonly GraphView[], said: Said): void {
  for (const { graph, repo, settings, snapshot } of graphs) {
    if (repo !== run.repo || graph === run.graph || settings.duplicates === 'each') continue;
    const copy = snapshot.tasks.get(run.task);
    if (!copy || !isStartable(copy) || copy.createdAt === undefined || copy.createdAt !== run.taskCreatedAt)
      continue;
    const because = `${run.agent} works on this task in ${run.worktree}, where its line is missing now`;
    said.say(graph, run.task, null, { state: 'held', code: 'copy-elsewhere', because });
  }
}

/** Actions and verdicts for tasks that are known to be finished but whose line is older. */
function judgeResults(
  world: World,
  cameBack: ReadonlyMap<GraphPath, ReadonlyMap<TaskId, CameBack>>,
  judged: ReadonlyMap<GraphPath, Judgement>,
  said: Said,
): {
  readonly actions: Action[];
  readonly doubts: Map<string, Doubt>;
  readonly unsure: Map<GraphPath, number>;
} {
  const actions: Action[] = [];
  const doubts = new Map<string, Doubt>();
  const unsure = new Map<GraphPath, number>();
  if (cameBack.size === 0) return { actions, doubts, unsure };
  for (const { graph, settings, hold } of world.graphs) {
    for (const [id, back] of cameBack.get(graph) ?? []) {
      // A copy is judged in the graph that dispatches it.
      if (said.isBusy(graph, id) || judged.get(graph)?.verdicts.get(id)?.state === 'copy') continue;
      const key = taskKey(graph, id);
      const doubt = doubtOf(key, world);
      doubts.set(key, doubt);
      if (doubt.until !== null && back.isProven) unsure.set(graph, doubt.until);
      if (doubt.until === null && back.isProven && settings.onRewind === 'restore' && !hold)
        actions.push({ kind: 'restore', graph, known: back.known });
      said.say(graph, id, null, rewoundResultWords(back, doubt, settings.onRewind));
    }
  }
  return { actions, doubts, unsure };
}

/** Graphs in which an older state has just come back, and until when nothing starts in them. */
function unsureGraphs(
  world: World,
  ofRuns: ReadonlyMap<string, Doubt>,
  ofResults: ReadonlyMap<GraphPath, number>,
): ReadonlyMap<GraphPath, number> {
  const unsure = new Map(ofResults);
  for (const run of world.runs) {
    const until = ofRuns.get(run.id)?.until;
    if (until) unsure.set(run.graph, Math.max(until, unsure.get(run.graph) ?? 0));
  }
  return unsure;
}

function unsureWords(until: number) {
  const because =
    'an older state of this graph came back a moment ago (git?), so nothing is begun in it ' +
    `until ${instantText(until)}`;
  return { state: 'held', code: 'rewound', because, nextAt: until } as const;
}

type Words = Pick<Verdict, 'state' | 'code' | 'because'> & Partial<Pick<Verdict, 'nextAt'>>;

/** The state of a run; null: the graph decides. */
function wordsOf(run: Run, task: Task, workers: World['workers']): Words | null {
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
      if (waitsInQueue(run.type) && run.waits) {
        const { because } = awaitsWorker({ name: run.reference ?? run.executor }, workers);
        return {
          state: 'running',
          code: 'handed-off',
          because: `${because} (it is in the queue, ${attempt})`,
        };
      }
      return { state: 'running', code: 'handed-off', because: `handed off as ${run.agent} (${attempt})` };
    case 'finished':
      return {
        state: 'running',
        code: 'finishing',
        because: `${run.agent} has finished; its outcome is being written`,
      };
    default:
      return { state: 'running', code: 'running', because: `${run.agent} works on it (${attempt})` };
  }
}

function earliest(...lists: readonly (readonly (number | null)[])[]): number | null {
  let first: number | null = null;
  for (const list of lists)
    for (const at of list) if (at !== null && (first === null || at < first)) first = at;
  return first;
}
