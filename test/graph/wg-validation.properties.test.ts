// Random graphs and random patches: whatever is tried, the file on the disk is one that wg loads, or untouched.

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { createGraphStore } from '../../src/graph/store.ts';
import { strictLine } from '../../src/graph/wg-validation.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { createLocker } from '../../src/platform/flock.ts';

let graph: string;
beforeAll(async () => {
  graph = await mkdtemp(join(tmpdir(), 'strict-'));
});
afterAll(() => rm(graph, { recursive: true, force: true }));

const STATUSES = ['open', 'in-progress', 'waiting', 'done', 'blocked', 'failed', 'abandoned', 'incomplete'];
const text = fc.oneof(fc.string(), fc.constant('\ud800'), fc.constant('a\udfffb'), fc.constant('"\\\n\0'));

/** Values that wg takes for each key, and values that it does not. */
const good: Record<string, fc.Arbitrary<unknown>> = {
  status: fc.constantFrom(...STATUSES),
  description: fc.option(text),
  tags: fc.array(text, { maxLength: 3 }),
  after: fc.array(text, { maxLength: 3 }),
  paused: fc.boolean(),
  retry_count: fc.nat(),
  log: fc.array(fc.record({ timestamp: text, message: text }), { maxLength: 2 }),
  failure_class: fc.constantFrom('agent-exit-nonzero', 'api-error429-rate-limit', null),
  token_usage: fc.record({ input_tokens: fc.nat(), cost_usd: fc.double({ min: 0, max: 9, noNaN: true }) }),
  lifecycle: fc.record({ attempts: fc.nat() }),
};
const bad: Record<string, fc.Arbitrary<unknown>> = {
  status: fc.constantFrom('claimed-externally', 'Open', null, 3),
  tags: fc.constantFrom(null, 'one', [1], [null]),
  after: fc.constantFrom(null, {}, [null]),
  paused: fc.constantFrom(null, 'yes', 1),
  retry_count: fc.constantFrom(null, -1, 1.5, 4294967296, '1'),
  log: fc.constantFrom(null, [{}], [{ timestamp: 1, message: 'x' }]),
  failure_class: fc.constantFrom('api-error-429-rate-limit', 'agent-no-work', 1),
  cycle_config: fc.constantFrom({}, { max_iterations: -1 }, { max_iterations: 1, guard: 'Never' }),
  wait_condition: fc.constantFrom({}, { mode: 'both', conditions: [] }),
};

const task = fc.record(good, { requiredKeys: [] });
const goodPatch = fc.record(good, { requiredKeys: [] });
const badPatch = fc
  .constantFrom(...Object.keys(bad))
  .chain((key) => (bad[key] ?? fc.constant(null)).map((value) => ({ key, fields: { [key]: value } })));

async function written(tasks: readonly Record<string, unknown>[]): Promise<string> {
  const clean = (value: unknown) =>
    JSON.parse(JSON.stringify(value).replaceAll(/\\ud[89a-f][0-9a-f]{2}/gi, '?'));
  const lines = tasks.map((fields, n) =>
    JSON.stringify({ kind: 'task', id: `t${n}`, title: 'T', ...(clean(fields) as object) }),
  );
  const content = lines.map((line) => `${line}\n`).join('');
  await writeFile(join(graph, 'graph.jsonl'), content);
  return content;
}

const open = () =>
  createGraphStore({
    graph,
    locker: createLocker(),
    limits: { maxLineBytes: 1e6, maxGraphBytes: 1e8 },
    clock: systemClock(),
  });

test('edge 2: a patch that wg takes is written and loads, with every other line as it was', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(task, { minLength: 1, maxLength: 6 }), goodPatch, async (tasks, fields) => {
      const before = (await written(tasks)).split('\n');
      const store = open();
      await store.change((draft) => draft.patch('t0', fields));
      await store.close();
      const after = (await readFile(join(graph, 'graph.jsonl'), 'utf8')).split('\n');
      expect(after.map(strictLine)).toEqual(after.map(() => null));
      expect(after.slice(1)).toEqual(before.slice(1));
    }),
    { numRuns: 60 },
  );
});

test('edge 2: one that wg would refuse writes nothing, and the error names the key', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(task, { minLength: 1, maxLength: 6 }),
      goodPatch,
      badPatch,
      async (tasks, fields, wrong) => {
        const before = await written(tasks);
        const store = open();
        const change = store.change((draft) => draft.patch('t0', { ...fields, ...wrong.fields }));
        await expect(change).rejects.toMatchObject({
          code: 'graph',
          message: expect.stringContaining(`"${wrong.key}"`),
          details: { key: wrong.key },
        });
        await store.close();
        expect(await readFile(join(graph, 'graph.jsonl'), 'utf8')).toBe(before);
      },
    ),
    { numRuns: 60 },
  );
});
