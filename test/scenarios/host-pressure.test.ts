// A machine that is short of something, under a whole supervisor: work is queued, what runs continues, and it starts once
// there is room.

import { readFile } from 'node:fs/promises';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { MachineReading } from '../../src/domain/machine.ts';
import type { MachineProbe } from '../../src/platform/machine.ts';
import { createFakeClock, type FakeClock } from '../support/fake-clock.ts';
import { createPlayground, type Playground } from '../support/playground.ts';
import { type Supervised, supervise } from '../support/supervised.ts';

let playground: Playground;
let supervised: Supervised | null = null;

beforeEach(async () => {
  playground = await createPlayground();
  await playground.writeConfig('');
});
afterEach(async () => {
  await supervised?.stop({ cancelAgents: true });
  supervised = null;
  await playground.remove();
});

/** A machine whose memory pressure the test sets. */
function scripted(): MachineProbe & { pressure: number; looks: number; folders: readonly string[] } {
  return {
    ...{ pressure: 0, looks: 0, folders: [] },
    async read(folders, at): Promise<MachineReading> {
      this.looks++;
      this.folders = folders;
      const memory = { availableBytes: 8e9, totalBytes: 16e9, pressure: this.pressure };
      const disks = new Map(folders.map((folder) => [folder, { freeBytes: 9e9, totalBytes: 99e9 }]));
      return { at, memory, load: { average: 1, cores: 2, pressure: 5 }, disks };
    },
  };
}

const touch = (name: string) => `touch ${playground.folder}/${name}`;
const ticks = (clock: FakeClock, ms: number) => clock.advance(ms);

test('pressure queues what is ready, `why` and status have the figure, and it starts when it has passed', async () => {
  const machine = scripted();
  machine.pressure = 14.4;
  const clock = createFakeClock('2027-03-10T12:00:00Z');
  await playground.writeGraph(playground.repo, [{ id: 'a', exec: touch('a') }]);
  supervised = await supervise(playground, { machine, clock });
  const because = 'the machine is short of memory: some avg10 = 14 % (limit 10 %)';
  expect(await supervised.control.why({ task: 'a' })).toMatchObject({
    ...{ state: 'queued', code: 'machine-memory', because },
  });
  const { limits } = await supervised.control.status();
  expect(limits).toMatchObject({
    queued: 1,
    machine: {
      memory: { available_bytes: 8e9, total_bytes: 16e9, pressure: 14.4 },
      load: { average: 1, cores: 2 },
      short: [{ kind: 'memory', because, since: '2027-03-10T12:00:00.000Z' }],
    },
  });
  expect(machine.folders).toContain(playground.stateDir);
  expect(machine.folders).toContain(playground.repo);
  expect(supervised.count('run.opened', 'a')).toBe(0);

  // Better, but not clearly: hysteresis.
  machine.pressure = 8;
  ticks(clock, 3000);
  await supervised.supervisor.tick();
  expect(supervised.count('run.opened', 'a')).toBe(0);
  machine.pressure = 1;
  ticks(clock, 3000);
  await supervised.event('run.settled', 'a');
  await readFile(`${playground.folder}/a`);
});

test('what runs continues while the machine is short; the machine is looked at only while something is to start', async () => {
  const machine = scripted();
  const clock = createFakeClock('2027-03-10T12:00:00Z');
  await playground.writeGraph(playground.repo, [
    { id: 'long', exec: `until [ -e ${playground.folder}/go ]; do sleep 0.05; done` },
    { id: 'next', after: ['long'], exec: touch('next') },
  ]);
  supervised = await supervise(playground, { machine, clock });
  await supervised.event('run.started', 'long');
  const looks = machine.looks;
  expect(looks).toBe(1);
  machine.pressure = 99;
  for (let n = 0; n < 4; n++) {
    ticks(clock, 5000);
    await supervised.supervisor.tick();
  }
  expect(machine.looks).toBe(looks);
  expect(supervised.count('run.stopping', 'long')).toBe(0);
  const { writeFile } = await import('node:fs/promises');
  await writeFile(`${playground.folder}/go`, '');
  await supervised.event('run.settled', 'long');
  await supervised.supervisor.tick();
  expect(await supervised.control.why({ task: 'next' })).toMatchObject({ code: 'machine-memory' });
  machine.pressure = 0;
  ticks(clock, 3000);
  await supervised.event('run.settled', 'next');
});

test('rules are turned off in the configuration', async () => {
  const machine = scripted();
  machine.pressure = 99;
  await playground.writeConfig('[machine]\nmemory_pressure = 0\n');
  await playground.writeGraph(playground.repo, [{ id: 'a', exec: touch('a') }]);
  supervised = await supervise(playground, { machine });
  await supervised.event('run.settled', 'a');
});
