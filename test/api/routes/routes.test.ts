import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import {
  claimAnswer,
  completionAnswer,
  drainAnswer,
  healthAnswer,
  heartbeatAnswer,
  pauseAnswer,
  promptAnswer,
  reloadAnswer,
  restartAnswer,
  runAnswer,
  runsAnswer,
  statusAnswer,
  taskAnswer,
  taskDetailAnswer,
  tasksAnswer,
  whyAnswer,
} from '../../../src/api/shapes/answers.ts';
import { SupervisorError } from '../../../src/domain/errors.ts';
import { startApi, type TestApi } from '../api-kit.ts';
import { LATE_TOKEN, ODD_ID, OLD_TOKEN, RUN_TOKEN, UNKNOWN_TOKEN } from '../scripted-control.ts';

let api: TestApi;
beforeEach(async () => {
  api = await startApi();
});
afterEach(() => api.stop());

const lastCall = () => api.control.calls.at(-1);
const post = (path: string, body?: unknown, headers = {}) => api.ask({ method: 'POST', path, body, headers });

describe('every route answers in the shape that it promises', () => {
  test.each([
    ['GET', '/api/health', undefined, 200, healthAnswer],
    ['GET', '/api/status', undefined, 200, statusAnswer],
    ['GET', '/api/tasks', undefined, 200, tasksAnswer],
    ['GET', '/api/task/deploy', undefined, 200, taskDetailAnswer],
    ['GET', '/api/task/deploy/why', undefined, 200, whyAnswer],
    ['GET', '/api/task/deploy/prompt', undefined, 200, promptAnswer],
    ['GET', '/api/runs', undefined, 200, runsAnswer],
    ['POST', '/api/task/deploy/complete', {}, 200, completionAnswer],
    ['POST', '/api/task/deploy/fail', { reason: 'no' }, 200, completionAnswer],
    ['POST', '/api/task/build/heartbeat?worktree=/w1', {}, 200, heartbeatAnswer],
    ['POST', '/api/task/deploy/release', {}, 200, taskAnswer],
    ['POST', '/api/task/deploy/claim', { worker_id: 'n8n' }, 200, claimAnswer],
    ['POST', '/api/task/deploy/cancel', {}, 202, runAnswer],
    ['POST', '/api/task/deploy/retry', {}, 200, taskAnswer],
    ['POST', '/api/control/pause', {}, 200, pauseAnswer],
    ['POST', '/api/control/resume', {}, 200, pauseAnswer],
    ['POST', '/api/control/drain', {}, 202, drainAnswer],
    ['POST', '/api/control/restart', {}, 202, restartAnswer],
    ['POST', '/api/control/reload', {}, 200, reloadAnswer],
  ] as const)('%s %s', async (method, path, body, status, schema) => {
    const answer = await api.ask({ method, path, body });
    expect(answer.status).toBe(status);
    expect(answer.headers).toMatchObject({
      'content-type': 'application/json',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'cross-origin-resource-policy': 'same-origin',
    });
    expect(answer.headers['access-control-allow-origin']).toBeUndefined();
    expect(schema.strict().safeParse(answer.json).error?.issues ?? []).toEqual([]);
  });
});

