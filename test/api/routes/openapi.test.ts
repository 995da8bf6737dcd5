// The served description: valid, complete, and true of what is answered.

import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Validator } from '@seriousme/openapi-schema-validator';
import { z } from 'zod';
import { PROBLEMS } from '../../../src/api/request/problem.ts';
import { describeApi } from '../../../src/api/routes/openapi.ts';
import { supervisorRoutes } from '../../../src/api/routes/supervisor-routes.ts';
import { taskRoutes } from '../../../src/api/routes/task-routes.ts';
import { viewRoutes } from '../../../src/api/routes/view-routes.ts';
import { dispatchPayload } from '../../../src/api/shapes/dispatch-schema.ts';
import { dispatchBody } from '../../../src/executors/http/payload.ts';
import { systemClock } from '../../../src/platform/clock.ts';
import { assignmentFor, httpProfile } from '../../executors/http/support.ts';
import { startApi, type TestApi } from '../api-kit.ts';
import { RUN_TOKEN } from '../scripted-control.ts';

interface Described {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly webhooks: Readonly<Record<string, { readonly post: Operation }>>;
  readonly components: { readonly schemas: Readonly<Record<string, { readonly properties: object }>> };
}
interface Operation {
  readonly operationId: string;
  readonly responses: Readonly<Record<string, unknown>>;
}

let api: TestApi;
let described: Described;

beforeAll(async () => {
  api = await startApi();
  described = (await api.ask({ path: '/api/openapi.json' })).json as Described;
});
afterAll(() => api.stop());

test('is a valid OpenAPI 3.1 document, also by the reckoning of a validator', async () => {
  expect(described.openapi).toBe('3.1.0');
  const result = await new Validator().validate(JSON.parse(JSON.stringify(described)));
  expect(result).toMatchObject({ valid: true });
});

test('a document that is not one is told by the same validator', async () => {
  const broken = { ...described, paths: { 'no-slash': { get: { responses: 7 } } } };
  expect((await new Validator().validate(JSON.parse(JSON.stringify(broken)))).valid).toBe(false);
});

test('has every route there is, each with a name of its own and its problems', () => {
  const routes = [
    ...supervisorRoutes({ version: '1', clock: systemClock() }),
    ...taskRoutes(),
    ...viewRoutes(),
  ];
  const expected = routes.map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)/g, '{$1}')}`);
  const found = Object.entries(described.paths).flatMap(([path, operations]) =>
    Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
  );
  expect(found.sort()).toEqual(
    [
      ...expected,
      'GET /api/openapi.json',
      'GET /api/events',
      'POST /api/page/code',
      'POST /api/page/revoke',
      'POST /api/callback/{token}',
      'POST /api/a2a/notify/{attempt}',
    ].sort(),
  );
  const operations = Object.values(described.paths).flatMap((one) => Object.values(one));
  const names = operations.map(({ operationId }) => operationId);
  expect(new Set(names).size).toBe(names.length);
  for (const { operationId, responses } of operations)
    expect([operationId, Object.keys(responses)]).toEqual([
      operationId,
      expect.arrayContaining(['403', '500', '503']),
    ]);
});

test('every problem code is in it, and every answer of a refusal has one of them', async () => {
  const properties = described.components.schemas.Problem?.properties ?? {};
  const { code } = properties as { code: { enum: string[] } };
  expect(code.enum).toEqual(Object.keys(PROBLEMS));
  const text = JSON.stringify(described);
  for (const name of Object.keys(PROBLEMS)) expect(text).toContain(`\`${name}\``);
  const refusal = await api.ask({ path: '/api/task/nothing' });
  expect(code.enum).toContain((refusal.json as { code: string }).code);
});

describe('what agents are sent', () => {
  test.each(['standard', 'cloudevents'] as const)('fits its schema (%s)', (format) => {
    const profile = httpProfile({ format });
    const body = dispatchBody(assignmentFor(profile, '/tmp'), profile, Date.now(), 'host');
    const sent = JSON.parse(body?.bytes.toString('utf8') ?? '');
    const payload =
      format === 'standard' ? sent : { type: 'task.dispatched', timestamp: sent.time, data: sent.data };
    // Strict: what is sent and not described would be missing from the description.
    const strict = z.strictObject(dispatchPayload.shape).safeParse(payload);
    expect(strict.error?.issues ?? []).toEqual([]);
    const known = Object.keys(dispatchPayload.shape.data.shape).sort();
    expect(Object.keys(payload.data).sort()).toEqual(known);
    for (const key of ['task', 'attempt', 'lease', 'worktree'] as const)
      expect(Object.keys(payload.data[key]).sort()).toEqual(
        Object.keys(dispatchPayload.shape.data.shape[key].shape).sort(),
      );
    expect(described.webhooks['task.dispatched']?.post.operationId).toBe('dispatch');
  });
});

test('it is made without a server, the same each time', () => {
  const routes = taskRoutes();
  expect(describeApi(routes, '1')).toEqual(describeApi(routes, '1'));
});

test('a run may not read it: it is for the operator', async () => {
  const answer = await api.askTcp({
    path: '/api/openapi.json',
    headers: { authorization: `Bearer ${RUN_TOKEN}` },
  });
  expect(answer.status).toBe(403);
});

describe('docs/api.md', () => {
  const text = readFileSync(new URL('../../../docs/api.md', import.meta.url), 'utf8');

  test('names every route and every problem', () => {
    for (const [path, operations] of Object.entries(described.paths))
      for (const method of Object.keys(operations))
        expect(text).toContain(`\`${method.toUpperCase()} ${path}\``);
    for (const [code, { status }] of Object.entries(PROBLEMS))
      expect(text).toMatch(new RegExp(`^\\| ${status} \\|.*\`${code}\``, 'm'));
  });
});
