import { getEventListeners } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import type { Handle } from '../../../src/executors/executor.ts';
import type { HttpExecutorParts } from '../../../src/executors/http/options.ts';
import { systemClock } from '../../../src/platform/clock.ts';
import {
  eagerClock,
  executor,
  json,
  listen,
  outcomeOf,
  recordingLog,
  runControl,
  tidying,
} from './support.ts';

const tidy = tidying();
afterEach(() => tidy.run());

const HANDLE: Handle = { process: null, reference: null, adopted: false };

const { assign } = tidy;

describe('begin', () => {
  test('an existing agent gets its own request shape with GET, too', async () => {
    const server = tidy.add(await listen((_q, r) => json(r, 200, { status: 'done' })));
    const assignment = await assign({
      endpoint: `${server.url}/run/{{task.id}}?t={{task.title}}`,
      method: 'GET',
    });
    await executor().begin(assignment, runControl());
    expect(server.received[0]).toMatchObject({
      method: 'GET',
      path: '/run/build-api?t=Build%20the%20API',
      body: '',
    });
  });

  test('a method without our reading of it still carries the body', async () => {
    const server = tidy.add(await listen((_q, r) => json(r, 200, { status: 'done' })));
    for (const method of ['PUT', 'PATCH', 'DELETE'])
      await executor().begin(await assign({ endpoint: server.url, method }), runControl());
    expect(server.received.map(({ method, body }) => [method, body.length > 100])).toEqual([
      ['PUT', true],
      ['PATCH', true],
      ['DELETE', true],
    ]);
  });
});

describe('deliveries', () => {
  test('are the same message with a growing number, until the agent takes it', async () => {
    const server = tidy.add(
      await listen((_q, r, before) => {
        if (before === 0) r.destroy();
        else if (before === 1) json(r, 503, { error: 'not yet' });
        else json(r, 202, {});
      }),
    );
    const clock = eagerClock();
    const control = runControl();
    const begun = await executor({ clock }).begin(await assign({ endpoint: server.url }), control);
    expect(begun.kind).toBe('handed-off');
    const header = (name: string) => server.received.map(({ headers }) => headers[name]);
    expect(new Set(header('webhook-id')).size).toBe(1);
    expect(new Set(header('idempotency-key')).size).toBe(1);
    expect(new Set(server.received.map(({ body }) => body)).size).toBe(1);
    expect(header('workgraph-delivery')).toEqual(['1', '2', '3']);
    expect(header('workgraph-attempt')).toEqual(['2', '2', '2']);
    const [first = 0, , last = 0] = header('webhook-timestamp').map(Number);
    expect(last).toBeGreaterThan(first);
    expect(clock.slept).toEqual([2500, 5000]);
    expect(control.said).toEqual([
      expect.stringMatching(/^delivery 2 in 3 s/),
      expect.stringContaining('HTTP 503: not yet'),
    ]);
  });

  test('a 202 that breaks off before its body has finished was taken', async () => {
    const server = tidy.add(
      await listen((_q, r) => {
        r.writeHead(202, { 'content-length': '100' });
        r.write('{"st', () => r.destroy());
      }),
    );
    const begun = await executor().begin(await assign({ endpoint: server.url }), runControl());
    expect(begun.kind).toBe('handed-off');
    expect(server.received).toHaveLength(1);
  });

  test('a result that breaks off is asked for again', async () => {
    const server = tidy.add(
      await listen((_q, r, before) => {
        if (before > 0) return json(r, 200, { status: 'done', summary: 'again' });
        r.writeHead(200, { 'content-length': '100' });
        r.write('{"status":"done"', () => r.destroy());
      }),
    );
    const begun = await executor().begin(await assign({ endpoint: server.url }), runControl());
    expect(outcomeOf(begun)).toMatchObject({ kind: 'succeeded', summary: 'again' });
  });
});

