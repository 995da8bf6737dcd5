// The graph's log/operations.jsonl: its history, in wg's terms. Only appends; wg rotates it. wg stops reading at the
// first line that it cannot parse, so a line is written whole or isolated from a torn one.

import { closeSync, constants, fstatSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf, SupervisorError } from '../domain/errors.ts';
import { GRAPH_FILES } from '../domain/graph-files.ts';
import type { GraphPath } from '../domain/ids.ts';
import { isoTime } from '../platform/clock.ts';
import { openNow } from '../platform/regular-file.ts';
import { makeWithin } from './folder-within.ts';
import { wellFormedValue } from './well-formed.ts';

export interface Operation {
  /** wg's own names if they fit: claim, unclaim, done, fail, retry, add_task, edit … */
  readonly op: string;
  readonly task_id?: string;
  readonly actor?: string;
  readonly detail?: Readonly<Record<string, unknown>>;
}

/** One write of up to this many bytes is atomic towards other processes, with or without a lock. */
const LONGEST_LINE = 4095;

/** Appends one operation with the time `at` (ms). Throws `graph` if the log cannot be written. */
export function appendOperation(graph: GraphPath, operation: Operation, at: number): void {
  const path = join(graph, GRAPH_FILES.operations.path);
  try {
    const handle = openLog(graph, path);
    try {
      const line = lineOf(operation, at);
      // A writer died within a line: ours must not become part of it.
      const bytes = endsWithinLine(handle) ? Buffer.concat([NEWLINE, line]) : line;
      if (writeSync(handle, bytes) < bytes.length)
        throw new Error('only a part of the line could be written');
    } finally {
      closeSync(handle);
    }
  } catch (thrown) {
    throw new SupervisorError(
      'graph',
      `The operations log ${path} could not be written: ${messageOf(thrown)}.`,
      {
        hint: 'Check the disk and the permissions of the graph folder; the graph itself is not affected.',
        cause: thrown,
      },
    );
  }
}

function openLog(graph: GraphPath, path: string): number {
  makeWithin(graph, 'log');
  const flags = constants.O_RDWR | constants.O_APPEND;
  const fd = openNow(path, flags) ?? openNow(path, flags | constants.O_CREAT);
  if (fd === null) throw new Error('its folder was removed');
  return fd;
}

const NEWLINE = Buffer.from('\n');

function lineOf(operation: Operation, at: number): Buffer {
  const { op, task_id, actor, detail } = operation;
  const write = (fields: object) =>
    Buffer.from(`${JSON.stringify({ timestamp: isoTime(at), op, ...fields }, wellFormedValue)}\n`);
  const attempts = [
    { task_id, actor, detail },
    { task_id, actor, detail: { truncated: true } },
    { task_id: task_id?.slice(0, 500), actor: actor?.slice(0, 100), detail: { truncated: true } },
  ];
  const lines = attempts.map(write);
  return lines.find((line) => line.length <= LONGEST_LINE) ?? write({});
}

function endsWithinLine(handle: number): boolean {
  const { size } = fstatSync(handle);
  if (size === 0) return false;
  const last = Buffer.alloc(1);
  readSync(handle, last, 0, 1, size - 1);
  return last[0] !== NEWLINE[0];
}
