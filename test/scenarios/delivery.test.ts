// Dispatches that arrive: repeated with the same id and never twice, also when the supervisor dies in the middle
// (http-protocol 1.3).

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer as createSecureServer } from 'node:https';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { systemClock } from '../../src/platform/clock.ts';
import { openLedger } from '../../src/runs/ledger.ts';
import { json, listen, type Received, type TestServer } from '../executors/http/support.ts';
import { personEnvironment } from '../support/actors.ts';
import { PATIENCE } from '../support/patience.mjs';
import { createPlayground, type Playground } from '../support/playground.ts';
import { type Supervised, supervise } from '../support/supervised.ts';

const BUILD = process.env.CRASH_BUILD ?? fileURLToPath(new URL('../../dist', import.meta.url));

const UNDER_FIRE = fileURLToPath(new URL('../crash/under-fire.mjs', import.meta.url));

type Answer = Parameters<typeof listen>[0];

let playground: Playground;
let supervised: Supervised | null;
let agent: TestServer;
let answer: Answer;

beforeEach(async () => {
  playground = await createPlayground();
  supervised = null;
  agent = await listen((request, response, before) => answer(request, response, before));
});
afterEach(async () => {
  await supervised?.stop({ cancelAgents: true });
  await agent.close();
  await playground.remove();
});

async function configure(more = ''): Promise<void> {
  await playground.writeGraph(playground.repo, [{ id: 'job', tags: ['executor:agent'] }]);
  await playground.writeConfig(
    `[api]\nlisten = "127.0.0.1:0"\n[executors.agent]\ntype = "http"\nendpoint = "${agent.url}/api/task"\n${more}`,
  );
}

interface Dispatched {
  readonly task: {
    readonly id: string;
    readonly instructions: string;
    readonly details_url: string;
    readonly truncated: readonly string[];
  };
  readonly attempt: { readonly id: string; readonly fence: number; readonly number: number };
  readonly lease: { readonly token: string };
  readonly callback: { readonly complete_url: string };
}

const dataOf = (request: Received | undefined) => JSON.parse(request?.body ?? '').data as Dispatched;