describe('aborts', () => {
  test('a result that arrives by callback ends the retrying at once', async () => {
    const server = tidy.add(await listen((_q, r) => json(r, 503, {})));
    const control = runControl(() => control.stop('completed'));
    const begun = await executor({ clock: systemClock(), delivery: { backoffMs: 600_000 } }).begin(
      await assign({ endpoint: server.url }),
      control,
    );
    expect(outcomeOf(begun)).toEqual({ kind: 'stopped', reason: 'completed' });
    expect(server.received).toHaveLength(1);
  });

  test.each(['detached', 'cancelled'] as const)('%s ends a request that is not answered', async (reason) => {
    const control = runControl();
    const server = tidy.add(await listen(() => control.stop(reason)));
    const limits = { detachGraceMs: 50 };
    const begun = await executor({ clock: systemClock(), limits }).begin(
      await assign({ endpoint: server.url }),
      control,
    );
    expect(outcomeOf(begun)).toEqual({ kind: 'stopped', reason });
    expect(server.received).toHaveLength(1);
  });

  test('a delivery under way when the supervisor stops may still say that it was taken', async () => {
    const control = runControl();
    const server = tidy.add(
      await listen((_q, r) => {
        control.stop('detached');
        setImmediate(() => json(r, 202, { external_id: 'job-5' }));
      }),
    );
    const begun = await executor({ clock: systemClock() }).begin(
      await assign({ endpoint: server.url }),
      control,
    );
    expect(begun).toMatchObject({ kind: 'handed-off', reference: 'job-5' });
    expect(getEventListeners(control.signal, 'abort')).toHaveLength(0);
  });

  test('a task that no agent has taken when the supervisor stops is released', async () => {
    const server = tidy.add(await listen((_q, r) => json(r, 503, {})));
    const control = runControl(() => control.stop('detached'));
    const begun = await executor({ clock: systemClock(), delivery: { backoffMs: 600_000 } }).begin(
      await assign({ endpoint: server.url }),
      control,
    );
    expect(outcomeOf(begun)).toMatchObject({ kind: 'deferred', scope: 'task', until: expect.any(Number) });
    expect(server.received).toHaveLength(1);
  });

  test('an aborted run is not sent at all', async () => {
    const server = tidy.add(await listen((_q, r) => json(r, 202, {})));
    const control = runControl();
    control.stop('shutdown');
    const begun = await executor().begin(await assign({ endpoint: server.url }), control);
    expect(outcomeOf(begun)).toEqual({ kind: 'stopped', reason: 'shutdown' });
    expect(server.received).toHaveLength(0);
  });

  test('a name look-up that never answers is given up, and ends when the run does', async () => {
    const control = runControl();
    const looking = executor({
      clock: systemClock(),
      lookup: () => {
        control.stop('detached');
        return new Promise(() => {});
      },
    }).begin(await assign({ endpoint: 'http://agent.example/' }), control);
    expect(outcomeOf(await looking)).toEqual({ kind: 'stopped', reason: 'detached' });

    const stuck = await executor({ delivery: { attempts: 1 }, lookup: () => new Promise(() => {}) }).begin(
      await assign({ endpoint: 'http://agent.example/' }),
      runControl(),
    );
    expect(outcomeOf(stuck)).toMatchObject({ message: expect.stringContaining('could not be looked up') });
  });
});

