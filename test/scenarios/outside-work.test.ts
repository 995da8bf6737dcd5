// Work that continues elsewhere, over a real supervisor and its real API: claims, leases, fences, late and repeated reports,
// staleness (http-protocol 2.2 and 2.3).

import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { eventually } from '../support/actors.ts';
import { type Called, type Caller, callerOf } from '../support/api-calls.ts';
import { createPlayground, type Playground, type TaskLine } from '../support/playground.ts';
import { type Supervised, supervise } from '../support/supervised.ts';

let playground: Playground;
let supervised: Supervised;
let api: Caller;

beforeEach(async () => {
  playground = await createPlayground();
});
afterEach(async () => {
  await supervised?.stop({ cancelAgents: true });
  await playground.remove();
});

const held = (id: string, more: object = {}): TaskLine => ({ id, tags: ['executor:external'], ...more });

async function begin(tasks: readonly TaskLine[], config = ''): Promise<void> {
  await playground.writeGraph(playground.repo, tasks);
  await playground.writeConfig(`${config}\n[api]\nlisten = "127.0.0.1:0"\n`);
  supervised = await supervise(playground);
  api = await callerOf(supervised);
}

interface Given {
  readonly task: { readonly id: string; readonly local_id: string };
  readonly attempt: { readonly fence: number; readonly number: number };
  readonly lease: { readonly token: string; readonly expires_at: string | null };
  readonly callback: { readonly complete_url: string; readonly signed_url: string };
}

async function claimMany(body: object): Promise<Given[]> {
  const answer = await api.post('/api/tasks/claim', { worker_id: 'w', ...body });
  expect(answer.status).toBe(200);
  return answer.json.tasks as unknown as Given[];
}

async function status(task: string): Promise<unknown> {
  return (await playground.readGraph(playground.repo)).get(task)?.status;
}

const code = (answer: Called) => [answer.status, answer.json.code];

