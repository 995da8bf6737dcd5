// Edits to one reading of a graph, gathered before anything is written. An edit that throws leaves no trace; each
// sees the effects of those before it. Touches no file.

import { SupervisorError } from '../domain/errors.ts';
import type { Snapshot } from '../domain/graph.ts';
import type { TaskId } from '../domain/ids.ts';
import { atOnce } from '../domain/steps.ts';
import type { LogEntry, Task, TaskDetail } from '../domain/task.ts';
import { isoTime } from '../platform/clock.ts';
import { appendLogTo, editLine, type FieldChanges, taskLine } from './edit.ts';
import { detailOf, graphFile, lineBytes, type ParsedGraph, parsedGraph, parseGraph } from './format.ts';
import { bytesOfLine, type GraphLine, megabytes } from './lines.ts';
import type { Replacement } from './piece-table.ts';
import { taskOf } from './task-fields.ts';
import { readLine } from './wg-validation.ts';

/** What an edit may do with a graph. Valid only while the edit runs. */
export interface EditSession {
  /** The graph as it is under the lock, including all edits so far. A snapshot: it does not change later. */
  readonly snapshot: Snapshot;
  /** The whole task, or null if there is none with that id. */
  detail(id: TaskId): TaskDetail | null;
  /** Sets keys, by wg's own names, of an existing task; undefined removes a key. Equal values change nothing. */
  patch(id: TaskId, fields: FieldChanges): void;
  /** Appends to the task's log. */
  appendLog(id: TaskId, entry: LogEntry): void;
  /** Adds a task; `id` and `title` are required, the id must be new. */
  add(fields: FieldChanges): void;
  /** Removes a task's line. */
  remove(id: TaskId): void;
}

/** Edits gathered for one write. */
export interface Gathering {
  /** Runs one edit. If it throws, its changes are discarded and the error is rethrown. */
  run<T>(edit: (draft: EditSession) => T): T;
  /** The graph to write, or null if no edit changed anything. */
  result(revision: string): ParsedGraph | null;
}

interface Change {
  readonly text: string;
  readonly task: Task;
}

/** Starts gathering edits on a reading without a problem. `now` (ms) stamps what changes. */
export function gatherEdits(base: ParsedGraph, now: number, maxLineBytes: number): Gathering {
  const graph = base.snapshot.graph;
  /** By task id; new tasks come after all lines, in the order added. */
  const kept = new Map<TaskId, Change>();
  let staged = new Map<TaskId, Change>();
  const removed = new Set<TaskId>();
  let stagedRemovals = new Set<TaskId>();
  let snapshot: Snapshot | null = base.snapshot;
  let count = 0;

  const isGone = (id: TaskId) => removed.has(id) || stagedRemovals.has(id);
  const taskNow = (id: TaskId): Task | undefined =>
    isGone(id) ? undefined : ((staged.get(id) ?? kept.get(id))?.task ?? base.snapshot.tasks.get(id));

  function textOf(id: TaskId): string {
    const change = isGone(id) ? undefined : (staged.get(id) ?? kept.get(id));
    if (change !== undefined) return change.text;
    const line = base.tasks.has(id) && !isGone(id) ? lineBytes(base, id) : null;
    if (line === null)
      throw new SupervisorError('not-found', `${graphFile(graph)} has no task "${id}"`, {
        hint: 'it may have been removed or archived meanwhile; list the tasks with "supervisor list"',
        details: { graph, task: id },
      });
    return line.toString('utf8');
  }

  function stage(id: TaskId, text: string): void {
    const reading = readLine(text);
    const refuse = (key: string | undefined, message: string) =>
      new SupervisorError(
        'graph',
        `task "${id}" was not changed: ${key === undefined ? '' : `"${key}" `}${message}, and wg could not load ${graphFile(graph)} any more`,
        { hint: 'correct the value and try again', details: { graph, task: id, ...(key && { key }) } },
      );
    if (reading.kind === 'fault') throw refuse(reading.fault.key, reading.fault.message);
    if (reading.kind !== 'task' || reading.fields.id !== id) throw refuse('id', 'may not be changed');
    const size = Buffer.byteLength(text);
    if (size > maxLineBytes)
      throw new SupervisorError(
        'graph',
        `task "${id}" was not changed: its line would be ${megabytes(size)} long, at most ${megabytes(maxLineBytes)} are read`,
        { hint: 'shorten the text, or put it into a file', details: { graph, task: id } },
      );
    staged.set(id, { text, task: taskOf(reading.fields, reading.priority) });
    snapshot = null;
  }

  /** wg's own mark of a change; not for changes that set it themselves. */
  function stamped(before: string, after: string, fields: FieldChanges): string {
    if (after === before || Object.hasOwn(fields, 'last_interaction_at')) return after;
    return editLine(after, { last_interaction_at: isoTime(now) });
  }

  function currentSnapshot(): Snapshot {
    if (snapshot === null) {
      const revision = `${base.snapshot.revision}+${++count}`;
      const changes = new Map([...kept, ...staged]);
      const gone = new Set([...removed, ...stagedRemovals]);
      snapshot =
        gone.size === 0
          ? { ...base.snapshot, revision, tasks: changedLines(base, changes).tasks }
          : written(changes, gone, revision).snapshot;
    }
    return snapshot;
  }

  /** The graph with these changes, and without the lines of these tasks. */
  function written(
    changes: ReadonlyMap<TaskId, Change>,
    gone: ReadonlySet<TaskId>,
    revision: string,
  ): ParsedGraph {
    let changed = base;
    if (changes.size > 0) {
      const { all, tasks } = changedLines(base, changes);
      const { text, starts } = spliced(base, changes);
      changed = parsedGraph(graph, text, { all, starts }, tasks, revision);
    }
    // Rare, and so the whole text is read again.
    return gone.size === 0
      ? changed
      : parseGraph(graph, withoutLines(changed, gone), { revision, maxLineBytes });
  }

  function draftFor(open: () => boolean): EditSession {
    const check = () => {
      if (!open()) throw new Error('a graph draft was used after its edit had ended');
    };
    return {
      get snapshot() {
        check();
        return currentSnapshot();
      },
      detail(id) {
        check();
        return taskNow(id) === undefined ? null : detailOf(textOf(id));
      },
      patch(id, fields) {
        check();
        const before = textOf(id);
        const after = stamped(before, editLine(before, fields), fields);
        if (after !== before) stage(id, after);
      },
      appendLog(id, entry) {
        check();
        const before = textOf(id);
        stage(id, stamped(before, appendLogTo(before, [entry]), {}));
      },
      add(fields) {
        check();
        const text = taskLine({ last_interaction_at: isoTime(now), ...fields });
        const id = typeof fields.id === 'string' ? (JSON.parse(text).id as string) : '';
        if (id === '')
          throw new SupervisorError('usage', 'a task needs an id that is not empty', {
            hint: 'give the task an id, such as fix-login',
          });
        if (taskNow(id) !== undefined || base.tasks.lineOf(id) !== undefined)
          throw new SupervisorError('conflict', `${graphFile(graph)} already has "${id}"`, {
            hint: 'choose another id',
            details: { graph, task: id },
          });
        stage(id, text);
      },
      remove(id) {
        check();
        textOf(id);
        stagedRemovals.add(id);
        snapshot = null;
      },
    };
  }

  return {
    run(edit) {
      let running = true;
      const before = snapshot;
      try {
        const value = edit(draftFor(() => running));
        for (const [id, change] of staged) kept.set(id, change);
        for (const id of stagedRemovals) removed.add(id);
        return value;
      } catch (thrown) {
        if (staged.size + stagedRemovals.size > 0) snapshot = before;
        throw thrown;
      } finally {
        running = false;
        staged = new Map();
        stagedRemovals = new Set();
      }
    },
    result(revision) {
      return kept.size + removed.size === 0 ? null : written(kept, removed, revision);
    },
  };
}