describe('completing', () => {
  test('a plain POST without any body, type or token completes on the socket', async () => {
    expect((await post('/api/task/deploy/complete')).json).toEqual({
      task: 'deploy',
      worktree: '/w1',
      status: 'done',
      state: 'completed',
      duplicate: false,
      late: false,
    });
    expect(lastCall()?.args[0]).toEqual({
      task: 'deploy',
      caller: { kind: 'operator' },
      result: 'succeeded',
    });
  });

  test('the same outcome again is a duplicate, another one is refused', async () => {
    await post('/api/task/deploy/complete', {});
    expect((await post('/api/task/deploy/complete', {})).json).toMatchObject({ duplicate: true });
    const other = await post('/api/task/deploy/fail', { reason: 'changed my mind' });
    expect(other.status).toBe(409);
    expect(other.json).toMatchObject({ code: 'already-terminal', category: 'conflict' });
  });

  test('the body of the feature request: agent and artifacts', async () => {
    await post('/api/task/deploy/complete', { agent: 'samantha', artifacts: { result: 'found 3' } });
    expect(lastCall()?.args[0]).toEqual({
      task: 'deploy',
      caller: { kind: 'operator' },
      result: 'succeeded',
      agent: 'samantha',
      artifacts: { result: 'found 3' },
    });
  });

  test.each([
    [{ result: 7 }, { result: 7 }],
    [{ result: null }, { result: null }],
    [{ artifacts: null, summary: null }, undefined],
    [{ artifacts: [{ name: 'log', path: '/x' }] }, [{ name: 'log', path: '/x' }]],
    [
      { result: 'r', artifacts: ['a'] },
      { result: 'r', artifacts: ['a'] },
    ],
    [
      { result: 'outer', artifacts: { result: 'inner', n: 1 }, commit: 'abc' },
      { result: 'inner', n: 1, commit: 'abc' },
    ],
  ])('%j is kept as artifacts %j', async (body, artifacts) => {
    expect((await post('/api/task/deploy/complete', body)).status).toBe(200);
    expect(lastCall()?.args[0]).toEqual({
      task: 'deploy',
      caller: { kind: 'operator' },
      result: 'succeeded',
      ...(artifacts === undefined ? {} : { artifacts }),
    });
  });

  test.each([
    [{ status: 'failed', error: 'boom' }, 'boom'],
    [{ status: 'error', error: { message: 'bang', code: 7 } }, 'bang'],
    [{ status: 'failed', summary: 'it broke' }, 'it broke'],
    [{ status: 'failed' }, 'the agent reported a failure and gave no reason'],
  ])('a status that says failed is a failure: %j', async (body, reason) => {
    await post('/api/task/deploy/complete', body);
    expect(lastCall()?.args[0]).toMatchObject({ result: 'failed', reason });
  });

  test.each([
    [
      { reason: 'no disk', retryable: false },
      { reason: 'no disk', retryable: false },
    ],
    [{ error: { message: 'no net' } }, { reason: 'no net' }],
    [undefined, { reason: 'the agent reported a failure and gave no reason' }],
  ])('a failure is taken as %j', async (body, expected) => {
    expect((await post('/api/task/deploy/fail', body)).json).toMatchObject({ state: 'failed' });
    expect(lastCall()?.args[0]).toMatchObject({ result: 'failed', ...expected });
  });

  test.each([
    'header',
    'body',
  ])('a run token in the %s makes the run the caller, in its own graph', async (where) => {
    const answer =
      where === 'header'
        ? await post('/api/task/build/complete', {}, { authorization: `Bearer ${RUN_TOKEN}` })
        : await post('/api/task/build/complete', { lease_token: RUN_TOKEN });
    expect(answer.status).toBe(200);
    expect(lastCall()?.args[0]).toMatchObject({
      task: 'build',
      worktree: '/g1',
      caller: { kind: 'run', run: 'run_build1' },
    });
  });

  test('a superseded run is told so, with the attempt that counts', async () => {
    const answer = await post('/api/task/build/complete', { lease_token: OLD_TOKEN });
    expect(answer.status).toBe(409);
    expect(answer.json).toMatchObject({ code: 'lease-superseded', current_attempt: 2, retryable: false });
  });

  test('late but current counts', async () => {
    expect((await post('/api/task/deploy/complete', { lease_token: LATE_TOKEN })).json).toMatchObject({
      late: true,
    });
  });
});

describe('which task', () => {
  test('an id that several worktrees carry is refused with the candidates, and accepted with a worktree', async () => {
    const answer = await post('/api/task/build/complete', {});
    expect(answer.status).toBe(409);
    expect(answer.headers['content-type']).toBe('application/problem+json');
    expect(answer.json).toMatchObject({
      type: 'urn:workgraph:problem:ambiguous-task-id',
      code: 'ambiguous-task-id',
      hint: expect.stringContaining('candidates[].id'),
      candidates: [
        { id: 'w1~build', worktree: '/w1' },
        { id: 'w2~build', worktree: '/w2' },
      ],
    });
    expect((await post('/api/task/build/complete?worktree=%2Fw2', {})).json).toMatchObject({
      worktree: '/w2',
    });
    expect((await post('/api/task/w1~build/complete', {})).json).toMatchObject({ worktree: '/w1' });
  });

  test('an id with every awkward character arrives as it is', async () => {
    const answer = await api.ask({ path: `/api/task/${encodeURIComponent(ODD_ID)}` });
    expect(answer.json).toMatchObject({ task: ODD_ID });
  });

  test.each([
    ['%zz', 400],
    ['%', 400],
    ['%ff', 400],
    ['a%00b', 422],
    ['a%0Ab', 422],
    ['x'.repeat(1025), 422],
    ['nothing-here', 404],
    ['__proto__', 404],
    ['constructor', 404],
  ])('the id %s is answered %d', async (id, status) => {
    const answer = await api.ask({ path: `/api/task/${id}` });
    expect(answer.status).toBe(status);
    expect(answer.json).toMatchObject({ status, instance: expect.stringMatching(/^req_/) });
  });

  test('a run can be cancelled by its id', async () => {
    expect((await post('/api/task/run_x/cancel', { reason: 'stuck' })).json).toMatchObject({ run: 'run_x' });
    expect(lastCall()?.args).toEqual([{ task: 'run_x' }, 'stuck']);
  });
});

