// Writes that several runs share: when one fails, those who shared it are the only ones who suffer, and nothing that was
// not on the disk was acted upon.

import { existsSync } from 'node:fs';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { type Clock, systemClock } from '../../src/platform/clock.ts';
import { nextTurn } from '../../src/platform/cooperative.ts';
import type { Ledger } from '../../src/runs/ledger.ts';
import { eventually } from '../support/actors.ts';
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

const ids = ['a', 'b', 'c'];
const started = (id: string) => join(playground.folder, `started-${id}`);
const tasks = (prefix: string) =>
  ids.map((id) => ({ id: prefix + id, exec: `touch ${started(prefix + id)}` }));

/** The ledger, whose `advance` to one phase is written but never certain to be on the disk. */
function withoutSync(ledger: Ledger, phase: string, broken: () => boolean): Ledger {
  return {
    ...ledger,
    async advance(id, to, facts) {
      const run = await ledger.advance(id, to, facts);
      if (to === phase && broken()) throw new Error('the ledger could not be brought to the disk');
      return run;
    },
  };
}

test('a graph whose registry cannot be written begins nothing, and the others continue', async () => {
  const other = await playground.worktree('other');
  // Nothing can be put in its place, not even by root.
  const inTheWay = join(playground.repo, '.workgraph', 'service', '.registry.json.tmp');
  await playground.writeGraph(playground.repo, tasks('x'));
  await playground.writeGraph(other, tasks('y'));
  await mkdir(join(inTheWay, 'folder'), { recursive: true });
  supervised = await supervise(playground);
  for (const id of ids) await supervised.event('run.settled', `y${id}`);
  await eventually(async () => {
    const { held } = (await supervised?.control.status()) ?? { held: [] };
    return held.filter((row) => row.code === 'run-broken').length === ids.length;
  });
  const left = await playground.readGraph(playground.repo);
  for (const id of ids) {
    expect(left.get(`x${id}`)).toMatchObject({ status: 'open' });
    expect(existsSync(started(`x${id}`))).toBe(false);
  }
  await rm(inTheWay, { recursive: true });
});

test('an intent that is not certain to be on the disk is never acted upon', async () => {
  await playground.writeGraph(playground.repo, tasks('x'));
  let broken = true;
  supervised = await supervise(playground, {
    wrap: { ledger: (ledger) => withoutSync(ledger, 'opened', () => broken) },
  });
  await eventually(async () => {
    const { held } = (await supervised?.control.status()) ?? { held: [] };
    return held.filter((row) => row.code === 'run-broken').length === ids.length;
  });
  const graph = await playground.readGraph(playground.repo);
  for (const id of ids) {
    expect(graph.get(`x${id}`)).toMatchObject({ status: 'open' });
    expect(existsSync(started(`x${id}`))).toBe(false);
  }
  // Nothing of it is in the way of a later try.
  broken = false;
  for (const id of ids) await supervised.control.retry({ task: `x${id}` });
  for (const id of ids) await supervised.event('run.settled', `x${id}`);
});

test('a result that is not certain to be on the disk is settled once it is', async () => {
  await playground.writeGraph(playground.repo, tasks('x'));
  let failures = 0;
  supervised = await supervise(playground, {
    wrap: { ledger: (ledger) => withoutSync(ledger, 'finished', () => failures++ < ids.length) },
  });
  for (const id of ids) await supervised.event('run.settled', `x${id}`);
  expect(failures).toBeGreaterThan(ids.length);
  const graph = await playground.readGraph(playground.repo);
  for (const id of ids) {
    expect(graph.get(`x${id}`)).toMatchObject({ status: 'done' });
    expect(supervised.count('run.opened', `x${id}`)).toBe(1);
  }
});

test('what the disk refuses is not tried again at once, and goes through once it may', async () => {
  await playground.writeGraph(playground.repo, tasks('x'));
  let failures = 0;
  let broken = true;
  const system = systemClock();
  /** Long waits last until they are released. */
  const waits = new Map<() => void, number>();
  let isHeld = true;
  const clock: Clock = {
    ...system,
    after(ms, act) {
      if (ms < 900 || !isHeld) return system.after(ms, act);
      waits.set(act, ms);
      return () => waits.delete(act);
    },
  };
  supervised = await supervise(playground, {
    clock,
    wrap: { ledger: (ledger) => withoutSync(ledger, 'finished', () => broken && ++failures > 0) },
  });
  await eventually(async () => failures >= ids.length && [...waits.values()].includes(1000));
  const before = failures;
  for (let turn = 0; turn < 300; turn++) await nextTurn();
  expect(failures - before).toBeLessThanOrEqual(ids.length);
  broken = false;
  isHeld = false;
  for (const act of [...waits.keys()]) act();
  for (const id of ids) await supervised.event('run.settled', `x${id}`);
});

test('when the supervisor stops, the registry says what happened to every agent', async () => {
  await playground.writeGraph(playground.repo, tasks('x'));
  supervised = await supervise(playground);
  for (const id of ids) await supervised.event('run.settled', `x${id}`);
  await supervised.stop({ cancelAgents: false });
  const path = join(playground.repo, '.workgraph', 'service', 'registry.json');
  const { agents } = JSON.parse(await readFile(path, 'utf8')) as {
    agents: Record<string, { status: string }>;
  };
  expect(Object.values(agents).map(({ status }) => status)).toEqual(ids.map(() => 'done'));
});
