// Hours of work in minutes: tasks of every kind come and go in many worktrees, worktrees come and go too, people look on
// over HTTP. Between the waves the supervisor must hold what it held after the first one, and no more. SOAK_TASKS=20000
// makes it the long form: 50 worktrees, two hours.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from '@jest/globals';
import { createLocker } from '../../src/platform/flock.ts';
import { startOutsideAgent } from '../crash/outside-agent.ts';
import { personEnvironment } from '../support/actors.ts';
import { createPlayground, type Playground, type TaskLine } from '../support/playground.ts';

const TASKS = Number(process.env.SOAK_TASKS ?? 192);
const LONG = TASKS >= 2000;
const WORKTREES = LONG ? 50 : 4;
/** Tasks that are added to a graph together: one of each kind. */
const BATCH = 8;
const WAVES = LONG ? 10 : 4;
/** This many times as fast as real: the long form does about a hundred tasks a second, and they are to fill two hours. */
const SPEED = LONG ? Math.round(720_000 / TASKS) : 240;
const BUILD = process.env.CRASH_BUILD ?? fileURLToPath(new URL('../../dist', import.meta.url));
const WATCHED = fileURLToPath(new URL('./watched-supervisor.mjs', import.meta.url));

interface Held {
  readonly heapUsed: number;
  readonly external: number;
  readonly rss: number;
  readonly descriptors: number;
  readonly open: readonly string[];
  readonly watches: number;
  readonly timers: number;
  readonly locks: number;
  readonly delayP99: number;
  readonly ledgerBytes: number;
}

let playground: Playground | null = null;
let child: ChildProcess | null = null;
let stopAgent = () => {};
afterEach(async () => {
  child?.kill('SIGKILL');
  stopAgent();
  await playground?.remove();
});

test(
  `${TASKS} tasks in ${WORKTREES} worktrees that come and go: nothing is left over`,
  async () => {
    playground = await createPlayground();
    const agent = await startOutsideAgent();
    stopAgent = () => agent.stop();
    await playground.writeConfig(`
[supervisor]
max_concurrent = 16
[retention]
runs = "30m"
output = "15m"
[executors.outside]
type = "http"
endpoint = "${agent.url}"
`);
    const field = await plantField(playground);
    child = spawn(
      process.execPath,
      ['--expose-gc', WATCHED, BUILD, playground.configFile, playground.stateDir, String(SPEED)],
      {
        cwd: playground.folder,
        env: personEnvironment(playground.folder),
        stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      },
    );
    await answerOf(child);

    const samples: Held[] = [];
    for (let wave = 0; wave < WAVES; wave++) {
      const looking = lookOn(playground.stateDir);
      await field.wave(Math.ceil(TASKS / WAVES / BATCH) * BATCH);
      await looking.end();
      samples.push(await settled(child, samples[1]));
    }
    report(samples);
    child.kill('SIGTERM');
    expect((await once(child, 'exit'))[0]).toBe(0);

    expect(agent.refusals.filter((refusal) => !field.removed(refusal.split(':')[0] ?? ''))).toEqual([]);
    const first = samples[1] as Held;
    const last = samples.at(-1) as Held;
    expect(moreFiles(last, first)).toEqual([]);
    expect(last.locks).toBe(first.locks);
    expect(last.watches).toBeLessThanOrEqual(first.watches);
    expect(last.timers).toBeLessThanOrEqual(first.timers);
    const mb = (held: Held) => (held.heapUsed + held.external) / 2 ** 20;
    const half = samples[Math.floor(WAVES / 2)] as Held;
    expect(mb(last)).toBeLessThan(mb(half) * 1.04 + 1);
    expect(last.ledgerBytes).toBeLessThan(half.ledgerBytes * 1.5 + 256 * 1024);
    expect(field.revenants()).toEqual([]);
    // The first waves are older than what is kept of runs and of their output.
    const folders = await Promise.all(field.worktrees().map(foldersOfAgents));
    expect(folders.reduce((sum, count) => sum + count, 0)).toBeLessThan(TASKS * 0.75);
  },
  120_000 + TASKS * 60,
);

