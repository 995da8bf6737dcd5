import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import {
  createProcesses,
  linuxProcessTable,
} from '../../../../src/executors/process/lifecycle/process-table.ts';
import { psProcessTable } from '../../../../src/executors/process/lifecycle/process-table-ps.ts';
import {
  endRunProcesses,
  remainsOf,
  sweepOrphans,
} from '../../../../src/executors/process/lifecycle/terminate.ts';
import { systemClock } from '../../../../src/platform/clock.ts';
import { AGENTS, eventually } from '../../bench.ts';

const tables =
  process.platform === 'linux'
    ? ([
        ['proc', linuxProcessTable()],
        ['ps', psProcessTable('linux')],
      ] as const)
    : ([['ps', psProcessTable(process.platform)]] as const);

let serial = 0;

describe.each(tables)('processes as %s shows them', (name, table) => {
  const processes = createProcesses(table);
  let run: string;
  // A folder with a blank, as macOS has in its own.
  const stateDir = `/state of/${process.pid}`;
  const children: ChildProcess[] = [];

  beforeEach(() => {
    serial += 1;
    run = `run_test_${process.pid}_${serial}`;
  });
  afterEach(async () => {
    for (const child of children.splice(0)) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
  });

  function start(
    program: string,
    args: readonly string[] = [],
    marks = true,
  ): ChildProcess & { pid: number } {
    const env = {
      PATH: process.env.PATH,
      ...(marks ? { SUPERVISOR_RUN_ID: run, SUPERVISOR_STATE_DIR: stateDir } : {}),
    };
    const child = spawn(program, args, { env, detached: true, stdio: ['ignore', 'pipe', 'ignore'] });
    if (child.pid === undefined) throw new Error(`${program} did not start`);
    children.push(child);
    return child as ChildProcess & { pid: number };
  }

  test('what a process takes is counted with its descendants, and no one else', async () => {
    const child = start('/bin/sh', ['-c', 'sleep 60 >&2 & sleep 60 >&2 & echo ready; wait'], false);
    child.stdout?.setEncoding('utf8');
    await once(child.stdout as NodeJS.ReadableStream, 'data');
    const [whole, alone] = [
      await processes.usage([child.pid, 2 ** 22 + 7]),
      (await table.rows()).get(child.pid),
    ];
    const tree = whole.get(child.pid);
    expect(alone?.bytes).toBeGreaterThan(0);
    expect(tree?.bytes).toBeGreaterThan(alone?.bytes ?? 0);
    expect(tree?.bytes).toBeLessThan(100 * 1024 * 1024);
    expect(tree?.cpuMs).toBeGreaterThanOrEqual(0);
    expect(whole.has(2 ** 22 + 7)).toBe(false);
    const own = (await processes.usage([process.pid])).get(process.pid);
    // `ps` tells whole seconds.
    expect(own?.cpuMs).toBeGreaterThanOrEqual(name === 'proc' ? 10 : 0);
    expect(own?.bytes).toBeGreaterThan(tree?.bytes ?? 0);
    process.kill(-child.pid, 'SIGKILL');
  });

  async function startReady(program: string): Promise<ChildProcess & { pid: number }> {
    const child = start(join(AGENTS, program));
    let said = '';
    child.stdout?.setEncoding('utf8').on('data', (text) => {
      said += text;
    });
    await eventually(`${program} is ready`, () => said.includes('ready'));
    return child;
  }

  const means = { clock: systemClock(), processes, stateDir, graceMs: 300 };

  test('a process is itself while it lives, and no one afterwards', async () => {
    const child = start('sleep', ['1000']);
    const known = processes.identify(child.pid);
    if (known === null) throw new Error('not found');
    expect(processes.isAlive(known)).toBe(true);
    expect(processes.isAlive({ ...known, startTime: '1' })).toBe(false);
    expect(processes.isAlive({ ...known, bootId: 'another' })).toBe(false);
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(processes.isAlive(known)).toBe(false);
    expect(processes.signal(known, 'SIGTERM')).toBe(false);
  });

  test('the number of another process is never signalled, nor those that mean everyone', async () => {
    const child = start('sleep', ['1000']);
    const stranger = { pid: child.pid, startTime: '1', bootId: processes.identify(child.pid)?.bootId ?? '' };
    expect(processes.signal(stranger, 'SIGKILL')).toBe(false);
    expect(processes.signalGroup(child.pid, stranger, 'SIGKILL')).toBe(false);
    await endRunProcesses('run_nobody', stranger, ['SIGKILL'], means);
    for (const pid of [1, 0, -1, Number.NaN]) {
      expect(processes.identify(pid)).toBeNull();
      expect(await processes.group(pid)).toEqual([]);
      expect(await endRunProcesses('run_nobody', { ...stranger, pid }, ['SIGKILL'], means)).toEqual([]);
    }
    expect(processes.identify(child.pid)).not.toBeNull();
  });

  test('a mark is read whole, and this process is never among the marked', async () => {
    const child = start('sleep', ['1000']);
    const marked = await processes.marked();
    expect(marked.filter((one) => one.run === run)).toEqual([
      expect.objectContaining({ pid: child.pid, run, stateDir }),
    ]);
    expect(marked.map((one) => one.pid)).not.toContain(process.pid);
  });

  test('a whole group is ended by its leader, marks or not; what ignores the polite signal, harder', async () => {
    const child = start(join(AGENTS, 'ignores-term'), [], false);
    const leader = processes.identify(child.pid);
    const exit = once(child, 'exit');
    expect(await endRunProcesses(run, leader, ['SIGTERM', 'SIGKILL'], means)).toEqual([]);
    await exit;
    expect(await processes.group(child.pid)).toEqual([]);
  });

  test('a stopped process gets its polite signal all the same', async () => {
    const child = await startReady('tidies-up');
    child.kill('SIGSTOP');
    const exit = once(child, 'exit');
    await endRunProcesses(run, processes.identify(child.pid), ['SIGTERM', 'SIGKILL'], {
      ...means,
      graceMs: 5_000,
    });
    expect(await exit).toEqual([0, null]);
  });

  test("another supervisor's agents are left alone, and so are held ones", async () => {
    const mine = start('sleep', ['1000']);
    const other = start('sleep', ['1001']);
    await eventually('both are marked', async () => (await remainsOf(run, null, means)).escaped.length === 2);
    const elsewhere = { ...means, stateDir: '/another' };
    expect(await sweepOrphans(new Set(), elsewhere)).toEqual([]);
    expect(processes.identify(mine.pid)).not.toBeNull();
    // A run that is opened between listing and judging is no orphan: it is asked for last.
    let asked = false;
    const late = {
      ...processes,
      marked: async () => {
        expect(asked).toBe(false);
        return processes.marked();
      },
    };
    const held = () => {
      asked = true;
      return new Set([run]);
    };
    expect(await sweepOrphans(held, { ...means, processes: late })).toEqual([]);
    expect(asked).toBe(true);
    const exits = [once(mine, 'exit'), once(other, 'exit')];
    const swept = await sweepOrphans(new Set(), means);
    expect(swept.map((one) => one.pid).sort()).toEqual([mine.pid, other.pid].sort());
    await Promise.all(exits);
  });
});
