// One graph folder's graph.jsonl: what was read last, and changes to it under the lock that wg honours. Waiting
// changes are combined into one rewrite. Knows no rules about tasks; callers bring those in their edits.

import { SupervisorError } from '../domain/errors.ts';
import type { GraphProblem, Snapshot } from '../domain/graph.ts';
import type { GraphPath, TaskId } from '../domain/ids.ts';
import type { TaskDetail } from '../domain/task.ts';
import type { Clock } from '../platform/clock.ts';
import { yielding } from '../platform/cooperative.ts';
import type { Locker } from '../platform/flock.ts';
import { type EditSession, gatherEdits } from './edit-session.ts';
import {
  detailOf,
  graphFile,
  lineBytes,
  type ParsedGraph,
  parseChange,
  parseGraph,
  parseWhole,
  tooLarge,
  unreadableSnapshot,
} from './format.ts';
import {
  diskFiles,
  type FileReading,
  type FileState,
  type GraphFiles,
  justEmptied,
  keepsChanging,
} from './graph-file.ts';

export type { EditSession } from './edit-session.ts';

export interface GraphStoreOptions {
  /** The graph folder. */
  readonly graph: GraphPath;
  readonly locker: Locker;
  readonly limits: { readonly maxLineBytes: number; readonly maxGraphBytes: number };
  readonly clock: Clock;
  /** How long a change waits for graph.lock, ms. wg itself may hold it for 10 s and more. */
  readonly lockTimeoutMs?: number;
  /** Where its file is; absent: on the disk. */
  readonly files?: GraphFiles;
}

export interface GraphStore {
  readonly graph: GraphPath;
  /** What was read last; a `missing` problem before the first reading. */
  snapshot(): Snapshot;
  /** Checks the file and reads it if it changed. The same bytes give the same snapshot object. Never rejects. */
  refresh(): Promise<Snapshot>;
  /**
   * Whether the file may have changed since it was last read. Only stats it; cheap, and never throws. `likely`: only
   * what a stat shows, for callers that ask again later without this.
   */
  mayDiffer(how?: 'likely'): boolean;
  /** The whole task as last read, or null if there is none with that id. */
  detail(id: TaskId): TaskDetail | null;
  /**
   * Runs an edit on the fresh graph under its lock and writes what it changed. The edit must be synchronous, and is
   * run again if a program wrote meanwhile without the lock; what it throws rejects this call alone. Rejects with
   * SupervisorError `graph` if the lock, the file or the disk fails; then nothing is written. `create` allows
   * creating a missing graph.jsonl.
   */
  change<T>(edit: (draft: EditSession) => T, options?: { readonly create?: boolean }): Promise<T>;
  /** Stops waiting for the lock: waiting changes are rejected, one that is being written completes. */
  close(): Promise<void>;
}

interface Waiting {
  readonly create: boolean;
  run(draft: (edit: (draft: EditSession) => unknown) => unknown): void;
  /** Resolves the caller's promise once it is known whether the write succeeded. */
  succeed(): void;
  fail(thrown: unknown): void;
}

/** The result of checking the file. */
type Look =
  | { readonly problem: GraphProblem }
  | { readonly parsed: ParsedGraph; readonly state: FileState; readonly isSure: boolean };

const DEFAULT_LOCK_TIMEOUT_MS = 30_000;
/** Edits in one rewrite at most, so that the event loop and other writers get their turn. */
const MAX_BATCH = 256;
/** Edits repeated at most because a program without the lock wrote meanwhile. */
const MAX_ATTEMPTS = 5;
/** A file written this recently, ms, may change again without a new time: file systems count in steps. */
const FRESH_MS = 50;