describe('what a run token may do', () => {
  const bearer = { authorization: `Bearer ${RUN_TOKEN}` };

  test.each([
    ['GET', '/api/task/deploy'],
    ['GET', '/api/task/w2~build'],
    ['GET', '/api/task/build?worktree=/w2'],
    ['GET', '/api/task/never-heard-of'],
    ['POST', '/api/task/deploy/complete'],
    ['POST', '/api/task/deploy/heartbeat'],
    ['POST', '/api/task/build/claim'],
    ['POST', '/api/task/build/cancel'],
    ['POST', '/api/task/build/retry'],
    ['GET', '/api/status'],
    ['GET', '/api/tasks'],
    ['GET', '/api/runs'],
    ['GET', '/api/events'],
    ['POST', '/api/control/drain'],
    ['POST', '/api/control/restart'],
  ])('%s %s is forbidden', async (method, path) => {
    const body = method === 'POST' ? { worker_id: 'x' } : undefined;
    const answer = await api.ask({ method, path, body, headers: bearer });
    expect(answer.status).toBe(403);
    expect(api.control.calls.filter((call) => call.name !== 'task')).toEqual([]);
  });

  test('nothing is looked up for an id that cannot be its own', async () => {
    await api.ask({ path: '/api/task/deploy', headers: bearer });
    expect(api.control.calls).toEqual([]);
  });

  test.each([
    '/api/task/build',
    '/api/task/w1~build',
    '/api/task/build/why',
    '/api/task/build?worktree=/w1',
  ])('GET %s is its own task', async (path) => {
    const answer = await api.ask({ path, headers: bearer });
    expect(answer.status).toBe(200);
    expect(answer.json).toMatchObject({ task: 'build', graph: '/g1' });
  });

  test('an unknown run token is not taken for the operator, even on the socket', async () => {
    expect((await post('/api/task/deploy/complete', { lease_token: UNKNOWN_TOKEN })).status).toBe(401);
    expect(
      (await post('/api/task/deploy/complete', {}, { authorization: `Bearer ${UNKNOWN_TOKEN}` })).status,
    ).toBe(401);
    expect(api.control.calls).toEqual([]);
  });

  test('tokens of two runs in one request are refused', async () => {
    expect((await post('/api/task/build/complete', { lease_token: LATE_TOKEN }, bearer)).status).toBe(403);
  });
});