describe('addresses', () => {
  test('the address that was judged is the one that is connected to, and the name is looked up once', async () => {
    const server = tidy.add(await listen((_q, r) => json(r, 202, {})));
    let looked = 0;
    const begun = await executor({
      lookup: async () => {
        looked += 1;
        return looked === 1
          ? [{ address: '127.0.0.1', family: 4 }]
          : [{ address: '169.254.169.254', family: 4 }];
      },
    }).begin(await assign({ endpoint: `http://agent.invalid:${server.port}/t` }), runControl());
    expect(begun.kind).toBe('handed-off');
    expect(looked).toBe(1);
    expect(server.received[0]?.headers.host).toBe(`agent.invalid:${server.port}`);
  });

  test('a name that leads elsewhere at the next delivery is judged again, and nothing is sent there', async () => {
    const server = tidy.add(await listen((_q, r) => json(r, 503, {})));
    const answers = ['127.0.0.1', '169.254.169.254'];
    const lookup = async () => [{ address: answers.shift() ?? 'none left', family: 4 as const }];
    const begun = await executor({ lookup }).begin(
      await assign({ endpoint: `http://agent.invalid:${server.port}/t` }),
      runControl(),
    );
    expect(outcomeOf(begun)).toMatchObject({
      failure: 'refused',
      message: expect.stringContaining('169.254.169.254'),
    });
    expect(server.received).toHaveLength(1);
  });

  test('a status request is judged like a delivery', async () => {
    const server = tidy.add(await listen((_q, r) => json(r, 202, {})));
    const answers = ['127.0.0.1', '169.254.169.254'];
    const lookup = async () => [{ address: answers.shift() ?? 'none left', family: 4 as const }];
    const assignment = await assign({
      endpoint: `http://agent.invalid:${server.port}/t`,
      completion: 'poll',
    });
    const control = runControl();
    const http = executor({
      lookup: async () => {
        const found = await lookup();
        if (answers.length === 0) setImmediate(() => control.stop('cancelled'));
        return found;
      },
    });
    expect((await http.begin(assignment, control)).kind).toBe('handed-off');
    expect(await http.attend(assignment, HANDLE, control)).toMatchObject({ kind: 'stopped' });
    expect(server.received.map(({ method }) => method)).toEqual(['POST']);
    const output = await readFile(join(assignment.folder, 'output.log'), 'utf8');
    expect(output).toContain('169.254.169.254');
  });

  test('of several addresses that may be used, one that answers is', async () => {
    const server = tidy.add(await listen((_q, r) => json(r, 202, {})));
    const lookup = async () => [
      { address: '::1', family: 6 as const },
      { address: '127.0.0.1', family: 4 as const },
    ];
    const begun = await executor({ clock: systemClock(), lookup }).begin(
      await assign({ endpoint: `http://agent.invalid:${server.port}/t` }),
      runControl(),
    );
    expect(begun.kind).toBe('handed-off');
    expect(server.received).toHaveLength(1);
  });

  test.each([
    'http://169.254.169.254/latest',
    'http://0.0.0.0:9/',
    'http://[fe80::1]/',
    'http://unix/s:/x',
    'nonsense',
  ])('%s is refused with a sentence and nothing is sent', async (endpoint) => {
    const begun = await executor({
      client: () => {
        throw new Error('sent');
      },
    }).begin(await assign({ endpoint }), runControl());
    expect(outcomeOf(begun)).toMatchObject({
      failure: 'refused',
      retryable: false,
      message: expect.any(String),
    });
  });

  test('a task may name an agent on this machine but not in the private network', async () => {
    const server = tidy.add(await listen((_q, r) => json(r, 202, {})));
    const origin = { file: 'task' };
    const here = await assign({ endpoint: server.url.replace('127.0.0.1', 'localhost'), origin });
    expect((await executor({ clock: systemClock() }).begin(here, runControl())).kind).toBe('handed-off');
    const there = await assign({ endpoint: 'http://10.0.0.5/t', origin });
    expect(outcomeOf(await executor().begin(there, runControl()))).toMatchObject({
      failure: 'refused',
      message: expect.stringContaining('supervisor.toml'),
    });
  });
});

