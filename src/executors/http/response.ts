// Interprets responses of an HTTP agent (http-protocol 1.3). Pure; sends nothing, waits for nothing. Accepted is not
// done: only an explicit outcome in the body, or a profile that says so, finishes a run.

import type { Outcome } from '../../domain/outcome.ts';
import type { HttpProfile } from '../../domain/profile.ts';
import { readSendAnswer } from './a2a.ts';
import type { HttpAnswer } from './client.ts';
import { parseJson, parseJsonObject } from './json.ts';

/** The meaning of the response to a dispatch. */
export type DispatchMeaning =
  | { readonly kind: 'ended'; readonly outcome: Outcome }
  | {
      readonly kind: 'accepted';
      /** Absolute URL at which the agent says it can be polled; it may be on any host. */
      readonly monitor: string | null;
      /** The agent's own id for the work. */
      readonly externalId: string | null;
      /** The agent's own text. */
      readonly message: string;
      /** How often it promises a heartbeat, if it does, seconds. */
      readonly heartbeatEveryS: number | null;
      /** Earliest first poll. */
      readonly retryAfter: string | undefined;
    }
  | {
      readonly kind: 'retry';
      readonly because: string;
      readonly retryAfter: string | undefined;
      /** If this is still the answer in the end, the task is refused. */
      readonly refusedInTheEnd?: true;
    }
  /** Retrying this attempt is pointless. */
  | { readonly kind: 'refused'; readonly because: string }
  /** The endpoint accepts no more work at all, until its configuration changes. */
  | {
      readonly kind: 'closed';
      readonly code: 'endpoint-gone' | 'endpoint-disabled';
      readonly because: string;
    };

/** The meaning of the response to a status request. */
export type PollMeaning =
  | { readonly kind: 'ended'; readonly outcome: Outcome }
  | { readonly kind: 'running'; readonly message: string; readonly retryAfter: string | undefined }
  /** The agent does not know the task (yet, or any more). */
  | { readonly kind: 'unknown'; readonly because: string }
  | { readonly kind: 'trouble'; readonly because: string; readonly retryAfter: string | undefined };

export interface DispatchQuestion {
  readonly completion: HttpProfile['completion'];
  /** 1-based. */
  readonly delivery: number;
  /** Base for relative `Location`s. */
  readonly endpoint: URL;
}

// In the response to a dispatch, `ok` and `success` mostly mean "request understood"; only unambiguous states finish
// a run.
const DISPATCH_DONE = ['completed', 'done', 'succeeded'];
const DISPATCH_FAILED = ['failed', 'error'];
const POLL_DONE = [...DISPATCH_DONE, 'complete', 'success', 'finished', 'ok'];
const POLL_FAILED = [...DISPATCH_FAILED, 'failure', 'cancelled', 'canceled', 'rejected', 'aborted'];

const MAX_TEXT = 2000;

/** Interprets the response to a dispatch. */
export function readDispatchAnswer(answer: HttpAnswer, question: DispatchQuestion): DispatchMeaning {
  if (answer.kind === 'none') {
    if (answer.timedOut && question.completion === 'response')
      return { kind: 'ended', outcome: failed('timeout', 'no answer within the time allowed', true) };
    return { kind: 'retry', because: answer.message, retryAfter: undefined };
  }
  const { status } = answer;
  if (status >= 200 && status < 300) return readSuccess(answer, question);

  const because = describeAnswer(answer);
  const wish = answer.headers['webhook-delivery']?.trim().toLowerCase();
  if (wish === 'disable')
    return {
      kind: 'closed',
      code: 'endpoint-disabled',
      because: `the endpoint refused further deliveries (${because})`,
    };
  if (wish === 'abort-message')
    return { kind: 'refused', because: `the endpoint asked not to be sent this again (${because})` };
  if (status === 410)
    return { kind: 'closed', code: 'endpoint-gone', because: `the endpoint is gone (${because})` };
  if (status === 409 && question.delivery > 1)
    return {
      kind: 'accepted',
      monitor: null,
      externalId: null,
      message: 'an earlier delivery is being worked on',
      heartbeatEveryS: null,
      retryAfter: undefined,
    };
  if (status < 400) return { kind: 'refused', because: `${because}; redirects are not followed` };
  // A starting service knows none of its URLs yet.
  if (status === 404)
    return { kind: 'retry', because, retryAfter: answer.headers['retry-after'], refusedInTheEnd: true };
  if (isTransient(status)) return { kind: 'retry', because, retryAfter: answer.headers['retry-after'] };
  return { kind: 'refused', because };
}

