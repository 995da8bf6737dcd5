// Why a task is (not) running: its verdict, and every condition, rule and limit in the order judged. Serves
// `supervisor why`; built from the functions that decide.

import { type GraphPath, type TaskId, taskKey } from '../domain/ids.ts';
import { isOffered, type Profile } from '../domain/profile.ts';
import { isOpenRun, type Run } from '../domain/run.ts';
import type { Task } from '../domain/task.ts';
import type { Condition, Verdict } from '../domain/verdict.ts';
import { dependentPriorities, effectivePriority, madeAt } from './capacity/priority.ts';
import { occupiesPlace, Room } from './capacity/room.ts';
import { decide, roomState, withEnding } from './decide.ts';
import { instantText } from './instant.ts';
import { graphHold, isStartable } from './judge/cache-validity.ts';
import { modelOfPlan, viewForReadiness } from './judge/judge.ts';
import { copiesAround } from './readiness/claim-refusal.ts';
import { explainReadiness } from './readiness/readiness.ts';
import { type Routed, routeTask } from './routes/route.ts';
import { awaitsWorker } from './routes/worker-words.ts';
import { createScheduleCache } from './schedules/schedule.ts';
import { judgeSchedule, type ScheduleJudgement } from './schedules/task-schedule.ts';
import type { Decision, GraphView, World } from './world.ts';

/** A task's verdict with everything that led to it. */
export interface Explanation {
  /** Null when there is no such task. */
  readonly verdict: Verdict | null;
  readonly conditions: readonly Condition[];
}

/**
 * Explains one task. Conditions after an unmet one are judged, too. `decision`: of the same world, if there is one already.
 */
export function explainTask(
  world: World,
  graph: GraphPath,
  id: TaskId,
  decision: Pick<Decision, 'verdicts'> = decide(world),
): Explanation {
  const view = world.graphs.find((candidate) => candidate.graph === graph);
  const task = view?.snapshot.tasks.get(id);
  if (!view || !task) return { verdict: null, conditions: [] };
  const verdict = decision.verdicts.get(taskKey(graph, id)) ?? null;
  const { copies, here } = copiesAround(world.graphs, view, task);
  const copy = isStartable(task) ? copies.holdOf(here, task) : null;
  const hold = graphHold(view);
  const run = world.runs.find(
    (candidate) => isOpenRun(candidate) && candidate.graph === graph && candidate.task === id,
  );
  const conditions: Condition[] = [
    condition('graph', hold, `${view.graph} can be read and is ours to dispatch`),
    ...explainReadiness(task, viewForReadiness(view, world, copies)),
    condition('only copy', copy, 'no other worktree dispatches it'),
    condition('no open run', run ? { because: runText(run) } : null, 'no run is under way'),
  ];
  const route = routeTask(task, view.profiles, world.config.retry);
  if (!route.routed) conditions.push({ name: 'executor', met: false, because: route.because });
  else conditions.push(...routedConditions(world, view, task, route));
  conditions.push(condition('dispatching', world.dispatchBlocked, 'the supervisor takes new work'));
  return { verdict, conditions };
}

function routedConditions(world: World, view: GraphView, task: Task, route: Routed): Condition[] {
  const { profile } = route;
  const schedule = judgeSchedule({
    task,
    profile: route.scheduleProfile,
    profiles: view.profiles,
    config: world.config,
    memory: world.schedules.get(taskKey(view.graph, task.id)),
    now: world.now,
    cache: createScheduleCache(),
    situation: isStartable(task) ? (task.paused ? 'paused' : 'open') : 'busy',
  });
  const due = dueText(schedule);
  return [
    {
      name: 'executor',
      met: true,
      because: `${profile.name} (${profile.type}), because of ${route.because}`,
    },
    condition('schedule', schedule.hold, due),
    ...roomConditions(world, view, task, route),
    ...(isOffered(profile.type) ? [workerCondition(profile, world.workers)] : []),
  ];
}

function dueText({ state, occurrence }: ScheduleJudgement): string {
  if (!state) return 'it has no schedule of its own';
  const next = state.nextAt === null ? '' : `, next at ${instantText(state.nextAt)}`;
  return `schedule ${state.text} (${state.zone}) ${occurrence === null ? 'continues' : 'is due'}${next}`;
}

/** Whether this task alone would be admitted now, ignoring other waiting tasks. */
function roomConditions(world: World, view: GraphView, task: Task, { profile }: Routed): Condition[] {
  const views = new Map(world.graphs.map((candidate) => [candidate.graph, candidate]));
  const { budgets, ...state } = roomState(world, views);
  const room = new Room(state);
  const seat = { graph: view.graph, worktree: view.worktree, repo: view.repo, profile };
  const pause = room.pauseOf(seat) ?? room.taskPauseOf({ graph: view.graph, task: task.id });
  const places = withEnding(world, views).filter(occupiesPlace).length;
  const { tasks } = view.snapshot;
  const priority = effectivePriority(task, madeAt(task), world.now, dependentPriorities(tasks));
  const fine = `there is room: ${places} of ${world.config.maxConcurrent} places are taken (its priority is ${priority})`;
  return [
    condition('not held back', pause, 'nothing it needs is paused'),
    ...(budgets?.conditions({ ...seat, task: task.id, ...modelOfPlan(task, profile, view.profiles) }) ?? []),
    condition('room', room.full(seat), fine),
  ];
}

/** A task without a run yet: were a worker free, it would have taken it. */
function workerCondition(profile: Pick<Profile, 'name'>, workers: World['workers']): Condition {
  return condition('worker', awaitsWorker(profile, workers), '');
}

function runText(run: Run): string {
  return `${run.id} is ${run.phase} (${run.executor}, attempt ${run.attempt}${run.agent ? `, ${run.agent}` : ''})`;
}

function condition(name: string, against: { readonly because: string } | null, fine: string): Condition {
  return { name, met: against === null, because: against?.because ?? fine };
}
