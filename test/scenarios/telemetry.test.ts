// Metrics as Prometheus gets them, and traces as a collector does, of a real supervisor.

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { callerOf } from '../support/api-calls.ts';
import { createPlayground, type Playground } from '../support/playground.ts';
import { type Supervised, supervise } from '../support/supervised.ts';

let ground: Playground;
let supervised: Supervised | null = null;
let collector: Server | null = null;
beforeEach(async () => {
  ground = await createPlayground();
});
afterEach(async () => {
  delete process.env.OTEL_EXPORTER_OTLP_ENDPOINT;
  delete process.env.OTEL_METRICS_EXPORTER;
  await supervised?.stop({ cancelAgents: true });
  supervised = null;
  collector?.closeAllConnections();
  collector?.close();
  collector = null;
  await ground.remove();
});

async function begin(): Promise<Supervised> {
  await ground.writeConfig(
    `[[repos]]\npath = ${JSON.stringify(ground.repo)}\n[api]\nlisten = "127.0.0.1:0"\n[executors.note]\ntype = "command"\ncommand = ["sh", "-c", "echo $TRACEPARENT > trace"]\n[executors.bad]\ntype = "command"\ncommand = ["false"]\n`,
  );
  await ground.writeGraph(ground.repo, [
    { id: 'noted', tags: ['executor:note'] },
    { id: 'broken', tags: ['executor:bad'] },
    { id: 'lost', tags: ['executor:nobody'] },
    { id: 'later', after: ['lost'] },
  ]);
  supervised = await supervise(ground);
  await supervised.start();
  await supervised.event('run.settled', 'noted');
  await supervised.event('run.settled', 'broken');
  await supervised.supervisor.tick();
  return supervised;
}

const scrape = async (running: Supervised, token?: string | null) => {
  const api = await callerOf(running);
  const bearer = token === undefined ? api.token : token;
  const response = await fetch(`${api.url}/metrics`, {
    headers: bearer === null ? {} : { authorization: `Bearer ${bearer}` },
  });
  return { status: response.status, type: response.headers.get('content-type'), text: await response.text() };
};

