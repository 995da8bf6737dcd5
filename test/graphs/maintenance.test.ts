import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Run } from '../../src/domain/run.ts';
import { createGraphStore, type GraphStore } from '../../src/graph/store.ts';
import { Maintenance } from '../../src/graphs/maintenance.ts';
import { Peers } from '../../src/graphs/peers.ts';
import type { SupervisedGraph, SupervisedGraphs } from '../../src/graphs/supervised-graphs.ts';
import { StandingRules } from '../../src/graphs/wg-transitions.ts';
import { createLocker } from '../../src/platform/flock.ts';
import { silentLog } from '../../src/platform/log.ts';
import { writeRunFile } from '../../src/runs/run-file.ts';
import { createRegistry, type Registry } from '../../src/wg/registry.ts';
import { wgSettings } from '../../src/wg/settings.ts';
import { eventually } from '../support/actors.ts';
import { createFakeClock } from '../support/fake-clock.ts';
import { createPlayground, type Playground } from '../support/playground.ts';
import { run } from '../support/tasks.ts';

let playground: Playground;
let graph: string;
let store: GraphStore;
let registry: Registry;
let writes: number;
const clock = createFakeClock('2027-03-10T12:00:00Z');
const live = new Set<number>();

beforeEach(async () => {
  playground = await createPlayground();
  graph = join(playground.repo, '.workgraph');
  await mkdir(graph, { recursive: true });
  const limits = { maxLineBytes: 1e6, maxGraphBytes: 1e8 };
  store = createGraphStore({ graph, locker: createLocker(), limits, clock });
  const real = createRegistry({ graph, locker: createLocker(), clock });
  writes = 0;
  registry = {
    ...real,
    update(changes) {
      writes++;
      return real.update(changes);
    },
  };
  live.clear();
});
afterEach(async () => {
  await store.close();
  await playground.remove();
});

function maintenance(): Maintenance {
  const one = {
    path: graph,
    store,
    registry,
    hold: null,
    worktree: { path: playground.repo },
  } as unknown as SupervisedGraph;
  const graphs = { all: () => [one], get: () => one, inform() {} } as unknown as SupervisedGraphs;
  const rules = new StandingRules({
    clock,
    log: silentLog,
    settings: () => wgSettings([]),
    addressed: () => new Set(),
    messages: () => [],
    score: () => null,
    modifiedAt: () => null,
  });
  return new Maintenance({
    graphs,
    rules,
    clock,
    log: silentLog,
    peers: new Peers(() => store, playground.folder),
    wgHere: async () => ({ onPath: false, can: null }),
    isLive: (pid) => live.has(pid),
  });
}

const entries = () =>
  (
    JSON.parse(readFileSync(join(graph, 'service', 'registry.json'), 'utf8')) as {
      agents: Record<string, Record<string, unknown>>;
    }
  ).agents;

const running = (task: string, agent: string, pid: number | null): Run =>
  ({
    graph,
    task,
    agent,
    executor: 'command',
    worktree: playground.repo,
    process: pid === null ? null : { pid, startTime: '1', bootId: 'b' },
  }) as Run;

async function claimed(...tasks: readonly string[]): Promise<string[]> {
  const agents = await registry.allocate(tasks.map((task_id) => ({ task_id, executor: 'command' })));
  await playground.writeGraph(
    playground.repo,
    tasks.map((id, n) => ({ id, status: 'in-progress', assigned: agents[n] ?? '' })),
  );
  await store.refresh();
  return agents;
}

describe('heartbeats (edge 21)', () => {
  test('at least every two minutes, in one write for all of a graph', async () => {
    const agents = await claimed('a', 'b', 'c');
    const runs = agents.map((agent, n) => running(['a', 'b', 'c'][n] ?? '', agent, 100 + n));
    const care = maintenance();
    const next = await care.work(runs);
    await eventually(() => writes === 1);
    expect((next ?? 0) - clock.now()).toBeLessThanOrEqual(120_000);
    clock.advance(30_000);
    await care.work(runs);
    expect(writes).toBe(1);
    clock.advance(90_000);
    await care.work(runs);
    await eventually(() =>
      agents.every((agent) => entries()[agent]?.last_heartbeat === new Date(clock.now()).toISOString()),
    );
    expect(writes).toBe(2);
  });

  test('an entry that someone removed is written again, with the process', async () => {
    const [agent = ''] = await claimed('a');
    const { next_agent_id } = JSON.parse(readFileSync(join(graph, 'service', 'registry.json'), 'utf8'));
    await writeFile(join(graph, 'service', 'registry.json'), JSON.stringify({ agents: {}, next_agent_id }));
    await maintenance().work([running('a', agent, 4711)]);
    await eventually(() => entries()[agent]?.pid === 4711);
    expect(entries()[agent]).toMatchObject({ status: 'working', task_id: 'a' });
  });

  test('not for a run whose task the graph gives to another', async () => {
    const [agent = ''] = await claimed('a');
    await playground.writeGraph(playground.repo, [{ id: 'a', status: 'open' }]);
    await store.refresh();
    await maintenance().work([running('a', agent, 4711)]);
    expect(writes).toBe(0);
  });
});

describe('agents that a daemon left behind', () => {
  const left = async () => {
    const [agent = ''] = await claimed('a');
    await registry.update([{ agent, pid: 4711 }]);
    clock.advance(60_000);
    return agent;
  };

  test('one that lives continues; one that is gone frees its task', async () => {
    const agent = await left();
    live.add(4711);
    const care = maintenance();
    await care.work([]);
    expect(store.snapshot().tasks.get('a')?.status).toBe('in-progress');
    live.clear();
    clock.advance(15_000);
    await care.work([]);
    expect(store.snapshot().tasks.get('a')).toMatchObject({ status: 'open' });
    expect(entries()[agent]).toMatchObject({ status: 'dead' });
  });

  test('a run of another supervisor is its own to judge', async () => {
    const agent = await left();
    const theirs = { ...run('repo', 'a'), graph, agent };
    await writeRunFile(join(graph, 'agents', agent), { run: theirs, tokenHash: 'x', stateDir: '/elsewhere' });
    await maintenance().work([]);
    expect(store.snapshot().tasks.get('a')?.status).toBe('in-progress');
  });
});