/** The bytes of a graph but for the lines of these tasks, with their line ends. */
function withoutLines({ text, lines, tasks }: ParsedGraph, gone: ReadonlySet<TaskId>): Buffer {
  const parts: Buffer[] = [];
  let from = 0;
  const indexes = [...gone].flatMap((id) => tasks.lineOf(id) ?? []).sort((a, b) => a - b);
  for (const index of indexes) {
    const start = lines.starts[index] ?? text.length;
    parts.push(text.slice(from, start));
    from = lines.starts[index + 1] ?? text.length;
  }
  parts.push(text.slice(from, text.length));
  return Buffer.concat(parts);
}

/** The lines with changed ones replaced and new ones appended. */
function changedLines(base: ParsedGraph, changes: ReadonlyMap<TaskId, Change>) {
  const all = base.lines.all.slice();
  const end = all.length;
  let from = end;
  let to = 0;
  for (const [id, { task }] of changes) {
    const line: GraphLine = { id, task, fault: null };
    const index = base.tasks.lineOf(id);
    if (index === undefined) {
      all.push(line);
      to = all.length;
    } else {
      all[index] = line;
      from = Math.min(from, index);
      to = Math.max(to, index + 1);
    }
  }
  return { all, tasks: atOnce(base.tasks.changed(all, from, Math.min(to, end), to)) };
}

/** The base's text with changed lines replaced and new ones appended, and where lines begin. */
function spliced(base: ParsedGraph, changes: ReadonlyMap<TaskId, Change>) {
  const { text, lines, tasks } = base;
  const count = lines.all.length;
  const replaced = new Map<number, Buffer>();
  const added: Buffer[] = [];
  for (const [id, change] of changes) {
    const index = tasks.lineOf(id);
    if (index === undefined) added.push(Buffer.from(change.text));
    else replaced.set(index, Buffer.from(change.text));
  }
  const starts = new Float64Array(count + added.length + 1);
  const replacements: Replacement[] = [];
  let shift = 0;
  for (let i = 0; i < count; i++) {
    const from = lines.starts[i] ?? 0;
    starts[i] = from + shift;
    const bytes = replaced.get(i);
    if (bytes === undefined) continue;
    const to = from + bytesOfLine(text, lines, i).length;
    replacements.push({ from, to, bytes });
    shift += bytes.length - (to - from);
  }
  starts[count] = text.length + shift;
  if (added.length > 0) {
    const eol = Buffer.from(count > 0 && bytesOfLine(text, lines, 0).at(-1) === 13 ? '\r\n' : '\n');
    const ended = text.length === 0 || text.slice(text.length - 1, text.length)[0] === 10;
    // A file without a final line end stays without one.
    let at = text.length + shift + (ended ? 0 : eol.length);
    for (const [i, { length }] of added.entries()) {
      starts[count + i] = at;
      at += length + eol.length;
    }
    starts[starts.length - 1] = ended ? at : at - eol.length;
    const bytes = Buffer.concat(added.flatMap((line) => (ended ? [line, eol] : [eol, line])));
    replacements.push({ from: text.length, to: text.length, bytes });
  }
  return { text: text.replaced(replacements), starts };
}
