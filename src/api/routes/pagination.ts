// Pagination of long lists. A cursor names the last task seen and its position, so that changes before it in between
// neither repeat nor skip anything.

import type { TaskReport } from '../../domain/report.ts';
import { ApiProblem } from '../request/problem.ts';

export interface Page {
  readonly tasks: readonly TaskReport[];
  readonly next_cursor: string | null;
}

/** The page after a cursor. Throws `invalid-request` for an invalid cursor. */
export function pageOf(
  tasks: readonly TaskReport[],
  cursor: string | undefined,
  limit: number | undefined,
): Page {
  const from = cursor === undefined ? 0 : placeAfter(tasks, cursor);
  const to = limit === undefined ? tasks.length : from + limit;
  const page = tasks.slice(from, to);
  const last = page.at(-1);
  const more = to < tasks.length && last !== undefined;
  return { tasks: page, next_cursor: more ? encode(to, last.id) : null };
}

function placeAfter(tasks: readonly TaskReport[], cursor: string): number {
  const { place, id } = decode(cursor);
  if (tasks[place - 1]?.id === id) return place;
  const found = tasks.findIndex((task) => task.id === id);
  // It is gone: its old position is the best guess.
  return found < 0 ? Math.min(place, tasks.length) : found + 1;
}

function encode(place: number, id: string): string {
  return Buffer.from(JSON.stringify([place, id])).toString('base64url');
}

function decode(cursor: string): { readonly place: number; readonly id: string } {
  try {
    const [place, id] = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8')) as [unknown, unknown];
    if (Number.isSafeInteger(place) && Number(place) >= 0 && typeof id === 'string')
      return { place: Number(place), id };
  } catch {
    // Invalid, like any other text.
  }
  throw new ApiProblem('invalid-request', 'The query, cursor: must be a next_cursor of an earlier answer.');
}
