// Work through a queue of BullMQ in a real Redis: the real worker command as a process of its own, a real remote, real agents.
// The worker never reaches the supervisor.

import { execFile } from 'node:child_process';
import { existsSync, watch } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { type Caller, callerOf } from '../support/api-calls.ts';
import { startWorker, type WorkerProcess, withRemote } from '../support/farm.ts';
import { createPlayground, type Playground, type TaskLine } from '../support/playground.ts';
import { type RedisServer, redisProgram, startRedis, WITHOUT_REDIS } from '../support/redis.ts';
import { type Supervised, supervise } from '../support/supervised.ts';

// Each starts a supervisor, workers and git many times: seconds here, minutes on a machine that does ten things more.
jest.setTimeout(400_000);

const someRedis = redisProgram === null ? describe.skip : describe;
if (redisProgram === null) process.stderr.write(`${WITHOUT_REDIS}\n`);

let playground: Playground;
let redis: RedisServer;
let supervised: Supervised | null = null;
let api: Caller;
let workers: WorkerProcess[] = [];
let clients: { disconnect(): void }[] = [];

beforeEach(async () => {
  if (redisProgram === null) return;
  playground = await createPlayground();
  await withRemote(playground);
});
afterEach(async () => {
  if (redisProgram === null) return;
  for (const { process, ended } of workers) {
    process.kill('SIGKILL');
    await ended;
  }
  workers = [];
  for (const client of clients) client.disconnect();
  clients = [];
  await supervised?.stop({ cancelAgents: true });
  supervised = null;
  await redis?.end('SIGKILL');
  await playground.remove();
});

/** Redis, profile `farm` and the supervisor. */
async function up(settings: { persistent?: boolean; lease?: string } = {}): Promise<void> {
  redis = await startRedis(playground.folder, settings);
  await playground.writeConfig(
    `[api]\nlisten = "127.0.0.1:0"\n[executors.farm]\ntype = "bullmq"\nurl = "${redis.url}"\nrun = "command"\nlease = "${settings.lease ?? '60s'}"\nretry = { attempts = 2, backoff = "1s" }\n`,
  );
  await supervisorUp();
}

async function supervisorUp(): Promise<void> {
  supervised = await supervise(playground);
  api = await callerOf(supervised);
}

async function worker(
  name: string,
  options: { args?: readonly string[]; config?: string; env?: Readonly<Record<string, string>> } = {},
): Promise<WorkerProcess> {
  const { args = [], config, env = {} } = options;
  const started = await startWorker(playground, {
    name,
    args: ['--queue', redis.url, '--profile', 'farm', ...args],
    ...(config === undefined ? {} : { config }),
    env,
  });
  workers.push(started);
  return started;
}

const tasks = (...lines: TaskLine[]) =>
  playground.writeGraph(
    playground.repo,
    lines.map((line) => ({ tags: ['executor:farm'], ...line })),
  );

/** Resolves when the task has finished, with its line in the graph. */
async function over(task: string): Promise<Record<string, unknown> | undefined> {
  const line = async () => (await playground.readGraph(playground.repo)).get(task);
  await until(async () => ['done', 'failed'].includes(String((await line())?.status)));
  return await line();
}

const git = (...args: string[]) => playground.git(join(playground.folder, 'origin.git'), ...args);
const pathOf = (name: string) => join(playground.folder, name);
const jobsOf = async ({ stateDir }: WorkerProcess) => readdir(join(stateDir, 'worker', 'jobs'));

/** The queue itself, as another program sees it. */
function queue(): Queue {
  const connection = new Redis(redis.url, { maxRetriesPerRequest: null });
  connection.on('error', () => undefined);
  const found = new Queue('farm', { connection, prefix: 'workgraph' });
  found.on('error', () => undefined);
  clients.push(connection);
  return found;
}

/** Resolves when the file is there. */
async function appears(path: string): Promise<void> {
  await new Promise<void>((resolve) => {
    const look = () => {
      if (!existsSync(path)) return;
      watcher.close();
      resolve();
    };
    const watcher = watch(playground.folder, look);
    look();
  });
}