describe('claiming', () => {
  test('a hold is taken with all that the work needs, and its URLs end it', async () => {
    await begin([held('sign-off', { description: 'Look at it' })]);
    await supervised.event('run.handed-off', 'sign-off');
    const [given] = await claimMany({ lease_s: 60, external_ref: 'dGFzay10b2tlbg==' });
    expect(given).toMatchObject({
      task: { local_id: 'sign-off', instructions: 'Look at it' },
      attempt: { number: 1, fence: 1 },
      lease: { token: expect.stringMatching(/^wgl_[\w-]{43}$/), expires_at: expect.any(String) },
    });
    if (!given) throw new Error('nothing was given');
    expect(given.callback.complete_url).toBe(
      `${api.url}/api/task/${encodeURIComponent(given.task.id)}/complete`,
    );
    const done = await api.post(given.callback.complete_url, { result: { ok: 1 } }, given.lease.token);
    expect([done.status, done.json]).toEqual([
      200,
      expect.objectContaining({ state: 'completed', duplicate: false, late: false }),
    ]);
    expect(await status('sign-off')).toBe('done');
    expect((await supervised.event('run.settled', 'sign-off')).external_ref).toBe('dGFzay10b2tlbg==');
  });

  test('twenty claim one task at once, by one route and the other: one gets it', async () => {
    await begin([held('only', {}), { id: 'busy', tags: ['executor:external'], after: ['only'] }]);
    await supervised.event('run.handed-off', 'only');
    const claims = Array.from({ length: 20 }, (_, n) =>
      n % 2 === 0
        ? api.post('/api/task/only/claim', { worker_id: `w${n}` })
        : api.post('/api/tasks/claim', { worker_id: `w${n}` }),
    );
    const answers = await Promise.all(claims);
    const got = answers.filter(({ json }) =>
      ((json.tasks as unknown as unknown[]) ?? [json.lease]).some(Boolean),
    );
    expect(got.length).toBe(1);
    for (const { status, json } of answers)
      if (status !== 200) expect([status, json.code]).toEqual([409, 'already-claimed']);
    expect(code(await api.post('/api/task/busy/claim', { worker_id: 'w' }))).toEqual([409, 'not-ready']);
    expect(code(await api.post('/api/task/nothing/claim', { worker_id: 'w' }))).toEqual([404, 'not-found']);
  });

  test('a long poll answers at once when a task becomes ready, and with nothing when its time has finished', async () => {
    await begin([{ id: 'first', tags: ['executor:external'] }, held('second', { after: ['first'] })]);
    await supervised.event('run.handed-off', 'first');
    const [first] = await claimMany({});
    const begun = Date.now();
    expect(await claimMany({ wait_s: 0.3 })).toEqual([]);
    expect(Date.now() - begun).toBeGreaterThan(250);
    const waiting = claimMany({ wait_s: 50 });
    await api.post('/api/task/first/complete', {}, first?.lease.token);
    const [second] = await waiting;
    expect(second?.task.local_id).toBe('second');
    expect(Date.now() - begun).toBeLessThan(10_000);
  });

  test('filters: executors, topics, worktrees, ids, and how many', async () => {
    await begin(
      [
        held('a', { tags: ['executor:external', 'topic:mail'], priority: 50 }),
        held('b', { tags: ['executor:partner', 'x'] }),
        held('c'),
      ],
      '[executors.partner]\ntype = "external"\n',
    );
    for (const id of ['a', 'b', 'c']) await supervised.event('run.handed-off', id);
    const ids = async (body: object) => (await claimMany(body)).map(({ task }) => task.local_id);
    expect(await ids({ topics: ['nothing'] })).toEqual([]);
    expect(await ids({ executors: ['claude'], max_tasks: 50 })).toEqual([]);
    expect(await ids({ worktrees: [`${playground.folder}/elsewhere`] })).toEqual([]);
    expect(await ids({ task_ids: ['zzz'] })).toEqual([]);
    expect(await ids({ executors: ['partner'], topics: ['x'], worktrees: [playground.repo] })).toEqual(['b']);
    expect(await ids({ max_tasks: 2 })).toEqual(['a', 'c']);
    const refusals = [
      { max_tasks: 51 },
      { wait_s: 51 },
      { max_tasks: 0 },
      { worker_id: '' },
      { lease_s: -1 },
    ];
    for (const body of refusals)
      expect((await api.post('/api/tasks/claim', { worker_id: 'w', ...body })).status).toBe(422);
  });
});

