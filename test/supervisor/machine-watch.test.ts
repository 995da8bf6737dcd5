import { expect, test } from '@jest/globals';
import type { MachineLimits, MachineReading } from '../../src/domain/machine.ts';
import { MachineWatch } from '../../src/supervisor/machine-watch.ts';
import { createFakeClock } from '../support/fake-clock.ts';

const LIMITS: MachineLimits = {
  ...{ memoryPressure: 10, minMemoryBytes: 0, maxLoad: 0, cpuPressure: 0, minDiskBytes: 0 },
};

function stage() {
  const clock = createFakeClock('2027-01-01T00:00:00Z');
  let limits: MachineLimits | undefined = LIMITS;
  const asked: (readonly string[])[] = [];
  const pressures: number[] = [];
  const watch = new MachineWatch({
    clock,
    probe: {
      async read(folders, at): Promise<MachineReading> {
        asked.push(folders);
        const memory = { availableBytes: 1, totalBytes: 1, pressure: pressures.shift() ?? 0 };
        return { at, memory, load: null, disks: new Map() };
      },
    },
    stateDir: '/state',
    footprints: { held: new Map() },
    learned: () => null,
    config: () => (limits ? { machine: limits } : {}),
  });
  const codes = () => watch.view()?.short.map(({ kind }) => kind) ?? null;
  return {
    ...{ clock, watch, asked, pressures, codes },
    limit(to: MachineLimits | undefined) {
      limits = to;
    },
  };
}

test('is due once, and again after some seconds; what is too old says nothing', async () => {
  const { clock, watch, asked } = stage();
  expect(watch.isDue()).toBe(true);
  expect(watch.view()).toBeNull();
  await Promise.all([watch.look(['/w']), watch.look(['/v'])]);
  expect(asked).toEqual([['/state', '/w']]);
  expect(watch.isDue()).toBe(false);
  clock.advance(2999);
  expect(watch.isDue()).toBe(false);
  clock.advance(1);
  expect(watch.isDue()).toBe(true);
  expect(watch.view()).not.toBeNull();
  clock.advance(12_001);
  expect(watch.view()).toBeNull();
});

test('a clock that is set back or forth asks for a new look', async () => {
  const { clock, watch } = stage();
  await watch.look([]);
  clock.jump(-3_600_000);
  expect(watch.view()).toBeNull();
  expect(watch.isDue()).toBe(true);
  await watch.look([]);
  clock.jump(3_600_000);
  expect(watch.isDue()).toBe(true);
});

test('what was short stays short until it is clearly better, unless no one looked for a while', async () => {
  const { clock, watch, pressures, codes } = stage();
  pressures.push(14, 8, 8, 8);
  await watch.look([]);
  expect(codes()).toEqual(['memory']);
  clock.advance(3000);
  await watch.look([]);
  expect(codes()).toEqual(['memory']);
  clock.advance(60_000);
  await watch.look([]);
  expect(codes()).toEqual([]);
});

test('without limits nothing is read; limits that change count from the next look', async () => {
  const { watch, pressures, codes, limit } = stage();
  limit(undefined);
  expect(watch.isDue()).toBe(false);
  expect(watch.view()).toBeNull();
  limit(LIMITS);
  pressures.push(14, 14);
  await watch.look([]);
  expect(codes()).toEqual(['memory']);
  limit({ ...LIMITS, memoryPressure: 50 });
  await watch.look([]);
  expect(codes()).toEqual([]);
});