interface Field {
  /** Lets this many tasks come and go, and worktrees with them; resolves when all is quiet and as many worktrees as before. */
  wave(tasks: number): Promise<void>;
  worktrees(): readonly string[];
  /** Whether a task went with its worktree before it was done. */
  removed(task: string): boolean;
  /** Folders of removed worktrees that are there again. */
  revenants(): readonly string[];
}

async function plantField(ground: Playground): Promise<Field> {
  const locker = createLocker();
  const open = new Map<string, Set<string>>();
  const gone = new Set<string>();
  const removedPaths: string[] = [];
  let made = 0;
  let named = 0;
  const add = async () => {
    const path = await ground.worktree(`w${named++}`);
    await mkdir(join(path, '.workgraph'));
    await writeFile(join(path, '.workgraph', 'graph.jsonl'), '');
    open.set(path, new Set());
  };
  for (let n = 0; n < WORKTREES; n++) await add();

  /** What wg does when it archives and a person adds: under the lock, the whole file again. */
  const tend = async (path: string, fresh: readonly TaskLine[]): Promise<void> => {
    const graph = join(path, '.workgraph');
    const lock = await locker.acquire(join(graph, 'graph.lock'), { timeoutMs: 30_000 });
    try {
      const tasks = await ground.readGraph(path);
      const waiting = [...tasks.values()].filter(
        ({ status }) => status === 'open' || status === 'in-progress',
      );
      open.set(path, new Set([...waiting.map(({ id }) => String(id)), ...fresh.map(({ id }) => id)]));
      const kept = waiting.length === 0 ? [] : [...tasks.values()];
      if (fresh.length === 0 && kept.length === tasks.size) return;
      const lines = [...kept, ...fresh].map((task) => `${JSON.stringify(task)}\n`);
      await writeFile(join(graph, 'graph.next'), lines.join(''));
      await rename(join(graph, 'graph.next'), join(graph, 'graph.jsonl'));
    } finally {
      lock.release();
    }
  };

  const removeOne = async () => {
    const [path] = open.keys();
    if (path === undefined) return;
    for (const task of open.get(path) ?? []) gone.add(task);
    open.delete(path);
    removedPaths.push(path);
    try {
      await ground.git(ground.repo, 'worktree', 'remove', '--force', path);
    } catch {
      // git trips over what agents write in the folder while it is deleted; a person deletes what is left.
      await rm(path, { recursive: true, force: true, maxRetries: 5 });
      await ground.git(ground.repo, 'worktree', 'prune');
    }
  };

  return {
    async wave(tasks) {
      const until = made + tasks;
      let round = 0;
      while (made < until) {
        for (const [path, waiting] of [...open]) {
          if (made >= until) break;
          const fresh = waiting.size > 6 ? [] : Array.from({ length: BATCH }, () => made++);
          await tend(path, fresh.map(taskOf));
        }
        // One goes while its tasks run, another comes.
        if (round++ % 4 === 0) {
          await removeOne();
          await add();
        }
        await pause(30);
      }
      const quiet = () => [...open.values()].every((waiting) => waiting.size === 0);
      do {
        await pause(100);
        for (const path of open.keys()) await tend(path, []);
      } while (!quiet());
    },
    worktrees: () => [...open.keys()],
    removed: (task) => gone.has(task),
    revenants: () => removedPaths.filter((path) => existsSync(path)),
  };
}

/** Done, failing, in a chain, outside, with much to say. */
function taskOf(n: number): TaskLine {
  const common = {
    kind: 'task',
    id: `t${n}`,
    title: `Task ${n}`,
    status: 'open',
    priority: 10,
    created_at: new Date(1.77e12 + n).toISOString(),
  };
  switch (n % BATCH) {
    case 5:
      return { ...common, exec: 'exit 3' };
    case 2:
      return { ...common, exec: 'true', after: [`t${n - 1}`] };
    case 3:
      return { ...common, tags: ['executor:outside'] };
    case 4:
      return { ...common, exec: 'seq 2000' };
    default:
      return { ...common, exec: 'true' };
  }
}

