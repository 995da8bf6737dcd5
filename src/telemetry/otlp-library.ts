// The libraries of OTLP, loaded only where an endpoint is configured. Named here in static imports: of a package in
// CommonJS a dynamic one gives no names in the bundle.

export { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
export { OTLPExporterBase } from '@opentelemetry/otlp-exporter-base';
export {
  convertLegacyHttpOptions,
  createOtlpHttpExportDelegate,
} from '@opentelemetry/otlp-exporter-base/node-http';
export { JsonMetricsSerializer, MetricsExporterMetricsHelper } from '@opentelemetry/otlp-transformer';
