// graph.jsonl from bytes to a Snapshot: which line is which task, what is wrong with the file, and nothing read
// twice that was read before. Opens no file.

import { join } from 'node:path';
import type { GraphProblem, Snapshot } from '../domain/graph.ts';
import type { GraphPath, TaskId } from '../domain/ids.ts';
import type { Task, TaskDetail } from '../domain/task.ts';
import { type GraphLine, linesOf, megabytes } from './lines.ts';
import { shown } from './shapes.ts';
import { readLine } from './strict.ts';
import { taskDetailOf } from './task-fields.ts';

/** A graph file, read: its bytes, where each line stands, and the tasks. */
export interface ParsedGraph {
  readonly snapshot: Snapshot;
  readonly bytes: Buffer;
  readonly lines: readonly GraphLine[];
  /** Id → index of the line that counts, which is the last one of that id; resources included. */
  readonly lineOf: ReadonlyMap<string, number>;
}

export interface ParseOptions {
  /** What the snapshot is to be called; the caller changes it with the bytes. */
  readonly revision: string;
  readonly maxLineBytes: number;
  /** The reading before this one. Lines whose bytes are equal keep their very Task objects. */
  readonly previous?: ParsedGraph | undefined;
}

/** The graph file in a graph folder. */
export function graphFile(graph: GraphPath): string {
  return join(graph, 'graph.jsonl');
}

/** More of them tell nobody anything new. */
const MAX_WARNINGS = 20;

/** Reads the bytes of a graph.jsonl as strictly as wg does. Never throws: what is wrong becomes `snapshot.problem`. */
export function parseGraph(graph: GraphPath, bytes: Buffer, options: ParseOptions): ParsedGraph {
  const lines = linesOf(bytes, options.maxLineBytes, options.previous);
  const tasks = new Map<TaskId, Task>();
  const lineOf = new Map<string, number>();
  const warnings: string[] = [];
  let problem: GraphProblem | null = null;
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i];
    if (line === undefined) continue;
    if (line.fault !== null) problem ??= problemAt(graph, bytes, lines, i);
    if (line.id === null) continue;
    const earlier = lineOf.get(line.id);
    if (earlier !== undefined) {
      tasks.delete(line.id);
      if (warnings.length < MAX_WARNINGS)
        warnings.push(
          `${graphFile(graph)} line ${i + 1} has the id ${shown(line.id)} of line ${earlier + 1} again; the later line counts, as it does for wg`,
        );
    }
    lineOf.set(line.id, i);
    if (line.task !== null) tasks.set(line.id, line.task);
  }
  return { snapshot: { graph, revision: options.revision, tasks, problem, warnings }, bytes, lines, lineOf };
}

/** The whole task of a line that loads; the line without its line end. */
export function detailOf(line: Buffer | string): TaskDetail {
  const reading = readLine(typeof line === 'string' ? line : line.toString('utf8'));
  if (reading.kind !== 'task')
    throw new Error('a line that holds no readable task was asked for its details');
  return taskDetailOf(reading.fields, reading.priority);
}

/** The bytes of a line, without its line end. */
export function lineBytes(parsed: Pick<ParsedGraph, 'bytes'>, line: GraphLine): Buffer {
  return parsed.bytes.subarray(line.offset, line.offset + line.length);
}

/** A snapshot without tasks, for a graph that could not be read at all. */
export function unreadableSnapshot(graph: GraphPath, revision: string, problem: GraphProblem): Snapshot {
  return { graph, revision, tasks: new Map(), problem, warnings: [] };
}

/** Says that a file is larger than what is read. */
export function tooLarge(graph: GraphPath, bytes: number, max: number): GraphProblem {
  return {
    code: 'too-large',
    message: `${graphFile(graph)} is ${megabytes(bytes)}, at most ${megabytes(max)} are read; archive finished tasks (wg archive) or raise the limit under [limits] in supervisor.toml`,
  };
}

function problemAt(
  graph: GraphPath,
  bytes: Buffer,
  lines: readonly GraphLine[],
  index: number,
): GraphProblem {
  const line = lines[index];
  const fault = line?.fault;
  if (!line || !fault) throw new Error('a line without a fault was taken for the problem');
  const end = line.offset + line.length;
  const torn = fault.code === 'invalid-line' && fault.key === undefined && end === bytes.length;
  const where = `${graphFile(graph)} line ${index + 1}${fault.key === undefined ? '' : `, key ${shown(fault.key)}`}`;
  const next =
    fault.code === 'too-large'
      ? 'shorten it or raise the limit under [limits] in supervisor.toml'
      : torn
        ? 'it is the last line and has no line end, so it may be half written: finish or remove it'
        : 'correct or remove the line, wg cannot load the graph either';
  return {
    code: fault.code,
    message: `${where}: ${fault.message}; ${next}`,
    line: index + 1,
    ...(fault.key === undefined ? {} : { key: fault.key }),
  };
}
