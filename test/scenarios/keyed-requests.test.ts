// Requests with an Idempotency-Key to a built supervisor that is killed: the answer is given again, tokens and all, and
// nothing of it can be read on the disk.

import { type ChildProcess, spawn } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { bareEnvironment } from '../support/actors.ts';
import { builtCli } from '../support/built-cli.ts';
import { createPlayground, type Playground } from '../support/playground.ts';

const KEY = '5f0c3a52-6f0b-4a6e-9f8e-3d1f0c2b7a11';

let playground: Playground;
let child: ChildProcess | null = null;
beforeEach(async () => {
  playground = await createPlayground();
});
afterEach(async () => {
  child?.kill('SIGKILL');
  await playground.remove();
});

/** Starts it; resolves when it says so. */
function start(): Promise<void> {
  const args = [builtCli(), 'run', '--config', playground.configFile, '--state-dir', playground.stateDir];
  const env = bareEnvironment(playground.folder);
  const started = spawn(process.execPath, args, { cwd: playground.folder, env });
  child = started;
  return new Promise((resolve, reject) => {
    let said = '';
    const hear = (data: Buffer) => {
      said += data;
      if (said.includes('started')) resolve();
    };
    started.stdout.on('data', hear);
    started.stderr.on('data', hear);
    started.once('close', () => reject(new Error(said)));
  });
}

function kill(): Promise<void> {
  return new Promise((resolve) => {
    child?.once('close', () => resolve());
    child?.kill('SIGKILL');
  });
}

interface Answered {
  readonly status: number;
  readonly replayed: boolean;
  readonly json: {
    readonly code?: string;
    readonly duplicate?: boolean;
    readonly tasks?: readonly {
      readonly lease: { readonly token: string };
      readonly callback: { readonly complete_url: string };
    }[];
  };
}

async function post(path: string, body: object, headers: Record<string, string> = {}): Promise<Answered> {
  const { socket } = JSON.parse(await readFile(join(playground.stateDir, 'api.json'), 'utf8')) as {
    socket: string;
  };
  const text = JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        socketPath: socket,
        method: 'POST',
        path,
        agent: false,
        headers: {
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(text),
          ...headers,
        },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            replayed: response.headers['idempotency-replayed'] === 'true',
            json: JSON.parse(Buffer.concat(chunks).toString('utf8')) as Answered['json'],
          }),
        );
      },
    );
    sent.on('error', reject);
    sent.end(text);
  });
}

async function bytesAtRest(): Promise<Buffer> {
  const names = await readdir(playground.stateDir, { recursive: true, withFileTypes: true });
  const files = names.filter((entry) => entry.isFile() && entry.name !== 'api.json');
  return Buffer.concat(await Promise.all(files.map((file) => readFile(join(file.parentPath, file.name)))));
}

test('a claim is answered again after kill -9, with the very token, which ends the task; no key and no token lies about', async () => {
  await playground.writeGraph(playground.repo, [
    { id: 'job', tags: ['executor:external'] },
    { id: 'other', tags: ['executor:external'] },
  ]);
  await playground.writeConfig('');
  await start();
  const claim = (key = KEY, worker = 'w') =>
    post('/api/tasks/claim', { worker_id: worker, wait_s: 50 }, { 'idempotency-key': key });
  const first = await claim();
  expect([first.status, first.replayed, first.json.tasks?.length]).toEqual([200, false, 1]);
  await kill();

  const token = first.json.tasks?.[0]?.lease.token ?? 'none';
  const rest = await bytesAtRest();
  expect(rest.length).toBeGreaterThan(10_000);
  for (const secret of [token, KEY, token.slice(4, 30)]) expect(rest.includes(secret)).toBe(false);

  await start();
  const again = await claim();
  expect(again).toEqual({ status: 200, replayed: true, json: first.json });
  // The key alone opens it: for another request it is refused, and another key is another claim.
  expect((await claim(KEY, 'thief')).json.code).toBe('idempotency-key-reused');
  expect((await claim(`${KEY}2`)).json.tasks?.[0]?.lease.token).not.toBe(token);
  const { callback } = again.json.tasks?.[0] ?? {};
  const done = await post(callback?.complete_url ?? '', {}, { authorization: `Bearer ${token}` });
  expect([done.status, done.json.duplicate]).toEqual([200, false]);
});