describe('the other transitions', () => {
  test('a heartbeat with the token goes to its run and brings the directive back', async () => {
    const progress = { percent: 40, message: 'halfway' };
    expect((await post('/api/task/build/heartbeat', { lease_token: RUN_TOKEN, progress })).json).toEqual({
      directive: 'continue',
      lease: { expires_at: '2026-11-22T06:00:00.000Z' },
      deadline: null,
    });
    expect(lastCall()?.args).toEqual(['run_build1', '40 % halfway']);
    expect((await post('/api/task/deploy/heartbeat', { lease_token: LATE_TOKEN })).json).toMatchObject({
      directive: 'cancel',
    });
  });

  test('a heartbeat of the operator needs exactly one open run', async () => {
    expect((await post('/api/task/build/heartbeat', {})).json).toMatchObject({ code: 'ambiguous-task-id' });
    expect((await post('/api/task/deploy/heartbeat', {})).json).toMatchObject({
      code: 'not-claimed',
      status: 409,
    });
  });

  test('release, claim and pause pass on what was said', async () => {
    await post('/api/task/build/release', { lease_token: RUN_TOKEN, reason: 'not mine' });
    expect(lastCall()?.args).toEqual([
      { task: 'build', worktree: '/g1' },
      { kind: 'run', run: 'run_build1' },
      'not mine',
    ]);
    const claim = await post('/api/task/deploy/claim', { worker_id: 'temporal-1' });
    expect(claim.json).toMatchObject({ run: { run: 'run_new' }, lease: { token: RUN_TOKEN } });
    expect(lastCall()?.args).toEqual([{ task: 'deploy' }, 'temporal-1']);
    await post('/api/control/pause', { target: 'deploy-agent', reason: 'maintenance' });
    expect(lastCall()?.args).toEqual(['deploy-agent', 'maintenance']);
    await post('/api/control/resume', { target: null });
    expect(lastCall()?.args).toEqual([null]);
  });

  test('cancel is accepted, with where to look', async () => {
    expect((await post('/api/task/deploy/cancel', {})).headers.location).toBe('/api/task/deploy');
    // An id that several worktrees have, or a run's: what the answer names is found all the same.
    const near = await post('/api/task/deploy/cancel?near=/somewhere', {});
    const { worktree } = near.json as { readonly worktree: string };
    expect(near.headers.location).toBe(`/api/task/deploy?worktree=${encodeURIComponent(worktree)}`);
    const byRun = await post('/api/task/run_x/cancel', {});
    expect(byRun.json).toMatchObject({ run: 'run_x', task: 'build', worktree: '/w1' });
    expect(byRun.headers.location).toBe('/api/task/build?worktree=%2Fw1');
  });
});

describe('lists', () => {
  test('filters are passed on, pages are cut', async () => {
    const first = await api.ask({
      path: '/api/tasks?worktree=/w1&state=ready&status=open&executor=default&limit=2',
    });
    expect(lastCall()?.args[0]).toEqual({
      worktree: '/w1',
      state: 'ready',
      status: 'open',
      executor: 'default',
    });
    expect(first.json).toMatchObject({ tasks: [{ task: 'build' }, { task: 'deploy' }] });
    const { next_cursor: cursor } = first.json as { next_cursor: string };
    const second = await api.ask({ path: `/api/tasks?worktree=/w1&limit=2&cursor=${cursor}` });
    expect(second.json).toMatchObject({ tasks: [{ task: ODD_ID }], next_cursor: null });
    await api.ask({ path: '/api/runs?task=build&open=true&limit=5' });
    expect(lastCall()?.args[0]).toEqual({ task: 'build', open: true, limit: 5 });
  });

  test.each([
    '/api/tasks?state=sleeping',
    '/api/tasks?status=claimed-externally',
    '/api/tasks?limit=0',
    '/api/tasks?limit=x',
    '/api/tasks?cursor=-1',
    '/api/tasks?stat=open',
    '/api/runs?open=maybe',
    '/api/status?verbose=1',
  ])('%s is refused', async (path) => {
    const answer = await api.ask({ path });
    expect(answer.status).toBe(422);
    expect(answer.json).toMatchObject({ code: 'invalid-request', detail: expect.stringContaining('query') });
  });
});

describe('entity tags', () => {
  test('an unchanged task is not sent again', async () => {
    const first = await api.ask({ path: '/api/task/deploy' });
    const etag = String(first.headers.etag);
    expect(etag).toMatch(/^"[\w-]{27}"$/);
    for (const value of [etag, `W/${etag}`, `"x", ${etag}`, '*']) {
      const again = await api.ask({ path: '/api/task/deploy', headers: { 'if-none-match': value } });
      expect([again.status, again.text, again.headers.etag]).toEqual([304, '', etag]);
      expect(again.headers['cache-control']).toBe('no-store');
    }
    const other = await api.ask({ path: '/api/task/deploy', headers: { 'if-none-match': '"other"' } });
    expect(other.status).toBe(200);
  });
});

