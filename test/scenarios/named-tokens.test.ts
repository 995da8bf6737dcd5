// Tokens that programs keep: made and revoked by commands, good over restarts, each for what its scope says and no more.

import { mkdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { TOKEN_SCOPES, type TokenScope } from '../../src/runs/named-tokens.ts';
import { command } from '../cli/fake-surroundings.ts';
import { type Caller, callerOf } from '../support/api-calls.ts';
import { createPlayground, type Playground } from '../support/playground.ts';
import { type Supervised, supervise } from '../support/supervised.ts';

let playground: Playground;
let supervised: Supervised | null = null;

beforeEach(async () => {
  playground = await createPlayground();
  await playground.writeGraph(playground.repo, [{ id: 'out', tags: ['executor:external'] }]);
  await playground.writeConfig('[api]\nlisten = "127.0.0.1:0"\n');
});
afterEach(async () => {
  await supervised?.stop({ cancelAgents: true });
  supervised = null;
  await playground.remove();
});

const supervisor = (...argv: string[]) =>
  command({ cwd: playground.repo, home: playground.folder }, '--state-dir', playground.stateDir, ...argv);

async function create(name: string, scope: TokenScope): Promise<string> {
  const made = await supervisor('token', 'create', name, '--scope', scope);
  expect(made).toMatchObject({ status: 0, out: expect.stringMatching(/^wgt_[\w-]{43}\n$/) });
  return made.out.trim();
}

async function up(): Promise<Caller> {
  supervised = await supervise(playground);
  return callerOf(supervised);
}

const claim = (api: Caller, token: string) => api.post('/api/tasks/claim', { worker_id: 'n8n' }, token);

test('a token made while nothing runs is good after a restart too, until it is revoked', async () => {
  const token = await create('n8n', 'worker');
  let api = await up();
  expect((await claim(api, token)).status).toBe(200);
  await supervised?.stop({ cancelAgents: true });
  api = await up();
  expect((await claim(api, token)).status).toBe(200);

  // One made beside a running supervisor counts at once, and a revoked one at once no more.
  const second = await create('ci', 'read-only');
  expect((await api.call('GET', '/api/status', { token: second })).status).toBe(200);
  expect((await supervisor('token', 'revoke', 'n8n')).out).toBe('revoked: n8n\n');
  const refused = await claim(api, token);
  expect([refused.status, refused.json]).toEqual([
    401,
    expect.objectContaining({ hint: expect.stringContaining('supervisor token create') }),
  ]);
  expect((await api.call('GET', '/api/status', { token: second })).status).toBe(200);
  await supervised?.stop({ cancelAgents: true });
  supervised = null;

  const listed = JSON.parse((await supervisor('token', 'list', '--json')).out);
  expect(listed.tokens).toEqual([
    { name: 'ci', scope: 'read-only', created_at: expect.any(String), last_used_at: expect.any(String) },
  ]);
  expect((await supervisor('token', 'list')).out).toMatch(/^NAME .*\nci +read-only /);
});

test('at rest there are hashes, for this user alone; names are unique, and what is wrong is said', async () => {
  const token = await create('n8n', 'worker');
  const file = join(playground.stateDir, 'tokens.json');
  expect(await readFile(file, 'utf8')).not.toContain(token.slice(4));
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  const again = await supervisor('token', 'create', 'n8n');
  expect([again.status, again.err]).toEqual([1, expect.stringContaining('supervisor token revoke n8n')]);
  expect((await supervisor('token', 'create', '../x')).status).toBe(2);
  expect((await supervisor('token', 'create', 'x', '--scope', 'root')).status).toBe(2);
  expect((await supervisor('token', 'revoke', 'nobody')).status).toBe(8);
  // Ten at once: none of them is lost.
  await Promise.all(Array.from({ length: 10 }, (_, n) => create(`t${n}`, 'worker')));
  expect(JSON.parse(await readFile(file, 'utf8')).tokens).toHaveLength(11);
});

test('every route × every scope', async () => {
  const tokens = new Map<TokenScope, string>();
  for (const scope of TOKEN_SCOPES) tokens.set(scope, await create(scope, scope));
  const api = await up();
  await supervised?.event('run.handed-off', 'out');
  const { paths } = (await api.get('/api/openapi.json')).json as unknown as {
    paths: Readonly<Record<string, object>>;
  };
  const FOR_WORKERS = new Set(
    ['complete', 'fail', 'heartbeat', 'output', 'release', 'input', 'claim'].map(
      (verb) => `/api/task/{id}/${verb}`,
    ),
  ).add('/api/tasks/claim');
  const WITH_THEIR_OWN = new Set(['/api/callback/{token}', '/api/a2a/notify/{attempt}']);
  const wrong: string[] = [];
  let asked = 0;
  for (const [path, verbs] of Object.entries(paths)) {
    if (WITH_THEIR_OWN.has(path) || path === '/api/health') continue;
    for (const method of Object.keys(verbs).map((verb) => verb.toUpperCase()))
      for (const [scope, token] of tokens) {
        const gone = new AbortController();
        const answer = await fetch(api.url + path.replace('{id}', 'no-such-task'), {
          method,
          signal: gone.signal,
          headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
          // Fits nothing, and would be looked at only by who may come in.
          ...(method === 'POST' ? { body: '{"worker_id":7,"reason":7,"target":7}' } : {}),
        });
        gone.abort();
        const allowed =
          scope === 'operator' ||
          (scope === 'remote' ? path === '/api/tasks/claim' : method === 'GET') ||
          (scope === 'worker' && FOR_WORKERS.has(path));
        if ((answer.status === 403) === allowed || answer.status === 401)
          wrong.push(`${scope} ${method} ${path}: ${answer.status}`);
        asked++;
      }
  }
  expect(wrong).toEqual([]);
  expect(asked).toBeGreaterThan(60);
  const refused = await api.call('POST', '/api/control/pause', {
    token: tokens.get('worker') ?? '',
    body: {},
  });
  expect(refused.json).toMatchObject({
    code: 'forbidden',
    hint: expect.stringContaining('supervisor token create NAME --scope operator'),
  });
});

test('a worker reports only on what it claimed itself, with its own token as with that of the task', async () => {
  const [mine, other] = [await create('mine', 'worker'), await create('other', 'worker')];
  let api = await up();
  await supervised?.event('run.handed-off', 'out');
  const verbs = ['heartbeat', 'complete', 'fail', 'release', 'input', 'output'];
  const bodies: Record<string, object> = {
    input: { question: 'which?' },
    output: { file: 'output.log', offset: 0, data: '' },
  };
  const refusals = async (token: string) =>
    await Promise.all(
      verbs.map(async (verb) => {
        const { status, json } = await api.post(`/api/task/out/${verb}`, bodies[verb] ?? {}, token);
        return [verb, status, json.code];
      }),
    );
  const refused = verbs.map((verb) => [verb, 403, 'forbidden']);
  // No one has claimed it yet.
  expect(await refusals(mine)).toEqual(refused);
  const claimed = (await claim(api, mine)).json as unknown as { tasks: object[] };
  expect(claimed.tasks).toHaveLength(1);
  expect(await refusals(other)).toEqual(refused);
  expect((await api.post('/api/task/out/heartbeat', {}, mine)).status).toBe(200);
  // The same after a restart.
  await supervised?.stop({ cancelAgents: false });
  api = await up();
  expect(await refusals(other)).toEqual(refused);
  const done = await api.post('/api/task/out/complete', { summary: 'well' }, mine);
  expect([done.status, done.json.status]).toEqual([200, 'done']);
  expect((await api.post('/api/task/out/complete', { summary: 'well' }, mine)).json).toMatchObject({
    duplicate: true,
  });
  expect((await api.post('/api/task/out/fail', { reason: 'no' }, other)).status).toBe(403);
});

test('a file that is no list of tokens lets no one in by it, and keeps no one else out', async () => {
  const token = await create('n8n', 'worker');
  const api = await up();
  await rm(join(playground.stateDir, 'tokens.json'));
  await mkdir(join(playground.stateDir, 'tokens.json'));
  expect((await claim(api, token)).status).not.toBe(200);
  expect((await api.get('/api/status')).status).toBe(200);
  expect((await supervisor('token', 'list')).status).toBe(3);
});