async function complete({ callback, lease }: Dispatched, url = callback.complete_url): Promise<unknown> {
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${lease.token}` };
  const response = await fetch(url, { method: 'POST', headers, body: '{"summary":"done"}' });
  return { ...((await response.json()) as object), status: response.status };
}

async function until(look: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const end = Date.now() + 20_000 * PATIENCE;
  while (!(await look())) {
    if (Date.now() > end) throw new Error(`it did not come to be: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const statusOf = async () => (await playground.readGraph(playground.repo)).get('job')?.status;

describe('an agent behind TLS', () => {
  const tls = (name: string) => readFileSync(new URL(`../../fixtures/tls/${name}`, import.meta.url));

  /** Dispatches one task with the built command; gives what the agent received and how the task ended. */
  async function dispatchTo(host: string, env: Record<string, string>) {
    const paths: string[] = [];
    const server = createSecureServer(
      { key: tls('localhost.key'), cert: tls('localhost.crt') },
      (request, response) => {
        paths.push(`${request.method} ${request.headers['webhook-id'] !== undefined}`);
        json(response, 200, { status: 'completed' });
      },
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    await playground.writeGraph(playground.repo, [{ id: 'job', tags: ['executor:agent'] }]);
    await playground.writeConfig(
      `[api]\nlisten = "127.0.0.1:0"\n[executors.agent]\ntype = "http"\nendpoint = "https://${host}:${port}/t"\n` +
        'delivery = { attempts = 1 }\n',
    );
    const place = ['--config', playground.configFile, '--state-dir', playground.stateDir];
    const program = spawn(process.execPath, [join(BUILD, 'cli', 'main.js'), 'run', '--once', ...place], {
      cwd: playground.folder,
      env: personEnvironment(playground.folder, env),
      stdio: 'ignore',
    });
    await once(program, 'close');
    await new Promise((resolve) => server.close(resolve));
    const task = (await playground.readGraph(playground.repo)).get('job');
    return { paths, status: task?.status, log: JSON.stringify(task?.log) };
  }

  const trusted = {
    NODE_EXTRA_CA_CERTS: fileURLToPath(new URL('../../fixtures/tls/localhost.crt', import.meta.url)),
  };

  test('is reached at the address that was judged, its certificate held against the name', async () => {
    const { paths, status } = await dispatchTo('localhost', trusted);
    expect([paths, status]).toEqual([['POST true'], 'done']);
  });

  test.each<[string, string, Record<string, string>, RegExp]>([
    ['that no one vouches for', 'localhost', {}, /self-signed certificate/],
    ['of another name', '127.0.0.1', trusted, /altnames|Hostname/],
  ])('with a certificate %s is sent nothing', async (_which, host, env, because) => {
    const { paths, status, log } = await dispatchTo(host, env);
    // Trouble on the way is tried again later, by another attempt.
    expect([paths, status]).toEqual([[], 'open']);
    expect(log).toMatch(because);
  });
});

describe('killed with SIGKILL', () => {
  let child: ChildProcess | null = null;
  const spawned = (program: string, ...args: string[]) => {
    child = spawn(process.execPath, [program, ...args], {
      cwd: playground.folder,
      env: personEnvironment(playground.folder),
      stdio: 'ignore',
    });
    return child;
  };
  const start = () => {
    const place = ['--config', playground.configFile, '--state-dir', playground.stateDir];
    return spawned(join(BUILD, 'cli', 'main.js'), 'run', ...place);
  };
  /** The same, but it ends itself by SIGKILL right before or after a step. */
  const startMined = (step: string, side: 'before' | 'after') =>
    spawned(UNDER_FIRE, BUILD, playground.configFile, playground.stateDir, step, side, '1');
  const kill = (signal: NodeJS.Signals) =>
    new Promise<void>((resolve) => {
      child?.once('close', () => resolve());
      child?.kill(signal);
    });
  afterEach(async () => {
    if (child?.exitCode === null && child.signalCode === null) await kill('SIGKILL');
  });

  async function runsInLedger() {
    const ledgerFile = join(playground.stateDir, 'ledger.sqlite');
    const ledger = await openLedger({ file: ledgerFile, clock: systemClock(), readOnly: true });
    const runs = ledger?.runs() ?? [];
    ledger?.close();
    return runs;
  }
  const phase = async () => (await runsInLedger()).map((run) => run.phase);

  test.each([
    // The first byte was not sent, and the number of the delivery is used up or not.
    ['after', '2'],
    ['before', '1'],
  ] as const)('%s the note of a delivery and before its first byte: one attempt, one message, delivery %s', async (side, delivery) => {
    await configure();
    answer = (_request, response) => json(response, 202, {});
    const dead = startMined('delivery-noted', side);
    await once(dead, 'close');
    expect(dead.signalCode).toBe('SIGKILL');
    expect(agent.received).toEqual([]);
    const [run] = await runsInLedger();
    start();
    await until(async () => (await phase())[0] === 'handed-off', 'the hand-off');
    expect(await phase()).toEqual(['handed-off']);
    expect(agent.received).toHaveLength(1);
    const [only] = agent.received;
    expect(only?.headers['webhook-id']).toBe(run?.id.replace('run_', 'msg_'));
    expect(only?.headers['workgraph-delivery']).toBe(delivery);
    expect(only?.headers['workgraph-attempt']).toBe('1');
    expect(dataOf(only).attempt.id).toBe(run?.id);
    await kill('SIGTERM');
  });

  test.each([
    'before the answer',
    'with the answer',
  ])('%s: delivered again with the same id, one run in all', async (moment) => {
    await configure();
    let killed: Promise<void> | null = null;
    answer = (_request, response, before) => {
      if (before > 0) return json(response, 202, {});
      if (moment === 'with the answer') json(response, 202, {});
      killed = kill('SIGKILL');
    };
    start();
    await until(() => killed !== null, 'the first delivery');
    await killed;
    start();
    // An answer may have been noted just in time: then the agent has it, and nothing is sent again.
    await until(async () => (await phase())[0] === 'handed-off', 'the hand-off');
    const [first, second] = agent.received;
    if (moment === 'before the answer') expect(second).toBeDefined();
    if (second) {
      expect(second.headers['webhook-id']).toBe(first?.headers['webhook-id']);
      expect(second.headers['idempotency-key']).toBe(first?.headers['idempotency-key']);
      expect([first?.headers['workgraph-delivery'], second.headers['workgraph-delivery']]).toEqual([
        '1',
        '2',
      ]);
      expect([first?.headers['workgraph-attempt'], second.headers['workgraph-attempt']]).toEqual(['1', '1']);
      // To the last byte, its token included: the same key with another body would be refused (422).
      expect(second.body).toBe(first?.body);
      expect(second.headers.traceparent).toBe(first?.headers.traceparent);
    }
    const url = dataOf(agent.received.at(-1)).callback.complete_url;
    expect(await complete(dataOf(first), await reachable(url))).toMatchObject({
      status: 200,
      duplicate: false,
    });
    await until(async () => (await statusOf()) === 'done', 'the end');
    expect(await phase()).toEqual(['settled']);
    await kill('SIGTERM');
  });

  /** The port is a new one after each start, as the configuration leaves it open. */
  async function reachable(url: string): Promise<string> {
    const { readFile } = await import('node:fs/promises');
    const { url: base } = JSON.parse(await readFile(join(playground.stateDir, 'api.json'), 'utf8')) as {
      url: string;
    };
    return base + new URL(url).pathname;
  }
});

describe('while it lives', () => {
  test('a receiver that says that its workflow was started has not done the task', async () => {
    await configure();
    answer = (_request, response) => json(response, 200, { message: 'Workflow was started' });
    supervised = await supervise(playground);
    await supervised.event('run.handed-off', 'job');
    expect(await statusOf()).toBe('in-progress');
    expect(await complete(dataOf(agent.received[0]))).toMatchObject({ status: 200, state: 'completed' });
  });

  test('a callback in the middle of the retries ends them at once', async () => {
    await configure();
    answer = (_request, response) => json(response, 503, {}, { 'retry-after': '60' });
    supervised = await supervise(playground);
    await supervised.event('run.progress', 'job');
    expect(await complete(dataOf(agent.received[0]))).toMatchObject({ status: 200, duplicate: false });
    await supervised.supervisor.idle();
    expect(agent.received.length).toBe(1);
    expect(await statusOf()).toBe('done');
  });

  test('the agent drops the connection before its status: again with the same id, and what it reports counts', async () => {
    await configure();
    answer = (_request, response, before) => {
      if (before === 0) response.destroy();
      else json(response, 409, { message: 'that one is being worked on' });
    };
    supervised = await supervise(playground);
    await supervised.event('run.handed-off', 'job');
    const [first, second] = agent.received;
    expect(second?.headers['webhook-id']).toBe(first?.headers['webhook-id']);
    expect(second?.body).toBe(first?.body);
    expect(second?.headers['workgraph-delivery']).toBe('2');
    expect(await complete(dataOf(first))).toMatchObject({ status: 200 });
  });

  test.each([
    ['410', 410, {}, 'endpoint-gone'],
    ['disable', 503, { 'webhook-delivery': 'disable' }, 'endpoint-disabled'],
  ])('%s holds the profile, over a restart too, until its configuration changes', async (_name, status, headers, code) => {
    await configure();
    answer = (_request, response) => json(response, status, {}, headers);
    supervised = await supervise(playground);
    await supervised.event('task.held', 'job');
    const why = async () => (await supervised?.control.why({ task: 'job' }))?.because;
    await until(async () => ((await why()) ?? '').includes('executors.agent'), 'the hold');
    await supervised.stop({ cancelAgents: false });
    answer = (_request, response) => json(response, 202, {});
    supervised = await supervise(playground);
    expect(await supervised.control.why({ task: 'job' })).toMatchObject({ state: 'held' });
    expect(JSON.stringify(await supervised.control.why({ task: 'job' }))).toContain(code);
    expect(agent.received.length).toBe(1);
    await configure('timeout = "1h"\n');
    await supervised.control.reload();
    await supervised.event('run.handed-off', 'job');
    expect(agent.received.length).toBe(2);
  });

  test('an endpoint that was gone is tried again by a supervisor that finds it configured otherwise', async () => {
    await configure();
    answer = (_request, response, before) => json(response, before === 0 ? 410 : 202, {});
    supervised = await supervise(playground);
    await until(
      async () => (await supervised?.control.why({ task: 'job' }))?.code === 'endpoint-gone',
      'the hold',
    );
    await supervised.stop({ cancelAgents: false });
    await configure('headers = { x-version = "2" }\n');
    supervised = await supervise(playground);
    await supervised.event('run.handed-off', 'job');
    expect(agent.received.map(({ headers }) => headers['x-version'])).toEqual([undefined, '2']);
  });

  test('an agent that once sent a heartbeat is given up when it falls silent; its late result still counts', async () => {
    await configure();
    answer = (_request, response) => json(response, 202, {});
    supervised = await supervise(playground);
    await supervised.event('run.handed-off', 'job');
    const given = dataOf(agent.received[0]);
    const beat = await fetch(given.callback.complete_url.replace(/complete$/, 'heartbeat'), {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${given.lease.token}` },
      body: '{"extend_s": 1}',
    });
    expect(beat.status).toBe(200);
    const settled = await supervised.event('run.settled', 'job');
    expect(settled.outcome).toMatchObject({ kind: 'failed', failure: 'silent' });
    expect(await statusOf()).toBe('failed');
    expect(await complete(given)).toMatchObject({ status: 200, late: true, state: 'completed' });
    expect(await statusOf()).toBe('done');
  });

  test('stopped in the middle of a delivery: the next one delivers it again, as the same run', async () => {
    await configure();
    answer = (_request, response, before) => {
      // The first is never answered.
      if (before > 0) json(response, 202, {});
    };
    supervised = await supervise(playground);
    await until(() => agent.received.length === 1, 'the first delivery');
    await supervised.stop({ cancelAgents: false });
    supervised = await supervise(playground);
    await supervised.event('run.handed-off', 'job');
    const [first, second] = agent.received;
    expect(second?.headers['webhook-id']).toBe(first?.headers['webhook-id']);
    expect(second?.headers['workgraph-delivery']).toBe('2');
    const { runs } = await supervised.control.task({ task: 'job' });
    expect(runs.map(({ attempt, phase }) => [attempt, phase])).toEqual([[1, 'handed-off']]);
  });

  test('the port of the callbacks is lost meanwhile: what is delivered again says the new one, and it works', async () => {
    await configure();
    answer = (_request, response, before) => {
      if (before > 0) json(response, 202, {});
    };
    supervised = await supervise(playground);
    await until(() => agent.received.length === 1, 'the first delivery');
    await supervised.stop({ cancelAgents: false });
    const portOf = (request: Received | undefined) =>
      Number(new URL(dataOf(request).callback.complete_url).port);
    const squatter = createServer();
    await new Promise<void>((resolve) =>
      squatter.listen(portOf(agent.received[0]), '127.0.0.1', () => resolve()),
    );
    supervised = await supervise(playground);
    await supervised.event('run.handed-off', 'job');
    const [first, second] = agent.received;
    expect(portOf(second)).not.toBe(portOf(first));
    expect(second?.headers['webhook-id']).toBe(first?.headers['webhook-id']);
    // An agent that took the first copy and ignored the second has the same token.
    expect(dataOf(second).lease).toEqual(dataOf(first).lease);
    expect(await complete(dataOf(second))).toMatchObject({ status: 200, duplicate: false });
    await new Promise((resolve) => squatter.close(resolve));
  });

  test('after a restart the agent is asked with the token that it was given, in headers and in the address', async () => {
    await configure(
      'completion = "poll"\npoll_interval = "20ms"\nstatus_url = "/status?token={{callback.token}}"\n' +
        'headers = { x-token = "{{callback.token}}" }\n',
    );
    let over = false;
    answer = (request, response) =>
      request.method === 'POST'
        ? json(response, 202, {})
        : json(response, 200, { status: over ? 'done' : 'running' });
    supervised = await supervise(playground);
    await supervised.event('run.handed-off', 'job');
    await supervised.stop({ cancelAgents: false });
    const given = dataOf(agent.received[0]).lease.token;
    const before = agent.received.length;
    supervised = await supervise(playground);
    await supervised.event('run.adopted', 'job');
    over = true;
    await supervised.event('run.settled', 'job');
    const asked = agent.received.slice(before);
    expect(asked.length).toBeGreaterThan(0);
    for (const { path, headers } of asked) {
      expect(path).toBe(`/status?token=${given}`);
      expect(headers['x-token']).toBe(given);
    }
  });

  test('what was too long for the message is whole at its details URL, for the token of this attempt alone', async () => {
    await configure();
    const description = 'Read this to the end. '.repeat(20_000);
    await playground.writeGraph(playground.repo, [
      { id: 'job', tags: ['executor:agent'], description, inputs: ['a.md'] },
      { id: 'other', executor: 'nobody' },
    ]);
    answer = (_request, response) => json(response, 202, {});
    supervised = await supervise(playground);
    await supervised.event('run.handed-off', 'job');
    const [request] = agent.received;
    expect(Buffer.byteLength(request?.body ?? '')).toBeLessThanOrEqual(256 * 1024);
    const { task, lease } = dataOf(request);
    expect(task.truncated).toEqual(['instructions']);
    expect(task.instructions).toContain(`at ${task.details_url} `);
    const get = (url: string, token: string) => fetch(url, { headers: { authorization: `Bearer ${token}` } });
    const whole = (await (await get(task.details_url, lease.token)).json()) as Record<string, unknown>;
    expect(whole.description).toBe(description);
    expect(whole.fields).toMatchObject({ inputs: ['a.md'] });
    expect((await get(task.details_url, `wgl_${'x'.repeat(43)}`)).status).toBe(401);
    expect((await get(task.details_url.replace(/job$/, 'other'), lease.token)).status).toBe(403);
  });

  test('an agent that promised signs of life when it took the task is given up when none comes', async () => {
    await configure();
    answer = (_request, response) => json(response, 202, { heartbeat_every_s: 30, external_id: 'job-7' });
    const { now, after, sleep } = systemClock();
    let offset = 0;
    supervised = await supervise(playground, { clock: { after, sleep, now: () => now() + offset } });
    await supervised.event('run.handed-off', 'job');
    const { runs } = await supervised.control.task({ task: 'job' });
    const lease = runs[0]?.lease;
    expect(lease).toMatchObject({ external_ref: 'job-7' });
    // Three that are missed, and never less than a minute.
    expect(
      Date.parse(lease?.expires_at ?? '') - Date.parse(runs[0]?.started_at ?? ''),
    ).toBeGreaterThanOrEqual(90_000);
    offset = 80_000;
    await supervised.supervisor.tick();
    expect(await statusOf()).toBe('in-progress');
    offset = 120_000;
    await supervised.supervisor.tick();
    const settled = await supervised.event('run.settled', 'job');
    expect(settled.outcome).toMatchObject({ kind: 'failed', failure: 'silent' });
  });

  test('a person who resumes the profile has an endpoint that was gone tried again', async () => {
    await configure();
    answer = (_request, response, before) => json(response, before === 0 ? 410 : 202, {});
    supervised = await supervise(playground);
    await supervised.event('task.held', 'job');
    await until(
      async () => (await supervised?.control.why({ task: 'job' }))?.code === 'endpoint-gone',
      'the hold',
    );
    await supervised.control.resume('agent');
    await supervised.event('run.handed-off', 'job');
    const [first, second] = agent.received;
    // It never took the task: no attempt is counted, and the new run is a message of its own.
    expect(second?.headers['workgraph-attempt']).toBe('1');
    expect(second?.headers['webhook-id']).not.toBe(first?.headers['webhook-id']);
  });

  test('an endpoint that cannot take its task just now keeps no place from others, and no more of its own', async () => {
    await configure(
      'max_concurrent = 2\n[executors.local]\ntype = "command"\ncommand = ["true"]\n[supervisor]\nmax_concurrent = 1\n',
    );
    const jobs = ['job', 'job-2', 'job-3'].map((id) => ({ id, tags: ['executor:agent'], priority: 20 }));
    await playground.writeGraph(playground.repo, [...jobs, { id: 'mine', executor: 'local', priority: 1 }]);
    let isDown = true;
    answer = (_request, response) =>
      isDown ? json(response, 503, {}, { 'retry-after': '600' }) : json(response, 202, {});
    supervised = await supervise(playground);
    await supervised.event('run.settled', 'mine');
    const waiting = (await supervised.control.runs({ open: true })).filter((run) => run.executor === 'agent');
    expect(waiting.map((run) => run.phase)).toEqual(['claimed', 'claimed']);
    expect(await supervised.control.why({ task: 'job-3' })).toMatchObject({ code: 'profile-limit' });
    // The slot of the one that just ended is free a moment after its outcome is in the graph.
    await until(async () => (await supervised?.control.status())?.limits.running === 0, 'free slots');
    // Stopped in the wait: what no one has taken is released.
    isDown = false;
    await supervised.stop({ cancelAgents: false });
    const tasks = [...(await playground.readGraph(playground.repo)).values()];
    expect(tasks.map(({ id, status }) => `${id} ${status}`)).toEqual([
      'job open',
      'job-2 open',
      'job-3 open',
      'mine done',
    ]);
  });
});
