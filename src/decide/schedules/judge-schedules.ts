// The schedules of one graph while it is judged: the verdict of each, and what must be remembered, reopened or
// replaced because of it.

import { type TaskId, type TaskKey, type TaskRef, taskKey } from '../../domain/ids.ts';
import type { Task } from '../../domain/task.ts';
import type { ProcessIo } from '../judge/cache-validity.ts';
import type { Route } from '../routes/route.ts';
import { nextRecurrence, type Reopening } from '../transitions/recur.ts';
import type { GraphView, PassedInstants, ScheduleMemory, ScheduleState } from '../world.ts';
import type { Situation } from './occurrences.ts';
import type { ScheduleCache } from './schedule.ts';
import {
  hasSchedule,
  judgeSchedule,
  type ScheduleJudgement,
  type ScheduleQuestion,
  scheduleSettings,
  scheduleText,
} from './task-schedule.ts';

/** The progress of a schedule. */
export interface ScheduleNote extends TaskRef {
  readonly memory: ScheduleMemory;
  readonly passed?: readonly PassedInstants[];
}

export class GraphSchedules {
  /** What is to be recorded. */
  readonly notes: ScheduleNote[] = [];
  readonly states = new Map<TaskId, ScheduleState>();
  /** Recurring tasks that are done. */
  readonly reopenings: Reopening[] = [];
  /** Running tasks whose run is replaced by the next instant. */
  readonly replaced: TaskId[] = [];
  /** The inputs of each judgement. */
  readonly remembered: (readonly [TaskKey, ScheduleMemory | undefined])[] = [];
  readonly #view: GraphView;
  readonly #world: Pick<ProcessIo, 'now' | 'config' | 'schedules'>;
  readonly #cache: ScheduleCache;
  readonly #profileHasOne: boolean;

  constructor(view: GraphView, world: ProcessIo, cache: ScheduleCache) {
    this.#view = view;
    // Kept with the judgement; keeping a whole world would pin every graph it contains.
    const { now, config, schedules } = world;
    this.#world = { now, config, schedules };
    this.#cache = cache;
    this.#profileHasOne = [...view.profiles.byName.values()].some(
      (profile) => profile.type === 'schedule' && profile.schedule !== null,
    );
  }

  /** Judges the schedule of a task; null when it has none. */
  judge(task: Task, route: Route, situation: Situation): ScheduleJudgement | null {
    if (!hasSchedule(task, route.routed ? route.scheduleProfile : null)) return null;
    const { graph } = this.#view;
    const question = { ...this.#question(task, route), situation };
    const judged = judgeSchedule(question);
    if (judged.state) {
      this.remembered.push([taskKey(graph, task.id), question.memory]);
      this.states.set(task.id, judged.state);
    }
    if (judged.note) {
      const passed = judged.passed.length > 0 ? { passed: judged.passed } : {};
      this.notes.push({ graph, task: task.id, memory: judged.note, ...passed });
    }
    if (judged.replaces) this.replaced.push(task.id);
    return judged;
  }

  /** Sorts the actions, so that they do not depend on the order of judging. */
  sort(): void {
    const byTask = (a: { readonly task: TaskId }, b: { readonly task: TaskId }) => (a.task < b.task ? -1 : 1);
    this.notes.sort(byTask);
    this.reopenings.sort(byTask);
    this.replaced.sort();
  }

  /** Whether it can be a recurring task at all: most finished tasks are not, and there are many. */
  mayRecur(task: Task): boolean {
    return this.#profileHasOne || task.cronEnabled || hasSchedule(task, null);
  }

  /** When a recurring task comes next; null if it does not recur. */
  next(task: Task, route: Route): { readonly nextAt: number | null } | null {
    const question = this.#question(task, route);
    this.remembered.push([taskKey(this.#view.graph, task.id), question.memory]);
    const next = nextRecurrence(question);
    const text = scheduleText(task, question.profile);
    if (next && text !== null) {
      const nextAt = task.status === 'done' ? next.nextAt : null;
      this.states.set(task.id, { text, zone: scheduleSettings(question).zone, nextAt });
    }
    return next;
  }

  #question(task: Task, route: Route): ScheduleQuestion {
    const { now, config, schedules } = this.#world;
    return {
      task,
      profile: route.routed ? route.scheduleProfile : null,
      profiles: this.#view.profiles,
      config,
      memory: schedules.get(taskKey(this.#view.graph, task.id)),
      now,
      cache: this.#cache,
    };
  }
}
