// The inputs a graph was judged from, so that the next decision can tell whether that judgement is still valid.

import type { GraphPath, TaskKey } from '../../domain/ids.ts';
import type { Task } from '../../domain/task.ts';
import type { Copies } from '../reconcile/identity.ts';
import type { GraphHold, GraphView, ScheduleMemory, World } from '../world.ts';

/** The part of the world, besides the graph itself, that judging a graph reads. */
export type ProcessIo = Pick<World, 'now' | 'config' | 'schedules' | 'peers'>;

/** Whether a judgement is still valid. */
export type StillStands = (view: GraphView, world: ProcessIo, copies: Copies) => boolean;

export interface Standing {
  /** Judging the graph again would give the same result. */
  readonly isValid: StillStands;
  /** Verdicts that follow from the graph's own tasks alone are still valid for tasks that did not change. */
  readonly holdsForTasks: StillStands;
  /** It was made with the same profiles, settings and hold, whatever happened to the tasks and their copies. */
  readonly isSameGround: (view: GraphView, world: ProcessIo) => boolean;
}

/** Open in wg's sense: it could be started, now or later. */
export function isStartable(task: Pick<Task, 'status'>): boolean {
  return task.status === 'open' || task.status === 'incomplete';
}

/** What blocks every task of a graph, or null. */
export function graphHold(view: GraphView): GraphHold | null {
  const { problem } = view.snapshot;
  return problem ? { code: problem.code, because: problem.message } : view.hold;
}

/** What may change while a graph is being judged in steps. */
export interface Versions {
  readonly copies: number;
  readonly schedules: number | undefined;
}

/** To be asked before judging. */
export function versionsAt(graph: GraphPath, copies: Copies, { schedules }: ProcessIo): Versions {
  return { copies: copies.version(graph), schedules: schedules.revisionOf?.(graph) };
}

/** Records what a judgement was made from. `validUntil`: when time alone may change it, ms. */
export function isStillValid(inputs: {
  readonly view: GraphView;
  readonly world: ProcessIo;
  readonly versions: Versions;
  readonly validUntil: number;
  /** The memory of each schedule that was read. */
  readonly remembered: readonly (readonly [TaskKey, ScheduleMemory | undefined])[];
  /** The state of each task of another repository that was read. */
  readonly peers: ReadonlyMap<string, string | undefined>;
}): Standing {
  // Only what is compared is kept: keeping a whole world would pin every graph it contains.
  const { validUntil, remembered, peers } = inputs;
  const { graph, worktree, repo, snapshot, profiles, wgOnPath, wgCan } = inputs.view;
  const { now: judgedAt, config } = inputs.world;
  const { timezone, retry, schedule } = config;
  const hold = graphHold(inputs.view);
  const version = inputs.versions.copies;
  let revision = inputs.versions.schedules;
  const sameSchedules = ({ schedules }: ProcessIo): boolean => {
    const now = schedules.revisionOf?.(graph);
    if (now !== undefined && now === revision) return true;
    if (!remembered.every(([key, memory]) => isSameMemory(schedules.get(key), memory))) return false;
    revision = now;
    return true;
  };
  const isSameGround: Standing['isSameGround'] = (view, world) =>
    view.profiles === profiles &&
    view.wgOnPath === wgOnPath &&
    view.wgCan === wgCan &&
    view.worktree === worktree &&
    view.repo === repo &&
    isSameHold(graphHold(view), hold) &&
    world.config.timezone === timezone &&
    world.config.retry === retry &&
    world.config.schedule === schedule;
  const holdsForTasks: StillStands = (view, world, copies) =>
    isSameGround(view, world) && copies.version(graph) === version && world.now >= judgedAt;
  return {
    isSameGround,
    holdsForTasks,
    isValid: (view, world, copies) =>
      view.snapshot === snapshot &&
      holdsForTasks(view, world, copies) &&
      (world.now === judgedAt || world.now < validUntil) &&
      [...peers].every(([id, status]) => (view.peers ?? world.peers).get(id) === status) &&
      sameSchedules(world),
  };
}

function isSameHold(a: GraphHold | null, b: GraphHold | null): boolean {
  return a?.code === b?.code && a?.because === b?.because;
}

function isSameMemory(a: ScheduleMemory | undefined, b: ScheduleMemory | undefined): boolean {
  if (a === b) return true;
  return (
    a?.expression === b?.expression &&
    a?.baselineAt === b?.baselineAt &&
    a?.lastNominalAt === b?.lastNominalAt &&
    a?.lastIsOver === b?.lastIsOver &&
    a?.pendingRuns?.join() === b?.pendingRuns?.join()
  );
}
