// Completions that cannot be written to their graph yet: one file each, kept until they are applied. Does not know
// how a completion is applied.

import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { messageOf, SupervisorError, systemCode } from '../domain/errors.ts';
import type { GraphPath, RunId, TaskId } from '../domain/ids.ts';
import { readTextNow } from '../platform/regular-file.ts';

/** A completion report, as stored on the disk. */
export interface SpooledCompletion {
  /** When it was reported, ms. Completions are applied in this order. */
  readonly at: number;
  readonly graph: GraphPath;
  readonly task: TaskId;
  readonly result: 'succeeded' | 'failed';
  /** The run whose token was presented; absent if a person or an unknown agent reported. */
  readonly run?: RunId;
  readonly agent?: string;
  readonly summary?: string;
  readonly artifacts?: unknown;
  readonly reason?: string;
  readonly retryable?: boolean;
}

/** Larger than any accepted completion. */
const MAX_BYTES = 64 * 1024 * 1024;

/** The result of applying one: done, to be retried, or never. */
export type SpoolAnswer =
  | { readonly kind: 'applied' }
  | { readonly kind: 'later'; readonly because: string }
  | { readonly kind: 'refused'; readonly because: string };

export interface DrainReport {
  readonly applied: number;
  /** Still in the spool. */
  readonly left: readonly { readonly file: string; readonly because: string }[];
  /** Moved to `bad/`, with a file beside it that contains the reason. */
  readonly bad: readonly { readonly file: string; readonly because: string }[];
}

/** Stores a completion: once this returns its path, it survives a power cut. */
export function spoolCompletion(dir: string, record: SpooledCompletion): string {
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    const stamp = String(Math.max(0, Math.trunc(record.at))).padStart(15, '0');
    let n = 0;
    const name = () => `${stamp}-${process.pid}-${String(n).padStart(4, '0')}.json`;
    while (existsSync(join(dir, name()))) n += 1;
    const temporary = join(dir, `.${name()}.tmp`);
    const handle = openSync(temporary, 'w', 0o600);
    try {
      const bytes = Buffer.from(`${JSON.stringify(record)}\n`);
      for (let done = 0; done < bytes.length; ) done += writeSync(handle, bytes, done);
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
    const file = join(dir, name());
    renameSync(temporary, file);
    syncFolder(dir);
    return file;
  } catch (thrown) {
    throw new SupervisorError(
      'failed',
      `The completion of ${record.task} could not be kept: ${messageOf(thrown)}.`,
      {
        hint: `Make ${dir} writable and report again: nothing was changed.`,
        cause: thrown,
      },
    );
  }
}

/** A rename is only durable once its folder is synced. */
function syncFolder(dir: string): void {
  const handle = openSync(dir, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

/** Paths of the waiting completions, oldest first; none if there is no spool. */
export function spooled(dir: string): string[] {
  try {
    return readdirSync(dir)
      .filter((name) => name.endsWith('.json') && !name.startsWith('.'))
      .sort()
      .map((name) => join(dir, name));
  } catch (thrown) {
    if (systemCode(thrown) === 'ENOENT') return [];
    throw thrown;
  }
}

function parse(text: string): SpooledCompletion | string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (thrown) {
    return `not JSON: ${messageOf(thrown)}`;
  }
  if (typeof value !== 'object' || value === null) return 'not a completion';
  const record = value as Partial<Record<keyof SpooledCompletion, unknown>>;
  for (const key of ['graph', 'task', 'result'] as const)
    if (typeof record[key] !== 'string') return `${key} is missing`;
  for (const key of ['run', 'agent', 'summary', 'reason'] as const)
    if (record[key] !== undefined && typeof record[key] !== 'string') return `${key} is not text`;
  if (typeof record.at !== 'number') return 'at is missing';
  if (record.retryable !== undefined && typeof record.retryable !== 'boolean')
    return 'retryable is not a boolean';
  if (record.result !== 'succeeded' && record.result !== 'failed')
    return `unknown result ${String(record.result)}`;
  return record as SpooledCompletion;
}

/**
 * Applies what waits, oldest first. A completion leaves the spool only after it was applied, so `apply` may see one
 * twice and must tolerate that. After a `later` (or a throw) the remaining ones of that graph wait, too, so that
 * order is kept; other graphs continue. Unreadable or refused ones go to `bad/` with the reason.
 */
export async function drainSpool(
  dir: string,
  apply: (record: SpooledCompletion) => Promise<SpoolAnswer>,
): Promise<DrainReport> {
  let applied = 0;
  const left: { file: string; because: string }[] = [];
  const bad: { file: string; because: string }[] = [];
  const waiting = new Map<GraphPath, string>();
  for (const file of spooled(dir)) {
    const record = readRecord(file);
    // Another drain took it.
    if (record === null) continue;
    if (typeof record === 'string') {
      bad.push({ file: setAside(dir, file, record), because: record });
      continue;
    }
    const before = waiting.get(record.graph);
    const answer: SpoolAnswer =
      before === undefined ? await answerOf(apply, record) : { kind: 'later', because: before };
    if (answer.kind === 'applied') {
      rmSync(file, { force: true });
      applied += 1;
    } else if (answer.kind === 'refused') {
      bad.push({ file: setAside(dir, file, answer.because), because: answer.because });
    } else {
      waiting.set(record.graph, answer.because);
      left.push({ file, because: answer.because });
    }
  }
  return { applied, left, bad };
}

async function answerOf(
  apply: (record: SpooledCompletion) => Promise<SpoolAnswer>,
  record: SpooledCompletion,
): Promise<SpoolAnswer> {
  try {
    return await apply(record);
  } catch (thrown) {
    // Whatever went wrong, the completion must not be lost: it is retried and the reason is reported.
    return { kind: 'later', because: messageOf(thrown) };
  }
}

/** The record, or a sentence why it cannot be read, or null if the file is gone. */
function readRecord(file: string): SpooledCompletion | string | null {
  try {
    const text = readTextNow(file, { maxBytes: MAX_BYTES });
    return text === null ? null : parse(text);
  } catch (thrown) {
    return messageOf(thrown);
  }
}

function setAside(dir: string, file: string, because: string): string {
  const bad = join(dir, 'bad');
  mkdirSync(bad, { recursive: true, mode: 0o700 });
  const target = join(bad, file.slice(dir.length + 1));
  writeFileSync(`${target}.reason`, `${because}\n`, { mode: 0o600 });
  try {
    renameSync(file, target);
  } catch (thrown) {
    // Already gone: another drain moved it aside for the same reason.
    if (systemCode(thrown) !== 'ENOENT') throw thrown;
  }
  return target;
}