/** Interprets the response to a status request. */
export function readPollAnswer(answer: HttpAnswer): PollMeaning {
  if (answer.kind === 'none') return { kind: 'trouble', because: answer.message, retryAfter: undefined };
  const retryAfter = answer.headers['retry-after'];
  if (answer.status === 404 || answer.status === 410)
    return { kind: 'unknown', because: describeAnswer(answer) };
  if (answer.status < 200 || answer.status >= 300)
    return { kind: 'trouble', because: describeAnswer(answer), retryAfter };
  const body = parseJsonObject(answer.body);
  const word = body === null ? null : statusWord(body);
  if (body === null || word === null)
    return {
      kind: 'trouble',
      because: `HTTP ${answer.status} without a JSON object that has a "status"${answer.end === 'capped' ? ': the answer is too large' : ''}`,
      retryAfter,
    };
  const outcome = outcomeOf(body, word, POLL_DONE, POLL_FAILED);
  if (outcome !== null) return { kind: 'ended', outcome };
  const words = firstText(body.summary, body.message);
  return { kind: 'running', message: words === undefined ? word : `${word}: ${words}`, retryAfter };
}

/** A response in one line, with the agent's own text if there is one. */
export function describeAnswer(answer: Extract<HttpAnswer, { kind: 'answer' }>): string {
  const head = `HTTP ${answer.status}`;
  const body = parseJsonObject(answer.body);
  const type = answer.headers['content-type'] ?? '';
  const words = body
    ? firstText(errorText(body.error), body.detail, body.message, body.title)
    : type.startsWith('text/plain')
      ? firstText(answer.body.toString('utf8'))
      : undefined;
  return words === undefined ? head : `${head}: ${words.replace(/\s+/g, ' ').slice(0, 300)}`;
}

function readSuccess(
  answer: Extract<HttpAnswer, { kind: 'answer' }>,
  question: DispatchQuestion,
): DispatchMeaning {
  const { status } = answer;
  const bodyMatters = status !== 202 && status !== 204;
  if (answer.end === 'broken' && (question.completion === 'response' || bodyMatters))
    return {
      kind: 'retry',
      because: `the connection broke within the answer (HTTP ${status})`,
      retryAfter: undefined,
    };
  const parsed = parseJsonObject(answer.body);
  const rpc = parsed === null ? null : jsonRpcResponse(parsed);
  if (rpc?.kind === 'error') {
    const because = `HTTP ${status}, JSON-RPC error ${rpc.code}: ${rpc.message}`;
    return rpc.isPermanent ? { kind: 'refused', because } : { kind: 'retry', because, retryAfter: undefined };
  }
  const body = rpc?.kind === 'result' ? rpc.body : parsed;
  const a2a = body === null ? null : readSendAnswer(body);
  if (a2a?.outcome && status !== 202) return { kind: 'ended', outcome: a2a.outcome };
  const word = body === null ? null : statusWord(body);
  if (question.completion === 'response')
    return { kind: 'ended', outcome: responseOutcome(answer, body, word) };

  // 202 means by definition that the work is not done, whatever the body says.
  if (body !== null && word !== null && status !== 202) {
    const outcome = outcomeOf(body, word, DISPATCH_DONE, DISPATCH_FAILED);
    if (outcome !== null) return { kind: 'ended', outcome };
  }
  const monitor =
    absoluteUrl(answer.headers.location, question.endpoint) ??
    absoluteUrl(body?.status_url, question.endpoint);
  const message = body === null ? undefined : firstText(body.message, body.summary, word);
  return {
    kind: 'accepted',
    monitor,
    externalId: externalId(a2a === null ? body?.external_id : a2a.task),
    message: message ?? `HTTP ${status}`,
    heartbeatEveryS: seconds(body?.heartbeat_every_s),
    retryAfter: answer.headers['retry-after'],
  };
}

/** What a JSON-RPC 2.0 response says, whose HTTP status is 200 for errors too; null: it is none. */
function jsonRpcResponse(
  body: Readonly<Record<string, unknown>>,
):
  | { readonly kind: 'error'; readonly code: number; readonly message: string; readonly isPermanent: boolean }
  | { readonly kind: 'result'; readonly body: Readonly<Record<string, unknown>> | null }
  | null {
  if (body.jsonrpc !== '2.0') return null;
  const { error, result } = body;
  if (typeof error === 'object' && error !== null) {
    const code = 'code' in error && typeof error.code === 'number' ? error.code : 0;
    const message = firstText(errorText(error)) ?? 'no reason';
    // An internal error, and what a server counts among its own, may pass; a request that is wrong stays so.
    return { kind: 'error', code, message: message.slice(0, 300), isPermanent: !mayPass(code) };
  }
  const isTable = typeof result === 'object' && result !== null && !Array.isArray(result);
  return { kind: 'result', body: isTable ? (result as Readonly<Record<string, unknown>>) : null };
}