describe('leases and fences', () => {
  test('an expired lease is taken over under a new fence; the old worker is superseded', async () => {
    await begin([held('job')]);
    await supervised.event('run.handed-off', 'job');
    const [old] = await claimMany({ lease_s: 0.2 });
    const [young] = await claimMany({ wait_s: 20, lease_s: 60 });
    if (!old || !young) throw new Error('both were to get it');
    expect(young.attempt.fence).toBeGreaterThan(old.attempt.fence);
    for (const verb of ['complete', 'heartbeat', 'release', 'fail']) {
      const refused = await api.post(`/api/task/job/${verb}`, { lease_token: old.lease.token });
      expect([verb, ...code(refused), refused.json.current_attempt]).toEqual([
        verb,
        409,
        'lease-superseded',
        1,
      ]);
    }
    expect((await api.post('/api/task/job/complete', {}, young.lease.token)).json).toMatchObject({
      late: false,
    });
    expect(await status('job')).toBe('done');
  });

  test('late but current: accepted, and said to be late', async () => {
    await begin([held('job')]);
    await supervised.event('run.handed-off', 'job');
    const [given] = await claimMany({ lease_s: 0.2 });
    await supervised.event('run.stale', 'job');
    const done = await api.post('/api/task/job/complete', { summary: 'after all' }, given?.lease.token);
    expect(done.json).toMatchObject({ state: 'completed', late: true, duplicate: false });
  });

  test('a claimed task whose worker falls silent goes back; its late result still counts', async () => {
    await begin([
      { id: 'job', exec: 'true', not_before: '2126-01-01T00:00:00Z' },
      { id: 'soon', tags: ['executor:nobody'] },
    ]);
    expect(code(await api.post('/api/task/job/claim', { worker_id: 'w' }))).toEqual([409, 'not-ready']);
    const { json } = await api.post('/api/task/soon/claim', { worker_id: 'w', lease_s: 0.2 });
    expect(json.attempt).toMatchObject({ number: 1 });
    await supervised.event('run.stale', 'soon');
    const lease = json.lease as unknown as { token: string };
    for (let beat = await api.post('/api/task/soon/heartbeat', {}, lease.token); ; ) {
      if (beat.status === 409) {
        expect(beat.json.code).toBe('not-claimed');
        break;
      }
      beat = await api.post('/api/task/soon/heartbeat', {}, lease.token);
    }
    expect(await status('soon')).toBe('open');
    const late = await api.post('/api/task/soon/complete', {}, lease.token);
    expect(late.json).toMatchObject({ state: 'completed', late: true });
    expect(await status('soon')).toBe('done');
  });

  test('the same report again is a duplicate, another one a contradiction', async () => {
    await begin([held('good'), held('bad'), held('bare')]);
    for (const id of ['good', 'bad', 'bare']) await supervised.event('run.handed-off', id);
    const given = new Map(
      (await claimMany({ max_tasks: 3 })).map((one) => [one.task.local_id, one.lease.token]),
    );
    const say = (id: string, verb: string, body: object = {}) =>
      api.post(`/api/task/${id}/${verb}`, body, given.get(id));
    // Twice at once: the second joins what the first one writes.
    const result = { summary: 'all of it', artifacts: { files: 2 } };
    const both = await Promise.all([say('good', 'complete', result), say('good', 'complete', result)]);
    expect(both.map(({ json }) => json.duplicate).sort()).toEqual([false, true]);
    expect((await say('good', 'complete')).json).toMatchObject({ duplicate: true, state: 'completed' });
    expect((await say('good', 'complete', result)).json).toMatchObject({ duplicate: true });
    expect((await say('good', 'complete', result)).json).not.toHaveProperty('ignored');
    expect((await say('bare', 'complete')).json).toMatchObject({ duplicate: false });
    expect((await say('bare', 'complete', result)).json).toMatchObject({
      duplicate: true,
      ignored: 'artifacts',
    });
    expect(code(await say('good', 'complete', { summary: 'half of it' }))).toEqual([409, 'already-terminal']);
    expect(code(await say('good', 'complete', { artifacts: { files: 3 } }))).toEqual([
      409,
      'already-terminal',
    ]);
    expect(code(await say('good', 'fail'))).toEqual([409, 'already-terminal']);
    expect((await say('bad', 'fail')).json).toMatchObject({
      state: 'failed',
      duplicate: false,
      attempts_left: 0,
    });
    expect((await say('bad', 'fail')).json).toMatchObject({ duplicate: true });
    expect(code(await say('bad', 'complete'))).toEqual([409, 'already-terminal']);
    expect(await status('bad')).toBe('failed');
  });

  test('a heartbeat moves the lease and never the deadline', async () => {
    await begin([held('job', { timeout: '1h' })]);
    await supervised.event('run.handed-off', 'job');
    const [given] = await claimMany({ lease_s: 100 });
    const beat = await api.post(
      '/api/task/job/heartbeat',
      { extend_s: 1000, progress: { percent: 5 } },
      given?.lease.token,
    );
    const lease = beat.json.lease as unknown as { expires_at: string };
    expect(Date.parse(lease.expires_at) - Date.parse(given?.lease.expires_at ?? '')).toBeGreaterThan(800_000);
    expect(beat.json.directive).toBe('continue');
    const later = await api.post('/api/task/job/heartbeat', {}, given?.lease.token);
    expect([typeof beat.json.deadline, later.json.deadline]).toEqual(['string', beat.json.deadline]);
  });

  test('released: open again, the attempt does not count, and it rests as long as was asked', async () => {
    await begin([held('job')]);
    await supervised.event('run.handed-off', 'job');
    const [given] = await claimMany({});
    const back = await api.post(
      '/api/task/job/release',
      { reason: 'not today', delay_s: 3600 },
      given?.lease.token,
    );
    expect([back.status, back.json.status]).toEqual([200, 'open']);
    expect((await api.get('/api/task/job/why')).json).toMatchObject({ code: 'handed-back' });
    expect(await claimMany({})).toEqual([]);
  });

  test('cancelled: the worker hears it, and its report is refused with the state', async () => {
    await begin([held('job')]);
    await supervised.event('run.handed-off', 'job');
    const [given] = await claimMany({});
    const cancelled = await api.post('/api/task/job/cancel', { reason: 'changed our minds' });
    expect([cancelled.status, cancelled.headers.get('location')]).toEqual([202, '/api/task/job']);
    const ended = (await api.get('/api/runs?task=job')).json.runs as unknown as { run: string }[];
    await supervised.control.ended(ended[0]?.run ?? '', 10_000);
    expect((await api.post('/api/task/job/heartbeat', {}, given?.lease.token)).json.directive).toBe('cancel');
    expect(code(await api.post('/api/task/job/complete', {}, given?.lease.token))).toEqual([
      410,
      'task-cancelled',
    ]);
  });

  test('the task is gone: 410', async () => {
    await begin([held('job'), held('other')], '[limits]\nrewind_grace = "200ms"\n');
    // The graph is written over without its lock: nothing of the supervisor may be on its way.
    await Promise.all(['job', 'other'].map((id) => supervised.event('run.handed-off', id)));
    const [given] = await claimMany({ task_ids: ['job'] });
    await playground.writeGraph(playground.repo, [held('other')]);
    // git may bring it back for as long as the grace: until then the result is kept.
    const answer = await eventually(async () => {
      const said = await api.post('/api/task/job/complete', {}, given?.lease.token);
      return said.status === 202 ? null : said;
    });
    expect(code(answer)).toEqual([410, 'task-removed']);
    for (const verb of ['heartbeat', 'release'])
      expect(code(await api.post(`/api/task/job/${verb}`, {}, given?.lease.token))).toEqual([
        410,
        'task-removed',
      ]);
  });

  test('a worker that quotes its own token puts it into no graph, event or report', async () => {
    await begin([held('job')]);
    await supervised.event('run.handed-off', 'job');
    const events: unknown[] = [];
    supervised.bus.on((event) => void events.push(event));
    const [given] = await claimMany({});
    const token = given?.lease.token ?? '';
    const said = `sent with Bearer ${token}`;
    await api.post('/api/task/job/heartbeat', { progress: said }, token);
    await api.post('/api/task/job/input', { question: said, options: [said] }, token);
    const asking = await api.get('/api/task/job');
    await api.post('/api/task/job/fail', { error: { message: said } }, token);
    const settled = await supervised.event('run.settled', 'job');
    const graph = [...(await playground.readGraph(playground.repo)).values()];
    const told = JSON.stringify([asking.json, events, settled, graph]);
    expect(told).toContain('sent with Bearer wgl_[redacted]');
    expect(told).not.toContain(token);
  });

  test.each(['flag', 'retry', 'fail'] as const)('on_stale = "%s"', async (policy) => {
    await begin(
      [held('job')],
      `[executors.external]\ntype = "external"\nstale_after = "1s"\non_stale = "${policy}"\n`,
    );
    const stale = await supervised.event('run.stale', 'job');
    expect(stale).toMatchObject({
      action: policy,
      because: expect.stringContaining('no sign of life since'),
    });
    if (policy === 'flag') {
      expect(await status('job')).toBe('in-progress');
      expect((await api.post('/api/task/job/complete', {})).json).toMatchObject({ state: 'completed' });
    }
    if (policy === 'fail') {
      await supervised.event('run.settled', 'job');
      expect(await status('job')).toBe('failed');
    }
    if (policy === 'retry')
      while (supervised.count('run.handed-off', 'job') < 2) await supervised.bus.next('run.handed-off');
  });
});

