// The metrics that Prometheus scrapes. The library is loaded at the first scrape, or when many durations wait for it.

import type { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Base } from '../platform/base.ts';
import type { LastDecision } from '../run/last-decision.ts';
import { type MeasuredMetric, measuredFrom } from './measured.ts';
import { RunCounts, type RunCountsParts } from './run-counts.ts';
import { type Sample, standingOf } from './standing.ts';

/** Text for a scrape. */
export interface MetricsText {
  readonly contentType: string;
  readonly text: string;
}

export interface MetricsParts extends Pick<Base, 'bus' | 'clock'> {
  readonly last: LastDecision;
  readonly version: string;
  run: RunCountsParts['run'];
}

/** Counts from now on, and gives the text of a scrape. */
export interface Metrics {
  scrape(): Promise<MetricsText>;
  /** The same for other protocols. */
  measure(): Promise<readonly MeasuredMetric[]>;
  stop(): void;
}

/** Seconds; runs take from a moment to a day. */
const RUN_BUCKETS = [1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 24 * 3600];
const DISPATCH_BUCKETS = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

export function createMetrics(parts: MetricsParts): Metrics {
  const counts = new RunCounts(parts);
  let loading: Promise<Instruments> | null = null;
  const instruments = () => {
    loading ??= import('prom-client').then((library) => createInstruments(library.default, parts.version));
    return loading;
  };
  counts.whenFull(() => {
    void instruments().then((into) => into.observe(counts));
  });
  const current = async () => {
    const into = await instruments();
    into.observe(counts);
    const { made } = parts.last;
    into.set(counts, made === null ? null : standingOf(made, parts.clock.now()));
    return into;
  };
  return {
    async scrape() {
      const into = await current();
      return { contentType: into.registry.contentType, text: await into.registry.metrics() };
    },
    measure: async () => measuredFrom(await (await current()).registry.getMetricsAsJSON()),
    stop: () => counts.stop(),
  };
}

type Library = typeof import('prom-client');

interface Instruments {
  readonly registry: Registry;
  /** Moves what was measured into the histograms. */
  observe(counts: RunCounts): void;
  /** Sets everything else. */
  set(counts: RunCounts, standing: ReturnType<typeof standingOf> | null): void;
}

function createInstruments(library: Library, version: string): Instruments {
  const registry = new library.Registry();
  const named = <L extends string>(name: string, help: string, labelNames: readonly L[]) => ({
    name: `workgraph_${name}`,
    help,
    labelNames,
    registers: [registry],
  });
  const gauge = <L extends string>(name: string, help: string, ...labels: L[]): Gauge<L> =>
    new library.Gauge(named(name, help, labels));
  const counter = <L extends string>(name: string, help: string, ...labels: L[]): Counter<L> =>
    new library.Counter(named(name, help, labels));
  const histogram = (name: string, help: string, buckets: number[]): Histogram<'executor'> =>
    new library.Histogram({ ...named(name, help, ['executor' as const]), buckets });

  const tasks = gauge('tasks', 'Tasks by repository and state.', 'repo', 'state');
  const notRunning = gauge(
    'tasks_not_running',
    'Unfinished tasks that do not run, by the code of why.',
    'code',
  );
  const oldestReady = gauge(
    'oldest_ready_seconds',
    'How long the task that waits longest for its start has been ready.',
    'executor',
  );
  const paused = gauge('paused', 'Pauses in force.', 'scope', 'code');
  const lastTick = gauge(
    'last_tick_timestamp_seconds',
    'When the supervisor last looked at everything that changed.',
  );
  gauge('build_info', 'The program.', 'version', 'node').set({ version, node: process.versions.node }, 1);
  const started = counter('runs_started_total', 'Runs that were started or handed off.', 'executor');
  const finished = counter('runs_finished_total', 'Runs that came to an end.', 'executor', 'outcome');
  const tokens = counter('tokens_total', 'Tokens, as agents tell them.', 'executor', 'model', 'kind');
  const cost = counter('cost_usd_total', 'US dollars, as agents tell them.', 'executor');
  const runs = histogram('run_duration_seconds', 'From the start of a run to its end.', RUN_BUCKETS);
  const dispatches = histogram(
    'dispatch_latency_seconds',
    'From the decision to start a run to its start.',
    DISPATCH_BUCKETS,
  );
  const fill = <L extends string>(into: Gauge<L>, samples: readonly Sample[]) => {
    into.reset();
    for (const { labels, value } of samples) into.set(labels as Record<L, string>, value);
  };
  const recount = <L extends string>(
    into: Counter<L>,
    names: readonly L[],
    from: ReadonlyMap<string, number>,
  ) => {
    into.reset();
    for (const [key, value] of from) {
      const values = key.split('\0');
      into.inc(
        Object.fromEntries(names.map((name, n) => [name, values[n] ?? ''])) as Record<L, string>,
        value,
      );
    }
  };
  return {
    registry,
    observe(counts) {
      for (const { of, duration } of counts.takeDurations())
        (of === 'run' ? runs : dispatches).observe({ executor: duration.executor }, duration.seconds);
    },
    set(counts, standing) {
      fill(tasks, standing?.tasks ?? []);
      fill(notRunning, standing?.notRunning ?? []);
      fill(oldestReady, standing?.oldestReady ?? []);
      fill(paused, standing?.paused ?? []);
      if (counts.lastTickAt !== null) lastTick.set(counts.lastTickAt / 1000);
      recount(started, ['executor'], counts.started);
      recount(finished, ['executor', 'outcome'], counts.finished);
      recount(tokens, ['executor', 'model', 'kind'], counts.tokens);
      recount(cost, ['executor'], counts.cost);
    },
  };
}