/** People and tools that look on while a wave runs: event streams, long polls and reads, none of them ended politely. */
function lookOn(stateDir: string): { end(): Promise<void> } {
  let over = false;
  const socketPath = async () =>
    (JSON.parse(await readFile(join(stateDir, 'api.json'), 'utf8')) as { socket: string }).socket;
  const lookers = Array.from({ length: 6 }, async (_, n) => {
    const socket = await socketPath();
    const paths = ['/api/events', '/api/status', '/api/tasks?limit=50'];
    for (let round = n; !over; round++)
      await new Promise<void>((resolve) => {
        const asked = request(
          { socketPath: socket, path: paths[round % paths.length], agent: false },
          (answer) => {
            answer.resume();
            setTimeout(() => asked.destroy(), 150);
          },
        );
        asked.on('error', () => resolve());
        asked.on('close', () => resolve());
        asked.end();
      });
  });
  return {
    async end() {
      over = true;
      await Promise.all(lookers);
    },
  };
}

/** What it holds once nothing is under way any more: asked until that is not more than before, or it takes too long. */
async function settled(supervisor: ChildProcess, before: Held | undefined): Promise<Held> {
  for (let n = 0; ; n++) {
    await pause(500);
    supervisor.send('what do you hold?');
    const held = (await answerOf(supervisor)) as Held;
    if (before === undefined ? n >= 3 : isNoMore(held, before) || n >= 40) return held;
  }
}

const isNoMore = (held: Held, before: Held): boolean =>
  moreFiles(held, before).length === 0 && held.watches <= before.watches && held.timers <= before.timers;

/** Files that are open now and were not before, whatever their worktrees are called. */
function moreFiles(now: Held, before: Held): string[] {
  const known = before.open.map(withoutNumbers);
  return now.open.map(withoutNumbers).filter((file) => {
    const at = known.indexOf(file);
    if (at >= 0) known.splice(at, 1);
    return at < 0;
  });
}

const withoutNumbers = (file: string) => file.replace(/\/w\d+\//, '/w/');

/** What it sends next; rejects when it ended instead. */
async function answerOf(supervisor: ChildProcess): Promise<unknown> {
  const ended = new AbortController();
  const exit = once(supervisor, 'exit', { signal: ended.signal }).then(([status]) => {
    throw new Error(`the supervisor ended with ${String(status)}`);
  });
  try {
    return ((await Promise.race([once(supervisor, 'message'), exit])) as [unknown])[0];
  } finally {
    exit.catch(() => undefined);
    ended.abort();
  }
}

async function foldersOfAgents(worktree: string): Promise<number> {
  const agents = join(worktree, '.workgraph', 'agents');
  return existsSync(agents) ? (await readdir(agents)).length : 0;
}

/** The long form shows its figures. */
function report(samples: readonly Held[]): void {
  if (!LONG) return;
  const mb = (bytes: number) => (bytes / 2 ** 20).toFixed(1);
  const line = ({
    heapUsed,
    external,
    rss,
    descriptors,
    watches,
    timers,
    locks,
    delayP99,
    ledgerBytes,
  }: Held) =>
    [
      mb(heapUsed),
      mb(external),
      mb(rss),
      descriptors,
      watches,
      timers,
      locks,
      delayP99.toFixed(1),
      mb(ledgerBytes),
    ]
      .map((cell) => String(cell).padStart(9))
      .join('');
  const head = ['heap MB', 'external', 'RSS', 'files', 'watches', 'timers', 'locks', 'loop p99', 'ledger']
    .map((cell) => cell.padStart(9))
    .join('');
  process.stderr.write(`${head}\n${samples.map(line).join('\n')}\n`);
}

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
