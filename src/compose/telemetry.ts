// Metrics and traces of a running supervisor, wired.

import type { GraphPath } from '../domain/ids.ts';
import type { SupervisedGraphs } from '../graphs/supervised-graphs.ts';
import type { Base } from '../platform/base.ts';
import type { Environment } from '../platform/environment.ts';
import type { LastDecision } from '../run/last-decision.ts';
import type { Ledger } from '../runs/ledger.ts';
import { createMetrics, type MetricsText } from '../telemetry/metrics.ts';
import { createOtlpMetrics } from '../telemetry/otlp-metrics.ts';
import { createTraces } from '../telemetry/traces.ts';
import { VERSION } from '../version.ts';

/** Counts and traces from now on. */
export function createTelemetry(
  base: Base,
  parts: {
    readonly ledger: Pick<Ledger, 'run'>;
    readonly graphs: Pick<SupervisedGraphs, 'get'>;
    readonly last: LastDecision;
    readonly environment: Environment;
  },
): { scrape(): Promise<MetricsText>; stop(): Promise<void> } {
  const { ledger, graphs, last, environment } = parts;
  const run = (id: string) => ledger.run(id);
  const metrics = createMetrics({ ...base, last, run, version: VERSION });
  const repoOf = (graph: GraphPath) => graphs.get(graph)?.repository.name ?? '';
  const traces = createTraces({ ...base, environment, run, repoOf, version: VERSION });
  const sent = createOtlpMetrics({
    ...base,
    environment,
    version: VERSION,
    measure: () => metrics.measure(),
  });
  return {
    scrape: () => metrics.scrape(),
    async stop() {
      await sent.stop();
      metrics.stop();
      await traces.stop();
    },
  };
}
