// The supervisor's half of work on other machines: `type = "remote"` waits for a worker, is claimed once, lost and taken
// again, and told of. The worker here is a script; the real one has tests of its own.

import { readFile } from 'node:fs/promises';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { command } from '../cli/fake-surroundings.ts';
import { type Called, type Caller, callerOf } from '../support/api-calls.ts';
import { createFakeClock, type FakeClock } from '../support/fake-clock.ts';
import { createPlayground, type Playground } from '../support/playground.ts';
import { type Supervised, supervise } from '../support/supervised.ts';

let playground: Playground;
let supervised: Supervised | null = null;
let api: Caller;

const FARM =
  '[api]\nlisten = "127.0.0.1:0"\n[executors.farm]\ntype = "remote"\nrun = "command"\nmax_concurrent = 2\n';

beforeEach(async () => {
  playground = await createPlayground();
  await playground.writeConfig(FARM);
});
afterEach(async () => {
  await supervised?.stop({ cancelAgents: true });
  supervised = null;
  await playground.remove();
});

async function up(clock?: FakeClock): Promise<void> {
  supervised = await supervise(playground, clock ? { clock } : {});
  api = await callerOf(supervised);
}

const tasks = (...ids: string[]) =>
  playground.writeGraph(
    playground.repo,
    ids.map((id) => ({
      id,
      tags: ['executor:farm'],
      exec: `echo ${id}`,
      verify: 'test -f made-by-the-worker',
    })),
  );

interface Taken {
  readonly task: { readonly id: string; readonly local_id: string };
  readonly attempt: { readonly id: string; readonly fence: number };
  readonly lease: { readonly token: string };
  readonly work: Readonly<Record<string, unknown>>;
}

async function claim(body: object = {}, token?: string): Promise<readonly Taken[]> {
  const wish = { worker_id: 'w1', executors: ['farm'], lease_s: 60, max_tasks: 5, wait_s: 5, ...body };
  return (await api.post('/api/tasks/claim', wish, token)).json.tasks as unknown as Taken[];
}

const call = ({ task, lease }: Taken, verb: string, body: object = {}): Promise<Called> =>
  api.post(`/api/task/${encodeURIComponent(task.id)}/${verb}`, body, lease.token);

const why = async (task: string) => String((await api.get(`/api/task/${task}/why`)).json.because);

test('why says which worker is missing, and what is known of those that are there', async () => {
  await tasks('a', 'b', 'c');
  await up();
  expect(await why('a')).toBe('waits for a worker with profile farm: none is connected');
  await api.post('/api/tasks/claim', {
    worker_id: 'eu1',
    executors: [],
    resting: [{ executor: 'farm', because: 'account claude: usage limit' }],
  });
  expect(await why('a')).toBe(
    'waits for a worker with profile farm: 1 is connected, none takes it now (eu1: account claude: usage limit)',
  );
  expect(await claim({ worker_id: 'eu2', executors: ['farm'], max_tasks: 2 })).toHaveLength(2);
  // max_concurrent = 2: the third is not to be had by anyone.
  expect(await claim({ worker_id: 'eu3', wait_s: 0 })).toEqual([]);
  expect(await why('c')).toContain('executor farm has 2 of 2 under way');
  const status = (await api.get('/api/status')).json as unknown as { workers: readonly { name: string }[] };
  expect(status.workers.map(({ name }) => name)).toEqual(['eu1', 'eu2', 'eu3']);
  const said = await command(
    { cwd: playground.repo, home: playground.folder },
    '--config',
    playground.configFile,
    '--state-dir',
    playground.stateDir,
    'status',
  );
  expect(said.out).toContain('3 workers');
});

test('an order says what to run and where to push; a result is written, its verify left to the worker', async () => {
  await playground.git(
    playground.repo,
    'remote',
    'add',
    'origin',
    'https://user:secret@git.example/shop.git',
  );
  await tasks('odd:id ..x');
  await up();
  const [taken] = await claim();
  if (!taken) throw new Error('nothing was claimed');
  expect(taken.work).toEqual({
    schema: 1,
    profile: 'farm',
    run: 'command',
    exec: 'echo odd:id ..x',
    model: null,
    project_model: null,
    verify: 'test -f made-by-the-worker',
    push: 'wg/odd-id--x/a1',
    hooks: { before_run: null, after_run: null },
    traceparent: expect.stringMatching(/^00-/),
    budgets_left: [],
  });
  expect(JSON.stringify(taken)).toContain('https://git.example/shop.git');
  expect(JSON.stringify(taken)).not.toContain('secret@');
  await playground.git(playground.repo, 'check-ref-format', '--branch', String(taken.work.push));

  const data = (text: string) => Buffer.from(text).toString('base64');
  const file = 'output.log';
  expect((await call(taken, 'output', { file, offset: 0, data: data('one\ntwo\n') })).json).toEqual({
    size: 8,
  });
  // Again, overlapping, and with a gap.
  expect((await call(taken, 'output', { file, offset: 4, data: data('two\nthree\n') })).json).toEqual({
    size: 14,
  });
  expect((await call(taken, 'output', { file, offset: 90, data: data('x') })).json).toEqual({ size: 14 });
  expect((await call(taken, 'output', { file: '../../x', offset: 0, data: data('x') })).status).toBe(422);
  const [run] = (await api.get('/api/runs')).json.runs as unknown as { output: string }[];
  expect(await readFile(String(run?.output), 'utf8')).toBe('one\ntwo\nthree\n');

  const usage = { input_tokens: 12, cost_usd: 0.5 };
  const done = await call(taken, 'complete', { summary: 'built', commit: 'c0ffee', usage });
  expect(done.json).toMatchObject({ state: 'completed', duplicate: false, late: false });
  expect((await call(taken, 'complete', { summary: 'built' })).json).toMatchObject({ duplicate: true });
  const [settled] = (await api.get('/api/runs')).json.runs as unknown as { usage: object }[];
  expect(settled?.usage).toMatchObject({ input_tokens: 12 });
  expect((await playground.readGraph(playground.repo)).get('odd:id ..x')).toMatchObject({ status: 'done' });
});

