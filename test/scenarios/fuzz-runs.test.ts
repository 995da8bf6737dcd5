// The fuzzer with the tokens of live runs: everything that an agent may say, nearly as the description wants it. Nothing may
// answer 5xx, hang or show a token, and the supervisor must continue. FUZZ_REQUESTS says how many (a tenth of them).

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { dispatchData } from '../../src/api/shapes/dispatch-schema.ts';
import { type Caller, callerOf } from '../support/api-calls.ts';
import { plainJson, roughly, type Schema } from '../support/from-schema.ts';
import { createPlayground, type Playground } from '../support/playground.ts';
import { type Supervised, supervise } from '../support/supervised.ts';

const REQUESTS = Math.ceil(Number(process.env.FUZZ_REQUESTS ?? 1200) / 10);
const TASKS = 20;
const TOKENS = /wg[ltc]_[A-Za-z0-9_-]{20,}/;

interface Operation {
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> };
}
interface Given {
  readonly token: string;
  readonly signed: string;
  readonly run: string;
  readonly task: string;
}

let playground: Playground;
let supervised: Supervised;
let api: Caller;
let given: Given[];
let operations: [string, string, Operation][];

beforeAll(async () => {
  playground = await createPlayground();
  const ids = Array.from({ length: TASKS }, (_, n) => `t${n}`);
  await playground.writeGraph(
    playground.repo,
    ids.map((id) => ({ id, tags: ['executor:external'] })),
  );
  await playground.writeConfig('[api]\nlisten = "127.0.0.1:0"\n');
  supervised = await supervise(playground);
  await Promise.all(ids.map((id) => supervised.event('run.handed-off', id)));
  api = await callerOf(supervised);
  const { json } = await api.post('/api/tasks/claim', { worker_id: 'w', max_tasks: TASKS });
  given = (json.tasks as unknown as unknown[]).map((one) => {
    const { lease, callback, attempt, task } = dispatchData.parse(one);
    const signed = new URL(callback?.signed_url ?? '').pathname;
    return { token: lease.token, signed, run: attempt.id, task: task.id };
  });
  const { paths } = (await api.get('/api/openapi.json')).json as unknown as {
    paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  };
  operations = Object.entries(paths).flatMap(([path, verbs]) =>
    Object.entries(verbs)
      .filter(([verb]) => /\{(id|token|attempt)\}/.test(path) && (verb === 'post' || path.endsWith('}')))
      .map(([verb, operation]): [string, string, Operation] => [verb.toUpperCase(), path, operation]),
  );
});
afterAll(async () => {
  await supervised.stop({ cancelAgents: true });
  await playground.remove();
});

/** What an A2A agent may push, which the description leaves open. */
const PUSHED = fc.record(
  {
    statusUpdate: fc.record({
      status: fc.record({
        state: fc.constantFrom(
          ...['WORKING', 'INPUT_REQUIRED', 'COMPLETED', 'FAILED', 'CANCELED', 'X'].map(
            (one) => `TASK_STATE_${one}`,
          ),
        ),
        message: fc.oneof(fc.record({ parts: fc.jsonValue({ maxDepth: 3 }) }), fc.jsonValue({ maxDepth: 2 })),
      }),
    }),
    artifactUpdate: fc.record({ artifact: fc.jsonValue({ maxDepth: 3 }), append: fc.boolean() }),
  },
  { requiredKeys: [] },
);

test(
  `${REQUESTS} requests with the tokens of ${TASKS} live runs: no 5xx, no hang, no token, and it continues`,
  async () => {
    const wanted = fc.constantFrom(...operations).chain(([method, path, operation]) => {
      const schema = Object.values(operation.requestBody?.content ?? {})[0]?.schema ?? {};
      return fc.record({
        method: fc.constant(method),
        path: fc.constant(path),
        whose: fc.nat({ max: TASKS - 1 }),
        body: path.includes('a2a') ? fc.oneof(PUSHED, roughly(schema)) : roughly(schema),
        key: fc.option(fc.constantFrom('k1', 'k2', 'k3')),
      });
    });
    const seen = new Set<number>();
    await fc.assert(
      fc.asyncProperty(wanted, async ({ method, path, whose, body, key }) => {
        const one = given[whose];
        if (!one) throw new Error('there is no such run');
        const address = path
          .replace('{id}', encodeURIComponent(one.task))
          .replace('{attempt}', one.run)
          .replace('/api/callback/{token}', one.signed);
        const response = await fetch(api.url + address, {
          method,
          signal: AbortSignal.timeout(10_000),
          headers: {
            authorization: `Bearer ${one.token}`,
            'content-type': 'application/json',
            ...(key === null ? {} : { 'idempotency-key': key }),
          },
          ...(method === 'POST' ? { body: JSON.stringify(plainJson(body)) } : {}),
        });
        const text = await response.text();
        seen.add(response.status);
        if (response.status >= 500)
          throw new Error(`${path} answered ${response.status}: ${text.slice(0, 500)}`);
        if (TOKENS.test(text)) throw new Error(`${path} shows a token: ${text.slice(0, 500)}`);
      }),
      { numRuns: REQUESTS, endOnFailure: REQUESTS > 1000 },
    );
    // It came as far as the work itself: some of it was taken, some refused.
    const reached = REQUESTS >= 1000 ? [200, 204, 403, 409, 422] : [200];
    for (const status of reached) expect([...seen]).toContain(status);
    expect((await api.get('/api/status')).status).toBe(200);
    expect(supervised.supervisor.state).toBe('running');
  },
  REQUESTS * 100 + 60_000,
);
