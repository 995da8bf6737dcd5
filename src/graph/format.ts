// graph.jsonl from bytes to a Snapshot: which line is which task, and what is wrong with the file. Lines that were
// read before are not read again. Opens no file.

import { join } from 'node:path';
import type { GraphProblem, Snapshot } from '../domain/graph.ts';
import type { GraphPath } from '../domain/ids.ts';
import { atOnce, type Steps } from '../domain/steps.ts';
import type { TaskDetail } from '../domain/task.ts';
import { bytesOfLine, type Lines, megabytes, readLines, rereadLines, type TextChange } from './lines.ts';
import { PieceTable } from './piece-table.ts';
import { taskDetailOf } from './task-fields.ts';
import { TaskTable } from './task-table.ts';
import { shown } from './validators.ts';
import { readLine } from './wg-validation.ts';

/** A graph file, read: its bytes, its lines, and the tasks. */
export interface ParsedGraph {
  readonly snapshot: Snapshot;
  readonly text: PieceTable;
  readonly lines: Lines;
  readonly tasks: TaskTable;
}

export interface ParseOptions {
  /** The name of the snapshot; the caller changes it with the bytes. */
  readonly revision: string;
  readonly maxLineBytes: number;
}

/** The graph file in a graph folder. */
export function graphFile(graph: GraphPath): string {
  return join(graph, 'graph.jsonl');
}

/** Listing more of them adds nothing. */
const MAX_WARNINGS = 20;

/**
 * Reads the bytes of a graph.jsonl as strictly as wg does. Never throws: what is wrong becomes `snapshot.problem`.
 * Lines with the same bytes as a line of `previous` keep the same Task objects.
 */
export function parseGraph(
  graph: GraphPath,
  bytes: Buffer,
  options: ParseOptions & { readonly previous?: ParsedGraph | undefined },
): ParsedGraph {
  const text = PieceTable.of(bytes);
  const { previous } = options;
  if (previous === undefined) return atOnce(parseWhole(graph, text, options));
  const sameStart = previous.text.sameFrom(0, bytes);
  const most = Math.min(bytes.length, previous.text.length) - sameStart;
  const sameEnd = previous.text.sameBefore(previous.text.length, bytes.subarray(bytes.length - most));
  return atOnce(parseChange(previous, { text, sameStart, sameEnd }, options));
}

/** Reads every line of a graph file. */
export function* parseWhole(graph: GraphPath, text: PieceTable, options: ParseOptions): Steps<ParsedGraph> {
  const lines = yield* readLines(text, options.maxLineBytes);
  return parsedGraph(graph, text, lines, yield* TaskTable.of(lines.all), options.revision);
}

/** Reads only what differs from an earlier reading. */
export function* parseChange(
  previous: ParsedGraph,
  change: Omit<TextChange, 'before'>,
  options: ParseOptions,
): Steps<ParsedGraph> {
  const { lines, from, oldTo, to } = yield* rereadLines(
    { ...change, before: previous },
    options.maxLineBytes,
  );
  const tasks = yield* previous.tasks.changed(lines.all, from, oldTo, to);
  return parsedGraph(previous.snapshot.graph, change.text, lines, tasks, options.revision);
}

/** The reading, with its problems and notes. */
export function parsedGraph(
  graph: GraphPath,
  text: PieceTable,
  lines: Lines,
  tasks: TaskTable,
  revision: string,
): ParsedGraph {
  const problem = problemOf(graph, text, lines);
  const warnings = tasks.hasRepeated ? repeatedIds(graph, lines) : [];
  return { snapshot: { graph, revision, tasks, problem, warnings }, text, lines, tasks };
}

/** The whole task of a line that loads; the line without its line end. */
export function detailOf(line: Buffer | string): TaskDetail {
  const reading = readLine(typeof line === 'string' ? line : line.toString('utf8'));
  if (reading.kind !== 'task')
    throw new Error('a line that holds no readable task was asked for its details');
  return taskDetailOf(reading.fields, reading.priority);
}

/** The bytes of the line that counts for an id, without its line end; null if there is none. */
export function lineBytes(parsed: ParsedGraph, id: string): Buffer | null {
  const index = parsed.tasks.lineOf(id);
  return index === undefined ? null : bytesOfLine(parsed.text, parsed.lines, index);
}

/** A snapshot without tasks, for a graph that could not be read at all. */
export function unreadableSnapshot(graph: GraphPath, revision: string, problem: GraphProblem): Snapshot {
  return { graph, revision, tasks: new Map(), problem, warnings: [] };
}

/** The problem of a file that is larger than the limit. */
export function tooLarge(graph: GraphPath, bytes: number, max: number): GraphProblem {
  return {
    code: 'too-large',
    message: `${graphFile(graph)} is ${megabytes(bytes)}, at most ${megabytes(max)} are read; archive finished tasks (wg archive) or raise the limit under [limits] in supervisor.toml`,
  };
}

function repeatedIds(graph: GraphPath, { all }: Lines): readonly string[] {
  const warnings: string[] = [];
  const seen = new Map<string, number>();
  for (let i = 0; i < all.length && warnings.length < MAX_WARNINGS; i++) {
    const id = all[i]?.id ?? null;
    if (id === null) continue;
    const earlier = seen.get(id);
    if (earlier !== undefined)
      warnings.push(
        `${graphFile(graph)} line ${i + 1} has the id ${shown(id)} of line ${earlier + 1} again; the later line counts, as it does for wg`,
      );
    seen.set(id, i);
  }
  return warnings;
}

function problemOf(graph: GraphPath, text: PieceTable, lines: Lines): GraphProblem | null {
  const index = lines.all.findIndex((line) => line.fault !== null);
  const fault = lines.all[index]?.fault;
  if (!fault) return null;
  const isLast = index + 1 === lines.all.length && text.slice(text.length - 1, text.length)[0] !== 10;
  const torn = fault.code === 'invalid-line' && fault.key === undefined && isLast;
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
