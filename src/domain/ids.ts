// Names of things. A task's id is unique only inside its graph; everything machine-wide is keyed by graph and id.

/** The real (symlink-free) path of a graph folder, `.workgraph/` or `.wg/`. */
export type GraphPath = string;

/** A task's id as its graph line spells it. */
export type TaskId = string;

/** One execution of one attempt, `run_` + 26 characters. Unique on this machine. */
export type RunId = string;

/** Machine-wide name of a task, usable as a map key. */
export type TaskKey = string;

/** A task, identified across the whole machine. */
export interface TaskRef {
  readonly graph: GraphPath;
  readonly task: TaskId;
}

/** Separates the parts of a TaskKey: no sane path or id contains a unit separator. */
const SEPARATOR = '\u001f';

/** The map key of a task. */
export function taskKey(graph: GraphPath, task: TaskId): TaskKey {
  return graph + SEPARATOR + task;
}

/** The task that a key names; null if the text is not a key. */
export function taskOfKey(key: TaskKey): TaskRef | null {
  const end = key.indexOf(SEPARATOR);
  return end < 0 ? null : { graph: key.slice(0, end), task: key.slice(end + 1) };
}
