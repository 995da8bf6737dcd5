// The metrics of a scrape, sent by OTLP for those whose collector is told rather than asks. Loaded only where the
// environment names a collector for them, as OpenTelemetry has it.

import { messageOf } from '../domain/errors.ts';
import type { Base } from '../platform/base.ts';
import type { MeasuredMetric } from './measured.ts';
import { hrtimeOf, resourceOf, type TelemetryEnvironment, wantsSignal } from './otlp.ts';

export interface OtlpMetricsParts extends Pick<Base, 'clock' | 'log'> {
  readonly environment: TelemetryEnvironment;
  readonly version: string;
  /** Everything as it is now. */
  measure(): Promise<readonly MeasuredMetric[]>;
}

export interface OtlpMetrics {
  /** Sends once more, and nothing after that. */
  stop(): Promise<void>;
}

/** OpenTelemetry's own default, ms. */
const INTERVAL_MS = 60_000;
/** What a person may set it to at the least, ms: every measuring goes over all tasks. */
const LEAST_INTERVAL_MS = 1000;

/** Begins to send, or does nothing where no collector is named. */
export function createOtlpMetrics(parts: OtlpMetricsParts): OtlpMetrics {
  const { clock, log, environment } = parts;
  if (!wantsSignal(environment, 'METRICS')) return { stop: async () => {} };
  const startedAt = clock.now();
  const exporter = openExporter();
  // Said when it is used; until then no one waits for it.
  exporter.catch(() => {});
  let cancel = () => {};
  let sending: Promise<void> = Promise.resolve();
  let refused: string | null = null;

  async function send(): Promise<void> {
    const because = await sent().catch(messageOf);
    // Once for each reason: a collector that is away for a night is not news every minute.
    if (because !== null && because !== refused) log.warn('metrics.lost', { because });
    refused = because;
  }

  async function sent(): Promise<string | null> {
    const through = await exporter;
    const measured = await parts.measure();
    const at = clock.now();
    const metrics = measured.map((metric) => metricData(metric, startedAt, at));
    const scope = { name: 'workgraph-supervisor', version: parts.version };
    const resource = resourceOf(environment, parts.version);
    return await new Promise((resolve) =>
      through.export({ resource, scopeMetrics: [{ scope, metrics }] }, ({ code, error }) =>
        resolve(code === 0 ? null : messageOf(error)),
      ),
    );
  }

  function later(): void {
    cancel = clock.after(intervalOf(environment), () => {
      sending = send();
      void sending.then(later);
    });
  }

  later();
  let stopped: Promise<void> | null = null;
  return {
    stop() {
      stopped ??= (async () => {
        cancel();
        await sending;
        // The loop has begun to wait again meanwhile.
        cancel();
        await send();
        await (await exporter.catch(() => null))?.shutdown();
      })();
      return stopped;
    },
  };
}

/** The exporter of traces as it is for metrics: the same transport, retries and variables, and another path. */
async function openExporter() {
  const library = await import('./otlp-library.ts');
  const options = library.convertLegacyHttpOptions({}, 'METRICS', 'v1/metrics', {
    'Content-Type': 'application/json',
  });
  return new library.OTLPExporterBase(
    library.createOtlpHttpExportDelegate(
      options,
      library.JsonMetricsSerializer,
      'otlp_http_metric_exporter',
      library.MetricsExporterMetricsHelper,
      undefined,
    ),
  );
}

function intervalOf({ variables }: TelemetryEnvironment): number {
  const wanted = Number(variables.OTEL_METRIC_EXPORT_INTERVAL || INTERVAL_MS);
  return Number.isFinite(wanted) && wanted > 0 ? Math.max(LEAST_INTERVAL_MS, wanted) : INTERVAL_MS;
}

/** Numbers of OpenTelemetry's enumerations, which its packages have as values only. */
const CUMULATIVE = 1;
const HISTOGRAM = 0;
const GAUGE = 2;
const SUM = 3;
const DOUBLE = 1;

function metricData(metric: MeasuredMetric, startedAt: number, at: number) {
  const common = {
    descriptor: { name: metric.name, description: metric.help, unit: unitOf(metric.name), valueType: DOUBLE },
    aggregationTemporality: CUMULATIVE,
  };
  const point = <T>(attributes: Readonly<Record<string, string>>, value: T) => ({
    startTime: hrtimeOf(startedAt),
    endTime: hrtimeOf(at),
    attributes: { ...attributes },
    value,
  });
  switch (metric.kind) {
    case 'histogram':
      return {
        ...common,
        dataPointType: HISTOGRAM,
        dataPoints: metric.samples.map(({ labels, value }) => point(labels, value)),
      } as const;
    case 'counter':
      return {
        ...common,
        dataPointType: SUM,
        isMonotonic: true,
        dataPoints: metric.samples.map(({ labels, value }) => point(labels, value)),
      } as const;
    case 'gauge':
      return {
        ...common,
        dataPointType: GAUGE,
        dataPoints: metric.samples.map(({ labels, value }) => point(labels, value)),
      } as const;
  }
}

const unitOf = (name: string) => (/_seconds$/.test(name) ? 's' : /_usd_total$/.test(name) ? 'USD' : '1');
