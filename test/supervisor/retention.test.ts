import { existsSync } from 'node:fs';
import { mkdir, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Run } from '../../src/domain/run.ts';
import { PRUNED_AT_ONCE } from '../../src/runs/old-runs.ts';
import { Retention } from '../../src/supervisor/retention.ts';
import { createFakeClock, type FakeClock } from '../support/fake-clock.ts';
import { createPlayground, type Playground } from '../support/playground.ts';
import { supervise } from '../support/supervised.ts';

const DAY = 86_400_000;

describe('the rhythm', () => {
  let clock: FakeClock & { elapsed(): number };
  let awake: number;
  let asked: string[];
  let folders: Run[];
  let runs: number;
  let kept: boolean;
  let retention: Retention;
  let warned: unknown[];

  beforeEach(() => {
    awake = 0;
    clock = { ...createFakeClock('2026-05-01T00:00:00Z'), elapsed: () => awake };
    [asked, folders, runs, kept, warned] = [[], [], 0, false, []];
    retention = new Retention({
      clock,
      config: () => ({ retention: { runsMs: 30 * DAY, outputMs: 14 * DAY } }),
      log: { debug() {}, info() {}, error() {}, warn: (_name, facts) => void warned.push(facts) },
      remove: async (_graph, folder) => {
        asked.push(folder);
        return kept ? { kind: 'kept', because: 'it is used' } : { kind: 'removed' };
      },
      ledger: {
        endedWithFolder: (_age, limit) => folders.slice(0, limit),
        forgetFolder: (id) => {
          folders = folders.filter((run) => run.id !== id);
        },
        forgetResultsBefore: () => {},
        run: () => null,
        forgetVerdictsBefore: () => {},
        forgetActionsBefore: () => {},
        prune: () => {
          asked.push('prune');
          return Math.min(runs, PRUNED_AT_ONCE);
        },
      },
    });
  });

  const oldRun = (n: number) => ({ id: `run_${n}`, graph: '/g', folder: `/g/agents/agent-${n}` }) as Run;

  test('nothing goes in the first hour, nor because the clock was set years ahead', async () => {
    folders = [oldRun(1)];
    await retention.work();
    clock.jump(5 * 365 * DAY);
    await retention.work();
    expect(asked).toEqual([]);
    awake += 3_600_000;
    await retention.work();
    expect(asked).toEqual(['/g/agents/agent-1', 'prune']);
    await retention.work();
    expect(asked).toHaveLength(2);
  });

  test('a full slice is followed by the next one at once', async () => {
    folders = Array.from({ length: 150 }, (_, n) => oldRun(n));
    awake += 3_600_000;
    await retention.work();
    expect(folders).toHaveLength(50);
    await retention.work();
    expect(folders).toHaveLength(0);
    runs = PRUNED_AT_ONCE;
    awake += 3_600_000;
    await retention.work();
    runs = 3;
    await retention.work();
    await retention.work();
    expect(asked.filter((what) => what === 'prune')).toHaveLength(4);
  });

  test('a folder that stays is told once and does not block the others', async () => {
    folders = [oldRun(1)];
    kept = true;
    awake += 3_600_000;
    await retention.work();
    expect(warned).toEqual([{ run: 'run_1', because: 'it is used' }]);
    expect(folders).toEqual([]);
  });
});

describe('a supervisor', () => {
  let playground: Playground;

  beforeEach(async () => {
    playground = await createPlayground();
  });
  afterEach(() => playground.remove());

  test('removes the output of what ended long ago, then the run', async () => {
    await playground.writeConfig('[retention]\nruns = "40m"\noutput = "20m"\n');
    await playground.writeGraph(playground.repo, [{ id: 'a', exec: 'echo hello' }]);
    const clock = createFakeClock(Date.now());
    const supervised = await supervise(playground, { clock });
    try {
      await supervised.event('run.settled', 'a');
      const [run] = await supervised.control.runs({});
      const output = run?.output ?? '';
      const folder = join(output, '..');
      expect(existsSync(output)).toBe(true);
      clock.advance(30 * 60_000);
      await supervised.supervisor.tick();
      expect(existsSync(output)).toBe(false);
      expect(existsSync(folder)).toBe(false);
      expect((await supervised.control.runs({}))[0]).toMatchObject({ run: run?.run, output: null });
      expect(await playground.readGraph(playground.repo)).toMatchObject(new Map([['a', { status: 'done' }]]));
      clock.advance(30 * 60_000);
      await supervised.supervisor.tick();
      expect(await supervised.control.runs({})).toEqual([]);
    } finally {
      await supervised.stop({ cancelAgents: true });
    }
  });

  test('leaves folders alone that it did not make', async () => {
    await playground.writeConfig('[retention]\nruns = "40m"\noutput = "20m"\n');
    await playground.writeGraph(playground.repo, [{ id: 'a', exec: 'true' }]);
    const clock = createFakeClock(Date.now());
    const supervised = await supervise(playground, { clock });
    try {
      await supervised.event('run.settled', 'a');
      const agents = join(playground.repo, '.workgraph', 'agents');
      const theirs = join(agents, 'agent-99');
      await mkdir(theirs);
      await utimes(theirs, 1, 1);
      clock.advance(2 * 3_600_000);
      await supervised.supervisor.tick();
      expect(existsSync(join(agents, 'agent-1'))).toBe(false);
      expect(existsSync(theirs)).toBe(true);
    } finally {
      await supervised.stop({ cancelAgents: true });
    }
  });
});
