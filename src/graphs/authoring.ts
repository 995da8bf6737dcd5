// Adding and changing tasks on a person's request. Executor and schedule are written as key and as tag, because wg
// drops unknown keys whenever it rewrites the file.

import { backEdgeMembers } from '../decide/readiness/cycles.ts';
import { SupervisorError } from '../domain/errors.ts';
import { nearest } from '../domain/nearest.ts';
import type { TaskDetail } from '../domain/task.ts';
import type { EditSession, GraphStore } from '../graph/store.ts';
import { isoTime } from '../platform/clock.ts';

/** What `add` and `edit` can set; an absent field stays unchanged. */
export interface TaskRequest {
  readonly title?: string;
  readonly description?: string;
  readonly after?: readonly string[];
  readonly executor?: string;
  readonly schedule?: string;
  readonly timezone?: string;
  readonly addTags?: readonly string[];
  readonly removeTags?: readonly string[];
  /** 0 and up, or critical, high, normal, low, idle. */
  readonly priority?: string;
  readonly exec?: string;
  readonly verify?: string;
  readonly timeout?: string;
  readonly model?: string;
  readonly paused?: boolean;
}

const PRIORITIES: Readonly<Record<string, number>> = { critical: 100, high: 50, normal: 10, low: 5, idle: 0 };
const U32_MAX = 2 ** 32 - 1;

/** Adds an open task; returns its id. Throws `usage` for a bad value, `not-found` for an unknown dependency. */
export function addTask(
  store: GraphStore,
  request: TaskRequest & { readonly title: string; readonly id?: string },
  now: number,
): Promise<{ readonly id: string }> {
  return store.change(
    (draft) => {
      const id = request.id ?? freeId(draft, request.title);
      if (id === '') throw new SupervisorError('usage', 'a task needs an id', { hint: 'give one with --id' });
      if (draft.snapshot.tasks.has(id))
        throw new SupervisorError('usage', `there is a task ${id} already`, {
          hint: 'choose another --id',
        });
      draft.add({
        kind: 'task',
        id,
        title: request.title,
        status: 'open',
        priority: 10,
        created_at: isoTime(now),
      });
      applyRequest(draft, id, request);
      return { id };
    },
    { create: true },
  );
}

/** Changes a task. Throws `not-found` if there is none. */
export function editTask(store: GraphStore, id: string, request: TaskRequest): Promise<void> {
  return store.change((draft) => editTaskIn(draft, id, request));
}

/** The same in a change of the graph that is under way. */
export function editTaskIn(draft: EditSession, id: string, request: TaskRequest): void {
  if (!draft.snapshot.tasks.has(id)) throw unknownTask(draft, id);
  applyRequest(draft, id, request);
}

/** The tasks that wait for each other with this one; empty: it is in no cycle. */
export function cycleOf(store: Pick<GraphStore, 'snapshot'>, id: string): readonly string[] {
  return [...backEdgeMembers(store.snapshot().tasks, id)];
}

function applyRequest(draft: EditSession, id: string, request: TaskRequest): void {
  const task = draft.detail(id);
  if (!task) throw unknownTask(draft, id);
  const fields: Record<string, unknown> = {};
  if (request.title !== undefined) fields.title = request.title;
  if (request.description !== undefined) fields.description = request.description;
  if (request.exec !== undefined) fields.exec = request.exec;
  if (request.verify !== undefined) fields.verify = request.verify;
  if (request.timeout !== undefined) fields.timeout = request.timeout;
  if (request.model !== undefined) fields.model = request.model;
  if (request.paused !== undefined) fields.paused = request.paused ? true : undefined;
  if (request.priority !== undefined) fields.priority = priorityOf(request.priority);
  if (request.executor !== undefined) fields.executor = request.executor || undefined;
  if (request.schedule !== undefined) fields.schedule = request.schedule || undefined;
  if (request.timezone !== undefined) fields.timezone = request.timezone || undefined;
  const tags = tagsAfter(task, request);
  if (tags) fields.tags = tags.length > 0 ? tags : undefined;
  if (request.after !== undefined) {
    if (request.after.includes(id))
      throw new SupervisorError('usage', `${id} cannot wait for itself`, {
        hint: 'name other tasks with --after',
      });
    fields.after = request.after.length > 0 ? [...request.after] : undefined;
    mirrorDependencies(draft, id, task.after, request.after);
  }
  draft.patch(id, fields);
}

/** Keeps `before` of the tasks at the other end consistent: wg's archive and reset read it. */
function mirrorDependencies(
  draft: EditSession,
  id: string,
  old: readonly string[],
  wanted: readonly string[],
): void {
  for (const dependency of wanted) {
    if (dependency.includes(':') && !draft.snapshot.tasks.has(dependency)) continue;
    const task = draft.snapshot.tasks.get(dependency);
    if (!task) throw unknownTask(draft, dependency);
    if (!task.before.includes(id)) draft.patch(dependency, { before: [...task.before, id] });
  }
  for (const dependency of old) {
    const task = draft.snapshot.tasks.get(dependency);
    if (!task || wanted.includes(dependency) || !task.before.includes(id)) continue;
    const before = task.before.filter((other) => other !== id);
    draft.patch(dependency, { before: before.length > 0 ? before : undefined });
  }
}

function tagsAfter(task: TaskDetail, request: TaskRequest): string[] | null {
  let tags = [...task.tags];
  const replace = (prefix: string, value: string | undefined) => {
    if (value === undefined) return;
    tags = tags.filter((tag) => !tag.startsWith(prefix));
    if (value !== '') tags.push(prefix + value);
  };
  replace('executor:', request.executor);
  replace('schedule:', request.schedule);
  replace('timezone:', request.timezone);
  for (const tag of request.removeTags ?? []) tags = tags.filter((other) => other !== tag);
  for (const tag of request.addTags ?? []) if (!tags.includes(tag)) tags.push(tag);
  const same = tags.length === task.tags.length && tags.every((tag, index) => tag === task.tags[index]);
  return same ? null : tags;
}

function priorityOf(text: string): number {
  const named = PRIORITIES[text.toLowerCase()];
  if (named !== undefined) return named;
  if (/^\d+$/.test(text) && Number(text) <= U32_MAX) return Number(text);
  throw new SupervisorError('usage', `${text} is not a priority`, {
    hint: `use ${Object.keys(PRIORITIES).join(', ')} or a whole number from 0`,
  });
}

/** A readable id from a title, made unique with a number. */
function freeId(draft: EditSession, title: string): string {
  const words = title
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[^\p{Letter}\p{Number}]+/gu, '-')
    .replace(/^-+|-+$/g, '');
  const stem = [...words].slice(0, 48).join('').replace(/-+$/, '') || 'task';
  for (let number = 1; ; number++) {
    const id = number === 1 ? stem : `${stem}-${number}`;
    if (!draft.snapshot.tasks.has(id)) return id;
  }
}

function unknownTask(draft: EditSession, id: string): SupervisorError {
  const close = nearest(id, [...draft.snapshot.tasks.keys()]);
  return new SupervisorError('not-found', `there is no task ${id}`, {
    hint: close === null ? '`supervisor list` shows every task' : `did you mean ${close}?`,
  });
}