test('a scrape: every metric that the documentation and the board name, and no task', async () => {
  const running = await begin();
  const { status, type, text } = await scrape(running);
  expect({ status, type }).toEqual({
    status: 200,
    type: expect.stringMatching(/^text\/plain; version=0\.0\.4/),
  });
  expect(text).toContain('workgraph_runs_started_total{executor="note"} 1');
  expect(text).toContain('workgraph_runs_finished_total{executor="note",outcome="succeeded"} 1');
  expect(text).toContain('workgraph_runs_finished_total{executor="bad",outcome="failed"} 1');
  expect(text).toMatch(/workgraph_tasks\{repo="repo",state="done"\} 1/);
  expect(text).toMatch(/workgraph_tasks\{repo="repo",state="held"\} 1/);
  expect(text).toMatch(/workgraph_tasks_not_running\{code="dependency"\} 1/);
  expect(text).toContain('workgraph_run_duration_seconds_count{executor="note"} 1');
  expect(text).toMatch(/workgraph_last_tick_timestamp_seconds \d/);
  for (const id of ['noted', 'broken', 'later']) expect(text).not.toContain(id);

  const names = new Set([...text.matchAll(/^# TYPE (\w+)/gm)].map(([, name]) => name));
  const docs = join(import.meta.dirname, '../../docs');
  const documented = [...readFileSync(join(docs, 'telemetry.md'), 'utf8').matchAll(/^\| `(\w+)`/gm)];
  expect(documented.map(([, name]) => name).sort()).toEqual([...names].sort());
  const board = readFileSync(join(docs, 'grafana-board.json'), 'utf8');
  const shown = [...board.matchAll(/workgraph_\w+?(?=_bucket|\W)/g)].map(([name]) => name);
  expect([...new Set(shown)].sort()).toEqual([...names].sort());
});

test('metrics are for callers with a token, and for reading only', async () => {
  const running = await begin();
  expect((await scrape(running, null)).status).toBe(401);
  expect((await scrape(running, 'wgt_wrong')).status).toBe(401);
  const api = await callerOf(running);
  expect((await api.call('POST', '/metrics')).status).toBe(405);
});

interface OtlpSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly name: string;
  readonly status: { readonly code?: number };
  readonly attributes: readonly { readonly key: string; readonly value: Record<string, unknown> }[];
}

interface OtlpPoint {
  readonly attributes: readonly { readonly key: string; readonly value: { readonly stringValue: string } }[];
  readonly asDouble?: number;
  readonly count?: number;
}

interface OtlpMetric {
  readonly name: string;
  readonly unit: string;
  readonly sum?: {
    readonly isMonotonic: boolean;
    readonly aggregationTemporality: number;
    readonly dataPoints: OtlpPoint[];
  };
  readonly gauge?: { readonly dataPoints: OtlpPoint[] };
  readonly histogram?: { readonly dataPoints: OtlpPoint[] };
}

/** A collector on loopback; gives spans and metrics as they come. */
async function collect(
  answer = 200,
): Promise<{ spans: OtlpSpan[]; metrics: OtlpMetric[]; calls: () => number }> {
  const spans: OtlpSpan[] = [];
  const metrics: OtlpMetric[] = [];
  let calls = 0;
  collector = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      calls++;
      const sent = JSON.parse(Buffer.concat(chunks).toString('utf8'));
      for (const { scopeSpans } of sent.resourceSpans ?? [])
        for (const scope of scopeSpans) spans.push(...scope.spans);
      for (const { scopeMetrics } of sent.resourceMetrics ?? [])
        for (const scope of scopeMetrics) metrics.push(...scope.metrics);
      expect(request.url).toBe(sent.resourceSpans ? '/v1/traces' : '/v1/metrics');
      response.writeHead(answer, { 'content-type': 'application/json' }).end('{}');
    });
  }).listen(0, '127.0.0.1');
  await once(collector, 'listening');
  const address = collector.address();
  process.env.OTEL_EXPORTER_OTLP_ENDPOINT = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`;
  return { spans, metrics, calls: () => calls };
}

describe('metrics by OTLP', () => {
  test('what a scrape shows is sent, at the latest when the supervisor stops', async () => {
    const { metrics } = await collect();
    const running = await begin();
    const { text } = await scrape(running);
    await running.stop({ cancelAgents: true });
    const scraped = [...text.matchAll(/^# TYPE (\w+)/gm)].map(([, name]) => name);
    expect(metrics.map(({ name }) => name).sort()).toEqual(scraped.sort());
    const of = (name: string) => metrics.find((metric) => metric.name === `workgraph_${name}`);
    const labelled = (points: OtlpPoint[] = []) =>
      points.map(({ attributes, asDouble, count }) => [
        ...attributes.map(({ key, value }) => `${key}=${value.stringValue}`),
        asDouble ?? count,
      ]);
    expect(of('runs_finished_total')?.sum).toMatchObject({ isMonotonic: true, aggregationTemporality: 2 });
    expect(labelled(of('runs_finished_total')?.sum?.dataPoints)).toEqual(
      expect.arrayContaining([
        ['executor=note', 'outcome=succeeded', 1],
        ['executor=bad', 'outcome=failed', 1],
      ]),
    );
    expect(labelled(of('tasks')?.gauge?.dataPoints)).toContainEqual(['repo=repo', 'state=done', 1]);
    expect(of('run_duration_seconds')?.unit).toBe('s');
    expect(labelled(of('run_duration_seconds')?.histogram?.dataPoints)).toContainEqual(['executor=note', 1]);
    for (const id of ['noted', 'broken', 'later']) expect(JSON.stringify(metrics)).not.toContain(id);
  });

  test('OTEL_METRICS_EXPORTER=none sends traces alone', async () => {
    const { metrics, spans } = await collect();
    process.env.OTEL_METRICS_EXPORTER = 'none';
    const running = await begin();
    await running.stop({ cancelAgents: true });
    expect([metrics.length, spans.length]).toEqual([0, 2]);
  });
});

describe('traces', () => {
  test('one span for each attempt, with the ids that its agent got', async () => {
    const { spans } = await collect();
    const running = await begin();
    await running.stop({ cancelAgents: true });
    const of = (task: string) =>
      spans.filter(({ attributes }) =>
        attributes.some(({ key, value }) => key === 'workgraph.task' && value.stringValue === task),
      );
    const [noted] = of('noted');
    const [, trace, span] = readFileSync(join(ground.repo, 'trace'), 'utf8').trim().split('-');
    expect(noted).toMatchObject({
      traceId: trace,
      spanId: span,
      name: 'invoke_agent note',
      status: { code: 1 },
    });
    expect(of('broken')).toMatchObject([{ status: { code: 2 } }]);
    expect(spans).toHaveLength(2);
  });

  test('a collector that refuses delays nothing and loses no task', async () => {
    const { calls } = await collect(400);
    const running = await begin();
    await running.stop({ cancelAgents: true });
    expect(calls()).toBeGreaterThan(0);
  });

  test('without a collector nothing is sent', async () => {
    const { calls } = await collect();
    delete process.env.OTEL_EXPORTER_OTLP_ENDPOINT;
    const running = await begin();
    await running.stop({ cancelAgents: true });
    expect(calls()).toBe(0);
  });
});
