import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { connectSupervisor, type SupervisorClient } from '../../../src/api/client/client.ts';
import type { ServerEvent } from '../../../src/api/client/server-events.ts';
import { SupervisorError } from '../../../src/domain/errors.ts';
import { startApi, type TestApi } from '../api-kit.ts';
import { ODD_ID, OLD_TOKEN, RUN_TOKEN } from '../scripted-control.ts';

let api: TestApi;
let client: SupervisorClient;

async function connected(): Promise<SupervisorClient> {
  const found = await connectSupervisor({ apiFile: api.apiFile });
  if (!found) throw new Error('no supervisor found');
  return found;
}

beforeEach(async () => {
  api = await startApi();
  client = await connected();
});
afterEach(async () => {
  client.close();
  await api.stop();
});

const lastCall = () => api.control.calls.at(-1);

describe('a running supervisor', () => {
  test('says its version, and every question reaches it', async () => {
    expect(client.version).toBe('1.2.3');
    expect((await client.status()).supervisor.running).toBe(true);
    expect((await client.tasks()).length).toBe(4);
    expect((await client.tasks({ worktree: '/w2' })).length).toBe(1);
    expect((await client.task({ task: ODD_ID })).task).toBe(ODD_ID);
    expect((await client.why({ task: 'build', worktree: '/w2' })).conditions.length).toBe(1);
    await client.task({ task: 'deploy', near: '/home/me/w1/src' });
    expect(lastCall()).toEqual({ name: 'task', args: [{ task: 'deploy', near: '/home/me/w1/src' }] });
    await client.runs({ task: 'build', worktree: '/w1', open: true, limit: 3 });
    expect(lastCall()).toEqual({
      name: 'runs',
      args: [{ task: 'build', worktree: '/w1', open: true, limit: 3 }],
    });
  });

  test('an answer to a question reaches its task', async () => {
    expect(await client.answer({ task: 'deploy' }, 'yes')).toMatchObject({ answer: 'yes', duplicate: false });
    expect(lastCall()).toEqual({ name: 'answer', args: [{ task: 'deploy' }, 'yes', undefined] });
  });

  test('completions arrive whole, as the operator or as the run', async () => {
    const answer = await client.complete({
      task: 'build',
      worktree: '/w1',
      result: 'succeeded',
      agent: 'samantha',
      summary: 'all\nwell',
      artifacts: { result: [1, 'zwei', null] },
    });
    expect(answer).toMatchObject({ worktree: '/w1', status: 'done', duplicate: false });
    expect(lastCall()?.args).toEqual([
      {
        task: 'build',
        worktree: '/w1',
        caller: { kind: 'operator' },
        result: 'succeeded',
        agent: 'samantha',
        summary: 'all\nwell',
        artifacts: { result: [1, 'zwei', null] },
      },
    ]);
    await client.complete({ task: 'deploy', result: 'failed', reason: 'no disk', retryable: false });
    expect(lastCall()?.args).toEqual([
      {
        task: 'deploy',
        caller: { kind: 'operator' },
        result: 'failed',
        reason: 'no disk',
        retryable: false,
      },
    ]);
    await client.complete({ task: 'build', result: 'succeeded', token: RUN_TOKEN });
    expect(lastCall()?.args[0]).toMatchObject({
      caller: { kind: 'run', run: 'run_build1' },
      worktree: '/g1',
    });
  });

  test('the other verbs', async () => {
    expect(await client.heartbeat({ task: 'build' }, { token: RUN_TOKEN, message: 'half' })).toMatchObject({
      directive: 'continue',
    });
    expect(await client.claim({ task: 'deploy' }, 'n8n')).toMatchObject({
      run: { run: 'run_new' },
      token: RUN_TOKEN,
    });
    expect((await client.release({ task: 'deploy' }, { reason: 'later' })).task).toBe('deploy');
    expect((await client.cancel({ task: 'run_x' }, 'stuck')).run).toBe('run_x');
    expect((await client.retry({ task: 'deploy' })).task).toBe('deploy');
    await client.pause('repo', 'lunch');
    await client.resume(null);
    await client.drain();
    expect(await client.reload()).toEqual({ problems: ['supervisor.toml: line 3'] });
    expect(api.control.calls.slice(-4)).toEqual([
      { name: 'pause', args: ['repo', 'lunch'] },
      { name: 'resume', args: [null] },
      { name: 'drain', args: [] },
      { name: 'reload', args: [] },
    ]);
  });

  test("errors come out as the supervisor's own, with sentence, hint and details", async () => {
    const ambiguous = await client.task({ task: 'build' }).catch((error: unknown) => error);
    expect(ambiguous).toBeInstanceOf(SupervisorError);
    expect(ambiguous).toMatchObject({
      code: 'ambiguous',
      message: 'Several tasks are called build.',
      hint: expect.stringContaining('candidates[].id'),
      details: { candidates: [{ id: 'w1~build' }, { id: 'w2~build' }] },
    });
    await expect(client.task({ task: 'nope' })).rejects.toMatchObject({ code: 'not-found' });
    await expect(
      client.complete({ task: 'build', result: 'succeeded', token: OLD_TOKEN }),
    ).rejects.toMatchObject({
      code: 'superseded',
      details: { current_attempt: 2, code: 'lease-superseded' },
    });
    api.control.failNext('status', new Error('a bug'));
    await expect(client.status()).rejects.toMatchObject({
      code: 'failed',
      hint: expect.stringContaining('req_'),
    });
    for (const code of ['graph', 'config', 'executor-unavailable', 'conflict', 'usage'] as const) {
      api.control.failNext('status', new SupervisorError(code, 'So.'));
      await expect(client.status()).rejects.toMatchObject({ code, message: 'So.' });
    }
  });

  test('stopped between two questions, it is not running', async () => {
    await api.server.stop();
    await expect(client.status()).rejects.toMatchObject({ code: 'not-running', hint: expect.any(String) });
  });
});

