import { describe, expect, test } from '@jest/globals';
import { Webhook } from 'standardwebhooks';
import type { HttpProfile } from '../../../src/domain/profile.ts';
import type { Assignment } from '../../../src/executors/executor.ts';
import { MAX_PAYLOAD_BYTES } from '../../../src/executors/http/fit-body.ts';
import {
  dispatchBody,
  dispatchHeaders,
  messageId,
  pollHeaders,
} from '../../../src/executors/http/payload.ts';
import { resolveSecrets } from '../../../src/executors/http/secrets.ts';
import { assignmentFor, httpProfile, RUN, TOKEN, taskDetail } from './support.ts';

const NOW = Date.parse('2026-11-22T05:57:52.120Z');

function made(profile: HttpProfile, changes: Partial<Assignment> = {}) {
  const assignment = assignmentFor(profile, '/nowhere', changes);
  const body = dispatchBody(assignment, profile, NOW, 'box');
  const secrets = resolveSecrets(profile, assignment, {});
  if ('outcome' in secrets) throw new Error(JSON.stringify(secrets.outcome));
  return {
    assignment,
    body,
    secrets,
    headers: dispatchHeaders(assignment, profile, secrets, body, 3, NOW, '1.2.3'),
  };
}

function parsed(body: { bytes: Buffer } | null) {
  return JSON.parse(body?.bytes.toString('utf8') ?? 'null');
}

describe('our own payload', () => {
  test.each([
    [null, 60],
    [300_000, 60],
    [60_000, 20],
    [1000, 1],
    [-5000, 1],
  ])('a lease of %p ms is kept by a heartbeat every %p s', (leaseMs, every) => {
    const { body } = made(httpProfile(), { leaseUntil: leaseMs === null ? null : NOW + leaseMs });
    expect(parsed(body).data.lease.heartbeat_every_s).toBe(every);
  });

  test('has the shape that agents rely on', () => {
    const { body } = made(httpProfile(), { deadlineAt: NOW + 3_600_000, previousFailure: 'exit 1' });
    const base = 'http://127.0.0.1:7420/api/task/wt3f9a~build-api';
    expect(parsed(body)).toEqual({
      type: 'task.dispatched',
      timestamp: '2026-11-22T05:57:52.120Z',
      data: {
        task: {
          id: 'wt3f9a~build-api',
          local_id: 'build-api',
          details_url: base,
          truncated: [],
          title: 'Build the API',
          instructions: 'Build it well.',
          inputs: ['spec.md'],
          deliverables: ['api/'],
          skills: [],
          tags: ['category:deploy', 'eu'],
          priority: 10,
          graph: '/home/u/p/.workgraph',
          depends_on: [
            { id: 'design', title: 'Design', status: 'done', artifacts: ['design.md'], log: ['drew boxes'] },
          ],
        },
        worktree: { id: 'wt3f9a', path: '/home/u/p', branch: 'feat/x', head: 'abc123', remote: null },
        repo: { name: 'p', path: '/home/u/p' },
        attempt: {
          id: RUN,
          number: 2,
          max: 3,
          fence: 17,
          agent: 'agent-7',
          dispatched_at: '2026-11-22T05:57:52.120Z',
          deadline: '2026-11-22T06:57:52.120Z',
          previous_failure: 'exit 1',
        },
        lease: { token: TOKEN, expires_at: '2026-11-22T06:57:52.120Z', heartbeat_every_s: 60 },
        callback: {
          base,
          complete_url: `${base}/complete`,
          fail_url: `${base}/fail`,
          heartbeat_url: `${base}/heartbeat`,
          release_url: `${base}/release`,
          input_url: `${base}/input`,
          signed_url: null,
        },
      },
    });
  });

  test('without a callback address says so instead of giving half URLs', () => {
    const { body } = made(httpProfile(), { callback: { url: null, socket: '/run/s', token: TOKEN } });
    expect(parsed(body).data.callback).toBeNull();
  });

  test('stays below its limit by cutting the instructions, says so, and cuts no character in two', () => {
    for (const filler of ['😀', '\u0000', 'a']) {
      const { body } = made(httpProfile(), { task: taskDetail({ description: filler.repeat(400_000) }) });
      expect(body?.bytes.length).toBeLessThanOrEqual(MAX_PAYLOAD_BYTES);
      expect(body?.bytes.length).toBeGreaterThan(MAX_PAYLOAD_BYTES - 100);
      const { task } = parsed(body).data;
      expect(task.instructions).toContain('supervisor show');
      expect(task.instructions).toContain(task.details_url);
      expect(task.truncated).toEqual(['instructions']);
      expect(task.instructions.startsWith(filler.repeat(100))).toBe(true);
      expect(/[\ud800-\udfff]/u.test(task.instructions)).toBe(false);
      expect(task.depends_on[0].log).toEqual(['drew boxes']);
    }
  });

  test('gives up the logs of dependencies only where the instructions are not to blame', () => {
    const log = ['x'.repeat(MAX_PAYLOAD_BYTES)];
    const { body } = made(httpProfile(), {
      dependencies: [{ id: 'd', title: 'D', status: 'done', artifacts: [], log }],
    });
    expect(body?.bytes.length).toBeLessThanOrEqual(MAX_PAYLOAD_BYTES);
    expect(parsed(body).data.task.depends_on).toEqual([
      { id: 'd', title: 'D', status: 'done', artifacts: [], log: [] },
    ]);
    expect(parsed(body).data.task.instructions).toContain('Build it well.');
    expect(parsed(body).data.task.truncated).toEqual(['depends_on']);
  });

  test('gives up long lists of inputs last, and never says that it is whole when it is not', () => {
    const task = taskDetail({ inputs: Array(20_000).fill('some/file/in/the/repository.md') });
    const { body } = made(httpProfile(), { task, previousFailure: 'e'.repeat(5000) });
    const { data } = parsed(body);
    expect(body?.bytes.length).toBeLessThanOrEqual(MAX_PAYLOAD_BYTES);
    expect(data.task).toMatchObject({
      inputs: [],
      instructions: 'Build it well.',
      truncated: ['depends_on', 'inputs', 'deliverables'],
    });
    expect(data.attempt.previous_failure).toHaveLength(1000);
  });

  test('a description of many megabytes is cut without being written out again and again', () => {
    const task = taskDetail({ description: 'x'.repeat(16_000_000) });
    const start = performance.now();
    const { body } = made(httpProfile(), { task });
    expect(body?.bytes.length).toBeLessThanOrEqual(MAX_PAYLOAD_BYTES);
    expect(performance.now() - start).toBeLessThan(1000);
  });

  test('without an address the note names the command alone', () => {
    const { body } = made(httpProfile(), {
      task: taskDetail({ description: 'x'.repeat(400_000) }),
      callback: { url: null, socket: null, token: TOKEN },
    });
    const { task } = parsed(body).data;
    expect(task.details_url).toBeNull();
    expect(task.instructions).toMatch(/The whole description is in the task graph/);
  });

  test('is a CloudEvent where the profile says so', () => {
    const { body, headers } = made(httpProfile({ format: 'cloudevents' }));
    expect(headers['content-type']).toBe('application/cloudevents+json; charset=utf-8');
    expect(parsed(body)).toMatchObject({
      specversion: '1.0',
      id: headers['webhook-id'],
      source: 'workgraph://box/wt3f9a',
      type: 'dev.workgraph.task.dispatched.v1',
      subject: 'wt3f9a~build-api',
      time: '2026-11-22T05:57:52.120Z',
      datacontenttype: 'application/json',
      traceparent: headers.traceparent,
      data: { task: { local_id: 'build-api' }, lease: { token: TOKEN } },
    });
  });
});

