// The process table without /proc (macOS): read from `ps`. Slower, and start times have a resolution of one second.
// Tested with Linux's ps; the macOS options come from its manual.

import { execFile, spawnSync } from 'node:child_process';
import { linuxProcessTable, type ProcessRow, type ProcessTable } from './process-table.ts';

const COLUMNS = 'pid=,stat=,pgid=,ppid=,rss=,time=,lstart=';

/** `1-02:03:04`, `02:03:04` or `3:04.05`, ms. */
function cpuMsOf(time: string): number {
  const [rest = '', days = '0'] = time.split('-').reverse();
  const seconds = rest.split(':').reduce((sum, part) => sum * 60 + Number(part), 0);
  return (Number(days) * 86_400 + seconds) * 1000;
}

function parseRow(line: string): { pid: number; row: ProcessRow } | null {
  const found = /^\s*(\d+)\s+(\S+)\s+(\d+)\s+(\d+)\s+(\d+)\s+([\d:.-]+)\s+(.+?)\s*$/.exec(line);
  if (found === null || found[2]?.startsWith('Z')) return null;
  const row = {
    group: Number(found[3]),
    parent: Number(found[4]),
    bytes: Number(found[5]) * 1024,
    cpuMs: cpuMsOf(found[6] ?? ''),
    startTime: found[7] ?? '',
  };
  return { pid: Number(found[1]), row };
}

/** Every process with its environment, on a machine with thousands of them. */
const LONGEST_OUTPUT = 256 * 1024 * 1024;

/** Through env(1): the words and times that `ps` prints must not depend on the caller's locale. */
const asked = (command: string, args: readonly string[]) => ['LC_ALL=C', 'TZ=UTC', command, ...args];

/** The output of a command, whatever its exit status; '' if it could not be started. */
function printed(command: string, ...args: readonly string[]): string {
  const { stdout } = spawnSync('env', asked(command, args), { encoding: 'utf8', maxBuffer: LONGEST_OUTPUT });
  return stdout ?? '';
}

/** The same, synchronously. */
function printing(command: string, ...args: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    execFile('env', asked(command, args), { maxBuffer: LONGEST_OUTPUT }, (_error, stdout) => resolve(stdout));
  });
}

/** The process table as `ps` prints it. `ps -E` (macOS) or `ps e` (elsewhere) shows environments. */
export function psProcessTable(platform: NodeJS.Platform): ProcessTable {
  let boot: string | null = null;
  return {
    bootId() {
      boot ??= printed('sysctl', '-n', 'kern.bootsessionuuid').trim() || 'unknown';
      return boot;
    },
    read(pid) {
      return parseRow(printed('ps', '-o', COLUMNS, '-p', String(pid)).trimEnd())?.row ?? null;
    },
    async rows() {
      const rows = new Map<number, ProcessRow>();
      for (const line of (await printing('ps', '-A', '-o', COLUMNS)).split('\n')) {
        const found = parseRow(line);
        if (found !== null) rows.set(found.pid, found.row);
      }
      return rows;
    },
    async pids() {
      return (await printing('ps', '-A', '-o', 'pid='))
        .split('\n')
        .map(Number)
        .filter((pid) => pid > 0);
    },
    async environment(wanted) {
      const flags = platform === 'darwin' ? ['-A', '-E', '-ww'] : ['-A', 'eww'];
      const all = await printing('ps', ...flags, '-o', 'pid=,command=');
      const among = new Set(wanted);
      const found = new Map<number, string>();
      for (const line of all.split('\n')) {
        const row = /^\s*(\d+)\s(.*)$/.exec(line);
        const pid = Number(row?.[1]);
        // Blanks separate arguments and variables here; a value may contain blanks, too (`Application Support`).
        if (row !== null && among.has(pid))
          found.set(pid, (row[2] ?? '').replace(/ (?=[A-Za-z_]\w*=)/g, '\0'));
      }
      return found;
    },
  };
}

/** The process table of a platform. */
export function processTable(platform: NodeJS.Platform): ProcessTable {
  return platform === 'linux' ? linuxProcessTable() : psProcessTable(platform);
}
