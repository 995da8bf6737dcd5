// A supervisor's repository with a remote that workers can reach, workers as processes of their own, and the Redis between.

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, watch } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach } from '@jest/globals';
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { command } from '../cli/fake-surroundings.ts';
import { bareEnvironment } from './actors.ts';
import { type Caller, callerOf } from './api-calls.ts';
import { builtCli } from './built-cli.ts';
import { createPlayground, type Playground, type TaskLine } from './playground.ts';
import { type RedisServer, startRedis } from './redis.ts';
import { type Supervised, supervise } from './supervised.ts';

/** Pushes the playground's repository to a bare one beside it, which is its `origin`; gives that one's path. */
export async function withRemote(playground: Playground): Promise<string> {
  const remote = join(playground.folder, 'origin.git');
  await playground.git(playground.folder, 'init', '-q', '--bare', '-b', 'main', remote);
  await playground.git(playground.repo, 'remote', 'add', 'origin', remote);
  await playground.git(playground.repo, 'push', '-q', 'origin', 'main');
  return remote;
}

/** A token of the scope that workers need. */
export async function workerToken(playground: Playground, name = 'worker'): Promise<string> {
  const made = await command(
    { cwd: playground.repo, home: playground.folder },
    ...['--state-dir', playground.stateDir, 'token', 'create', name, '--scope', 'remote'],
  );
  if (made.status !== 0) throw new Error(made.err);
  return made.out.trim();
}

export interface WorkerProcess {
  readonly process: ChildProcess;
  readonly stateDir: string;
  /** What it wrote so far. */
  readonly said: () => string;
  /** Resolves when it wrote this. */
  says(text: string): Promise<void>;
  /** Resolves with its exit status, or the signal that ended it. */
  readonly ended: Promise<number | string>;
  /** Resolves as `ended`. */
  kill(signal: NodeJS.Signals): Promise<number | string>;
}

/** Starts `supervisor worker` with a state folder of its own, in which `config` is its supervisor.toml. */
export async function startWorker(
  playground: Pick<Playground, 'folder'>,
  options: {
    readonly name: string;
    readonly args: readonly string[];
    readonly config?: string;
    readonly env?: Readonly<Record<string, string>>;
  },
): Promise<WorkerProcess> {
  const stateDir = join(playground.folder, options.name);
  const configFile = join(playground.folder, `${options.name}.toml`);
  await mkdir(stateDir, { recursive: true });
  if (options.config !== undefined) await writeFile(configFile, options.config);
  const process = spawn(
    globalThis.process.execPath,
    [
      builtCli(),
      ...(options.config === undefined ? [] : ['--config', configFile]),
      ...['--state-dir', stateDir, 'worker', '--name', options.name, ...options.args],
    ],
    {
      cwd: playground.folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...bareEnvironment(playground.folder), ...options.env },
    },
  );
  let text = '';
  const waiting = new Set<() => void>();
  for (const stream of [process.stdout, process.stderr])
    stream?.setEncoding('utf8').on('data', (more: string) => {
      text += more;
      for (const look of [...waiting]) look();
    });
  const ended = new Promise<number | string>((resolve) => {
    process.once('close', (status, signal) => resolve(status ?? signal ?? -1));
  });
  return {
    process,
    stateDir,
    said: () => text,
    says: (wanted) =>
      new Promise((resolve, reject) => {
        const look = () => {
          if (!text.includes(wanted)) return;
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
        void ended.then((how) => {
          if (waiting.delete(look))
            reject(new Error(`the worker ended (${how}) without "${wanted}":\n${text}`));
        });
      }),
    ended,
    kill(signal) {
      process.kill(signal);
      return ended;
    },
  };
}

interface FarmTerms {
  /** How long a worker may be silent, over a queue. */
  readonly lease?: string;
  /** More keys of the profile `farm`. */
  readonly profile?: string;
  /** What stands before everything else in supervisor.toml. */
  readonly config?: string;
  readonly persistent?: boolean;
  /** The address at which its API is reached, where that is another. */
  readonly publicUrl?: string;
}

/** A supervisor whose profile `farm` is for workers, over its API or over a queue, and everything that a test starts. */
export class Farm {
  readonly playground: Playground;
  readonly #over: 'api' | 'queue';
  readonly #workers: WorkerProcess[] = [];
  readonly #clients: Redis[] = [];
  #token = '';
  #supervised: Supervised | null = null;
  #api: Caller | null = null;
  #redis: RedisServer | null = null;

  private constructor(playground: Playground, over: 'api' | 'queue') {
    this.playground = playground;
    this.#over = over;
  }

  /** A repository with a remote; nothing runs yet. */
  static async plant(over: 'api' | 'queue'): Promise<Farm> {
    const playground = await createPlayground();
    await withRemote(playground);
    return new Farm(playground, over);
  }

