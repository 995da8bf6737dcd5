// A graph at one moment: its tasks, or the one reason why it cannot be acted upon.

import type { GraphPath, TaskId } from './ids.ts';
import type { Task } from './task.ts';

/** Why a graph cannot be trusted just now. Its tasks are held; other graphs go on. */
export interface GraphProblem {
  readonly code: 'missing' | 'unreadable' | 'unstable' | 'invalid-line' | 'too-large';
  /** One sentence with the next step in it. */
  readonly message: string;
  /** 1-based line number, where one line is to blame. */
  readonly line?: number;
  /** The offending key, where one is to blame. */
  readonly key?: string;
}

/** graph.jsonl parsed at one revision. Equal revisions mean equal bytes. */
export interface Snapshot {
  readonly graph: GraphPath;
  /** Identity of the bytes: grows or changes with every different content. */
  readonly revision: string;
  readonly tasks: ReadonlyMap<TaskId, Task>;
  /** Set: nothing may be dispatched from or written to this graph. `tasks` then holds what could be read. */
  readonly problem: GraphProblem | null;
  /** Harmless oddities worth a word in `status`, such as a duplicate id. */
  readonly warnings: readonly string[];
}
