// The one home of randomness: run ids, tokens, jitter. Tests pass counting ids.

import { createHash, createHmac, randomBytes, randomUUID } from 'node:crypto';
import type { RunId } from '../domain/ids.ts';

export interface Identity {
  /** A new run id: `run_` and 26 characters that sort by time. */
  runId(now: number): RunId;
  /**
   * A new secret with a prefix that scanners and our own redaction recognise. Of the page: `wgo_` a one-time code,
   * `wgs_` a session's cookie, `wgp_` its key, `wgr_` what brings it a new key.
   */
  token(prefix: 'wgl_' | 'wgt_' | 'wgc_' | 'wgo_' | 'wgs_' | 'wgp_' | 'wgr_'): string;
  /** In [0, 1), for jitter. */
  random(): number;
}

const CROCKFORD = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

function ulid(now: number, random: Buffer): string {
  let time = '';
  for (let rest = now, i = 0; i < 10; i++, rest = Math.floor(rest / 32)) time = CROCKFORD[rest % 32] + time;
  let tail = '';
  for (let i = 0; i < 16; i++) tail += CROCKFORD[(random[i] ?? 0) % 32];
  return time + tail;
}

/** Real randomness. */
export function systemIdentity(): Identity {
  return {
    runId: (now) => `run_${ulid(now, randomBytes(16))}`,
    token: (prefix) => prefix + randomBytes(32).toString('base64url'),
    random: () => Math.random(),
  };
}

/** The tokens of runs: the same for the same run, however often they are requested. */
export interface RunTokens {
  of(prefix: 'wgl_' | 'wgc_', run: RunId): string;
}

/** Tokens derived from a key (64 hex digits); without it they are indistinguishable from random ones. */
export function runTokens(key: string): RunTokens {
  const secret = Buffer.from(key, 'hex');
  return {
    of: (prefix, run) =>
      prefix +
      createHmac('sha256', secret)
        .update(prefix + run)
        .digest('base64url'),
  };
}

/** A name for one asking of a question, which it keeps however often it is sent. */
export function newAskingId(): string {
  return randomUUID();
}

/** A new key for the tokens of runs: 64 hex digits. */
export function newTokenKey(): string {
  return randomBytes(32).toString('hex');
}

/** The trace of a run, 32 lower-case hex digits: the same for all its deliveries, over restarts too. */
export function traceOfRun(run: RunId): string {
  return createHash('sha256').update(run).digest('hex').slice(0, 32);
}

/** The span of a run in its trace, 16 hex digits: the parent of whatever its agent reports. */
export function spanOfRun(run: RunId): string {
  return traceOfRun(run).slice(0, 16);
}

/** A token as stored: its SHA-256, hex. */
export function tokenHash(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

/** A stable short name for a path: `wt` and 8 hex digits. Used in machine-wide task ids. */
export function worktreeId(graph: string): string {
  return `wt${createHash('sha256').update(graph).digest('hex').slice(0, 8)}`;
}