const mayPass = (code: number) => code === -32603 || code === -32000;

/** If the response is the result: any 2xx is done unless its body says that the work failed. */
function responseOutcome(
  answer: Extract<HttpAnswer, { kind: 'answer' }>,
  body: Readonly<Record<string, unknown>> | null,
  word: string | null,
): Outcome {
  if (answer.end === 'capped')
    return {
      kind: 'succeeded',
      summary: `the answer was larger than ${answer.body.length} bytes; its beginning is in the run's output`,
    };
  const coding = answer.headers['content-encoding'];
  if (isCoded(answer))
    return { kind: 'succeeded', summary: `the answer came in content-encoding ${coding}, and was not read` };
  if (body !== null) {
    const outcome = outcomeOf(body, word ?? 'done', [], DISPATCH_FAILED);
    if (outcome !== null) return outcome;
    const done = succeeded(body);
    const { status: _status, summary: _summary, ...rest } = body;
    return done.artifacts === undefined && Object.keys(rest).length > 0 ? { ...done, artifacts: rest } : done;
  }
  const json = parseJson(answer.body);
  if (json.ok && typeof json.value !== 'string') return { kind: 'succeeded', artifacts: json.value };
  const text = firstText(json.ok ? json.value : printable(answer));
  return text === undefined ? { kind: 'succeeded' } : { kind: 'succeeded', summary: text };
}

function outcomeOf(
  body: Readonly<Record<string, unknown>>,
  word: string,
  done: readonly string[],
  failing: readonly string[],
): Outcome | null {
  if (done.includes(word)) return succeeded(body);
  if (!failing.includes(word)) return null;
  const message = firstText(errorText(body.error), body.reason, body.message, body.summary);
  return failed(
    'reported',
    message ?? `the agent answered "${word}" and gave no reason`,
    body.retryable !== false,
  );
}

function succeeded(body: Readonly<Record<string, unknown>>): Extract<Outcome, { kind: 'succeeded' }> {
  const { result, artifacts } = body;
  const summary = firstText(body.summary, result, body.message);
  const both = artifacts === undefined ? result : result === undefined ? artifacts : { result, artifacts };
  // The status decides; an error beside it contradicts it and must not be lost.
  const kept = body.error ? { ...(both == null ? {} : { result: both }), error: body.error } : both;
  return {
    kind: 'succeeded',
    ...(summary === undefined ? {} : { summary }),
    ...(kept === undefined || kept === null ? {} : { artifacts: kept }),
  };
}

function failed(failure: 'reported' | 'timeout', message: string, retryable: boolean): Outcome {
  return { kind: 'failed', failure, message, retryable };
}

function isTransient(status: number): boolean {
  if (status === 408 || status === 425 || status === 429) return true;
  // Gateways use many more 5xx codes than the standard; only these two mean "never".
  return status >= 500 && status !== 501 && status !== 505;
}

function statusWord(body: Readonly<Record<string, unknown>>): string | null {
  const word = body.status ?? body.state;
  return typeof word === 'string' && word !== '' ? word.trim().toLowerCase().slice(0, 100) : null;
}

function errorText(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'message' in error ? error.message : error;
}

function firstText(...candidates: readonly unknown[]): string | undefined {
  for (const candidate of candidates)
    if (typeof candidate === 'string' && candidate.trim() !== '') return candidate.trim().slice(0, MAX_TEXT);
  return undefined;
}

function externalId(value: unknown): string | null {
  if (typeof value === 'number') return String(value);
  return typeof value === 'string' && value !== '' && value.length <= 500 ? value : null;
}

/** The longest plausible interval: a day. */
function seconds(value: unknown): number | null {
  return typeof value === 'number' && value >= 1 && value <= 86_400 ? value : null;
}

/** Without user and password: they must not be stored as part of a name. */
function absoluteUrl(value: unknown, base: URL): string | null {
  if (typeof value !== 'string' || value === '' || value.length > 2000 || !URL.canParse(value, base.href))
    return null;
  const url = new URL(value, base);
  url.username = '';
  url.password = '';
  return url.protocol === 'http:' || url.protocol === 'https:' ? url.href : null;
}

/** Whether the body is compressed, which was not requested. */
export function isCoded({ headers }: Extract<HttpAnswer, { kind: 'answer' }>): boolean {
  const coding = headers['content-encoding']?.trim().toLowerCase() ?? '';
  return coding !== '' && coding !== 'identity';
}

function printable(answer: Extract<HttpAnswer, { kind: 'answer' }>): string | undefined {
  const type = answer.headers['content-type'] ?? 'text/plain';
  return type.startsWith('text/plain') ? answer.body.toString('utf8') : undefined;
}
