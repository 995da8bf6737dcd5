// Which ready tasks start now. No limit is ever exceeded, and no slot stays free while a task could use it.
// Repositories take turns by weight: the one with the fewest running tasks for its weight is next. Within a
// repository priority decides; at equal priority, the worktree with the fewest running tasks is next.

import type { GraphPath, TaskKey } from '../../domain/ids.ts';
import type { Plan } from '../../domain/plan.ts';
import type { VerdictState } from '../../domain/verdict.ts';
import { NORMAL_PRIORITY } from './priority.ts';
import { needsPlace, Room, type RoomState, type Seat } from './room.ts';

/** Ready tasks of one graph that share a profile, in order: what blocks one by capacity blocks all. */
export interface PlanQueue extends Seat {
  readonly plans: readonly Plan[];
  /** The position of each plan among all of its graph. */
  readonly ranks: readonly number[];
}

/** Why a ready task does not start now. */
export interface Held {
  readonly state: VerdictState;
  readonly code: string;
  readonly because: string;
  readonly nextAt: number | null;
}

export interface Admission {
  /** In start order. */
  readonly admitted: readonly Plan[];
  /** Something waits for the machine to have more memory, processors or disk. */
  readonly awaitsMachine: boolean;
  /** Why a plan was not admitted. Computed on request only, as there may be many. */
  heldBecause(plan: Plan): Held;
  /**
   * The tasks about which it may say something else than about the others of their graph that share `alikeAs`, besides
   * those that were admitted; null: about any.
   */
  readonly apart: readonly TaskKey[] | null;
}

/** What plans of one graph have in common that are held for the same reason. */
export function alikeAs({ profile, priority }: Pick<Plan, 'profile' | 'priority'>): string {
  return priority <= 0 ? `idle ${profile.name}` : profile.name;
}

/** Sorts the plans of one graph, already in order, into queues by profile. */
export function queuesOf(plans: readonly Plan[]): PlanQueue[] {
  const queues = new Map<string, Seat & { plans: Plan[]; ranks: number[] }>();
  plans.forEach((plan, rank) => {
    const known = queues.get(plan.profile.name);
    if (known) {
      known.plans.push(plan);
      known.ranks.push(rank);
      return;
    }
    const { graph, worktree, repo, profile } = plan;
    queues.set(profile.name, { graph, worktree, repo, profile, plans: [plan], ranks: [rank] });
  });
  return [...queues.values()];
}

/**
 * Chooses what starts. `isBusy`: ready tasks that cannot start because an earlier run of theirs has not finished;
 * they are skipped and need no reason.
 */
export function admit(
  queues: Iterable<PlanQueue>,
  state: RoomState,
  isBusy: (plan: Plan) => boolean = () => false,
): Admission {
  const room = new Room(state);
  const lines: Line[] = [];
  for (const queue of queues) if (!room.pauseOf(queue)) lines.push(new Line(queue, room, isBusy));
  const busyGraphs = new Set<GraphPath>();
  for (const line of lines)
    if ((line.head?.priority ?? 0) >= NORMAL_PRIORITY) busyGraphs.add(line.queue.graph);
  for (const line of lines) line.leaveIdle(busyGraphs.has(line.queue.graph));

  const admitted: Plan[] = [];
  for (const group of [
    lines.filter((line) => !needsPlace(line.queue)),
    lines.filter((line) => needsPlace(line.queue)),
  ])
    for (let plan = next(group, room); plan; plan = next(group, room)) admitted.push(plan);
  const { awaitsMachine } = room;
  return {
    admitted,
    awaitsMachine,
    apart: room.tasksApart,
    heldBecause: (plan) => heldBecause(plan, room, busyGraphs.has(plan.graph)),
  };
}

/** A queue being worked through: its head is the next candidate. */
class Line {
  readonly queue: PlanQueue;
  readonly #room: Room;
  readonly #isBusy: (plan: Plan) => boolean;
  #skipsIdle = false;
  #at = 0;

  constructor(queue: PlanQueue, room: Room, isBusy: (plan: Plan) => boolean) {
    this.queue = queue;
    this.#room = room;
    this.#isBusy = isBusy;
    this.#settle();
  }

  get head(): Plan | undefined {
    return this.queue.plans[this.#at];
  }

  get rank(): number {
    return this.queue.ranks[this.#at] ?? 0;
  }

  /** wg: while a graph has ready work of normal priority, its idle work waits. */
  leaveIdle(leave: boolean): void {
    this.#skipsIdle = leave;
    this.#settle();
  }

  advance(): void {
    this.#at++;
    this.#settle();
  }

  /** What was let in since may have taken what the head needs. */
  lookAgain(): void {
    this.#settle();
  }

  #settle(): void {
    for (let head = this.head; head; head = this.head) {
      // Ordered by priority: after the first idle task all others are idle, too.
      const isIdle = this.#skipsIdle && head.priority <= 0;
      const isHeld = this.#isBusy(head) || this.#room.taskPauseOf(head) || this.#room.taskBudgetOf(head);
      if (!isIdle && !isHeld) return;
      this.#at = isIdle ? this.queue.plans.length : this.#at + 1;
    }
  }
}

/**
 * Takes the next plan from these queues, or null when none fits. A full queue stays full, so it is dropped at once.
 */
function next(lines: Line[], room: Room): Plan | null {
  let best: Line | null = null;
  for (let i = lines.length - 1; i >= 0; i--) {
    const line = lines[i];
    if (!line) continue;
    line.lookAgain();
    if (!line.head || room.full(line.queue)) {
      lines.splice(i, 1);
      continue;
    }
    if (!best || isBefore(line, best, room)) best = line;
  }
  const plan = best?.head ?? null;
  if (!best || !plan) return null;
  room.take(plan);
  best.advance();
  return plan;
}

/** Compares from last to first, so that equal entries keep their order. */
function isBefore(line: Line, best: Line, room: Room): boolean {
  const priority = (line.head?.priority ?? 0) - (best.head?.priority ?? 0);
  if (line.queue.repo !== best.queue.repo) {
    const share = room.shareOf(line.queue.repo) - room.shareOf(best.queue.repo);
    return share !== 0 ? share < 0 : priority >= 0;
  }
  if (priority !== 0) return priority > 0;
  if (line.queue.graph === best.queue.graph) return line.rank < best.rank;
  return room.runningIn(line.queue.worktree) <= room.runningIn(best.queue.worktree);
}

function heldBecause(plan: Plan, room: Room, graphIsBusy: boolean): Held {
  const pause = room.pauseOf(plan) ?? room.taskPauseOf(plan);
  if (pause) return { state: 'held', code: pause.code, because: pause.because, nextAt: pause.until };
  if (graphIsBusy && plan.priority <= 0)
    return {
      state: 'queued',
      code: 'idle',
      because: 'its priority is idle, and its graph has other work that is ready',
      nextAt: null,
    };
  const full = room.full(plan) ?? room.taskBudgetOf(plan);
  if (!full) throw new Error(`task ${plan.task} has room and was not admitted`);
  return { state: 'queued', nextAt: null, ...full };
}