/** Until it is so; each event of the supervisor is a reason to look again. */
async function until(look: () => Promise<boolean>): Promise<void> {
  let wake = () => {};
  let isNews = false;
  const off = supervised?.bus.on(() => {
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
    off?.();
  }
}

someRedis('through a queue', () => {
  test('tasks succeed and fail, stream, are verified there, commits come back, results are read by the next task', async () => {
    await tasks(
      {
        id: 'build',
        exec: 'echo "in $(pwd)"; echo made > made.txt; env > env.txt',
        verify: 'test -f made.txt',
      },
      { id: 'after', after: ['build'], exec: 'echo after' },
      { id: 'bad', exec: 'echo broken >&2; exit 7', timeout: '10m' },
    );
    await up();
    await supervised?.event('run.handed-off', 'build');
    const why = async () => String((await api.get('/api/task/build/why')).json.because);
    await until(async () => /waits for a worker with profile farm: none is connected/.test(await why()));
    const [job] = await queue().getWaiting();
    const text = JSON.stringify(job?.data);
    expect(text).toContain('origin.git');
    expect(text).not.toMatch(/wg[tlc]_/);
    const one = await worker('one', { args: ['--places', '2'] });
    expect(await over('build')).toMatchObject({ status: 'done' });
    expect(await over('after')).toMatchObject({ status: 'done' });
    expect(await over('bad')).toMatchObject({ status: 'failed' });
    expect((await git('branch', '--list', '--format=%(refname:short)')).split('\n')).toContain('wg/build/a1');
    const detail = (await api.get('/api/task/build')).json as unknown as {
      artifacts: object[];
      runs: { output: string }[];
    };
    expect(JSON.stringify(detail.artifacts)).toContain('wg/build/a1');
    expect(await readFile(String(detail.runs[0]?.output), 'utf8')).toContain(`in ${one.stateDir}`);
    const environment = await git('show', 'wg/build/a1:env.txt');
    expect(environment).toContain('WG_TASK_ID=build');
    expect(environment).not.toContain('SUPERVISOR_QUEUE');
    const names = async () => {
      const { workers } = (await api.get('/api/status')).json as unknown as { workers: { name: string }[] };
      return workers.map(({ name }) => name);
    };
    await until(async () => (await names()).includes('one'));
    one.kill('SIGTERM');
    expect(await one.ended).toBe(0);
    expect(await jobsOf(one)).toEqual([]);
  });

  test('cancelled while it waits: it leaves the queue; while it runs: its worker ends the agent', async () => {
    await tasks({ id: 'a', exec: `echo $$ > ${pathOf('pid')}; sleep 600` }, { id: 'b', exec: 'touch b' });
    await up();
    await supervised?.event('run.handed-off', 'b');
    await api.post('/api/task/b/cancel', { reason: 'not wanted' });
    await supervised?.event('run.released', 'b');
    const one = await worker('one');
    await appears(pathOf('pid'));
    expect((await queue().getJobCounts('wait', 'active')).wait).toBe(0);
    await api.post('/api/task/a/cancel', { reason: 'not wanted' });
    await one.says('worker.dropped');
    one.kill('SIGTERM');
    expect(await one.ended).toBe(0);
    const pid = Number(await readFile(pathOf('pid'), 'utf8'));
    expect(() => process.kill(pid, 0)).toThrow('ESRCH');
    const graph = await playground.readGraph(playground.repo);
    expect(graph.get('a')).toMatchObject({ status: 'open', paused: true });
    expect(graph.get('b')).toMatchObject({ status: 'open', paused: true });
  });

  test('a worker killed with -9 and started again within its lease continues the same run', async () => {
    await tasks({
      id: 'a',
      exec: `echo x >> ${pathOf('begun')}; while [ ! -e ${pathOf('go')} ]; do sleep 0.1; done; echo end`,
    });
    await up();
    const first = await worker('one');
    await appears(pathOf('begun'));
    first.kill('SIGKILL');
    await first.ended;
    const second = await worker('one');
    await second.says('worker.taken-up');
    await writeFile(pathOf('go'), '');
    expect(await over('a')).toMatchObject({ status: 'done' });
    expect(await readFile(pathOf('begun'), 'utf8')).toBe('x\n');
  });

  test('a worker that stays away loses the task to another; back again its result is refused', async () => {
    await tasks({
      id: 'a',
      exec: `touch ${pathOf('begun')}; while [ ! -e ${pathOf('go')} ]; do sleep 0.1; done; echo $SUPERVISOR_RUN_ID > result`,
    });
    await up({ lease: '3s' });
    const first = await worker('one');
    await appears(pathOf('begun'));
    first.kill('SIGKILL');
    await first.ended;
    await supervised?.nth(2, 'run.handed-off', 'a');
    const back = await worker('one', { args: ['--profile', 'none'] });
    await back.says('someone else has it');
    await worker('two');
    await writeFile(pathOf('go'), '');
    expect(await over('a')).toMatchObject({ status: 'done' });
    expect((await git('branch', '--list', '--format=%(refname:short)', 'wg/*')).trim()).toBe('wg/a/a2');
  });

  test('the supervisor restarts: what ended meanwhile is taken, what waits is not queued twice', async () => {
    await tasks(
      {
        id: 'a',
        exec: `touch ${pathOf('begun')}; while [ ! -e ${pathOf('go')} ]; do sleep 0.1; done; touch ${pathOf('end')}`,
      },
      { id: 'b', exec: `echo b >> ${pathOf('b')}` },
    );
    await up();
    const one = await worker('one');
    await supervised?.event('run.handed-off', 'b');
    await appears(pathOf('begun'));
    await supervised?.stop({ cancelAgents: false });
    await writeFile(pathOf('go'), '');
    await one.says('worker.reported');
    await supervisorUp();
    expect(await over('a')).toMatchObject({ status: 'done' });
    expect(await over('b')).toMatchObject({ status: 'done' });
    expect(await readFile(pathOf('b'), 'utf8')).toBe('b\n');
  });

  test('Redis killed and started again with its file: what runs and what waits are both done once', async () => {
    await tasks(
      {
        id: 'a',
        exec: `echo a >> ${pathOf('begun')}; while [ ! -e ${pathOf('go')} ]; do sleep 0.1; done`,
      },
      { id: 'b', exec: `echo b >> ${pathOf('b')}` },
    );
    await up();
    await worker('one');
    await supervised?.event('run.handed-off', 'b');
    await appears(pathOf('begun'));
    await redis.end('SIGKILL');
    await writeFile(pathOf('go'), '');
    await redis.start();
    expect(await over('a')).toMatchObject({ status: 'done' });
    expect(await over('b')).toMatchObject({ status: 'done' });
    expect(await readFile(pathOf('begun'), 'utf8')).toBe('a\n');
    expect(await readFile(pathOf('b'), 'utf8')).toBe('b\n');
  });

  test('Redis without persistence comes back empty: lost jobs are noticed and tried again, and people are told', async () => {
    await tasks({ id: 'a', exec: `echo a >> ${pathOf('a')}` });
    await up({ persistent: false });
    await supervised?.event('run.handed-off', 'a');
    const { problems } = (await api.get('/api/status')).json as unknown as {
      problems: { message: string }[];
    };
    expect(JSON.stringify(problems)).toContain('appendonly is no');
    await redis.end('SIGKILL');
    await redis.start();
    await supervised?.nth(2, 'run.handed-off', 'a');
    await worker('one');
    expect(await over('a')).toMatchObject({ status: 'done' });
    expect(await readFile(pathOf('a'), 'utf8')).toBe('a\n');
  });

  test('an agent asks a person over the queue and gets the answer; the same job added again is no second one', async () => {
    await tasks({
      id: 'a',
      exec: `supervisor ask "which way?" --option left --option right > ${pathOf('answer')}; echo x >> ${pathOf('begun')}`,
    });
    await up();
    await supervised?.event('run.handed-off', 'a');
    const [job] = await queue().getWaiting();
    await queue().add('again', job?.data, { jobId: job?.id ?? '' });
    await worker('one', { args: ['--places', '2'] });
    await supervised?.event('run.input', 'a');
    const asked = (await api.get('/api/task/a')).json as unknown as { runs: { lease: object }[] };
    expect(asked.runs[0]?.lease).toMatchObject({ question: 'which way?', options: ['left', 'right'] });
    expect((await api.post('/api/task/a/answer', { answer: 'left' })).status).toBe(200);
    expect(await over('a')).toMatchObject({ status: 'done' });
    expect(await readFile(pathOf('answer'), 'utf8')).toBe('left\n');
    expect(await readFile(pathOf('begun'), 'utf8')).toBe('x\n');
    expect((await queue().getJobCounts('wait', 'active', 'completed')).completed).toBe(1);
  });

  test('over TLS with a password, both from the environment; a wrong password is said', async () => {
    const keys = await certificate(playground.folder);
    redis = await startRedis(playground.folder, {
      tls: true,
      settings: [
        ...['--tls-cert-file', keys.cert, '--tls-key-file', keys.key, '--tls-ca-cert-file', keys.cert],
        ...['--tls-auth-clients', 'no', '--requirepass', 'secret'],
      ],
    });
    const env = { SUPERVISOR_QUEUE_CA: keys.cert, SUPERVISOR_QUEUE_PASSWORD: 'secret' };
    await playground.writeConfig(
      '[api]\nlisten = "127.0.0.1:0"\n[executors.farm]\ntype = "bullmq"\nrun = "command"\n',
    );
    await tasks({ id: 'a', exec: 'env > env.txt' });
    supervised = await supervise(playground, { variables: { ...env, SUPERVISOR_QUEUE_URL: redis.url } });
    api = await callerOf(supervised);
    const wrong = await worker('wrong', { env: { ...env, SUPERVISOR_QUEUE_PASSWORD: 'guessed' } });
    expect([await wrong.ended, wrong.said()]).toEqual([
      3,
      expect.stringContaining('SUPERVISOR_QUEUE_PASSWORD'),
    ]);
    await worker('one', { env });
    expect(await over('a')).toMatchObject({ status: 'done' });
    expect(await git('show', 'wg/a/a1:env.txt')).not.toContain('secret');
  });
});

/** A key and a certificate for 127.0.0.1 that vouches for itself. */
async function certificate(folder: string): Promise<{ readonly key: string; readonly cert: string }> {
  const [key, cert] = [join(folder, 'redis.key'), join(folder, 'redis.crt')];
  await promisify(execFile)('openssl', [
    ...[
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-days',
      '3650',
    ],
    ...['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', cert],
  ]);
  return { key, cert };
}
