// From a callback's first byte to its answer, which comes when the graph is rewritten; and what many waiting clients cost.

import { spawn } from 'node:child_process';
import { open, readFile, rename, rm } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { composeSupervisor } from '../src/compose.ts';
import { doneTasks, type Farm, plantFarm, writeTasks } from './farm.ts';
import { measure } from './idle.ts';
import { type Benchmark, type Figure, quantile } from './report.ts';

const WORKTREES = 10;
const CALLERS = 16;
const WATCHERS = 200;

export const callbacks: Benchmark = {
  name: 'callbacks',
  about: `POST …/complete to its answer, the graph rewritten; ${WORKTREES} graphs of 200 tasks, ${CALLERS} callers; the floor writes the same file`,
  async run() {
    return [...(await completions(1)), ...(await completions(100)), ...(await watchers())];
  },
};

async function completions(each: number): Promise<Figure[]> {
  const farm = await plantFarm(WORKTREES, 0);
  const ids: string[] = [];
  for (const [n, path] of farm.worktrees.entries()) {
    const waiting = Array.from({ length: each }, (_, m) => `t${n}-${m}`);
    ids.push(...waiting);
    const tags = ['executor:external'];
    await writeTasks(path, [
      ...doneTasks(200, n),
      ...waiting.map((id, m) => ({ id, tags, created_at: at(n, m) })),
    ]);
  }
  const running = await composeSupervisor({
    environment: { variables: process.env, home: farm.folder, platform: process.platform },
    cwd: farm.folder,
    config: farm.config,
    stateDir: farm.stateDir,
  });
  const agent = new Agent({ keepAlive: true, maxSockets: CALLERS });
  try {
    let held = 0;
    const all = new Promise<void>((resolve) => {
      running.bus.on((event) => {
        if (event.name === 'run.handed-off' && ++held === ids.length) resolve();
      });
    });
    await running.start();
    await all;
    const samples: number[] = [];
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
    const seconds = (performance.now() - begun) / 1000;
    const floor = await bareWrites(farm);
    const what = `${each} waiting in each graph`;
    return [
      { name: `${what}, rate`, value: samples.length / seconds, unit: '/s' },
      { name: `${what}, p50`, value: quantile(samples, 0.5), unit: 'ms', floor: quantile(floor, 0.5) },
      { name: `${what}, p99`, value: quantile(samples, 0.99), unit: 'ms', floor: quantile(floor, 0.99) },
    ];
  } finally {
    agent.destroy();
    await running.stop({ cancelAgents: true });
    await farm.remove();
  }
}

/** What 200 long polls and 200 event streams cost a supervisor that has nothing to say. */
async function watchers(): Promise<Figure[]> {
  const farm = await plantFarm(WORKTREES, 200);
  const main = fileURLToPath(new URL('../src/cli/main.js', import.meta.url));
  const args = [main, '--config', farm.config, '--state-dir', farm.stateDir, 'run'];
  const gone = new AbortController();
  try {
    const child = spawn(process.execPath, args, { stdio: 'ignore' });
    const measured = measure(child);
    const socket = await socketOf(farm);
    const agent = new Agent({ maxSockets: 2 * WATCHERS });
    const body = JSON.stringify({ worker_id: 'bench', wait_s: 50 });
    for (let n = 0; n < WATCHERS; n++) {
      attach(socket, agent, 'GET', '/api/events', undefined, gone.signal);
      attach(socket, agent, 'POST', '/api/tasks/claim', body, gone.signal);
    }
    const { cpu, rssMb } = await measured;
    return [
      {
        name: `${WATCHERS} long polls and ${WATCHERS} event streams, CPU of one core`,
        value: cpu,
        unit: '%',
      },
      {
        name: `${WATCHERS} long polls and ${WATCHERS} event streams, memory (RSS)`,
        value: rssMb,
        unit: 'MB',
      },
    ];
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
): void {
  const headers = body === undefined ? {} : { 'content-type': 'application/json' };
  const sent = request(
    { socketPath, agent, method, path, headers, signal },
    (response) => void response.resume(),
  );
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
