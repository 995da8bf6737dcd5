// Tasks through a queue: workers, the Redis and the supervisor are killed at random and started again. Each task is done
// exactly once by the ledger, no run is begun twice, none is lost or left behind. WORKER_TASKS=1000 makes it the long form,
// WORKER_TASKS=100 a tenth of it; WORKERS_SEED=n repeats one order of kills.

import { type ChildProcess, spawn } from 'node:child_process';
import { watch } from 'node:fs';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, test } from '@jest/globals';
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { chanceOf } from '../../src/cli/drill/chance.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { openLedger } from '../../src/runs/ledger.ts';
import { personEnvironment } from '../support/actors.ts';
import { builtCli } from '../support/built-cli.ts';
import { startWorker, type WorkerProcess, withRemote } from '../support/farm.ts';
import { createPlayground, type Playground } from '../support/playground.ts';
import { type RedisServer, redisProgram, startRedis, WITHOUT_REDIS } from '../support/redis.ts';

const TASKS = Number(process.env.WORKER_TASKS ?? 16);
const IS_LONG = TASKS >= 100;
const WORKERS = IS_LONG ? 4 : 2;
const PLACES = 3;
const KILLS = Number(process.env.WORKER_KILLS ?? (IS_LONG ? Math.ceil(TASKS * 0.06) : 4));
const SEED = Number(process.env.WORKERS_SEED ?? Date.now() % 1_000_000);

let playground: Playground | null = null;
let redis: RedisServer | null = null;
let supervisor: ChildProcess | null = null;
let workers: WorkerProcess[] = [];
let client: Redis | null = null;
let isOver = false;

afterEach(async () => {
  isOver = true;
  client?.disconnect();
  for (const { process, ended } of workers) {
    process.kill('SIGKILL');
    await ended;
  }
  workers = [];
  await ended(supervisor, 'SIGKILL');
  await redis?.end('SIGKILL');
  await playground?.remove();
});

const campaign = redisProgram === null ? test.skip : test;
if (redisProgram === null) process.stderr.write(`${WITHOUT_REDIS}\n`);

