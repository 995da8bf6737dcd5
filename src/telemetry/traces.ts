// One span for each attempt, sent by OTLP. Its ids are those that the agent got in TRACEPARENT, so that what an agent
// reports itself hangs below it. Loaded only where the environment names a collector, as OpenTelemetry has it.

import type { ReadableSpan } from '@opentelemetry/sdk-trace';
import { messageOf } from '../domain/errors.ts';
import type { Event } from '../domain/event.ts';
import { asksService } from '../domain/profile.ts';
import type { Run } from '../domain/run.ts';
import type { Base } from '../platform/base.ts';
import { spanOfRun, traceOfRun } from '../platform/identity.ts';
import { hrtimeOf, resourceOf, type TelemetryEnvironment, wantsSignal } from './otlp.ts';

export interface TracesParts extends Base {
  readonly environment: TelemetryEnvironment;
  readonly version: string;
  /** A run as it is recorded. */
  run(id: string): Run | null;
  /** The name of a graph's repository. */
  repoOf(graph: string): string;
}

export interface Traces {
  /** Sends what waits, and nothing after that. */
  stop(): Promise<void>;
}

/** Spans that wait to be sent; more are dropped, and that is said. */
const MOST_WAITING = 2000;
/** Spans of a moment are sent together, ms. */
const GATHER_MS = 1000;

/** Begins to send, or does nothing where no collector is named. */
export function createTraces(parts: TracesParts): Traces {
  if (!wantsSignal(parts.environment, 'TRACES')) return { stop: async () => {} };
  const { bus, clock, log } = parts;
  const notes = new Map<string, { readonly name: string; readonly at: number }[]>();
  let waiting: ReadableSpan[] = [];
  let timer: (() => void) | null = null;
  let dropped = 0;
  let sending: Promise<void> = Promise.resolve();
  const exporter = import('./otlp-library.ts').then(({ OTLPTraceExporter }) => new OTLPTraceExporter());
  // Said when it is used; until then no one waits for it.
  exporter.catch(() => {});

  function hear(event: Event): void {
    if (!('run' in event) || event.run === '') return;
    switch (event.name) {
      case 'run.retrying':
      case 'run.stale':
      case 'run.silent':
      case 'run.input':
      case 'run.answered':
      case 'run.reclaimed':
      case 'run.hook':
        notes.set(event.run, [...(notes.get(event.run) ?? []), { name: event.name, at: event.at }]);
        break;
      case 'run.settled':
      case 'run.overruled':
      case 'run.released': {
        const run = parts.run(event.run);
        // What was never begun is no attempt.
        if (run && run.startedAt !== null) queue(spanOf(run, event.at, notes.get(event.run) ?? [], parts));
        notes.delete(event.run);
        break;
      }
      default:
        break;
    }
  }

  function queue(span: ReadableSpan): void {
    if (waiting.length >= MOST_WAITING) {
      dropped++;
      return;
    }
    waiting.push(span);
    timer ??= clock.after(GATHER_MS, send);
  }

  function send(): void {
    timer?.();
    timer = null;
    const spans = waiting;
    waiting = [];
    if (spans.length === 0) return;
    sending = sending.then(async () => {
      try {
        const through = await exporter;
        const because = await new Promise<string | null>((resolve) =>
          through.export(spans, ({ code, error }) => resolve(code === 0 ? null : messageOf(error))),
        );
        if (because !== null) log.warn('traces.lost', { spans: spans.length, because });
        if (dropped > 0) log.warn('traces.lost', { spans: dropped, because: 'the collector was too slow' });
        dropped = 0;
      } catch (thrown) {
        log.warn('traces.lost', { spans: spans.length, because: messageOf(thrown) });
      }
    });
  }

  const off = bus.on(hear);
  return {
    async stop() {
      off();
      send();
      await sending;
      await (await exporter.catch(() => null))?.shutdown();
    },
  };
}

const KIND = { internal: 0, client: 2 } as const;
const STATUS = { unset: 0, ok: 1, error: 2 } as const;

/** The span of a run that has finished. Names of attributes: OpenTelemetry's for agents where it has one, else our own. */
function spanOf(
  run: Run,
  endedAt: number,
  notes: readonly { readonly name: string; readonly at: number }[],
  { environment, version, repoOf }: TracesParts,
): ReadableSpan {
  const { outcome, usage } = run;
  const begun = run.startedAt ?? run.openedAt;
  const ended = Math.max(begun, run.finishedAt ?? endedAt);
  const attributes: Record<string, string | number> = {
    'gen_ai.operation.name': 'invoke_agent',
    'gen_ai.agent.name': run.executor,
    'gen_ai.agent.id': run.agent,
    'workgraph.run': run.id,
    'workgraph.task': run.task,
    'workgraph.repo': repoOf(run.graph),
    'workgraph.worktree': run.worktree,
    'workgraph.attempt': run.attempt,
    'workgraph.executor.type': run.type,
    'workgraph.outcome': outcome?.kind ?? run.phase,
    ...(run.session === undefined ? {} : { 'gen_ai.conversation.id': run.session }),
    ...(run.model === undefined ? {} : { 'gen_ai.request.model': run.model }),
    ...(usage?.inputTokens === undefined ? {} : { 'gen_ai.usage.input_tokens': usage.inputTokens }),
    ...(usage?.outputTokens === undefined ? {} : { 'gen_ai.usage.output_tokens': usage.outputTokens }),
    ...(usage?.costUsd === undefined ? {} : { 'workgraph.cost_usd': usage.costUsd }),
    ...(outcome?.kind === 'failed' ? { 'error.type': outcome.failure } : {}),
  };
  const context = { traceId: traceOfRun(run.id), spanId: spanOfRun(run.id), traceFlags: 1 };
  return {
    name: `invoke_agent ${run.executor}`,
    kind: asksService(run.type) ? KIND.client : KIND.internal,
    spanContext: () => context,
    startTime: hrtimeOf(begun),
    endTime: hrtimeOf(ended),
    duration: hrtimeOf(ended - begun),
    ended: true,
    status:
      outcome?.kind === 'failed'
        ? { code: STATUS.error, message: outcome.message }
        : { code: outcome?.kind === 'succeeded' ? STATUS.ok : STATUS.unset },
    attributes,
    links: [],
    events: notes.map(({ name, at }) => ({ name, time: hrtimeOf(at), attributes: {} })),
    resource: resourceOf(environment, version),
    instrumentationScope: { name: 'workgraph-supervisor', version },
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
  };
}