test('a worker that falls silent loses the task to the next; its late word is refused; too often, and it is parked', async () => {
  await tasks('a');
  const clock = createFakeClock('2027-03-01T10:00:00Z');
  await up(clock);
  const [first] = await claim();
  if (!first) throw new Error('nothing was claimed');
  clock.advance(61_000);
  await supervised?.event('run.released', 'a');
  // No one has it yet: its worker may continue, and its result would be welcome.
  expect((await call(first, 'heartbeat')).json).toMatchObject({ code: 'not-claimed' });
  const [second] = await claim({ worker_id: 'w2' });
  expect(second?.attempt.fence).toBeGreaterThan(first.attempt.fence);
  for (const verb of ['heartbeat', 'complete', 'fail', 'release'])
    expect([verb, (await call(first, verb)).json.code]).toEqual([verb, 'lease-superseded']);
  expect((await call(first, 'output', { file: 'output.log', offset: 0, data: 'eA==' })).status).toBe(409);
  clock.advance(61_000);
  await supervised?.nth(2, 'run.released', 'a');
  expect(await claim({ worker_id: 'w3' })).toHaveLength(1);
  clock.advance(61_000);
  await supervised?.nth(3, 'run.released', 'a');
  expect(await claim({ worker_id: 'w4', wait_s: 0 })).toEqual([]);
  expect(await why('a')).toContain('parked');
});

test('a supervisor that was away does not hold its absence against the worker', async () => {
  await tasks('a');
  const clock = createFakeClock('2027-03-01T10:00:00Z');
  await up(clock);
  const [taken] = await claim();
  if (!taken) throw new Error('nothing was claimed');
  await supervised?.stop({ cancelAgents: false });
  clock.advance(600_000);
  await up(clock);
  expect((await call(taken, 'heartbeat')).json).toMatchObject({ directive: 'continue' });
  expect((await call(taken, 'complete')).json).toMatchObject({ state: 'completed', duplicate: false });
});

test('a token of scope remote takes what is there for workers and nothing else', async () => {
  await playground.writeGraph(playground.repo, [
    { id: 'out', tags: ['executor:external'] },
    { id: 'here', exec: 'true', paused: true },
    { id: 'a', tags: ['executor:farm'] },
  ]);
  await up();
  const made = await command(
    { cwd: playground.repo, home: playground.folder },
    ...['--state-dir', playground.stateDir, 'token', 'create', 'eu1', '--scope', 'remote'],
  );
  const token = made.out.trim();
  const taken = await claim({ executors: ['external', 'command', 'farm'] }, token);
  expect(taken.map(({ task }) => task.local_id)).toEqual(['a']);
  expect((await api.call('GET', '/api/status', { token })).status).toBe(403);
  expect((await api.post('/api/task/out/complete', {}, token)).status).toBe(403);
  // And the token of its run is good for that run's task alone.
  const [own] = taken;
  expect((await api.post('/api/task/out/complete', {}, own?.lease.token)).status).toBe(403);
  expect((await api.post('/api/task/a/dispatch', {})).status).toBe(409);
});

test('cancelled and timed out: the next heartbeat says so; several lines of a reason become one', async () => {
  await tasks('a', 'b');
  await up();
  const [a, b] = await claim();
  if (!a || !b) throw new Error('too little was claimed');
  await api.post(`/api/task/${encodeURIComponent(a.task.id)}/cancel`, {});
  await supervised?.event('run.released', a.task.local_id);
  expect((await call(a, 'heartbeat')).json).toMatchObject({ directive: 'cancel' });
  expect((await call(b, 'release', { reason: 'no disk:\nhere\n  and there', delay_s: 60 })).status).toBe(200);
  expect(await why(b.task.local_id)).toContain('no disk: here and there');
});

test('env and an unknown key of a remote profile are errors with a next step', async () => {
  await playground.writeConfig(
    '[executors.farm]\ntype = "remote"\nenv = { TOKEN = "x" }\npush = "x/{{task.oid}}"\n',
  );
  const said = await command(
    { cwd: playground.repo, home: playground.folder },
    ...['--config', playground.configFile, 'config', 'check'],
  );
  expect(said.status).toBe(3);
  expect(said.out + said.err).toContain("worker's own profile");
  expect(said.out + said.err).toContain('did you mean {{task.id}}');
});
