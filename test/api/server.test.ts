import { spawn } from 'node:child_process';
import { lstat, mkdtemp, readFile, realpath, rm, stat, unlink, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createApiServer } from '../../src/api/server.ts';
import type { Config } from '../../src/domain/config.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { silentLog } from '../../src/platform/log.ts';
import { API_DEFAULTS, send, sendRaw, startApi, type TestApi } from './api-kit.ts';
import { OPERATOR_TOKEN, scriptedControl } from './scripted-control.ts';
import { scriptedViews } from './scripted-views.ts';

let folder: string;
const open: { stop(): Promise<void> }[] = [];
beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'api-')));
});
afterEach(async () => {
  for (const one of open.splice(0)) await one.stop();
  await rm(folder, { recursive: true, force: true });
});

async function start(options: Parameters<typeof startApi>[0] = {}): Promise<TestApi> {
  const api = await startApi(options);
  open.push(api);
  return api;
}

const settings = (changes: Partial<Config['api']>) => ({ ...API_DEFAULTS, ...changes });

function serverAt(socketPath: string) {
  const server = createApiServer({
    control: scriptedControl(),
    views: scriptedViews(),
    tokens: { operator: OPERATOR_TOKEN },
    config: API_DEFAULTS,
    socketPath,
    clock: systemClock(),
    log: silentLog,
    version: '1',
  });
  open.push(server);
  return server;
}

