// What is written down of a job, so that a worker that was killed continues where it was: one file for each, replaced whole.

import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Outcome } from '../domain/outcome.ts';
import type { ProcessIdentity } from '../domain/run.ts';
import { readText } from '../platform/regular-file.ts';
import type { JobFolders, Order } from './order.ts';
import { readOrder } from './order.ts';
import type { JobReport } from './work-source.ts';

/** A job as it lies on the disk. */
export interface JobRecord {
  readonly order: Order;
  /** How its source knows it. */
  readonly ticket: unknown;
  /** `taken`: perhaps begun · `running`: its process is known · `ended`: the outcome is, and is to be reported. */
  readonly phase: 'taken' | 'running' | 'ended';
  readonly process: ProcessIdentity | null;
  readonly outcome: Outcome | null;
  readonly pushed: JobReport['pushed'];
}

export interface JobRecords {
  folders(run: string): JobFolders;
  save(record: JobRecord): Promise<void>;
  /** Every job that an earlier worker left. What cannot be read is removed: its lease ends on its own. */
  left(): Promise<readonly JobRecord[]>;
  remove(run: string): Promise<void>;
}

const TERMS = { maxBytes: 16 * 1024 * 1024 };

/** Jobs below a folder of the worker's own. */
export function createJobRecords(folder: string): JobRecords {
  const folders = (run: string): JobFolders => ({
    tree: join(folder, run, 'tree'),
    run: join(folder, run, 'run'),
  });
  const fileOf = (run: string) => join(folder, run, 'job.json');
  return {
    folders,
    async save(record) {
      const run = record.order.attempt.id;
      await mkdir(folders(run).run, { recursive: true, mode: 0o700 });
      const draft = `${fileOf(run)}.tmp`;
      await rm(draft, { force: true });
      const file = await open(draft, 'wx', 0o600);
      try {
        await file.writeFile(JSON.stringify(record));
        await file.datasync();
      } finally {
        await file.close();
      }
      await rename(draft, fileOf(run));
    },
    async left() {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const found: JobRecord[] = [];
      for (const run of (await readdir(folder)).sort()) {
        const record = await read(fileOf(run), run);
        if (record === null) await rm(join(folder, run), { recursive: true, force: true });
        else found.push(record);
      }
      return found;
    },
    remove: (run) => rm(join(folder, run), { recursive: true, force: true }),
  };
}

async function read(file: string, run: string): Promise<JobRecord | null> {
  try {
    const value = JSON.parse((await readText(file, TERMS)) ?? 'null') as Partial<JobRecord> | null;
    const order = readOrder(value?.order);
    if (value === null || 'because' in order || order.attempt.id !== run) return null;
    const { ticket = null, phase = 'taken', process = null, outcome = null, pushed = null } = value;
    return { order, ticket, phase, process, outcome, pushed };
  } catch {
    // Torn, or someone else's.
    return null;
  }
}
