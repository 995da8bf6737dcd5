import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, expect, test } from '@jest/globals';
import type { RunNotes } from '../../src/domain/run.ts';
import { createProcesses, type Processes } from '../../src/executors/process/lifecycle/process-table.ts';
import { processTable } from '../../src/executors/process/lifecycle/process-table-ps.ts';
import { createBus } from '../../src/platform/bus.ts';
import { silentLog } from '../../src/platform/log.ts';
import { LiveRun } from '../../src/run/live-run.ts';
import { Footprints } from '../../src/supervisor/footprints.ts';
import { createFakeClock } from '../support/fake-clock.ts';
import { run } from '../support/tasks.ts';

const children: ChildProcess[] = [];
afterEach(async () => {
  for (const child of children.splice(0)) {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
});

function stage(processes: Pick<Processes, 'usage'>) {
  const clock = createFakeClock('2027-01-01T00:00:00Z');
  const bus = createBus(clock);
  const notes: [string, RunNotes][] = [];
  const live: LiveRun[] = [];
  const footprints = new Footprints({
    ...{ clock, bus, log: silentLog, processes },
    ledger: { note: (id, facts) => void notes.push([id, facts]) },
    attended: () => live,
  });
  const started = (pid: number | null) => {
    const identity = pid === null ? null : { pid, startTime: '1', bootId: 'b' };
    const one = new LiveRun(run('r', `t${live.length}`, { phase: 'started', process: identity }), null, 0);
    live.push(one);
    bus.emit('run.started', { run: one.run.id } as never);
    return one;
  };
  return { clock, footprints, notes, live, started };
}

test('a real process is measured while it runs', async () => {
  const processes = createProcesses(processTable(process.platform));
  const { footprints, notes, started } = stage(processes);
  const child = spawn(process.execPath, ['-e', 'console.log(1); setInterval(() => {}, 1000)'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  children.push(child);
  await once(child.stdout, 'data');
  const live = started(child.pid ?? 0);
  await footprints.look();
  expect(footprints.held.get(live.run.id)).toBeGreaterThan(10_000_000);
  expect(notes).toEqual([
    [live.run.id, { footprint: { peakBytes: expect.any(Number), cpuMs: expect.any(Number) } }],
  ]);
  footprints.stop();
});

test('the most counts; only what grew is written', async () => {
  const sizes = [100, 104, 200, 50];
  const { footprints, notes, started } = stage({
    usage: async (roots) => new Map(roots.map((pid) => [pid, { bytes: sizes.shift() ?? 0, cpuMs: 10 }])),
  });
  const { id } = started(7).run;
  for (let n = 0; n < 4; n++) await footprints.look();
  expect(notes.map(([, { footprint }]) => footprint?.peakBytes)).toEqual([100, 200]);
  expect(footprints.held.get(id)).toBe(50);
  footprints.stop();
});

test('what an earlier supervisor saw of a run is not forgotten by the next', async () => {
  const { footprints, notes, live } = stage({
    usage: async (roots) => new Map(roots.map((pid) => [pid, { bytes: 50, cpuMs: 10 }])),
  });
  const process = { pid: 7, startTime: '1', bootId: 'b' };
  const footprint = { peakBytes: 200, cpuMs: 10 };
  live.push(new LiveRun(run('r', 'adopted', { phase: 'started', process, footprint }), null, 0));
  await footprints.look();
  expect(notes).toEqual([]);
  footprints.stop();
});

test('nothing is looked at while nothing runs here, and no timer is left', async () => {
  let looks = 0;
  const { clock, footprints, live, started } = stage({
    usage: async () => {
      looks++;
      return new Map();
    },
  });
  started(null);
  expect(clock.timers).toBe(0);
  started(7);
  started(8);
  expect(clock.timers).toBe(1);
  live.length = 0;
  clock.advance(5000);
  await footprints.look();
  expect(looks).toBe(2);
  expect(clock.timers).toBe(0);
  started(9);
  footprints.stop();
  expect(clock.timers).toBe(0);
});

test('a process table that cannot be read keeps nothing from running', async () => {
  const { footprints, started } = stage({
    usage: async () => {
      throw new Error('EMFILE');
    },
  });
  started(7);
  await footprints.look();
  expect(footprints.held.size).toBe(0);
  footprints.stop();
});
