// The process table where there is no /proc (macOS): asked of `ps`. Slower, and start times have a resolution of one
// second, but the questions are the same. It is tested on Linux's ps; on macOS itself only from its manual.

import { execa, execaSync } from 'execa';
import { linuxProcessTable, type ProcessRow, type ProcessTable } from './processes.ts';

const COLUMNS = 'pid=,stat=,pgid=,ppid=,lstart=';

function parseRow(line: string): { pid: number; row: ProcessRow } | null {
  const found = /^\s*(\d+)\s+(\S+)\s+(\d+)\s+(\d+)\s+(.+?)\s*$/.exec(line);
  if (found === null || found[2]?.startsWith('Z')) return null;
  const row = { group: Number(found[3]), parent: Number(found[4]), startTime: found[5] ?? '' };
  return { pid: Number(found[1]), row };
}

/** The process table as `ps` prints it. `ps -E` (macOS) or `ps e` (elsewhere) shows environments. */
export function psProcessTable(platform: NodeJS.Platform): ProcessTable {
  let boot: string | null = null;
  const options = { reject: false, env: { LC_ALL: 'C', TZ: 'UTC' } } as const;
  return {
    bootId() {
      boot ??= execaSync('sysctl', ['-n', 'kern.bootsessionuuid'], options).stdout?.trim() || 'unknown';
      return boot;
    },
    read(pid) {
      const { stdout } = execaSync('ps', ['-o', COLUMNS, '-p', String(pid)], options);
      return parseRow(stdout ?? '')?.row ?? null;
    },
    async rows() {
      const { stdout } = await execa('ps', ['-A', '-o', COLUMNS], options);
      const rows = new Map<number, ProcessRow>();
      for (const line of (stdout ?? '').split('\n')) {
        const found = parseRow(line);
        if (found !== null) rows.set(found.pid, found.row);
      }
      return rows;
    },
    async pids() {
      const { stdout } = await execa('ps', ['-A', '-o', 'pid='], options);
      return (stdout ?? '')
        .split('\n')
        .map(Number)
        .filter((pid) => pid > 0);
    },
    async environment(wanted) {
      const flags = platform === 'darwin' ? ['-A', '-E', '-ww'] : ['-A', 'eww'];
      const { stdout } = await execa('ps', [...flags, '-o', 'pid=,command='], options);
      const among = new Set(wanted);
      const found = new Map<number, string>();
      for (const line of (stdout ?? '').split('\n')) {
        const row = /^\s*(\d+)\s(.*)$/.exec(line);
        const pid = Number(row?.[1]);
        // Blanks separate arguments and variables here; a value may hold blanks too (`Application Support`).
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
