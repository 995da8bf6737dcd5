// Resolves a profile's own headers and signing secrets for one run, and removes them from every stored text. Knows
// nothing of requests. Its messages contain only the names of headers and variables, never values.

import type { Outcome } from '../../domain/outcome.ts';
import { fillPlaceholders } from '../../domain/placeholder.ts';
import type { HttpProfile, SecretValue } from '../../domain/profile.ts';
import { redact } from '../../platform/log.ts';
import type { Assignment } from '../executor.ts';
import { placeholderValue } from '../placeholder-values.ts';
import { signingKey } from './signature.ts';

export interface HttpSecrets {
  /** Lower-case names; values as Node sends them. */
  readonly headers: Readonly<Record<string, string>>;
  /** Signing keys, newest first. */
  readonly keys: readonly Buffer[];
  /** Texts that must not be stored anywhere. */
  readonly hidden: readonly string[];
}

/** Variables of the supervisor's own environment, and of the run's. */
export type Variables = Readonly<Record<string, string | undefined>>;

// Framing headers, and those that identify a delivery: a profile that set these would break the protocol unnoticed.
const RESERVED = new Set([
  'accept-encoding',
  'connection',
  'content-length',
  'expect',
  'idempotency-key',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'webhook-id',
  'webhook-signature',
  'webhook-timestamp',
]);

const TOKEN_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const SENSITIVE_NAME = /auth|cookie|key|secret|signature|token/;

/** Shorter texts, such as `Bearer`, would redact harmless words. */
const MIN_HIDDEN_LENGTH = 8;

/** The headers and keys of this run, or the outcome that says which of them are missing. */
export function resolveSecrets(
  profile: HttpProfile,
  assignment: Assignment,
  variables: Variables,
): HttpSecrets | { readonly outcome: Outcome } {
  const headers: Record<string, string> = {};
  const hidden: string[] = [];
  for (const [name, source] of Object.entries(profile.headers)) {
    const lower = name.toLowerCase();
    const where = `header ${JSON.stringify(name)} of [executors.${profile.name}]`;
    if (!TOKEN_NAME.test(name))
      return { outcome: held(profile, 'bad-header', `${where} is not a header name`) };
    if (RESERVED.has(lower))
      return {
        outcome: held(profile, 'bad-header', `${where} is set by the supervisor and cannot be configured`),
      };
    const value = secretText(source, assignment, variables);
    if (value === null) return { outcome: missing(profile, where, source) };
    if (hasControlCharacter(value))
      return {
        outcome:
          typeof source === 'string' && source.includes('{{')
            ? {
                kind: 'failed',
                failure: 'refused',
                message: `${where} would hold a line break or another control character of this task; use a placeholder without one`,
                retryable: false,
              }
            : held(profile, 'bad-header', `${where} holds a line break or another control character`),
      };
    // Node sends a header as Latin-1: UTF-8 bytes, one character each, arrive as the original UTF-8 text.
    headers[lower] = Buffer.from(value, 'utf8').toString('latin1');
    if (typeof source !== 'string') hidden.push(value, ...value.split(/\s+/));
    // A placeholder's value, such as the task's id, is no secret; our own token is redacted anyway.
    else if (SENSITIVE_NAME.test(lower) && !source.includes('{{')) hidden.push(...value.split(/\s+/));
  }

  const keys: Buffer[] = [];
  for (const [index, source] of profile.secrets.entries()) {
    const where = `secret ${index + 1} of [executors.${profile.name}]`;
    const value = secretText(source, assignment, variables);
    if (value === null) return { outcome: missing(profile, where, source) };
    const parsed = signingKey(value);
    if ('problem' in parsed) return { outcome: held(profile, 'bad-secret', `${where}: ${parsed.problem}`) };
    keys.push(parsed.key);
    hidden.push(value);
  }
  return {
    headers,
    keys,
    // Longest first: one secret may be a prefix of another.
    hidden: hidden.filter((text) => text.length >= MIN_HIDDEN_LENGTH).sort((a, b) => b.length - a.length),
  };
}

/** Removes secrets and tokens from every string of a value. */
export function scrub<T>(value: T, hidden: readonly string[]): T {
  return scrubbed(value, hidden) as T;
}

function scrubbed(value: unknown, hidden: readonly string[]): unknown {
  if (typeof value === 'string')
    return redact(hidden.reduce((text, secret) => text.replaceAll(secret, '[redacted]'), value));
  if (Array.isArray(value)) return value.map((element) => scrubbed(element, hidden));
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(
      Object.entries(value).map(([key, element]) => [scrubbed(key, hidden), scrubbed(element, hidden)]),
    );
  return value;
}

function secretText(source: SecretValue, assignment: Assignment, variables: Variables): string | null {
  if (typeof source === 'string') return fillPlaceholders(source, placeholderValue(assignment));
  // A forgotten `export NAME=` leaves an empty variable.
  return variables[source.env] || assignment.environment[source.env] || null;
}

function missing(profile: HttpProfile, where: string, source: SecretValue): Outcome {
  const name = typeof source === 'string' ? '' : source.env;
  return held(
    profile,
    'secret-missing',
    `${where} needs the environment variable ${name}, which the supervisor does not have; set it and restart the supervisor`,
  );
}

function held(profile: HttpProfile, code: string, problem: string): Outcome {
  const { file, line } = profile.origin;
  const place =
    file === 'task' || file === 'built-in' ? '' : ` (${file}${line === undefined ? '' : `:${line}`})`;
  return { kind: 'deferred', code, because: `${problem}${place}`, scope: 'profile' };
}

function hasControlCharacter(value: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters that end or corrupt a header.
  return /[\x00-\x08\x0a-\x1f\x7f]/.test(value);
}
