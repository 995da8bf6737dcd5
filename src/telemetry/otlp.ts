// What traces and metrics by OTLP have in common: whether a collector is named, who sends, and how instants are written.

import type { Environment } from '../platform/environment.ts';

export type TelemetryEnvironment = Pick<Environment, 'variables'>;

/** Whether the environment names a collector for this signal, by OpenTelemetry's own variables. */
export function wantsSignal({ variables }: TelemetryEnvironment, signal: 'TRACES' | 'METRICS'): boolean {
  if (variables.OTEL_SDK_DISABLED?.toLowerCase() === 'true') return false;
  if (variables[`OTEL_${signal}_EXPORTER`] === 'none') return false;
  return Boolean(variables[`OTEL_EXPORTER_OTLP_${signal}_ENDPOINT`] || variables.OTEL_EXPORTER_OTLP_ENDPOINT);
}

/** Who sends. */
export function resourceOf({ variables }: TelemetryEnvironment, version: string) {
  return {
    attributes: {
      'service.name': variables.OTEL_SERVICE_NAME || 'workgraph-supervisor',
      'service.version': version,
    },
    merge: (other: unknown) => (other ?? {}) as never,
    getRawAttributes: () => [],
  };
}

/** An instant or a duration in ms as seconds and nanoseconds. */
export const hrtimeOf = (ms: number): [number, number] => [
  Math.floor(ms / 1000),
  Math.round((ms % 1000) * 1e6),
];