describe('the other rows', () => {
  test('the pre-signed URL: any body, any type, no token; fail by its query', async () => {
    await begin([held('a'), held('b')]);
    for (const id of ['a', 'b']) await supervised.event('run.handed-off', id);
    const given = new Map(
      (await claimMany({ max_tasks: 2 })).map((one) => [one.task.local_id, one.callback.signed_url]),
    );
    const url = given.get('a') ?? '';
    expect(url).toMatch(/\/api\/callback\/wgc_[\w-]{43}$/);
    const done = await api.call('POST', url, {
      token: null,
      body: '{"words":42}',
      headers: { 'content-type': 'text/plain' },
    });
    expect(done.json).toMatchObject({ state: 'completed', duplicate: false });
    expect((await api.get('/api/task/a')).json.artifacts).toEqual([{ result: { words: 42 } }]);
    expect((await api.call('POST', url, { token: null })).json).toMatchObject({ duplicate: true });
    const failed = await api.call('POST', `${given.get('b')}?outcome=fail`, {
      token: null,
      body: 'no paper',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    });
    expect(failed.json).toMatchObject({ state: 'failed' });
    expect(
      code(await api.call('POST', `${api.url}/api/callback/wgc_${'x'.repeat(43)}`, { token: null })),
    ).toEqual([401, 'unauthorized']);
    // It is good for ending the run, and for nothing else.
    const stolen = url.split('/').at(-1) ?? '';
    expect((await api.call('GET', '/api/task/a', { token: stolen })).status).toBe(401);
  });

  test('dispatch begins a task now, waits where that is preferred, and says why it cannot', async () => {
    await begin([
      { id: 'later', exec: 'echo hi', tags: ['schedule:2126-01-01T00:00:00Z'] },
      { id: 'blocked', after: ['later2'], exec: 'true' },
      { id: 'later2', exec: 'true', tags: ['schedule:2126-01-01T00:00:00Z'] },
    ]);
    const over = await api.call('POST', '/api/task/later/dispatch', {
      body: {},
      headers: { prefer: 'respond-async, wait=30' },
    });
    expect([over.status, over.headers.get('preference-applied')]).toEqual([200, 'wait=30']);
    expect(over.json).toMatchObject({ phase: 'settled', outcome: { kind: 'succeeded' } });
    const begun = await api.post('/api/task/later2/dispatch', { executor: 'external' });
    expect([begun.status, begun.headers.get('location'), begun.headers.get('retry-after')]).toEqual([
      202,
      '/api/task/later2',
      '2',
    ]);
    await supervised.event('run.handed-off', 'later2');
    expect(code(await api.post('/api/task/later2/dispatch'))).toEqual([409, 'already-claimed']);
    expect(code(await api.post('/api/task/blocked/dispatch'))).toEqual([409, 'not-ready']);
    expect((await api.post('/api/task/blocked/dispatch', { executor: 'nobody' })).status).toBe(409);
  });

  test('while draining nothing new is given away, and what is under way is taken', async () => {
    await begin([held('job'), held('other')]);
    for (const id of ['job', 'other']) await supervised.event('run.handed-off', id);
    const [given] = await claimMany({ task_ids: ['job'] });
    expect((await api.post('/api/control/drain')).status).toBe(202);
    await supervised.supervisor.tick();
    const refused = await api.post('/api/task/other/claim', { worker_id: 'w' });
    expect([...code(refused), refused.headers.get('retry-after')]).toEqual([503, 'not-running', '2']);
    expect((await api.post('/api/task/other/dispatch')).status).toBe(503);
    expect(await claimMany({})).toEqual([]);
    const done = await api.post('/api/task/job/complete', {}, given?.lease.token);
    expect(done.json).toMatchObject({ state: 'completed' });
  });

  test('fifty wait for the same task, half of them hang up: one gets it, the others are answered', async () => {
    await begin([{ id: 'first', tags: ['executor:external'] }, held('second', { after: ['first'] })]);
    await supervised.event('run.handed-off', 'first');
    await claimMany({});
    const gone = new AbortController();
    const waiting = Array.from({ length: 50 }, (_, n) =>
      api
        .call('POST', '/api/tasks/claim', {
          body: { worker_id: `w${n}`, wait_s: 5 },
          ...(n % 2 === 0 ? { signal: gone.signal } : {}),
        })
        .then(
          ({ json }) => (json.tasks as unknown as unknown[]).length,
          () => 'gone',
        ),
    );
    await api.get('/api/health');
    gone.abort();
    await api.post('/api/task/first/complete');
    await supervised.event('run.handed-off', 'second');
    const answers = await Promise.all(waiting);
    expect(answers.filter((one) => one === 'gone').length).toBe(25);
    // Someone who hung up in that very moment may have been given it; its lease ends then.
    expect(answers.filter((one) => one === 1).length).toBeLessThanOrEqual(1);
  });

  test('a task can be waited for by its ETag', async () => {
    await begin([held('job')]);
    await supervised.event('run.handed-off', 'job');
    // Judged again after the hand-off, so that what follows finds nothing new.
    await supervised.supervisor.quiet();
    const first = await api.get('/api/task/job');
    const etag = first.headers.get('etag') ?? '';
    expect((await api.get('/api/task/job', { 'if-none-match': etag })).status).toBe(304);
    const nothing = await api.get('/api/task/job', { 'if-none-match': etag, prefer: 'wait=1' });
    expect(nothing.status).toBe(304);
    const waiting = api.get('/api/task/job', { 'if-none-match': etag, prefer: 'wait=50' });
    await api.post('/api/task/job/complete', {});
    const news = await waiting;
    expect([news.status, news.headers.get('preference-applied')]).toEqual([200, 'wait=50']);
    expect(news.headers.get('etag')).not.toBe(etag);
  });

  test('a claim is news to requests that wait for a task', async () => {
    await begin([held('job')]);
    await supervised.event('run.handed-off', 'job');
    await supervised.supervisor.quiet();
    const etag = (await api.get('/api/task/job')).headers.get('etag') ?? '';
    const waiting = api.get('/api/task/job', { 'if-none-match': etag, prefer: 'wait=50' });
    // By the time that this is answered the other one waits.
    await api.get('/api/health');
    expect((await api.post('/api/task/job/claim', { worker_id: 'w', lease_s: 0 })).status).toBe(200);
    expect((await waiting).json).toMatchObject({ runs: [{ lease: { worker: 'w' } }] });
  });

  test('a keyed request is done once: replayed, refused for another body, kept over a restart', async () => {
    await begin([held('a'), held('b'), held('c')]);
    for (const id of ['a', 'b', 'c']) await supervised.event('run.handed-off', id);
    const keyed = (path: string, key: string, body: unknown) =>
      api.call('POST', path, { body, headers: { 'idempotency-key': key } });
    const first = await keyed('/api/tasks/claim', 'k1', { worker_id: 'w' });
    const again = await keyed('/api/tasks/claim', '"k1"', { worker_id: 'w' });
    expect(again.json).toEqual(first.json);
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    expect(code(await keyed('/api/tasks/claim', 'k1', { worker_id: 'other' }))).toEqual([
      422,
      'idempotency-key-reused',
    ]);
    const done = await keyed('/api/task/a/complete', 'k2', { summary: 'x' });
    expect(done.json).toMatchObject({ duplicate: false });
    expect((await keyed('/api/task/a/complete', 'k2', { summary: 'x' })).json).toEqual(done.json);
    const refused = await keyed('/api/task/nothing/complete', 'k3', {});
    expect((await keyed('/api/task/nothing/complete', 'k3', {})).json).toMatchObject({
      code: refused.json.code,
    });
    await supervised.stop({ cancelAgents: false });
    supervised = await supervise(playground);
    api = await callerOf(supervised);
    expect((await keyed('/api/task/a/complete', 'k2', { summary: 'x' })).json).toEqual(done.json);
    expect((await keyed('/api/tasks/claim', 'k1', { worker_id: 'w' })).json).toEqual(first.json);
  });
});