describe('a body template', () => {
  const custom = {
    task_id: '{{task.id}}',
    source: 'workgraph',
    category: '{{task.category}}',
    urgency: 2,
    context: { text: '{{task.description}}', tags: '{{task.tags}}' },
  };
  const filled = {
    task_id: 'build-api',
    source: 'workgraph',
    category: 'deploy',
    urgency: 2,
    context: { text: 'Build it well.', tags: ['category:deploy', 'eu'] },
  };

  test("produces an existing agent's own request shape", () => {
    const { body, headers } = made(httpProfile({ body: custom }));
    expect(parsed(body)).toEqual(filled);
    expect(headers['content-type']).toBe('application/json; charset=utf-8');
  });

  test('may be JSON written as one string; a title cannot break out of it', () => {
    const task = taskDetail({ title: '", "admin": true, "x": "' });
    const { body } = made(httpProfile({ body: '{"title": "{{task.title}}"}' }), { task });
    expect(parsed(body)).toEqual({ title: '", "admin": true, "x": "' });
    expect(parsed(made(httpProfile({ body: JSON.stringify(custom) })).body)).toEqual(filled);
  });

  test('may be plain text, or a form whose values are encoded', () => {
    const text = made(httpProfile({ body: '[{{task.id}}] {{task.title}}' }));
    expect(text.body?.bytes.toString()).toBe('[build-api] Build the API');
    expect(text.headers['content-type']).toBe('text/plain; charset=utf-8');

    const form = made(
      httpProfile({
        body: 'title={{task.title}}&id={{task.id}}',
        headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
      }),
      { task: taskDetail({ title: 'a&admin=1 é' }) },
    );
    expect(form.headers['content-type']).toBe('application/x-www-form-urlencoded');
    expect([...new URLSearchParams(form.body?.bytes.toString())]).toEqual([
      ['title', 'a&admin=1 é'],
      ['id', 'build-api'],
    ]);
  });

  test.each<[string, Partial<HttpProfile>]>([
    ['a table', { body: custom }],
    ['a text', { body: 'Do this: {{task.description}}' }],
    ['a CloudEvent', { body: custom, format: 'cloudevents' }],
  ])('%s is kept within the limit too, by its description', (_name, changes) => {
    const task = taskDetail({ description: 'long '.repeat(100_000) });
    const { body } = made(httpProfile(changes), { task });
    const text = body?.bytes.toString() ?? '';
    expect(Buffer.byteLength(text)).toBeLessThanOrEqual(MAX_PAYLOAD_BYTES);
    expect(Buffer.byteLength(text)).toBeGreaterThan(MAX_PAYLOAD_BYTES - 100);
    expect(text).toMatch(/\[Cut: \d+ of 500000 characters\. .*api\/task\/wt3f9a~build-api/);
  });

  test('becomes the data of a CloudEvent', () => {
    const { body } = made(httpProfile({ body: custom, format: 'cloudevents' }));
    expect(parsed(body)).toMatchObject({ specversion: '1.0', data: filled });
  });

  test('is not sent with GET', () => {
    const { body, headers } = made(httpProfile({ method: 'GET', body: custom }));
    expect(body).toBeNull();
    expect(headers).not.toHaveProperty('content-type');
  });
});

describe('headers', () => {
  test('are those of the protocol', () => {
    const { headers } = made(httpProfile({ headers: { 'X-Team': 'ops' } }), { deadlineAt: NOW + 1000 });
    const id = 'msg_01JDABCDEFGHJKMNPQRSTVWXYZ';
    expect(headers).toEqual({
      'content-type': 'application/json; charset=utf-8',
      accept: 'application/json',
      'accept-encoding': 'identity',
      'user-agent': 'workgraph-supervisor/1.2.3',
      prefer: 'respond-async',
      'webhook-id': id,
      'webhook-timestamp': '1795327072',
      'idempotency-key': `"${id}"`,
      'workgraph-task-id': 'wt3f9a~build-api',
      'workgraph-attempt': '2',
      'workgraph-delivery': '3',
      'workgraph-deadline': '2026-11-22T05:57:53.120Z',
      traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
      tracestate: `workgraph=${RUN}`,
      'x-team': 'ops',
    });
  });

  test('ask for an answer at once only where the answer is not the result', () => {
    expect(made(httpProfile({ completion: 'response' })).headers).not.toHaveProperty('prefer');
    expect(made(httpProfile({ completion: 'poll' })).headers).toHaveProperty('prefer');
  });

  test('the idempotency key is bare where the receiver compares texts', () => {
    const { headers } = made(httpProfile({ idempotencyKey: 'bare' }));
    expect(headers['idempotency-key']).toBe(headers['webhook-id']);
  });

  test('carry a signature for each secret', () => {
    const secrets = [7, 9].map((byte) => `whsec_${Buffer.alloc(32, byte).toString('base64')}`);
    const profile = httpProfile({ secrets });
    const { assignment, body, secrets: resolved } = made(profile);
    const headers = dispatchHeaders(assignment, profile, resolved, body, 1, Date.now(), '');
    for (const secret of secrets) new Webhook(secret).verify(body?.bytes ?? '', headers);
    expect(headers['user-agent']).toBe('workgraph-supervisor');
  });

  test("the profile's own win over ours where they may", () => {
    const { headers } = made(httpProfile({ headers: { Accept: 'text/plain', 'User-Agent': 'me' } }));
    expect(headers).toMatchObject({ accept: 'text/plain', 'user-agent': 'me' });
    expect(Object.keys(headers).filter((name) => name.toLowerCase() === 'accept')).toEqual(['accept']);
  });

  test('a task id that no header can carry is encoded', () => {
    const { headers } = made(httpProfile(), { globalTaskId: 'wt~bücher\n' });
    expect(headers['workgraph-task-id']).toBe('wt~b%C3%BCcher%0A');
  });

  test('status requests carry the configured ones but no content type', () => {
    const { assignment, secrets } = made(
      httpProfile({ headers: { authorization: 'Bearer x', 'content-type': 'text/plain' } }),
    );
    const headers = pollHeaders(assignment, secrets, '');
    expect(headers).toMatchObject({ authorization: 'Bearer x', 'workgraph-attempt': '2' });
    expect(headers).not.toHaveProperty('content-type');
    expect(headers).not.toHaveProperty('webhook-id');
  });

  test('a message id never holds a dot, as the signed text is split at dots', () => {
    expect(messageId('run_a.b/c')).toBe('msg_abc');
  });
});