describe('the breaker', () => {
  test('leaves an endpoint alone after five dispatches came to nothing, then tries with one', async () => {
    let status = 500;
    const server = tidy.add(await listen((_q, r) => json(r, status, {})));
    const clock = eagerClock();
    const http = executor({ clock, delivery: { attempts: 1 } });
    const begin = async (path = '/t?x=1') =>
      http.begin(await assign({ endpoint: server.url + path }), runControl());
    for (let i = 0; i < 5; i++) expect(outcomeOf(await begin())).toMatchObject({ kind: 'failed' });
    const held = outcomeOf(await begin());
    expect(held).toMatchObject({
      kind: 'deferred',
      code: 'circuit-open',
      scope: 'profile',
      until: clock.now() + 60_000,
    });
    expect(server.received).toHaveLength(5);
    expect(outcomeOf(await begin('/other'))).toMatchObject({ kind: 'failed' });

    await clock.sleep(60_000);
    status = 202;
    expect((await begin()).kind).toBe('handed-off');
    expect((await begin()).kind).toBe('handed-off');
  });

  test('an agent that reports failed work is well', async () => {
    const server = tidy.add(await listen((_q, r) => json(r, 200, { status: 'failed', error: 'e' })));
    const http = executor();
    for (let i = 0; i < 8; i++)
      expect(outcomeOf(await http.begin(await assign({ endpoint: server.url }), runControl()))).toMatchObject(
        {
          failure: 'reported',
        },
      );
  });

  test('aborted runs teach it nothing', async () => {
    const server = tidy.add(await listen((_q, r) => json(r, 202, {})));
    const http = executor();
    for (let i = 0; i < 8; i++) {
      const control = runControl();
      control.stop('cancelled');
      await http.begin(await assign({ endpoint: server.url }), control);
    }
    expect((await http.begin(await assign({ endpoint: server.url }), runControl())).kind).toBe('handed-off');
  });
});

