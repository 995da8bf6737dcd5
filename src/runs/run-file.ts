// The file `run.json` in a run's own folder: what the ledger knows of the run, kept beside its output, so that a lost
// ledger costs neither a running agent nor its result. Only believed if the ledger does not know the run.

import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { RUN_FILE_MAX_BYTES } from '../domain/graph-files.ts';
import type { Run } from '../domain/run.ts';
import { readTextNow, writeText } from '../platform/regular-file.ts';
import { rowOf, runOf } from './run-row.ts';

/** A run as recorded in its folder. */
export interface RememberedRun {
  readonly run: Run;
  /** SHA-256 of its token, so that its callbacks are accepted after the ledger was lost. */
  readonly tokenHash: string;
  /** The state folder of the run's supervisor. */
  readonly stateDir: string;
}

/** The records in the folders of runs; `diskRunFiles` is the file system. */
export interface RunFiles {
  readonly read: typeof readRunFile;
  readonly write: typeof writeRunFile;
}

const FILE = 'run.json';

/** Stores a run in its folder, which must exist. Survives a crash of this program, not every power cut. */
export async function writeRunFile(
  folder: string,
  { run, tokenHash, stateDir }: RememberedRun,
): Promise<void> {
  const path = join(folder, FILE);
  const text = JSON.stringify({ state_dir: stateDir, token_hash: tokenHash, ...rowOf(run) }, null, 1);
  await writeText(`${path}.tmp`, `${text}\n`);
  await rename(`${path}.tmp`, path);
}

/** The run recorded in a folder; null if there is none, or none that is valid. */
export function readRunFile(folder: string): RememberedRun | null {
  try {
    const text = readTextNow(join(folder, FILE), { maxBytes: RUN_FILE_MAX_BYTES });
    if (text === null) return null;
    const row = JSON.parse(text) as Record<string, unknown>;
    const { state_dir: stateDir, token_hash: tokenHash } = row;
    if (typeof stateDir !== 'string' || typeof tokenHash !== 'string') return null;
    return { run: runOf(row), tokenHash, stateDir };
  } catch {
    // Missing, torn or foreign: the folder proves nothing, and its task counts as never begun by us.
    return null;
  }
}

/** The file system. */
export const diskRunFiles: RunFiles = { read: readRunFile, write: writeRunFile };