describe('the unix socket', () => {
  test('belongs to this user alone, and so does a folder made for it', async () => {
    const before = process.umask();
    const path = join(folder, 'run', 's.sock');
    await serverAt(path).start();
    expect((await stat(path)).mode & 0o077).toBe(0);
    expect((await stat(join(folder, 'run'))).mode & 0o777).toBe(0o700);
    expect(process.umask()).toBe(before);
  });

  test('a second server is refused, and the first continues', async () => {
    const path = join(folder, 's.sock');
    await serverAt(path).start();
    await expect(serverAt(path).start()).rejects.toMatchObject({
      code: 'already-running',
      hint: expect.stringContaining('--state-dir'),
    });
    expect((await send({ socketPath: path }, { path: '/api/health' })).status).toBe(200);
  });

  test('the file of a killed server is replaced', async () => {
    const path = join(folder, 's.sock');
    const script = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => console.log('up'))`;
    const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    await new Promise((resolve) => child.stdout.once('data', resolve));
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
    expect((await lstat(path)).isSocket()).toBe(true);
    await serverAt(path).start();
    expect((await send({ socketPath: path }, { path: '/api/health' })).status).toBe(200);
  });

  test('a file that is no socket is left alone', async () => {
    const path = join(folder, 's.sock');
    await writeFile(path, 'precious');
    await expect(serverAt(path).start()).rejects.toMatchObject({
      code: 'config',
      hint: 'move it away and start again',
    });
    expect(await readFile(path, 'utf8')).toBe('precious');
  });

  test('a path that the system would cut off is refused', async () => {
    const path = join(folder, 'x'.repeat(120 - folder.length - 1));
    expect(Buffer.byteLength(path)).toBe(120);
    await expect(serverAt(path).start()).rejects.toMatchObject({
      code: 'config',
      message: expect.stringContaining('120 bytes'),
      hint: expect.stringContaining('SUPERVISOR_STATE_DIR'),
    });
    await serverAt(join(folder, 'y'.repeat(103 - folder.length - 1))).start();
    await expect(serverAt(join(folder, 'z'.repeat(104 - folder.length - 1))).start()).rejects.toMatchObject({
      code: 'config',
    });
    const accented = join(folder, 'é'.repeat(Math.ceil((104 - folder.length - 1) / 2)));
    await expect(serverAt(accented).start()).rejects.toMatchObject({ code: 'config' });
  });

  test('a folder that cannot be made gives one sentence with a next step', async () => {
    await writeFile(join(folder, 'file'), '');
    await expect(serverAt(join(folder, 'file', 'run', 's.sock')).start()).rejects.toMatchObject({
      code: 'config',
      message: expect.stringContaining('Cannot listen on'),
      hint: expect.stringContaining('state folder'),
    });
  });

  test('is gone after the stop; starting and stopping twice is harmless, and starting again works', async () => {
    const path = join(folder, 's.sock');
    const server = serverAt(path);
    await server.stop();
    await Promise.all([server.start(), server.start()]);
    await Promise.all([server.stop(), server.stop()]);
    await expect(lstat(path)).rejects.toMatchObject({ code: 'ENOENT' });
    await server.start();
    expect((await send({ socketPath: path }, { path: '/api/health' })).status).toBe(200);
  });

  test('a failed start leaves nothing behind', async () => {
    const blocker = await listenAnywhere();
    const path = join(folder, 's.sock');
    const control = scriptedControl();
    const server = createApiServer({
      control,
      views: scriptedViews(),
      tokens: { operator: OPERATOR_TOKEN },
      config: settings({
        listen: { kind: 'at', host: '127.0.0.1', port: blocker.port },
      }) as typeof API_DEFAULTS,
      socketPath: path,
      apiFile: join(folder, 'api.json'),
      clock: systemClock(),
      log: silentLog,
      version: '1',
    });
    await expect(server.start()).rejects.toMatchObject({ code: 'config' });
    await expect(lstat(path)).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(lstat(join(folder, 'api.json'))).rejects.toMatchObject({ code: 'ENOENT' });
    expect(control.listeners()).toBe(0);
  });
});

async function listenAnywhere(port = 0): Promise<{ port: number }> {
  const server: Server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  open.push({ stop: () => new Promise((resolve) => server.close(() => resolve())) });
  return { port: (server.address() as { port: number }).port };
}

describe('TCP', () => {
  test('auto opens when it is asked for, once, and api.json says so', async () => {
    const api = await start();
    expect(api.server.address()).toEqual({ socket: api.socket, url: null });
    expect(JSON.parse(await readFile(api.apiFile, 'utf8'))).toEqual({
      pid: process.pid,
      socket: api.socket,
      url: null,
      token: OPERATOR_TOKEN,
    });
    const [first, second] = await Promise.all([api.server.openTcp(), api.server.openTcp()]);
    expect(first).toBe(second);
    expect(first).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect(api.server.address().url).toBe(first);
    expect(JSON.parse(await readFile(api.apiFile, 'utf8'))).toMatchObject({ url: first });
    expect((await stat(api.apiFile)).mode & 0o777).toBe(0o600);
  });

  test('auto takes another port when the usual one is taken', async () => {
    // Another program of this machine may hold it already, and may be about to release it.
    const isTaken = await listenAnywhere(7420).then(
      () => true,
      () => false,
    );
    const api = await start();
    const url = await api.server.openTcp();
    if (isTaken) expect(url).not.toMatch(/:7420$/);
    expect((await fetch(`${url}/api/health`)).status).toBe(200);
  });

  test('an address is opened at the start; a taken one is an error', async () => {
    const api = await start({ config: { listen: { kind: 'at', host: '127.0.0.1', port: 0 } } });
    const url = api.server.address().url;
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:[1-9]\d*$/);
    expect(await api.server.openTcp()).toBe(url);
    const port = Number(new URL(String(url)).port);
    await expect(
      startApi({ config: { listen: { kind: 'at', host: '127.0.0.1', port } } }),
    ).rejects.toMatchObject({
      code: 'config',
    });
  });

  test('off stays off', async () => {
    const api = await start({ config: { listen: { kind: 'off' } } });
    await expect(api.server.openTcp()).rejects.toMatchObject({
      code: 'config',
      hint: expect.stringContaining('auto'),
    });
  });

  test('agents are sent to the public address where there is one', async () => {
    const api = await start({ config: { publicUrl: 'https://agents.example.org/wg/' } });
    expect(await api.server.openTcp()).toBe('https://agents.example.org/wg');
    expect(api.server.address().url).toMatch(/^http:\/\/127\.0\.0\.1:/);
  });

  test('after the stop no one listens, and it cannot be opened', async () => {
    const api = await start();
    const url = await api.server.openTcp();
    await api.server.stop();
    await expect(fetch(`${url}/api/health`)).rejects.toThrow();
    await expect(api.server.openTcp()).rejects.toMatchObject({ code: 'not-running' });
  });
});

describe('what is not HTTP', () => {
  test.each([
    ['GET ? HTTP/1.1\r\nhost: x\r\n\r\n', 400],
    ['hello there\r\n\r\n', 400],
    [`GET / HTTP/1.1\r\nhost: x\r\nx: ${'a'.repeat(20_000)}\r\n\r\n`, 431],
  ])('%.20j is answered as a problem', async (bytes, status) => {
    const api = await start();
    const [head = '', body = ''] = (await sendRaw({ path: api.socket }, bytes)).split('\r\n\r\n');
    expect(head).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(JSON.parse(body)).toMatchObject({ status, instance: expect.any(String) });
  });

  test('a broken HEAD request gets no body', async () => {
    const api = await start();
    const answer = await sendRaw({ path: api.socket }, 'HEAD ? HTTP/1.1\r\nhost: x\r\n\r\n');
    expect(answer).toMatch(/^HTTP\/1.1 400 [\s\S]*\r\n\r\n$/);
  });
});

describe('patience', () => {
  test.each([
    ['headers that dribble in', 'GET /api/health HTTP/1.1\r\nhost: x\r\nx-slow: '],
    ['nothing at all', ''],
  ])('%s end in 408 and a closed connection', async (_what, bytes) => {
    const api = await start({ patience: { headersTimeoutMs: 100 } });
    expect(await sendRaw({ path: api.socket }, bytes, { end: false })).toMatch(/^(HTTP\/1.1 408 |$)/);
    expect((await api.ask({ path: '/api/health' })).status).toBe(200);
  });

  test('a body that dribbles in ends in a closed connection, and nothing is completed', async () => {
    const api = await start({ patience: { headersTimeoutMs: 100, requestTimeoutMs: 200 } });
    const head =
      'POST /api/task/deploy/complete HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 10\r\n\r\n{';
    expect(await sendRaw({ path: api.socket }, head, { end: false })).toMatch(/^(HTTP\/1.1 4|$)/);
    expect(api.control.calls).toEqual([]);
  });

  test('a stop waits for the answer under way, and not for ever', async () => {
    const control = scriptedControl();
    const asked: (() => void)[] = [];
    let heard = () => {};
    const slow = { ...control };
    slow.status = () =>
      new Promise((resolve, reject) => {
        asked.push(() => control.status().then(resolve, reject));
        heard();
      });
    const ask = async (api: TestApi) => {
      const arrived = new Promise<void>((resolve) => {
        heard = resolve;
      });
      const answer = api.ask({ path: '/api/status' });
      const outcome = answer.then(
        ({ status }) => status,
        (error: { code?: string }) => error.code,
      );
      await arrived;
      return { outcome };
    };
    const api = await start({ control: slow });
    const { outcome } = await ask(api);
    const stopped = api.server.stop();
    for (const finish of asked.splice(0)) finish();
    expect(await outcome).toBe(200);
    await stopped;

    const impatient = await start({ control: slow, patience: { stopMs: 50 } });
    const lost = await ask(impatient);
    await impatient.server.stop();
    expect(await lost.outcome).toBe('ECONNRESET');
  });
});

test('api.json of another supervisor is left alone', async () => {
  const api = await start();
  const theirs = JSON.stringify({ pid: 1, socket: '/elsewhere', url: null, token: 'wgt_theirs' });
  await unlink(api.apiFile);
  await writeFile(api.apiFile, theirs);
  await api.server.stop();
  expect(await readFile(api.apiFile, 'utf8')).toBe(theirs);
});