describe('events', () => {
  test('arrive as they happen, can be resumed, and end with the supervisor', async () => {
    const events = client.events();
    const first = events.next();
    // The stream is open once its events are heard; a question on another connection is answered after that.
    await client.status();
    api.control.emit({ name: 'graph.healed', at: 1, graph: '/é1' });
    const got = (await first).value as ServerEvent;
    expect(got).toMatchObject({ name: 'graph.healed', data: { graph: '/é1', at: 1 } });
    api.control.emit({ name: 'graph.healed', at: 2, graph: '/2' });
    await events.return(undefined);

    const resumed = client.events({ lastId: got.id });
    expect((await resumed.next()).value).toMatchObject({ data: { graph: '/2' } });
    const end = resumed.next();
    await api.server.stop();
    expect((await end).done).toBe(true);
  });

  test('end with the signal', async () => {
    const abort = new AbortController();
    const events = client.events({ lastId: '1', signal: abort.signal });
    expect((await events.next()).value).toMatchObject({ name: 'stream.gap' });
    const end = events.next();
    abort.abort();
    expect((await end).done).toBe(true);
  });
});

describe('no running supervisor', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'client-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const file = async (content: string) => {
    await writeFile(join(folder, 'api.json'), content);
    return connectSupervisor({ apiFile: join(folder, 'api.json') });
  };
  const pointing = (socket: string) => JSON.stringify({ pid: 1, socket, url: null, token: 'x' });

  test('no file, no folder', async () => {
    expect(await connectSupervisor({ apiFile: join(folder, 'api.json') })).toBeNull();
    expect(await connectSupervisor({ apiFile: join(folder, 'a', 'b', 'api.json') })).toBeNull();
  });

  test.each([
    '',
    '{',
    'null',
    '[]',
    '"x"',
    '{"pid": 1}',
    '{"pid":"1","socket":"/x","url":null,"token":"t"}',
    '\u0000',
  ])('a file that says nothing of use: %j', async (content) => {
    expect(await file(content)).toBeNull();
  });

  test('a file left behind: the socket is gone, no one listens on it, or it is no socket', async () => {
    expect(await file(pointing(join(folder, 'gone.sock')))).toBeNull();
    await writeFile(join(folder, 'plain'), '');
    expect(await file(pointing(join(folder, 'plain')))).toBeNull();
    const stale = join(folder, 'stale.sock');
    const script = `require('node:net').createServer().listen(${JSON.stringify(stale)}, () => process.kill(process.pid, 'SIGKILL'))`;
    await promisify(execFile)(process.execPath, ['-e', script]).catch(() => {
      // It killed itself: that is what leaves the file behind.
    });
    expect(await file(pointing(stale))).toBeNull();
  });

  test('one that is stuck is reported, not waited for', async () => {
    const path = join(folder, 'stuck.sock');
    // Takes connections and never says a word.
    const taken: Socket[] = [];
    const server = createServer((socket) => void taken.push(socket));
    await new Promise<void>((resolve) => server.listen(path, resolve));
    try {
      await expect(connectSupervisor({ socket: path, connectTimeoutMs: 50 })).rejects.toMatchObject({
        code: 'not-running',
        message: expect.stringContaining('no answer within'),
      });
    } finally {
      for (const socket of taken) socket.destroy();
      server.close();
    }
  });

  test('something else on the socket is reported', async () => {
    const path = join(folder, 'other.sock');
    const server = createHttpServer((_incoming, outgoing) => outgoing.end('<html>hello</html>'));
    await new Promise<void>((resolve) => server.listen(path, resolve));
    try {
      await expect(connectSupervisor({ socket: path })).rejects.toMatchObject({ code: 'failed' });
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });
});