describe('attend', () => {
  test('a run that is called back about ends when it is asked to, and asks no one', async () => {
    const server = tidy.add(await listen((_q, r) => json(r, 200, { status: 'done' })));
    for (const reason of ['completed', 'detached', 'overruled'] as const) {
      const control = runControl();
      const attending = executor().attend(await assign({ endpoint: server.url }), HANDLE, control);
      control.stop(reason);
      control.stop('cancelled');
      expect(await attending).toEqual({ kind: 'stopped', reason });
    }
    expect(server.received).toHaveLength(0);
  });

  test('asks until the agent says that it is done, whatever goes wrong in between', async () => {
    const answers: [number, unknown][] = [
      [404, {}],
      [200, { status: 'accepted' }],
      [500, {}],
      [200, 'not json'],
      [200, { status: 'running', summary: 'half way' }],
      [401, {}],
      [200, { status: 'done', summary: 'built', result: { ok: true } }],
    ];
    const server = tidy.add(
      await listen((_q, r, before) => {
        const [status, body] = answers[before] ?? [500, {}];
        json(r, status, body);
      }),
    );
    const control = runControl();
    const assignment = await assign({
      endpoint: `${server.url}/api/task`,
      completion: 'poll',
      headers: { authorization: 'Bearer x' },
    });
    const outcome = await executor().attend(assignment, HANDLE, control);
    expect(outcome).toEqual({ kind: 'succeeded', summary: 'built', artifacts: { ok: true } });
    // Each request must take its listener along: a run may be asked about for days.
    expect(getEventListeners(control.signal, 'abort')).toHaveLength(0);
    expect(control.said).toEqual(['accepted', 'running: half way']);
    expect(server.received).toHaveLength(7);
    expect(server.received[0]).toMatchObject({
      method: 'GET',
      path: '/api/task/wt3f9a~build-api',
      body: '',
      headers: { authorization: 'Bearer x' },
    });
  });

  test('backs off from an agent in trouble, and keeps the pace of one that works', async () => {
    const server = tidy.add(
      await listen((_q, r, before) => {
        if (before < 3) json(r, 200, { status: 'running' });
        else if (before < 8) json(r, 503, {});
        else if (before === 8) json(r, 503, {}, { 'retry-after': '600' });
        else json(r, 200, { status: 'done' });
      }),
    );
    const clock = eagerClock();
    const assignment = await assign({ endpoint: server.url, completion: 'poll', pollIntervalMs: 1000 });
    await executor({ clock, identity: { random: () => 0.999 } }).attend(assignment, HANDLE, runControl());
    expect(clock.slept).toEqual([1000, 1000, 1000, 1000, 1998, 3996, 7992, 15_984, 600_000]);
  });

  test('is reattached after a restart with nothing but the reference', async () => {
    const server = tidy.add(
      await listen((q, r) =>
        q.method === 'POST'
          ? json(r, 202, {}, { location: '/jobs/5' })
          : json(r, q.path === '/jobs/5' ? 200 : 404, { status: 'done' }),
      ),
    );
    const assignment = await assign({ endpoint: `${server.url}/api`, completion: 'poll' });
    const begun = await executor().begin(assignment, runControl());
    expect(begun).toMatchObject({ kind: 'handed-off', reference: `${server.url}/jobs/5` });
    const reference = begun.kind === 'handed-off' ? begun.reference : null;
    const outcome = await executor().attend(
      assignment,
      { process: null, reference, adopted: true },
      runControl(),
    );
    expect(outcome).toEqual({ kind: 'succeeded' });
  });

  test('an agent that has something new to say each time does not fill the disk', async () => {
    let asked = 0;
    const client: NonNullable<HttpExecutorParts['client']> = async () => {
      const status = ++asked > 1200 ? 'done' : `running ${asked} ${'x'.repeat(500)}`;
      const body = Buffer.from(JSON.stringify({ status }));
      return { kind: 'answer', status: 200, headers: {}, body, end: 'complete' };
    };
    const assignment = await assign({ endpoint: 'http://127.0.0.1:1/', completion: 'poll' });
    expect(await executor({ client }).attend(assignment, HANDLE, runControl())).toEqual({
      kind: 'succeeded',
    });
    const lines = (await readFile(join(assignment.folder, 'output.log'), 'utf8')).trim().split('\n');
    expect(lines).toHaveLength(1000);
    expect(lines.at(-1)).toContain('later changes are not recorded');
  });

  test('a task that the agent keeps not knowing is lost', async () => {
    const server = tidy.add(await listen((_q, r) => json(r, 404, { error: 'no such job' })));
    const outcome = await executor().attend(
      await assign({ endpoint: server.url, completion: 'poll' }),
      HANDLE,
      runControl(),
    );
    expect(outcome).toMatchObject({
      failure: 'interrupted',
      retryable: true,
      message: expect.stringContaining('no such job'),
    });
    expect(server.received).toHaveLength(6);
  });

  test('stops asking when told to, also within a request', async () => {
    const control = runControl();
    const server = tidy.add(
      await listen((_q, r, before) =>
        before === 0 ? json(r, 200, { status: 'running' }) : control.stop('detached'),
      ),
    );
    const assignment = await assign({ endpoint: server.url, completion: 'poll' });
    const outcome = await executor({ clock: systemClock() }).attend(assignment, HANDLE, control);
    expect(outcome).toEqual({ kind: 'stopped', reason: 'detached' });
    expect(server.received).toHaveLength(2);
  });

  test('time that ran out is a failure', async () => {
    const control = runControl(() => control.stop('timeout'));
    const server = tidy.add(await listen((_q, r) => json(r, 200, { status: 'running' })));
    const assignment = await assign({ endpoint: server.url, completion: 'poll' });
    expect(await executor().attend(assignment, HANDLE, control)).toMatchObject({ failure: 'timeout' });
  });

  test('a secret that is missing after a restart only keeps us from asking', async () => {
    const { log, text } = recordingLog();
    const control = runControl();
    const assignment = await assign({ completion: 'poll', headers: { authorization: { env: 'KEY' } } });
    const attending = executor({
      log: {
        ...log,
        warn(name, fields) {
          log.warn(name, fields);
          control.stop('completed');
        },
      },
    }).attend(assignment, { ...HANDLE, adopted: true }, control);
    expect(await attending).toEqual({ kind: 'stopped', reason: 'completed' });
    expect(text()).toContain('KEY');
  });

  test('an answer that an earlier supervisor waited for will not come any more', async () => {
    const outcome = await executor().attend(
      await assign({ completion: 'response' }),
      { ...HANDLE, adopted: true },
      runControl(),
    );
    expect(outcome).toMatchObject({ failure: 'interrupted', retryable: true });
  });

  test('a profile of another type is a bug and says so', async () => {
    const assignment = await assign({});
    const profile = { ...assignment.profile, type: 'external', staleAfterMs: 0, onStale: 'flag' } as const;
    await expect(executor().begin({ ...assignment, profile }, runControl())).rejects.toThrow('external');
  });
});
