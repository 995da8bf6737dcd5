// The HTTP executor with the agent of fixtures/agents/http-agent.mjs, a program of its own, and the shared contract.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { HttpProfile } from '../../../src/domain/profile.ts';
import { createHttpExecutor } from '../../../src/executors/http/executor.ts';
import { systemClock } from '../../../src/platform/clock.ts';
import { type Behaviour, describeExecutorContract } from '../contract.ts';
import {
  assignmentFor,
  httpProfile,
  json,
  listen,
  runControl,
  TOKEN,
  taskDetail,
  tidying,
} from './support.ts';

const AGENT = resolve(import.meta.dirname, '../../../fixtures/agents/http-agent.mjs');

const executor = () =>
  createHttpExecutor({
    clock: systemClock(),
    identity: { random: () => 0.5 },
    delivery: { backoffMs: 2, maxBackoffMs: 2 },
  });

describe('the fixture agent', () => {
  let agent: ChildProcess;
  let url = '';
  let folder = '';

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'http-agent-'));
    agent = spawn(process.execPath, [AGENT], { stdio: ['pipe', 'pipe', 'inherit'] });
    if (agent.stdout === null) throw new Error('no stdout');
    const [line] = await once(createInterface(agent.stdout), 'line');
    url = JSON.parse(String(line)).url;
  });

  afterAll(async () => {
    const gone = once(agent, 'exit');
    agent.stdin?.end();
    // It exits on its own when its stdin closes, whatever it still had in mind.
    expect(await gone).toEqual([0, null]);
    await rm(folder, { recursive: true, force: true });
  });

  const assign = (path: string, changes: Partial<HttpProfile> = {}, callbackUrl: string | null = null) =>
    assignmentFor(httpProfile({ endpoint: url + path, ...changes }), folder, {
      callback: { url: callbackUrl, socket: null, token: TOKEN },
    });

  /** Waits for the first report to a callback URL. */
  async function reported(path: string, changes: Partial<HttpProfile> = {}) {
    let hear = (_report: { url: string; authorization: string | undefined; body: unknown }) => {};
    const heard = new Promise<Parameters<typeof hear>[0]>((settle) => {
      hear = settle;
    });
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        json(response, 200, {});
        const body = JSON.parse(Buffer.concat(chunks).toString());
        hear({ url: request.url ?? '', authorization: request.headers.authorization, body });
      });
    });
    await new Promise<void>((settle) => server.listen(0, '127.0.0.1', settle));
    const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/task/x`;
    try {
      const begun = await executor().begin(assign(path, changes, base), runControl());
      return { begun, report: await heard };
    } finally {
      server.closeAllConnections();
      await new Promise((settle) => server.close(settle));
    }
  }

  test('/sync answers with the result', async () => {
    expect(await executor().begin(assign('/sync'), runControl())).toEqual({
      kind: 'ended',
      outcome: { kind: 'succeeded', summary: 'did: Build the API', artifacts: { title: 'Build the API' } },
    });
  });

  test('/response answers with a plain result', async () => {
    expect(await executor().begin(assign('/response', { completion: 'response' }), runControl())).toEqual({
      kind: 'ended',
      outcome: { kind: 'succeeded', artifacts: { answer: 42 } },
    });
  });

  test('/async takes the task and calls back with its token', async () => {
    const { begun, report } = await reported('/async?delay=1');
    expect(begun.kind).toBe('handed-off');
    expect(report).toEqual({
      url: '/api/task/x/complete',
      authorization: `Bearer ${TOKEN}`,
      body: { summary: 'did: Build the API', artifacts: { result: 'result of Build the API' } },
    });
  });

  test('/async-fail reports a failure', async () => {
    const { report } = await reported('/async-fail?delay=1');
    expect(report).toMatchObject({ url: '/api/task/x/fail', body: { retryable: false } });
  });

  test('/flaky takes it at the third delivery and calls back once', async () => {
    const { begun, report } = await reported('/flaky?delay=1');
    expect(begun.kind).toBe('handed-off');
    expect(report.url).toBe('/api/task/x/complete');
  });

  test('/n8n says that it was started, which is not done', async () => {
    expect(await executor().begin(assign('/n8n'), runControl())).toMatchObject({ kind: 'handed-off' });
  });

  test('/poll is asked until it is done', async () => {
    const assignment = assign('/poll', { completion: 'poll' });
    const begun = await executor().begin(assignment, runControl());
    expect(begun).toMatchObject({ kind: 'handed-off', reference: `${url}/poll/wt3f9a~build-api` });
    const control = runControl();
    const handle = { process: null, reference: `${url}/poll/wt3f9a~build-api`, adopted: false };
    expect(await executor().attend(assignment, handle, control)).toMatchObject({ kind: 'succeeded' });
    expect(control.said).toEqual(['accepted', 'running']);
  });

  test('/custom gets the request shape of its own and is asked below its endpoint', async () => {
    const assignment = assign('/custom', {
      completion: 'poll',
      body: {
        task_id: '{{task.id}}',
        source: 'workgraph',
        category: '{{task.category}}',
        urgency: 'normal',
        context: '{{task.description}}',
      },
    });
    const begun = await executor().begin(assignment, runControl());
    expect(begun).toMatchObject({ kind: 'handed-off', reference: null });
    const handle = { process: null, reference: null, adopted: true };
    expect(await executor().attend(assignment, handle, runControl())).toMatchObject({
      summary: 'did build-api',
    });

    const unshaped = await executor().begin(assign('/custom'), runControl());
    expect(unshaped).toMatchObject({
      outcome: { failure: 'refused', message: expect.stringContaining('missing: task_id') },
    });
  });
});

// Work elsewhere cannot be ended from here, so that the contract's cases about ending what runs do not apply; how a
// stop is met is in http.test.ts.
describeExecutorContract({
  name: 'http',
  behaviours: ['succeeds', 'fails'],
  stopWithinMs: 2000,
  async open() {
    const tidy = tidying();
    const statuses: Partial<Record<Behaviour, object>> = {
      succeeds: { status: 'done' },
      fails: { status: 'failed', error: 'no luck' },
    };
    const server = tidy.add(
      await listen((request, response) => {
        if (request.method === 'POST') return json(response, 202, {});
        json(response, 200, statuses[request.path.split('~')[1] as Behaviour] ?? { status: 'running' });
      }),
    );
    return {
      executor,
      async assignment(behaviour) {
        const profile = httpProfile({ endpoint: `${server.url}/t`, completion: 'poll' });
        const run = { task: taskDetail({ id: behaviour }), globalTaskId: `wt~${behaviour}` };
        return assignmentFor(profile, await tidy.folder(), run);
      },
      async underWay() {},
      async release() {},
      remains: async () => [],
      close: () => tidy.run(),
    };
  },
});