  get supervised(): Supervised {
    return there(this.#supervised);
  }

  get api(): Caller {
    return there(this.#api);
  }

  get redis(): RedisServer {
    return there(this.#redis);
  }

  /** Of a worker over the API. */
  get token(): string {
    return this.#token;
  }

  /** Starts everything that a worker needs. */
  async up(terms: FarmTerms = {}): Promise<void> {
    await this.configure(terms);
    await this.supervise();
  }

  /** The same without the supervisor. */
  async configure(terms: FarmTerms = {}) {
    const { lease = '60s', profile = '', config = '', persistent = true, publicUrl } = terms;
    const { folder } = this.playground;
    if (this.#over === 'queue') this.#redis ??= await startRedis(folder, { persistent });
    else this.#token ||= await workerToken(this.playground);
    const type =
      this.#over === 'api'
        ? 'type = "remote"\nretry = { attempts = 1 }'
        : `type = "bullmq"\nurl = "${this.redis.url}"\nlease = "${lease}"\nretry = { attempts = 2, backoff = "1s" }`;
    const reached = publicUrl === undefined ? '' : `public_url = "${publicUrl}"\n`;
    await this.playground.writeConfig(
      `${config}\n[api]\nlisten = "127.0.0.1:0"\n${reached}[executors.farm]\n${type}\nrun = "command"\n${profile}\n`,
    );
  }

  /** Starts a Redis of its own kind, which ends with the farm. */
  async useRedis(...terms: Parameters<typeof startRedis>): Promise<RedisServer> {
    this.#redis = await startRedis(...terms);
    return this.#redis;
  }

  async supervise(options: Parameters<typeof supervise>[1] = {}): Promise<Supervised> {
    this.#supervised = await supervise(this.playground, options);
    this.#api = await callerOf(this.#supervised);
    return this.#supervised;
  }

  async worker(
    name: string,
    options: {
      readonly args?: readonly string[];
      readonly config?: string;
      readonly env?: Readonly<Record<string, string>>;
    } = {},
  ): Promise<WorkerProcess> {
    const { args = [], config, env = {} } = options;
    const from = this.#over === 'api' ? ['--connect', this.api.url] : ['--queue', this.redis.url];
    return this.start(name, {
      args: [...from, '--profile', 'farm', ...args],
      ...(config === undefined ? {} : { config }),
      env: { ...(this.#over === 'api' ? { SUPERVISOR_WORKER_TOKEN: this.#token } : {}), ...env },
    });
  }

  /** A worker with nothing but these arguments and variables. */
  async start(
    name: string,
    options: Omit<Parameters<typeof startWorker>[1], 'name'>,
  ): Promise<WorkerProcess> {
    const started = await startWorker(this.playground, { name, ...options });
    this.#workers.push(started);
    return started;
  }

  /** The graph, all of it for the profile `farm`. */
  tasks(...lines: TaskLine[]): Promise<void> {
    const tagged = lines.map((line) => ({ tags: ['executor:farm'], ...line }));
    return this.playground.writeGraph(this.playground.repo, tagged);
  }

  /** Resolves when the task has finished, with its line in the graph. */
  async over(task: string): Promise<Record<string, unknown> | undefined> {
    const line = async () => (await this.playground.readGraph(this.playground.repo)).get(task);
    await this.until(async () => ['done', 'failed'].includes(String((await line())?.status)));
    return await line();
  }

  /** Until it is so; each event of the supervisor is a reason to look again. */
  async until(look: () => Promise<boolean>): Promise<void> {
    let wake = () => {};
    let isNews = false;
    const off = this.supervised.bus.on(() => {
      isNews = true;
      wake();
    });
    try {
      while (!(await look())) {
        if (!isNews)
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        isNews = false;
      }
    } finally {
      off();
    }
  }

  /** In the remote. */
  git(...args: string[]): Promise<string> {
    return this.playground.git(this.pathOf('origin.git'), ...args);
  }

  pathOf(name: string): string {
    return join(this.playground.folder, name);
  }

  /** Resolves when the file is there. */
  async appears(path: string): Promise<void> {
    await new Promise<void>((resolve) => {
      const look = () => {
        if (!existsSync(path)) return;
        watcher.close();
        resolve();
      };
      const watcher = watch(this.playground.folder, look);
      look();
    });
  }

  /** A command that notes each time that it has begun, and continues after `go`. */
  get held(): string {
    return `echo x >> ${this.pathOf('begun')}; while [ ! -e ${this.pathOf('go')} ]; do sleep 0.1; done`;
  }

  /** Resolves when it has begun. */
  begun(): Promise<void> {
    return this.appears(this.pathOf('begun'));
  }

  /** How often it has begun. */
  async timesBegun(): Promise<number> {
    return (await readFile(this.pathOf('begun'), 'utf8')).trim().split('\n').length;
  }

  /** Lets it continue. */
  go(): Promise<void> {
    return writeFile(this.pathOf('go'), '');
  }

  /** The queue itself, as another program sees it. */
  queue(): Queue {
    const connection = this.client();
    const queue = new Queue('farm', { connection, prefix: 'workgraph' });
    queue.on('error', () => undefined);
    return queue;
  }

  client(): Redis {
    const client = new Redis(this.redis.url, { maxRetriesPerRequest: null });
    client.on('error', () => undefined);
    this.#clients.push(client);
    return client;
  }

  async remove(): Promise<void> {
    for (const worker of this.#workers) await worker.kill('SIGKILL');
    for (const client of this.#clients) client.disconnect();
    await this.#supervised?.stop({ cancelAgents: true });
    await this.#redis?.end('SIGKILL');
    await this.playground.remove();
  }
}

/** What a worker has under way. */
export function jobsOf({ stateDir }: WorkerProcess): Promise<string[]> {
  return readdir(join(stateDir, 'worker', 'jobs'));
}

function there<T>(value: T | null): T {
  if (value === null) throw new Error('it was not started');
  return value;
}

/** Gives each test of a suite a farm of its own. */
export function eachOnFarm(over: 'api' | 'queue', enter: (farm: Farm) => void | Promise<void>): void {
  let farm: Farm | null = null;
  beforeEach(async () => {
    farm = await Farm.plant(over);
    await enter(farm);
  });
  afterEach(async () => {
    await farm?.remove();
    farm = null;
  });
}
