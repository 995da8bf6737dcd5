// Another program that works on the same graphs: takes graph.lock, rewrites the whole file as wg does, releases.

import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { systemCode } from '../../domain/errors.ts';
import type { Locker } from '../../platform/flock.ts';
import { graphOf } from './operations.ts';

/** A tag that was written and has to stay. */
export interface Edit {
  readonly worktree: string;
  readonly task: string;
  readonly tag: string;
}

/** Tags one task of the graph; null: the graph is away just now, and nothing was written. */
export async function editGraph(
  worktree: string,
  n: number,
  locker: Locker,
  signal: AbortSignal,
): Promise<Edit | null> {
  const file = graphOf(worktree);
  const temporary = join(dirname(file), `.graph.tmp.${process.pid}.${n}`);
  try {
    const lock = await locker.acquire(join(dirname(file), 'graph.lock'), { timeoutMs: 20_000, signal });
    try {
      const lines = readFileSync(file, 'utf8').split('\n').filter(Boolean);
      const at = n % lines.length;
      const task: unknown = JSON.parse(lines[at] ?? 'null');
      if (!isTask(task)) return null;
      const tag = `edit-${n}`;
      lines[at] = JSON.stringify({ ...task, tags: [...(task.tags ?? []), tag] });
      const handle = openSync(temporary, 'wx');
      try {
        writeSync(handle, lines.map((line) => `${line}\n`).join(''));
        fsyncSync(handle);
      } finally {
        closeSync(handle);
      }
      renameSync(temporary, file);
      return { worktree, task: task.id, tag };
    } finally {
      lock.release();
    }
  } catch (thrown) {
    // Its folder was moved away in the middle, or the drill ends.
    if (signal.aborted || systemCode(thrown) === 'ENOENT' || isGone(thrown)) return null;
    throw thrown;
  } finally {
    rmSync(temporary, { force: true });
  }
}

const isGone = (thrown: unknown): boolean => thrown instanceof Error && systemCode(thrown.cause) === 'ENOENT';

const isTask = (value: unknown): value is { readonly id: string; readonly tags?: readonly string[] } =>
  typeof value === 'object' && value !== null && 'id' in value && typeof value.id === 'string';
