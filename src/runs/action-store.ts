// What people had done through the API, and who they were. Small, and not worth a sync: a power cut may undo the last
// seconds.

import type { NotedAction } from '../domain/action.ts';
import type { TaskId } from '../domain/ids.ts';
import type { Database, SqlRow } from './database.ts';
import { textOrNull } from './run-row.ts';

/** Which actions are asked for. */
export interface ActionsFilter {
  readonly task?: TaskId;
  readonly worktree?: string;
  /** At most this many. */
  readonly limit: number;
}

/** What can be asked of the record. */
export interface ActionHistory {
  /** Matching actions, newest first. */
  actions(filter: ActionsFilter): NotedAction[];
}

export interface ActionStore extends ActionHistory {
  /** Records what was done at an instant, ms. */
  noteAction(action: NotedAction): void;
  /** Forgets what was done before an instant, ms. */
  forgetActionsBefore(before: number): void;
}

/** A text is kept this long. */
const DETAIL_CHARS = 2000;

/** Reads the record of an open database. */
export function readActions(database: Database): ActionHistory {
  const matching = database.prepare(
    `SELECT * FROM actions WHERE (?1 IS NULL OR task = ?1) AND (?2 IS NULL OR worktree = ?2)
     ORDER BY seq DESC LIMIT ?3`,
  );
  return {
    actions: ({ task, worktree, limit }) => matching.all(task ?? null, worktree ?? null, limit).map(actionOf),
  };
}

/** The record over an open, migrated database. */
export function createActionStore(database: Database): ActionStore {
  const add = database.prepare(
    'INSERT INTO actions (at, actor, action, task, worktree, target, detail) VALUES (?, ?, ?, ?, ?, ?, ?)',
  );
  return {
    ...readActions(database),
    noteAction: ({ at, actor, action, task, worktree, target, detail }) =>
      void database.relaxed(() =>
        add.run(at, actor, action, task, worktree, target, detail.slice(0, DETAIL_CHARS)),
      ),
    forgetActionsBefore: (before) =>
      void database.relaxed(() => database.prepare('DELETE FROM actions WHERE at < ?').run(before)),
  };
}

function actionOf(row: SqlRow): NotedAction {
  return {
    at: Number(row.at),
    actor: String(row.actor),
    action: String(row.action),
    task: textOrNull(row, 'task'),
    worktree: textOrNull(row, 'worktree'),
    target: textOrNull(row, 'target'),
    detail: String(row.detail),
  };
}
