// The one home of randomness: run ids, tokens, jitter. Tests pass counting ids.

import { createHash, randomBytes } from 'node:crypto';
import type { RunId } from '../domain/ids.ts';

export interface Identity {
  /** A new run id: `run_` and 26 characters that sort by time. */
  runId(now: number): RunId;
  /** A new secret with a prefix that scanners and our own redaction recognise: `wgl_`, `wgt_`, `wgc_`. */
  token(prefix: 'wgl_' | 'wgt_' | 'wgc_'): string;
  /** 32 lower-case hex digits. */
  traceId(): string;
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
    traceId: () => randomBytes(16).toString('hex'),
    random: () => Math.random(),
  };
}

/** What is kept of a token at rest: its SHA-256, hex. */
export function tokenHash(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

/** A short name for a path that stays the same: `wt` and 8 hex digits. Used in machine-wide task ids. */
export function worktreeId(graph: string): string {
  return `wt${createHash('sha256').update(graph).digest('hex').slice(0, 8)}`;
}