campaign(
  `${TASKS} tasks, ${WORKERS} workers, ${KILLS} kills of workers, Redis and supervisor: each done exactly once`,
  async () => {
    const chance = chanceOf(SEED).share;
    playground = await createPlayground();
    const { repo, folder, configFile, stateDir } = playground;
    await withRemote(playground);
    const effects = join(folder, 'effects');
    await mkdir(effects);
    await playground.writeGraph(
      repo,
      Array.from({ length: TASKS }, (_, n) => ({
        id: `t${n}`,
        tags: ['executor:farm'],
        exec: `echo $SUPERVISOR_RUN_ID >> ${join(effects, `t${n}`)}; sleep 0.${1 + (n % 4)}`,
      })),
    );
    // What was acknowledged is on the disk: otherwise a kill in the middle of an fsync may take seconds of it back.
    redis = await startRedis(folder, { settings: ['--appendfsync', 'always'] });
    await playground.writeConfig(
      `[executors.farm]\ntype = "bullmq"\nurl = "${redis.url}"\nrun = "command"\nlease = "${IS_LONG ? 20 : 8}s"\nmax_concurrent = 40\nretry = { attempts = 5, backoff = "1s" }\n`,
    );
    let log = '';
    const startSupervisor = () => {
      const child = spawn(
        process.execPath,
        [builtCli(), 'run', '--config', configFile, '--state-dir', stateDir],
        { cwd: folder, env: personEnvironment(folder), stdio: ['ignore', 'ignore', 'pipe'] },
      );
      child.stderr?.on('data', (data: Buffer) => {
        log = `${log}${data}`.slice(-20_000);
      });
      supervisor = child;
    };
    const begin = async (n: number) => {
      const args = ['--queue', redis?.url ?? '', '--profile', 'farm', '--places', String(PLACES)];
      workers[n] = await startWorker({ folder }, { name: `worker${n}`, args });
    };
    startSupervisor();
    for (let n = 0; n < WORKERS; n++) await begin(n);

    const killed = { worker: 0, redis: 0, supervisor: 0 };
    const kill = async () => {
      const victim = Math.floor(chance() * (WORKERS + 2));
      if (victim === WORKERS) {
        killed.redis++;
        await redis?.end('SIGKILL');
        await redis?.start();
      } else if (victim === WORKERS + 1) {
        killed.supervisor++;
        await ended(supervisor, 'SIGKILL');
        startSupervisor();
      } else {
        killed.worker++;
        workers[victim]?.kill('SIGKILL');
        await workers[victim]?.ended;
        await begin(victim);
      }
    };
    const began = performance.now();
    let kills = 0;
    await progress(join(repo, '.workgraph'), async (done) => {
      // One after each stretch of finished tasks, so that kills hit all of the run however fast it is.
      while (kills < KILLS && done >= (kills * TASKS) / KILLS) {
        kills++;
        await kill();
      }
      return done === TASKS;
    }).catch((thrown: unknown) => {
      const said = workers.map((worker) => worker.said().slice(-3000)).join('\n---\n');
      throw new Error(`seed ${SEED}: ${String(thrown)}\n${log}\n---\n${said}`);
    });
    const seconds = (performance.now() - began) / 1000;
    await ended(supervisor, 'SIGTERM');

    expect(kills).toBe(KILLS);
    const graph = await playground.readGraph(repo);
    expect([...graph.values()].filter(({ status }) => status !== 'done')).toEqual([]);
    const ledger = await openLedger({
      file: join(stateDir, 'ledger.sqlite'),
      clock: systemClock(),
      readOnly: true,
    });
    const succeeded = new Map<string, number>();
    const others = new Map<string, string[]>();
    for (const run of ledger?.runs() ?? []) {
      if (run.outcome?.kind === 'succeeded') succeeded.set(run.task, (succeeded.get(run.task) ?? 0) + 1);
      else
        others.set(run.task, [
          ...(others.get(run.task) ?? []),
          `${run.phase} ${JSON.stringify(run.outcome)}`,
        ]);
    }
    ledger?.close();
    expect(succeeded.size).toBe(TASKS);
    expect([...succeeded].filter(([, times]) => times !== 1)).toEqual([]);
    let again = 0;
    for (const task of await readdir(effects)) {
      const runs = (await readFile(join(effects, task), 'utf8')).trim().split('\n');
      // No run was begun twice, and a second run only where it is known what the first came to.
      expect([task, runs.length]).toEqual([task, new Set(runs).size]);
      expect([task, runs.length <= 1 + (others.get(task)?.length ?? 0)]).toEqual([task, true]);
      if (runs.length > 1) again++;
    }
    client = new Redis(redis.url, { maxRetriesPerRequest: null });
    const counts = await new Queue('farm', { connection: client, prefix: 'workgraph' }).getJobCounts(
      'wait',
      'active',
    );
    expect(counts).toEqual({ wait: 0, active: 0 });
    process.stderr.write(
      `workers: seed ${SEED}: ${TASKS} tasks in ${seconds.toFixed(0)} s, killed ${JSON.stringify(killed)}, ${others.size} tasks with an interrupted run, ${again} begun again\n`,
    );
  },
  60_000 + TASKS * 5_000,
);

/** Looks at the finished tasks of a graph each time that it changes, until `look` says that it has seen enough. */
async function progress(graph: string, look: (done: number) => Promise<boolean>): Promise<void> {
  let wake = () => {};
  let isNews = true;
  const watcher = watch(graph, () => {
    isNews = true;
    wake();
  });
  try {
    while (!isOver) {
      if (!isNews)
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      isNews = false;
      const text = await readFile(join(graph, 'graph.jsonl'), 'utf8');
      if (await look(text.match(/"status":\s?"done"/g)?.length ?? 0)) return;
    }
  } finally {
    watcher.close();
  }
}

function ended(child: ChildProcess | null, signal: NodeJS.Signals): Promise<void> {
  if (child === null || child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    child.once('close', () => resolve());
    child.kill(signal);
  });
}
