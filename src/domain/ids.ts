// Names of things. A task's id is unique only inside its graph; everything machine-wide is keyed by graph + id.

/** The real (symlink-free) path of a graph folder, `.workgraph/` or `.wg/`. */
export type GraphPath = string;

/** A task's id as its graph line spells it. */
export type TaskId = string;

/** One execution of one attempt, `run_` + 26 characters. Unique on this machine. */
export type RunId = string;

/** Machine-wide name of a task, usable as a map key. */
export type TaskKey = string;

/** A task, named so that it means one thing on the whole machine. */
export interface TaskRef {
  readonly graph: GraphPath;
  readonly task: TaskId;
}

/** The map key of a task. A unit separator (U+001F) keeps the parts apart: no sane path or id holds one. */
export function taskKey(graph: GraphPath, task: TaskId): TaskKey {
  return `${graph}\u001f${task}`;
}