describe('what is not there', () => {
  test.each([
    ['GET', '/', 404, undefined],
    ['GET', '/api', 404, undefined],
    ['GET', '/api/health/', 404, undefined],
    ['POST', '/api/task/deploy/explode', 404, undefined],
    ['GET', '/api/task//complete', 404, undefined],
    ['DELETE', '/api/task/deploy', 405, 'GET, HEAD'],
    ['GET', '/api/task/deploy/complete', 405, 'POST'],
    ['HEAD', '/api/task/deploy/complete', 405, 'POST'],
    ['OPTIONS', '/api/task/deploy/complete', 405, 'POST'],
    ['TRACE', '/api/status', 405, 'GET, HEAD'],
    ['POST', '/api/events', 405, 'GET, HEAD'],
    ['PUT', '/api/control/drain', 405, 'POST'],
  ])('%s %s → %d', async (method, path, status, allow) => {
    const answer = await api.ask({ method, path });
    expect(answer.status).toBe(status);
    expect(answer.headers.allow).toBe(allow);
    expect(answer.headers['access-control-allow-methods']).toBeUndefined();
    if (method !== 'HEAD') expect(answer.json).toMatchObject({ status, retryable: false });
    expect(api.control.calls).toEqual([]);
  });
});

describe('errors', () => {
  test.each([
    ['graph', 409, 'graph'],
    ['not-running', 503, 'not-running'],
    ['executor-unavailable', 503, 'executor-unavailable'],
    ['config', 422, 'config'],
    ['usage', 400, 'usage'],
    ['too-large', 413, 'body-too-large'],
    ['failed', 409, 'failed'],
    ['forbidden', 403, 'forbidden'],
  ] as const)('SupervisorError %s → %d', async (code, status, problem) => {
    api.control.failNext('status', new SupervisorError(code, 'A sentence.', { hint: 'do this' }));
    const answer = await api.ask({ path: '/api/status' });
    expect(answer.status).toBe(status);
    expect(answer.headers['retry-after']).toBe(status === 503 ? '2' : undefined);
    expect(answer.json).toMatchObject({
      type: `urn:workgraph:problem:${problem}`,
      title: expect.any(String),
      status,
      detail: 'A sentence.',
      hint: 'do this',
      code: problem,
      category: code,
      retryable: status === 503,
    });
  });

  test('details cannot overwrite the standard members, and what is not JSON is left out', async () => {
    const circular: Record<string, unknown> = {};
    circular.self = circular;
    for (const details of [{ status: 1, code: 'ENOENT' }, { circular }]) {
      api.control.failNext('status', new SupervisorError('graph', 'A sentence.', { details }));
      const answer = await api.ask({ path: '/api/status' });
      expect(answer.json).toMatchObject({ status: 409, code: 'graph' });
    }
  });

  test.each([
    ['an Error', new Error('secret innards /home/me')],
    ['a text', 'secret innards'],
    ['null', null],
    ['a SystemError', Object.assign(new Error('ENOENT: secret innards'), { code: 'ENOENT' })],
  ])('a bug that throws %s is a 500 without innards, and in the log', async (_what, thrown) => {
    api.control.failNext('status', thrown);
    const answer = await api.ask({ path: '/api/status' });
    expect(answer.status).toBe(500);
    expect(answer.text).not.toContain('secret innards');
    expect(answer.json).toMatchObject({ code: 'internal' });
    const { instance } = answer.json as { instance: string };
    expect(api.log.lines.filter((line) => line.level === 'error')).toMatchObject([
      { name: 'api.bug', fields: { request: instance } },
    ]);
  });
});

test('tokens never reach the log, wherever they were put', async () => {
  api.control.failNext('task', new Error(`no task for ${RUN_TOKEN}`));
  await api.ask({ path: `/api/task/${RUN_TOKEN}` });
  await api.ask({ path: `/api/task/deploy?lease_token=${RUN_TOKEN}` });
  await post('/api/task/deploy/complete', { lease_token: UNKNOWN_TOKEN });
  await api.askTcp({ path: '/api/status', headers: { authorization: `Bearer ${UNKNOWN_TOKEN}` } });
  await api.askTcp({ path: '/api/status' });
  // A request is written down when its connection is done with it.
  await api.server.stop();
  const log = JSON.stringify(api.log.lines);
  expect(api.log.lines.filter((line) => line.name === 'api.request').length).toBe(5);
  expect(log).not.toMatch(/wg[ltc]_[rup]{5}/);
  expect(log).toContain('wgl_[redacted]');
});
