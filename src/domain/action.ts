// What a person had done, from outside of the graph: the answer to "who did that?".

/** One thing that was done. */
export interface ActionTaken {
  /** Who: `page`, `token NAME`, or `operator` (the command line). */
  readonly actor: string;
  /** What: retry, cancel, pause, resume, tag, answer, … */
  readonly action: string;
  /** The task; null where it was about none. */
  readonly task: string | null;
  readonly worktree: string | null;
  /** The repository, worktree or executor; null for everything, and where a task was meant. */
  readonly target: string | null;
  /** The reason, answer or tags that came with it; '' where none did. */
  readonly detail: string;
}

/** The same as it was written down; `at`: ms. */
export interface NotedAction extends ActionTaken {
  readonly at: number;
}
