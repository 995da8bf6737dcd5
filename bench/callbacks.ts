// From a callback's first byte to its answer, which comes when the graph is rewritten; and what many waiting clients cost.

import { spawn } from 'node:child_process';
import { setMaxListeners } from 'node:events';
import { open, readFile, rename, rm } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { composeSupervisor } from '../src/compose/daemon.ts';
import { doneTasks, type Farm, plantFarm, writeTasks } from './farm.ts';
import { measure } from './idle.ts';
import { MAIN } from './program.ts';
import { type Benchmark, type Figure, quantile } from './report.ts';

const WORKTREES = 10;
const CALLERS = 16;
const WATCHERS = 200;

export const callbacks: Benchmark = {
  name: 'callbacks',
  about: `POST …/complete to its answer, the graph rewritten; ${WORKTREES} graphs of 200 tasks, ${CALLERS} callers; the floor writes the same file, one after the other; the floor of the waiting clients is the same supervisor without any`,
  async run() {
    // As many samples of each: one p99 must mean as much as the other.
    return [...(await completions(1, 60)), ...(await completions(100, 1)), ...(await watchers())];
  },
};

/** This many tasks wait in each graph and are all completed at once, this many times. */
async function completions(each: number, rounds: number): Promise<Figure[]> {
  const farm = await plantFarm(WORKTREES, 0);
  const plant = async (round: number): Promise<string[]> => {
    const ids: string[] = [];
    for (const [n, path] of farm.worktrees.entries()) {
      const waiting = Array.from({ length: each }, (_, m) => `t${round}-${n}-${m}`);
      ids.push(...waiting);
      const tags = ['executor:external'];
      await writeTasks(path, [
        ...doneTasks(200, n),
        ...waiting.map((id, m) => ({ id, tags, created_at: at(n, round * 1000 + m) })),
      ]);
    }
    // One graph after the other, as agents of many worktrees report.
    return ids.sort((a, b) => placeOf(a) - placeOf(b));
  };
  const running = await composeSupervisor({
    environment: { variables: process.env, home: farm.folder, platform: process.platform },
    cwd: farm.folder,
    config: farm.config,
    stateDir: farm.stateDir,
  });
  const agent = new Agent({ keepAlive: true, maxSockets: CALLERS });
  try {
    const held = new Set<string>();
    let look = () => {};
    running.bus.on((event) => {
      if (event.name === 'run.handed-off') held.add(event.task);
      look();
    });
    await running.start();
    const samples: number[] = [];
    let seconds = 0;
    for (let round = 0; round < rounds; round++) {
      const ids = await plant(round);
      await new Promise<void>((resolve) => {
        look = () => void (ids.every((id) => held.has(id)) && resolve());
        look();
      });
      await running.supervisor.quiet();
      const begun = performance.now();
      const caller = async (): Promise<void> => {
        for (let id = ids.pop(); id !== undefined; id = ids.pop()) {
          const sent = performance.now();
          const status = await post(running.paths.socket, agent, `/api/task/${id}/complete`);
          if (status !== 200) throw new Error(`${id} was answered ${status}`);
          samples.push(performance.now() - sent);
        }
      };
      await Promise.all(Array.from({ length: CALLERS }, caller));
      seconds += (performance.now() - begun) / 1000;
    }
    const floor = await bareWrites(farm);
    const what = `${each} waiting in each graph`;
    return [
      {
        name: `${what}, rate`,
        value: samples.length / seconds,
        unit: '/s',
        floor: 1000 / quantile(floor, 0.5),
      },
      { name: `${what}, p50`, value: quantile(samples, 0.5), unit: 'ms', floor: quantile(floor, 0.5) },
      { name: `${what}, p99`, value: quantile(samples, 0.99), unit: 'ms', floor: quantile(floor, 0.99) },
    ];
  } finally {
    agent.destroy();
    await running.stop({ cancelAgents: true });
    await farm.remove();
  }
}

/** Where among the others of its round a task stands: `t0-3-12` is the 12th of graph 3. */
function placeOf(id: string): number {
  const [, graph = 0, nth = 0] = id.slice(1).split('-').map(Number);
  return nth * WORKTREES + graph;
}

/** What 200 long polls and 200 event streams cost a supervisor that has nothing to say. */
async function watchers(): Promise<Figure[]> {
  const none = await watched(0);
  const many = await watched(WATCHERS);
  const what = `${WATCHERS} long polls and ${WATCHERS} event streams`;
  return [
    { name: `${what}, CPU of one core`, value: many.cpu, unit: '%', floor: none.cpu },
    { name: `${what}, memory (RSS)`, value: many.rssMb, unit: 'MB', floor: none.rssMb },
  ];
}

/** A supervisor at rest with this many clients of each kind. */
async function watched(clients: number): Promise<{ readonly cpu: number; readonly rssMb: number }> {
  const farm = await plantFarm(WORKTREES, 200);
  const args = [MAIN, '--config', farm.config, '--state-dir', farm.stateDir, 'run'];
  const gone = new AbortController();
  try {
    setMaxListeners(0, gone.signal);
    const measured = measure(spawn(process.execPath, args, { stdio: 'ignore' }));
    const socket = await socketOf(farm);
    const agent = new Agent({ maxSockets: 2 * WATCHERS });
    const body = JSON.stringify({ worker_id: 'bench', wait_s: 50 });
    let open = 0;
    const opened = () => void open++;
    for (let n = 0; n < clients; n++) {
      attach(socket, agent, 'GET', '/api/events', undefined, gone.signal, opened);
      attach(socket, agent, 'POST', '/api/tasks/claim', body, gone.signal);
    }
    const figures = await measured;
    // A stream answers at once; a poll, that nothing is there for, only when its time has finished.
    if (open !== clients) throw new Error(`${open} of ${clients} streams were opened`);
    return figures;
  } finally {
    gone.abort();
    await farm.remove();
  }
}

function attach(
  socketPath: string,
  agent: Agent,
  method: string,
  path: string,
  body: string | undefined,
  signal: AbortSignal,
  opened: () => void = () => {},
): void {
  const headers = body === undefined ? {} : { 'content-type': 'application/json' };
  const sent = request({ socketPath, agent, method, path, headers, signal }, (response) => {
    opened();
    response.resume();
  });
  // The supervisor is ended while they wait.
  sent.on('error', () => {});
  sent.end(body);
}

async function socketOf(farm: Farm): Promise<string> {
  for (;;) {
    try {
      const api = JSON.parse(await readFile(join(farm.stateDir, 'api.json'), 'utf8')) as { socket: string };
      return api.socket;
    } catch {
      // Not yet.
      await wait(50);
    }
  }
}

function post(socketPath: string, agent: Agent, path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath, agent, method: 'POST', path }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode ?? 0));
    });
    sent.on('error', reject);
    sent.end();
  });
}

/** The same bytes to the disk and renamed, as every rewrite must do at the least. */
async function bareWrites(farm: Farm): Promise<number[]> {
  const graph = join(farm.worktrees[0] ?? '', '.workgraph', 'graph.jsonl');
  const bytes = await readFile(graph);
  const samples: number[] = [];
  for (let n = 0; n < 50; n++) {
    const begun = performance.now();
    const file = await open(`${graph}.bare`, 'w');
    await file.writeFile(bytes);
    await file.sync();
    await file.close();
    await rename(`${graph}.bare`, `${graph}.bare2`);
    samples.push(performance.now() - begun);
  }
  await rm(`${graph}.bare2`, { force: true });
  return samples;
}

function at(n: number, m: number): string {
  return new Date(1.75e12 + n * 1e6 + m).toISOString();
}
