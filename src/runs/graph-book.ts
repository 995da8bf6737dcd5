// The graphs that were served, as last seen: what is known of one that is gone, and where its runs, schedules and
// pauses belong once it is found under another path.

import { type GraphPath, type RunId, type TaskId, taskKey } from '../domain/ids.ts';
import type { Database, SqlRow } from './database.ts';
import { numberOrNull, textOrNull } from './run-row.ts';

/** A graph as last seen. */
export interface RememberedGraph {
  readonly graph: GraphPath;
  readonly worktree: string;
  readonly repo: string;
  readonly branch: string | null;
  /** Identifies its folder, even after a move; '' if not recorded. */
  readonly folder: string;
  /** Its unfinished tasks: the first of them, and the number. */
  readonly open: readonly TaskId[];
  readonly openCount: number;
  /** Since when it is gone, ms; null: it is there. */
  readonly goneAt: number | null;
}

/** The current path of a graph. */
export type NewPlace = Pick<RememberedGraph, 'graph' | 'worktree' | 'repo'>;

export interface GraphBook {
  /** Records the graphs as seen now, replacing the earlier record. A power cut may undo it. */
  rememberGraphs(graphs: readonly RememberedGraph[]): void;
  forgetGraph(graph: GraphPath): void;
  /**
   * Moves everything known of a graph to another path: all of it or, if the other one has open runs of the same
   * tasks, nothing, and then it throws.
   */
  moveGraph(from: GraphPath, to: NewPlace): void;
  /** Earlier paths of a run's graph: its worker was told one of them. */
  formerGraphs(run: RunId): readonly GraphPath[];
}

/** Every recorded graph, over an open database. */
export function rememberedGraphs(database: Database): () => RememberedGraph[] {
  const all = database.prepare('SELECT * FROM graphs ORDER BY graph');
  return () => all.all().map(rememberedOf);
}

/** The book over an open, migrated database. `moved`: caches of runs and schedules must be read again. */
export function createGraphBook(database: Database, moved: () => void): GraphBook {
  const put = database.prepare(
    `INSERT OR REPLACE INTO graphs (graph, worktree, repo, branch, folder, open, open_count, gone_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const former = database.prepare('SELECT graph FROM former_graphs WHERE run = ?');
  const drop = database.prepare('DELETE FROM graphs WHERE graph = ?');
  return {
    rememberGraphs(graphs) {
      if (graphs.length === 0) return;
      database.relaxed(() =>
        database.transaction(() => {
          for (const { graph, worktree, repo, branch, folder, open, openCount, goneAt } of graphs)
            put.run(graph, worktree, repo, branch, folder, JSON.stringify(open), openCount, goneAt);
        }),
      );
    },
    forgetGraph: (graph) => void database.relaxed(() => drop.run(graph)),
    moveGraph(from, to) {
      database.transaction(() => move(database, from, to));
      moved();
    },
    formerGraphs: (run) => former.all(run).map((row) => String(row.graph)),
  };
}

function move(database: Database, from: GraphPath, { graph, worktree, repo }: NewPlace): void {
  database
    .prepare('INSERT OR IGNORE INTO former_graphs (run, graph) SELECT id, graph FROM runs WHERE graph = ?')
    .run(from);
  // Fences of a task only grow: the moved ones are newer than whatever was there.
  database
    .prepare(
      `UPDATE runs SET fence = fence + coalesce(
         (SELECT max(there.fence) FROM runs AS there WHERE there.graph = ?2 AND there.task = runs.task), 0)
       WHERE graph = ?1`,
    )
    .run(from, graph);
  database
    .prepare(
      `UPDATE runs SET graph = ?2, worktree = ?3, repo = ?4, folder = CASE
         WHEN substr(folder, 1, length(?1) + 1) = ?1 || '/' THEN ?2 || substr(folder, length(?1) + 1) ELSE folder END
       WHERE graph = ?1`,
    )
    .run(from, graph, worktree, repo);
  database
    .prepare(
      `INSERT INTO tasks (graph, task, fence, reset_seq) SELECT ?2, task, fence, reset_seq FROM tasks WHERE graph = ?1
       ON CONFLICT (graph, task) DO UPDATE SET fence = fence + excluded.fence,
         reset_seq = max(reset_seq, excluded.reset_seq)`,
    )
    .run(from, graph);
  database.prepare('DELETE FROM tasks WHERE graph = ?').run(from);
  database
    .prepare('UPDATE OR REPLACE results SET graph = ?2, repo = ?3 WHERE graph = ?1')
    .run(from, graph, repo);
  database.prepare('UPDATE OR REPLACE schedules SET graph = ?2 WHERE graph = ?1').run(from, graph);
  // Pauses of tasks and of a worktree's own profiles contain the graph's path.
  const prefix = taskKey(from, '');
  database
    .prepare(
      'UPDATE OR REPLACE pauses SET name = ?2 || substr(name, length(?1) + 1) WHERE substr(name, 1, length(?1)) = ?1',
    )
    .run(prefix, taskKey(graph, ''));
  database.prepare('UPDATE OR IGNORE verdict_tasks SET graph = ?2 WHERE graph = ?1').run(from, graph);
  database.prepare('DELETE FROM graphs WHERE graph = ?').run(from);
}

function rememberedOf(row: SqlRow): RememberedGraph {
  return {
    graph: String(row.graph),
    worktree: String(row.worktree),
    repo: String(row.repo),
    branch: textOrNull(row, 'branch'),
    folder: String(row.folder),
    open: JSON.parse(String(row.open)) as TaskId[],
    openCount: Number(row.open_count),
    goneAt: numberOrNull(row, 'gone_at'),
  };
}
