// Messages to tasks, as `wg msg send` stores them: messages/<task>.jsonl. Read only: wg rewrites these files without
// the lock that it appends under (wg-rules 9.7), so other writers would lose messages.

import { existsSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { TaskMessage } from '../decide/transitions/ticker-view.ts';
import { MESSAGES_MAX_BYTES } from '../domain/graph-files.ts';
import type { GraphPath, TaskId } from '../domain/ids.ts';
import { readTextNow } from '../platform/regular-file.ts';

/** The tasks of a graph that ever received a message; none if there is no messages folder. */
export function addressedTasks(graph: GraphPath): ReadonlySet<TaskId> {
  const folder = join(graph, 'messages');
  // Checked often for every graph, and hardly ever there: an error costs more than a stat.
  if (!existsSync(folder)) return new Set();
  try {
    const names = readdirSync(folder);
    return new Set(names.filter((name) => name.endsWith('.jsonl')).map((name) => basename(name, '.jsonl')));
  } catch {
    // No folder, as in most graphs, or inaccessible: no known messages.
    return new Set();
  }
}

/** All messages to a task, oldest first. Unreadable lines are skipped, as in wg. */
export function readMessages(graph: GraphPath, task: TaskId): readonly TaskMessage[] {
  // An id with a slash names no file of this folder.
  if (task.includes('/') || task.includes('\0')) return [];
  const path = join(graph, 'messages', `${task}.jsonl`);
  try {
    const lines = (readTextNow(path, { maxBytes: MESSAGES_MAX_BYTES }) ?? '').split('\n');
    return lines.flatMap((line) => messageOf(line) ?? []).sort((a, b) => a.id - b.id);
  } catch {
    // No file, or one that is too large: no messages.
    return [];
  }
}

function messageOf(line: string): TaskMessage | null {
  if (line.trim() === '') return null;
  try {
    const { id, timestamp, sender, body, status } = JSON.parse(line) as Record<string, unknown>;
    const at = typeof timestamp === 'string' ? Date.parse(timestamp) : Number.NaN;
    if (typeof id !== 'number' || typeof sender !== 'string' || Number.isNaN(at)) return null;
    return { id, at, sender, body: String(body ?? ''), status: String(status ?? 'sent') };
  } catch {
    // Half a line: still being written, or its writer died.
    return null;
  }
}
