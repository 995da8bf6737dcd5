// The API's own description, OpenAPI 3.1, generated from the very schemas that check requests and shape responses.
// What agents and webhooks are sent is under `webhooks`. Describes; checks nothing.

import { z } from 'zod';
import { A2A_PAYLOADS } from '../../executors/http/a2a.ts';
import { PROBLEM_TYPE, PROBLEMS } from '../request/problem.ts';
import { type MountableRoute, plainRoute } from '../request/route.ts';
import { dispatchPayload, notificationPayload } from '../shapes/dispatch-schema.ts';
import { callbackQuery, emptyBody, noQuery } from '../shapes/schemas.ts';

type Json = Readonly<Record<string, unknown>>;

/** GET /api/openapi.json. */
export function describingRoute(describe: () => Json): MountableRoute {
  return plainRoute({
    method: 'GET',
    path: '/api/openapi.json',
    summary: 'This description',
    access: 'operator',
    query: noQuery,
    body: emptyBody,
    answer: z.record(z.string(), z.unknown()),
    handle: async () => ({ body: describe() }),
  });
}

/** Routes that answer 202 because the requested work continues afterwards. */
const ACCEPTING = new Set([
  '/api/task/:id/cancel',
  '/api/task/:id/dispatch',
  '/api/control/drain',
  '/api/control/restart',
]);

/** Routes that wait if the client asks for it, by `Prefer: wait=N`. */
const WAITING = new Set(['GET /api/task/:id', 'POST /api/task/:id/dispatch']);

/** The whole description. */
export function describeApi(routes: readonly MountableRoute[], version: string): Json {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const route of routes) {
    const path = openPath(route.path);
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(route) };
  }
  paths['/api/openapi.json'] = { get: plainOperation('openapi', 'This description', 'application/json', {}) };
  paths['/api/events'] = {
    get: {
      ...plainOperation('events', 'Every event as it happens (server-sent events)', 'text/event-stream', {
        type: 'string',
      }),
      parameters: [
        header('Last-Event-ID', 'continue after this event; later ones that are still known come first'),
        {
          name: 'replay',
          in: 'query',
          required: false,
          description: 'end with the events that are still known, instead of waiting for more',
          schema: { type: 'string', enum: ['only'] },
        },
      ],
    },
  };
  paths['/api/callback/{token}'] = { post: callbackOperation() };
  paths['/api/a2a/notify/{attempt}'] = { post: a2aOperation() };
  return {
    openapi: '3.1.0',
    info: {
      title: 'workgraph-supervisor',
      version: version || '0.0.0',
      description:
        'Tasks of the graphs of all worktrees of a machine: read them, take them, report on them. Errors are application/problem+json; their `code` is stable.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/' }],
    security: [{ operator: [] }],
    tags: [
      { name: 'tasks', description: 'Reading tasks, taking them, reporting on them' },
      { name: 'supervisor', description: 'The supervisor as a whole' },
    ],
    paths,
    webhooks: {
      'task.dispatched': webhook(
        'dispatch',
        'What an http profile is sent. 2xx means accepted, not done, unless the answer says so.',
        dispatchPayload,
      ),
      notification: webhook('notification', 'What a [[notify]] webhook is sent.', notificationPayload),
    },
    components: {
      securitySchemes: {
        operator: {
          type: 'http',
          scheme: 'bearer',
          description:
            'the token in api.json, or a named one (wgt_): read-only for GET, worker also for claims and reports, operator for all',
        },
        lease: { type: 'http', scheme: 'bearer', description: 'the token of one attempt (wgl_)' },
        notification: { type: 'apiKey', in: 'header', name: 'X-A2A-Notification-Token' },
      },
      schemas: { Problem: PROBLEM_SCHEMA },
      responses: problemResponses(),
    },
  };
}

function operation(route: MountableRoute): Json {
  const { method, path, summary, access } = route;
  const isPost = method === 'POST';
  const [waits, accepts] = [WAITING.has(`${method} ${path}`), ACCEPTING.has(path)];
  const answer = {
    description: accepts && path.endsWith('dispatch') ? 'It has finished' : 'Done',
    content: { 'application/json': { schema: schemaOf(route.answer, 'output') } },
  };
  const parameters = [
    ...pathParameters(path),
    ...queryParameters(route.query),
    ...(isPost ? [IDEMPOTENCY_KEY] : []),
    ...(waits ? [header('Prefer', 'wait=N: seconds to wait for news, at most 50')] : []),
    ...(path === '/api/task/:id' && !isPost ? [header('If-None-Match', 'the ETag that is known')] : []),
  ];
  return {
    operationId: operationId(method, path),
    summary,
    tags: [path.startsWith('/api/task') ? 'tasks' : 'supervisor'],
    security:
      access === 'anyone'
        ? []
        : access === 'task-run'
          ? [{ operator: [] }, { lease: [] }]
          : [{ operator: [] }],
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(isPost
      ? { requestBody: { content: { 'application/json': { schema: schemaOf(route.body, 'input') } } } }
      : {}),
    responses: {
      ...(accepts && !waits ? {} : { 200: answer }),
      ...(accepts ? { 202: { ...answer, description: 'Begun; see Location' } } : {}),
      ...(path === '/api/task/:id' ? { 304: { description: 'It has not changed' } } : {}),
      ...problemRefs(isPost ? POST_STATUSES : GET_STATUSES),
    },
  };
}

