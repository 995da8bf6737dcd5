// Reduces Claude's stream-json lines to a few facts. Pure; it judges nothing, and a line that it does not understand
// changes nothing. Shapes as recorded from the real CLI.

import type { Usage } from '../../../domain/outcome.ts';
import type { AgentFacts } from './agent-cli.ts';
import { type Fields, fields, number, parseFields, text } from './stream-fields.ts';

export interface ClaudeResult {
  readonly isError: boolean;
  readonly subtype: string;
  /** HTTP status of the provider's refusal, if that was the cause. */
  readonly apiErrorStatus: number | null;
  readonly text: string;
  readonly errors: readonly string[];
  /** Denied actions, one line each. */
  readonly denials: readonly string[];
}

export interface RateLimit {
  /** allowed, allowed_warning or rejected. */
  readonly status: string;
  /** ms since the epoch; null if not reported. */
  readonly resetsAt: number | null;
  readonly type: string | null;
}

/** `usage` is that of the result line; before that the sum over messages, so that a stopped run has numbers, too. */
export interface ClaudeFacts extends AgentFacts {
  /** The latest report on the account's limit. */
  readonly rateLimit: RateLimit | null;
  /** The last failed request that the CLI will retry; null once there was an answer. */
  readonly retry: { readonly status: number | null; readonly error: string; readonly attempt: number } | null;
  /** The assistant's last text. */
  readonly lastText: string | null;
  /** Code of an error in place of an answer, such as `rate_limit` or `authentication_failed`. */
  readonly error: string | null;
  readonly result: ClaudeResult | null;
  /** The message that was counted last: one message comes in several lines, each with the same usage. */
  readonly counted: string | null;
}

export const NO_FACTS: ClaudeFacts = {
  session: null,
  model: null,
  rateLimit: null,
  retry: null,
  lastText: null,
  error: null,
  result: null,
  usage: {},
  counted: null,
  doing: null,
  lastWord: null,
};

const TEXT_CHARS = 4_000;
const DOING_CHARS = 200;

/** The facts after one more line of the stream. */
export function readClaudeLine(facts: ClaudeFacts, line: string): ClaudeFacts {
  // Tool results can be huge and contain nothing that is needed here.
  if (line.startsWith('{"type":"user"')) return facts;
  const event = parseFields(line);
  if (event === null) return facts;
  const session = text(event.session_id);
  const known = session === null ? facts : { ...facts, session };
  switch (event.type) {
    case 'system':
      return readSystem(known, event);
    case 'assistant':
      return readAssistant(known, event);
    case 'rate_limit_event':
      return readRateLimit(known, event);
    case 'result':
      return readResult(known, event);
    default:
      return known;
  }
}

function readSystem(facts: ClaudeFacts, event: Fields): ClaudeFacts {
  if (event.subtype === 'init') return { ...facts, model: text(event.model), doing: 'session started' };
  if (event.subtype !== 'api_retry') return facts;
  const status = number(event.error_status);
  const error = text(event.error) ?? 'unknown error';
  const attempt = number(event.attempt) ?? 0;
  const doing = `the provider answered ${status ?? ''} ${error}, retry ${attempt} of ${number(event.max_retries) ?? '?'}`;
  return { ...facts, retry: { status, error, attempt }, doing };
}

function readAssistant(facts: ClaudeFacts, event: Fields): ClaudeFacts {
  const message = fields(event.message);
  const id = text(message.id);
  const usage =
    id !== null && id === facts.counted ? facts.usage : addUsage(facts.usage, fields(message.usage));
  const next = {
    ...facts,
    usage,
    counted: id,
    error: text(event.error),
    retry: null,
    result: null,
    lastWord: null,
  };
  let { lastText, doing } = next;
  for (const part of Array.isArray(message.content) ? message.content.map(fields) : []) {
    if (part.type === 'text' && typeof part.text === 'string' && part.text.trim() !== '') {
      lastText = part.text.slice(0, TEXT_CHARS);
      doing = part.text;
    }
    if (part.type === 'tool_use') {
      const about = text(fields(part.input).description);
      doing = about === null ? `${text(part.name) ?? 'a tool'}` : `${text(part.name) ?? 'a tool'}: ${about}`;
    }
  }
  return {
    ...next,
    lastText,
    doing: doing === null ? null : doing.replace(/\s+/g, ' ').trim().slice(0, DOING_CHARS),
  };
}

function readRateLimit(facts: ClaudeFacts, event: Fields): ClaudeFacts {
  const info = fields(event.rate_limit_info);
  const seconds = number(info.resetsAt);
  const rateLimit = {
    status: text(info.status) ?? 'unknown',
    resetsAt: seconds === null ? null : seconds * 1_000,
    type: text(info.rateLimitType),
  };
  return { ...facts, rateLimit };
}

function readResult(facts: ClaudeFacts, event: Fields): ClaudeFacts {
  const result: ClaudeResult = {
    isError: event.is_error !== false,
    subtype: text(event.subtype) ?? '',
    apiErrorStatus: number(event.api_error_status),
    text: (text(event.result) ?? '').slice(0, TEXT_CHARS),
    errors: Array.isArray(event.errors)
      ? event.errors.map(String).map((one) => one.slice(0, TEXT_CHARS))
      : [],
    denials: Array.isArray(event.permission_denials)
      ? event.permission_denials.map(fields).map(denialText)
      : [],
  };
  const cost = number(event.total_cost_usd);
  const turns = number(event.num_turns);
  const durationMs = number(event.duration_ms);
  const usage: Usage = {
    ...addUsage({}, fields(event.usage)),
    ...(cost === null ? {} : { costUsd: cost }),
    ...(turns === null ? {} : { turns }),
    ...(durationMs === null ? {} : { durationMs }),
  };
  return { ...facts, result, usage, lastWord: result.isError ? 'badly' : 'well' };
}

function denialText(denial: Fields): string {
  const { command, file_path: file } = fields(denial.tool_input);
  const about = text(command) ?? text(file) ?? '';
  return `${text(denial.tool_name) ?? 'a tool'} ${about}`.replace(/\s+/g, ' ').trim().slice(0, DOING_CHARS);
}

const COUNTERS = [
  ['inputTokens', 'input_tokens'],
  ['outputTokens', 'output_tokens'],
  ['cacheReadInputTokens', 'cache_read_input_tokens'],
  ['cacheCreationInputTokens', 'cache_creation_input_tokens'],
] as const;

function addUsage(so: Usage, more: Fields): Usage {
  const sum: { -readonly [K in keyof Usage]: Usage[K] } = { ...so };
  for (const [ours, theirs] of COUNTERS) {
    const count = number(more[theirs]);
    if (count !== null) sum[ours] = (sum[ours] ?? 0) + count;
  }
  return sum;
}
