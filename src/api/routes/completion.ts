// An agent's final report as one completion request. Agents use different names (`status`, `error`, `reason`,
// `result`, `artifacts`); finished work is never refused over that.

import type { CompletionRequest, ReleaseTerms } from '../../control/control.ts';
import type { AccountBody, CompleteBody, FailBody, HeartbeatBody, UsageBody } from '../shapes/schemas.ts';

type Report = Omit<CompletionRequest, 'task' | 'worktree' | 'caller'>;

const UNSAID = 'the agent reported a failure and gave no reason';

/** The report in a body of `/complete`: a success, unless its status says otherwise. */
export function completionOf(body: CompleteBody): Report {
  const failed = body.status === 'failed' || body.status === 'error';
  const artifacts = artifactsOf(body);
  return {
    result: failed ? 'failed' : 'succeeded',
    ...(failed ? { reason: reasonOf(body) } : {}),
    ...(typeof body.retryable === 'boolean' ? { retryable: body.retryable } : {}),
    ...(body.agent ? { agent: body.agent } : {}),
    ...(body.summary ? { summary: body.summary } : {}),
    ...(artifacts === undefined ? {} : { artifacts }),
    ...usageOf(body.usage),
  };
}

/** The report in a body of `/fail`. */
export function failureOf(body: FailBody): Report {
  return {
    result: 'failed',
    reason: reasonOf(body),
    retryable: body.retryable ?? true,
    ...(typeof body.retry_after_s === 'number' ? { retryAfterMs: body.retry_after_s * 1000 } : {}),
    ...(body.agent ? { agent: body.agent } : {}),
    ...(body.summary ? { summary: body.summary } : {}),
    ...(body.artifacts === undefined || body.artifacts === null ? {} : { artifacts: body.artifacts }),
    ...(body.failure ? { failure: body.failure } : {}),
    ...usageOf(body.usage),
  };
}

/** What a report says was used. */
export function usageOf(said: UsageBody | null | undefined): Pick<Report, 'usage'> {
  if (!said) return {};
  const named = {
    costUsd: said.cost_usd,
    inputTokens: said.input_tokens,
    outputTokens: said.output_tokens,
    cacheReadInputTokens: said.cache_read_input_tokens,
    cacheCreationInputTokens: said.cache_creation_input_tokens,
    turns: said.turns,
    durationMs: said.duration_ms,
  };
  const known = Object.entries(named).filter(([, value]) => value !== undefined && value !== null);
  return known.length === 0 ? {} : { usage: Object.fromEntries(known) };
}

/** What a worker says that its account lacks. */
export function accountLackOf({ code, delay_s: delayS }: AccountBody): NonNullable<ReleaseTerms['account']> {
  return { code, ...(typeof delayS === 'number' ? { delayMs: delayS * 1000 } : {}) };
}

/** The progress line of a heartbeat, null if it only says that the work continues. */
export function progressText(body: HeartbeatBody): string | null {
  const { progress } = body;
  if (body.message) return body.message;
  if (typeof progress === 'string') return progress || null;
  if (!progress) return null;
  const percent = typeof progress.percent === 'number' ? `${progress.percent} %` : '';
  return [percent, progress.message ?? ''].filter((part) => part !== '').join(' ') || null;
}

function reasonOf(body: Pick<FailBody, 'error' | 'reason' | 'summary'>): string {
  const { error } = body;
  const said = typeof error === 'string' ? error : error?.message;
  return said || body.reason || body.summary || UNSAID;
}

/** `result` and similar members join the artifacts; artifacts of the same name take precedence. */
function artifactsOf(body: CompleteBody): unknown {
  const facts: Record<string, unknown> = {
    ...(body.result === undefined ? {} : { result: body.result }),
    ...(body.commit ? { commit: body.commit } : {}),
    ...(body.external_id ? { external_id: body.external_id } : {}),
  };
  const artifacts = body.artifacts ?? undefined;
  if (Object.keys(facts).length === 0) return artifacts;
  if (artifacts === undefined) return facts;
  const keyed = typeof artifacts === 'object' && !Array.isArray(artifacts) ? artifacts : { artifacts };
  return { ...facts, ...keyed };
}