function plainOperation(id: string, summary: string, type: string, schema: Json): Json {
  return {
    operationId: id,
    summary,
    tags: ['supervisor'],
    security: [{ operator: [] }],
    responses: {
      200: { description: 'Done', content: { [type]: { schema } } },
      ...problemRefs(GET_STATUSES),
    },
  };
}

function callbackOperation(): Json {
  return {
    operationId: 'callback',
    summary: 'End a run by its pre-signed URL; the whole body is the result',
    tags: ['tasks'],
    security: [],
    parameters: [
      { name: 'token', in: 'path', required: true, schema: { type: 'string', pattern: '^wgc_' } },
      ...queryParameters(callbackQuery),
      IDEMPOTENCY_KEY,
    ],
    requestBody: { content: { '*/*': { schema: {} } } },
    responses: {
      200: { description: 'Done', content: { 'application/json': { schema: { type: 'object' } } } },
      ...problemRefs(POST_STATUSES.filter((status) => status !== 415)),
    },
  };
}

function a2aOperation(): Json {
  const oneOf = A2A_PAYLOADS.map((name) => ({
    type: 'object',
    required: [name],
    properties: { [name]: { type: 'object' } },
  }));
  return {
    operationId: 'a2a_notify',
    summary: 'Where an A2A 1.0 agent pushes how the attempt is getting on',
    tags: ['tasks'],
    security: [{ lease: [] }, { notification: [] }],
    parameters: [
      { name: 'attempt', in: 'path', required: true, schema: { type: 'string' } },
      IDEMPOTENCY_KEY,
    ],
    requestBody: { content: { 'application/a2a+json': { schema: { oneOf } } } },
    responses: { 204: { description: 'Taken' }, ...problemRefs(POST_STATUSES) },
  };
}

function webhook(id: string, description: string, payload: z.ZodType): Json {
  return {
    post: {
      operationId: id,
      description,
      security: [],
      parameters: ['webhook-id', 'webhook-timestamp', 'webhook-signature', 'idempotency-key'].map((name) =>
        header(name, 'see Standard Webhooks'),
      ),
      requestBody: {
        required: true,
        content: { 'application/json': { schema: schemaOf(payload, 'output') } },
      },
      responses: { '2XX': { description: 'Accepted' } },
    },
  };
}

function schemaOf(schema: z.ZodType, io: 'input' | 'output'): Json {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' }) as Json;
  return rest;
}

function queryParameters(query: z.ZodType): Json[] {
  const { properties = {} } = schemaOf(query, 'output') as { properties?: Readonly<Record<string, Json>> };
  return Object.entries(properties).map(([name, schema]) => ({ name, in: 'query', required: false, schema }));
}

function pathParameters(path: string): Json[] {
  if (!path.includes(':id')) return [];
  const description = "a task's id, or its machine-wide one (wt3f9a01~build-api)";
  return [{ name: 'id', in: 'path', required: true, description, schema: { type: 'string', minLength: 1 } }];
}

function header(name: string, description: string): Json {
  return { name, in: 'header', required: false, description, schema: { type: 'string' } };
}

const IDEMPOTENCY_KEY = header(
  'Idempotency-Key',
  'a repeated request with the same key is answered, not done',
);

function openPath(path: string): string {
  return path.replaceAll(/:(\w+)/g, '{$1}');
}

function operationId(method: string, path: string): string {
  const words = path
    .replace('/api/', '')
    .split(/[/:.]+/)
    .filter((word) => word !== '' && word !== 'id');
  return [method.toLowerCase(), ...words].join('_');
}

const GET_STATUSES = [400, 401, 403, 404, 405, 408, 409, 422, 429, 431, 500, 503];
const POST_STATUSES = [...GET_STATUSES, 410, 413, 415].sort((a, b) => a - b);

function problemRefs(statuses: readonly number[]): Json {
  return Object.fromEntries(
    statuses.map((status) => [status, { $ref: `#/components/responses/Problem${status}` }]),
  );
}

function problemResponses(): Json {
  const byStatus = new Map<number, string[]>();
  for (const [code, { status, title }] of Object.entries(PROBLEMS))
    byStatus.set(status, [...(byStatus.get(status) ?? []), `\`${code}\`: ${title}`]);
  return Object.fromEntries(
    [...byStatus].map(([status, lines]) => [
      `Problem${status}`,
      {
        description: lines.join('. '),
        content: { [PROBLEM_TYPE]: { schema: { $ref: '#/components/schemas/Problem' } } },
      },
    ]),
  );
}

/** RFC 9457, with our own members. */
const PROBLEM_SCHEMA = {
  type: 'object',
  required: ['type', 'title', 'status', 'detail', 'instance', 'code', 'category', 'retryable'],
  properties: {
    type: { type: 'string', description: 'urn:workgraph:problem: and the code' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
    instance: { type: 'string', description: "the request's name in the supervisor's log" },
    code: { type: 'string', enum: Object.keys(PROBLEMS) },
    category: { type: 'string' },
    hint: { type: 'string', description: 'the next step' },
    retryable: { type: 'boolean', description: 'the very same request may succeed a little later' },
    task_id: { type: 'string' },
    current_attempt: { type: 'integer' },
    candidates: { type: 'array', items: { type: 'object' } },
    errors: { type: 'array', items: { type: 'object' } },
  },
};
