// The ledger's memory of schedules: since when each counts, which instant was dispatched last, which are still owed.
// Knows no zones and no expressions; read at every tick, so it is cached in memory.

import type { ScheduleMemories, ScheduleMemory } from '../decide/world.ts';
import { type GraphPath, type TaskKey, type TaskRef, taskKey } from '../domain/ids.ts';
import type { Database, SqlRow } from './database.ts';
import { numberOrNull, refuseUnfaithful } from './run-row.ts';

export interface ScheduleStore {
  /** The memory of each task's schedule. One map, updated by asking; its values are immutable. */
  scheduleMemory(): ScheduleMemories;
  /**
   * Records observed schedules, all of them at once. For an unchanged expression the last occurrence never goes back.
   */
  noteSchedules(notes: readonly ScheduleNote[]): void;
  noteSchedule(task: TaskRef, memory: ScheduleMemory): void;
  /**
   * Records that an occurrence was dispatched, inside a transaction or on its own. Earlier owed instants are cleared.
   */
  noteOccurrence(task: TaskRef, nominalAt: number): void;
  /** Records that the last occurrence finished: its task was done. */
  noteOver(task: TaskRef): void;
  /** Forgets a schedule, for a task that is gone. */
  forgetSchedule(task: TaskRef): void;
  /** The file was changed by other means. */
  readAnew(): void;
}

/** The memory of one task. */
export interface ScheduleNote extends TaskRef {
  readonly memory: ScheduleMemory;
}

/** The memory of a row of the table `schedules`. */
export function scheduleMemoryOf(row: SqlRow): ScheduleMemory {
  const pendingRuns = JSON.parse(String(row.owed)) as number[];
  return {
    expression: String(row.expression),
    baselineAt: Number(row.baseline_at),
    lastNominalAt: numberOrNull(row, 'last_nominal_at'),
    ...(pendingRuns.length > 0 ? { pendingRuns } : {}),
    ...(row.last_is_over === 1 ? { lastIsOver: true } : {}),
  };
}

/** The store over an open, migrated database with no other writer. */
export function createScheduleStore(database: Database): ScheduleStore {
  const all = database.prepare('SELECT * FROM schedules');
  const one = database.prepare('SELECT * FROM schedules WHERE graph = ? AND task = ?');
  const put = database.prepare(
    `INSERT INTO schedules (graph, task, expression, baseline_at, last_nominal_at, owed, last_is_over)
     VALUES (?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (graph, task) DO UPDATE SET expression = excluded.expression, baseline_at = excluded.baseline_at,
       last_nominal_at = excluded.last_nominal_at, owed = excluded.owed, last_is_over = excluded.last_is_over`,
  );
  const drop = database.prepare('DELETE FROM schedules WHERE graph = ? AND task = ?');

  let book: Memories | null = null;
  let isOld = false;
  /** Written since: read again from the disk, which alone knows whether a transaction was committed. */
  const stale = new Map<TaskKey, TaskRef>();
  const rowOf = ({ graph, task }: TaskRef): ScheduleMemory | undefined => {
    const row = one.one(graph, task);
    return row === null ? undefined : scheduleMemoryOf(row);
  };
  const known = (): ScheduleMemories => {
    if (book === null || isOld || stale.size > READ_ONE_BY_ONE) {
      isOld = false;
      book ??= new Memories();
      book.clear();
      for (const row of all.all())
        book.set(taskKey(String(row.graph), String(row.task)), scheduleMemoryOf(row));
    } else {
      for (const [key, ref] of stale) {
        const memory = rowOf(ref);
        if (memory) book.set(key, memory);
        else book.delete(key);
        book.touch(ref.graph);
      }
    }
    stale.clear();
    return book;
  };

  const write = (ref: TaskRef, memory: ScheduleMemory): void => {
    const pendingRuns = JSON.stringify(memory.pendingRuns ?? []);
    stale.set(taskKey(ref.graph, ref.task), ref);
    const { expression, baselineAt, lastNominalAt, lastIsOver } = memory;
    put.run(ref.graph, ref.task, expression, baselineAt, lastNominalAt, pendingRuns, lastIsOver ? 1 : 0);
  };

  const noteSchedules = (notes: readonly ScheduleNote[]): void => {
    if (notes.length === 0) return;
    for (const { task } of notes) refuseUnfaithful('task id', task);
    const before = known();
    database.transaction(() => {
      for (const { graph, task, memory } of notes)
        write({ graph, task }, notBackwards(memory, before.get(taskKey(graph, task))));
    });
  };

  return {
    scheduleMemory: known,
    noteSchedules,
    noteSchedule: ({ graph, task }, memory) => noteSchedules([{ graph, task, memory }]),
    noteOccurrence(ref, nominalAt) {
      const before = rowOf(ref);
      if (!before) return;
      const { expression, baselineAt } = before;
      const pendingRuns = (before.pendingRuns ?? []).filter((at) => at > nominalAt);
      if (before.lastNominalAt !== null && before.lastNominalAt >= nominalAt)
        write(ref, { ...before, pendingRuns });
      else write(ref, { expression, baselineAt, lastNominalAt: nominalAt, pendingRuns });
    },
    noteOver(ref) {
      const before = rowOf(ref);
      if (before && before.lastNominalAt !== null && !before.lastIsOver)
        write(ref, { ...before, lastIsOver: true });
    },
    readAnew() {
      isOld = true;
    },
    forgetSchedule(ref) {
      stale.set(taskKey(ref.graph, ref.task), ref);
      drop.run(ref.graph, ref.task);
    },
  };
}

/** The memory, and the graphs whose part of it changed. */
class Memories extends Map<TaskKey, ScheduleMemory> implements ScheduleMemories {
  readonly #revisions = new Map<GraphPath, number>();
  #latest = 0;
  #all = 0;

  revisionOf(graph: GraphPath): number {
    return this.#revisions.get(graph) ?? this.#all;
  }

  touch(graph: GraphPath): void {
    this.#revisions.set(graph, ++this.#latest);
  }

  override clear(): void {
    super.clear();
    this.#revisions.clear();
    this.#all = ++this.#latest;
  }
}

/** Beyond this many, reading everything is quicker. */
const READ_ONE_BY_ONE = 500;

function notBackwards(memory: ScheduleMemory, before: ScheduleMemory | undefined): ScheduleMemory {
  const last = before?.lastNominalAt ?? null;
  if (before?.expression !== memory.expression || last === null) return memory;
  return { ...memory, lastNominalAt: Math.max(last, memory.lastNominalAt ?? last) };
}