/** The store of one graph. Opens nothing before its first call. */
export function createGraphStore(options: GraphStoreOptions): GraphStore {
  const { graph, locker, limits, clock, files = diskFiles } = options;
  const closing = new AbortController();
  let parsed: ParsedGraph | null = null;
  /** State of the file that `current` shows; null while it shows none. */
  let state: FileState | null = null;
  /** The file cannot have been written since without changing its state. */
  let isSure = false;
  /** State of the file when it was last read whole. */
  let lastWhole: FileState | null = null;
  let current: Snapshot = unreadableSnapshot(graph, '0', {
    code: 'missing',
    message: `${graphFile(graph)} has not been read yet; it will be in a moment`,
  });
  /** Counts every publication, so that a slow reading never replaces a newer one. */
  let published = 0;
  let revision = 0;
  let reading: Promise<Snapshot> | null = null;
  let nextReading: Promise<Snapshot> | null = null;
  const waiting: Waiting[] = [];
  let writing: Promise<void> | null = null;

  function publish(seen: Look): Snapshot {
    published++;
    if ('problem' in seen) {
      state = null;
      const { problem } = seen;
      const same = current.problem?.code === problem.code && current.problem.message === problem.message;
      if (!same || parsed?.snapshot === current)
        current = unreadableSnapshot(graph, `${++revision}`, problem);
      return current;
    }
    show(seen.parsed, seen.state, seen.isSure);
    return current;
  }

  function show(now: ParsedGraph, file: FileState, sure: boolean): void {
    parsed = now;
    current = now.snapshot;
    state = file;
    isSure = sure;
    lastWhole = file;
  }

  /** Reads the file, and what differs in it; yields, as it may be large. Publishes nothing. */
  async function look(): Promise<Look> {
    const before = parsed;
    const begunAt = clock.now();
    const found = await readFile(before);
    if (found.kind === 'problem') return found;
    const { state } = found;
    const { text } = found.reading;
    const isSure = begunAt - state.modifiedAt > FRESH_MS;
    if (before?.text === text) return { parsed: before, state, isSure };
    const options = { revision: `${++revision}`, maxLineBytes: limits.maxLineBytes };
    const steps =
      before === null ? parseWhole(graph, text, options) : parseChange(before, found.reading, options);
    return { parsed: await yielding(steps), state, isSure };
  }

  /** `stateNow`: stats the file. */
  async function readOnce(stateNow: (graph: GraphPath) => FileState | null): Promise<Snapshot> {
    for (;;) {
      const begun = published;
      // Before the first reading there is nothing to compare with.
      const found = state === null ? null : stateNow(graph);
      if (isSure && found !== null && found.print === state?.print) return current;
      const seen = await look();
      if (published === begun) return publish(seen);
    }
  }

  /**
   * A program that writes in place empties the file first; taking that for an empty graph would stop running work.
   */
  async function readFile(before: ParsedGraph | null): Promise<FileReading> {
    const result = await files.read(graph, limits.maxGraphBytes, before?.text);
    if (result.kind === 'problem' || result.state.size > 0 || lastWhole === null || lastWhole.size === 0)
      return result;
    const fresh = Math.abs(clock.now() - result.state.modifiedAt) <= FRESH_MS;
    return fresh && result.state.inode === lastWhole.inode ? justEmptied(graph) : result;
  }

  async function writeAll(): Promise<void> {
    while (waiting.length > 0) {
      const locks: Awaited<ReturnType<Locker['acquire']>>[] = [];
      const release = () => {
        for (const lock of locks.splice(0).reverse()) lock.release();
      };
      try {
        for (const file of files.lockFiles(graph))
          locks.push(
            await locker.acquire(file, {
              timeoutMs: options.lockTimeoutMs ?? DEFAULT_LOCK_TIMEOUT_MS,
              signal: closing.signal,
            }),
          );
      } catch (thrown) {
        release();
        for (const change of waiting.splice(0)) change.fail(thrown);
        continue;
      }
      const batch = waiting.splice(0, MAX_BATCH);
      try {
        await writeBatch(batch);
      } catch (thrown) {
        for (const change of batch) change.fail(thrown);
      } finally {
        release();
      }
      for (const change of batch) change.succeed();
    }
    // Not in a `finally` of the promise: a change that arrives in between must not find a finished writer.
    writing = null;
  }

  async function writeBatch(all: readonly Waiting[], attempt = 1): Promise<void> {
    await readOnce(files.stateOfOpened);
    const found = state;
    const isThere = current.problem === null && parsed !== null;
    const batch = isThere ? all : onlyCreating(all, current.problem);
    if (batch.length === 0) return;
    const base = isThere && parsed ? parsed : emptyGraph();
    const edits = gatherEdits(base, clock.now(), limits.maxLineBytes);
    for (const change of batch) change.run(edits.run);
    const result = edits.result(`${++revision}`);
    if (result === null) return;
    if (result.text.length > limits.maxGraphBytes)
      throw refused(tooLarge(graph, result.text.length, limits.maxGraphBytes));
    // Every changed line was validated already; this is the last check before the shared file is replaced.
    if (result.snapshot.problem !== null) throw refused(result.snapshot.problem);
    const written = await files.write(graph, result.text, found);
    if (written === null && attempt < MAX_ATTEMPTS) return await writeBatch(batch, attempt + 1);
    if (written === null) throw refused(keepsChanging(graph));
    published++;
    show(result, written.state, written.isSure);
  }

  /** Those that may create the graph; the others fail. Throws if the graph is not missing but broken. */
  function onlyCreating(all: readonly Waiting[], problem: GraphProblem | null): readonly Waiting[] {
    if (problem?.code !== 'missing') throw refused(problem);
    for (const change of all) if (!change.create) change.fail(refused(problem));
    return all.filter((change) => change.create);
  }

  function emptyGraph(): ParsedGraph {
    return parseGraph(graph, Buffer.alloc(0), {
      revision: `${++revision}`,
      maxLineBytes: limits.maxLineBytes,
    });
  }

  function refused(problem: GraphProblem | null): SupervisorError {
    const details = {
      graph,
      problem: problem?.code,
      ...(problem?.line !== undefined && { line: problem.line }),
      ...(problem?.key !== undefined && { key: problem.key }),
    };
    return new SupervisorError('graph', problem?.message ?? `${graphFile(graph)} cannot be written`, {
      hint: 'nothing was written; put the graph right first',
      details,
    });
  }

  return {
    graph,
    snapshot: () => current,
    refresh() {
      // A caller that asks during a reading may know of a later change, so one more reading follows it.
      if (reading === null) {
        reading = readOnce(files.stateNow).finally(() => {
          reading = null;
        });
        return reading;
      }
      nextReading ??= reading
        .catch(() => current)
        .then(() => {
          nextReading = null;
          reading = readOnce(files.stateNow).finally(() => {
            reading = null;
          });
          return reading;
        });
      return nextReading;
    },
    mayDiffer(how) {
      const found = files.stateNow(graph);
      if (found === null) return published === 0 || current.problem?.code !== 'missing';
      if (found.print !== state?.print) return true;
      return !isSure && (how !== 'likely' || clock.now() - found.modifiedAt <= FRESH_MS);
    },
    detail(id) {
      if (parsed === null || current !== parsed.snapshot || !current.tasks.has(id)) return null;
      const line = lineBytes(parsed, id);
      return line === null ? null : detailOf(line);
    },
    change(edit, { create = false } = {}) {
      return new Promise((resolve, reject) => {
        let outcome: (() => void) | null = null;
        waiting.push({
          create,
          run(draft) {
            try {
              const value = draft(edit) as ReturnType<typeof edit>;
              outcome = () => resolve(value);
            } catch (thrown) {
              outcome = () => reject(thrown);
            }
          },
          succeed: () => outcome?.(),
          fail: reject,
        });
        writing ??= writeAll();
      });
    },
    async close() {
      closing.abort();
      await writing;
    },
  };
}
