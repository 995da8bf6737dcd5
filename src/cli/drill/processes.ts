// The processes of a drill, found by the marks in their environment: the supervisor is not asked.

import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import type { Place } from './stage.ts';

const run = promisify(execFile);

export interface Marked {
  readonly pid: number;
  /** An agent, or what an agent left behind; otherwise a program of the drill. */
  readonly isAgent: boolean;
  readonly what: string;
}

/** Every live process that belongs to the drill of this folder, the drill's own excluded. */
export async function markedProcesses(place: Pick<Place, 'folder' | 'stateDir'>): Promise<Marked[]> {
  const found: Marked[] = [];
  for (const { pid, text, what } of await environments()) {
    if (pid === process.pid) continue;
    const isAgent = text.includes(`SUPERVISOR_STATE_DIR=${place.stateDir}`);
    if (isAgent || text.includes(`SUPERVISOR_DRILL=${place.folder}`)) found.push({ pid, isAgent, what });
  }
  return found;
}

interface Seen {
  readonly pid: number;
  /** Its environment, and perhaps more. */
  readonly text: string;
  readonly what: string;
}

async function environments(): Promise<Seen[]> {
  const pids = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name));
  if (pids.length === 0) return await fromPs();
  const found: Seen[] = [];
  for (const pid of pids)
    try {
      const text = await readFile(`/proc/${pid}/environ`, 'latin1');
      if (!text.includes('SUPERVISOR_')) continue;
      const command = await readFile(`/proc/${pid}/cmdline`, 'latin1');
      found.push({ pid: Number(pid), text, what: command.replaceAll('\0', ' ').trim() });
    } catch {
      // Gone in between, or another user's.
    }
  return found;
}

async function fromPs(): Promise<Seen[]> {
  const { stdout } = await run('ps', ['eww', '-axo', 'pid=,command='], { maxBuffer: 64 * 1024 * 1024 });
  return stdout.split('\n').flatMap((line) => {
    const [, pid, text] = /^\s*(\d+)\s+(.*)$/.exec(line) ?? [];
    return pid === undefined || text === undefined
      ? []
      : [{ pid: Number(pid), text, what: text.slice(0, 80) }];
  });
}

/** The process group of a process; null if it is gone. */
export async function groupOf(pid: number): Promise<number | null> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'latin1');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[2]);
  } catch {
    const { stdout } = await run('ps', ['-o', 'pgid=', '-p', String(pid)]).catch(() => ({ stdout: '' }));
    return stdout.trim() === '' ? null : Number(stdout);
  }
}

/** Kills a process, or with a negative number a group; false if it is gone. */
export function kill(pid: number): boolean {
  try {
    process.kill(pid, 'SIGKILL');
    return true;
  } catch {
    // It ended meanwhile.
    return false;
  }
}
