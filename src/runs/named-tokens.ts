// Named tokens, for API clients that must survive a restart of the supervisor: created, listed and revoked by
// commands, noticed by a running supervisor at the next request. Only hashes are stored, in a file that only this
// user can read; the supervisor records last uses in a file of its own.

import { closeSync, constants, fstatSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { messageOf, SupervisorError } from '../domain/errors.ts';
import type { Clock } from '../platform/clock.ts';
import { createLocker } from '../platform/flock.ts';
import { tokenHash } from '../platform/identity.ts';
import { openNow, readTextNow } from '../platform/regular-file.ts';
import { replaceFile } from '../platform/replace-file.ts';

/**
 * What a token allows: everything; taking tasks, reporting on them and reading; only reading; or, for `supervisor
 * worker` on another machine, taking tasks for workers and nothing else.
 */
export const TOKEN_SCOPES = ['operator', 'worker', 'read-only', 'remote'] as const;
export type TokenScope = (typeof TOKEN_SCOPES)[number];

export interface NamedToken {
  readonly name: string;
  readonly scope: TokenScope;
  /** When it was created, ms. */
  readonly createdAt: number;
}

interface KeptToken extends NamedToken {
  /** SHA-256 of the token, hex. */
  readonly hash: string;
}

/** A few hundred tokens; a larger file is not ours. */
const MAX_BYTES = 1 << 20;
const LOCK_MS = 10_000;
/** Last uses are written no more often than this. */
const USES_EVERY_MS = 60_000;

/** The tokens in this file. Throws `config` for a malformed file: access is never granted by guessing. */
export function readNamedTokens(file: string): readonly KeptToken[] {
  const value = parse(textOf(file) ?? '{"tokens":[]}', file);
  const { tokens } = value as { tokens?: unknown };
  if (!Array.isArray(tokens) || !tokens.every(isKept)) throw foreign(file);
  return tokens;
}

/** When each token was last used (ms), by its hash; an unusable file counts as empty. */
export function readTokenUses(file: string): ReadonlyMap<string, number> {
  try {
    const value: unknown = JSON.parse(textOf(usesFile(file)) ?? '{}');
    return new Map(
      Object.entries(value ?? {}).filter((one): one is [string, number] => typeof one[1] === 'number'),
    );
  } catch {
    return new Map();
  }
}

/** Stores a new token. Throws `conflict` if the name is taken, `usage` if it is not a valid name. */
export async function addNamedToken(file: string, token: string, given: NamedToken): Promise<void> {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(given.name))
    throw new SupervisorError('usage', `'${given.name}' is not a valid name for a token`, {
      hint: 'use letters, digits, dots, dashes and underscores, 64 at most',
    });
  await change(file, (tokens) => {
    if (tokens.some(({ name }) => name === given.name))
      throw new SupervisorError('conflict', `there is a token ${given.name} already`, {
        hint: `revoke it first: \`supervisor token revoke ${given.name}\``,
      });
    return [...tokens, { ...given, hash: tokenHash(token) }];
  });
}

/** Deletes a token. Throws `not-found` if there is none with that name. */
export async function revokeNamedToken(file: string, name: string): Promise<void> {
  await change(file, (tokens) => {
    const left = tokens.filter((token) => token.name !== name);
    if (left.length === tokens.length)
      throw new SupervisorError('not-found', `there is no token ${name}`, {
        hint: '`supervisor token list` lists what there is',
      });
    return left;
  });
}

/** Resolves tokens for a running supervisor. Sees every change at the next call. */
export interface NamedTokens {
  /** The token's name and scope, recording its use; null if there is none. */
  admit(token: string): NamedToken | null;
  /** Writes the recorded uses. */
  flush(): Promise<void>;
}

/** The tokens of this file, for the one supervisor of a state folder. */
export function openNamedTokens(file: string, clock: Clock): NamedTokens {
  let print: string | null = null;
  let byHash: ReadonlyMap<string, KeptToken> = new Map();
  const uses = new Map(readTokenUses(file));
  let writtenAt = Number.NEGATIVE_INFINITY;
  let writing: Promise<void> = Promise.resolve();

  function known(): ReadonlyMap<string, KeptToken> {
    const now = printOf(file);
    if (now === print) return byHash;
    byHash = new Map(now === null ? [] : readNamedTokens(file).map((token) => [token.hash, token]));
    print = now;
    return byHash;
  }

  function flush(): Promise<void> {
    writing = writing.then(async () => {
      try {
        const kept = known();
        if (uses.size === 0) return;
        const text = `${JSON.stringify(Object.fromEntries([...uses].filter(([hash]) => kept.has(hash))))}\n`;
        await replaceFile(usesFile(file), text);
      } catch {
        // The last use is a convenience: a full disk must not lock the owner out.
      }
    });
    return writing;
  }

  return {
    admit(token) {
      const found = known().get(tokenHash(token));
      if (!found) return null;
      const now = clock.now();
      uses.set(found.hash, now);
      if (Math.abs(now - writtenAt) >= USES_EVERY_MS) {
        writtenAt = now;
        void flush();
      }
      return found;
    },
    flush,
  };
}

async function change(file: string, act: (tokens: readonly KeptToken[]) => KeptToken[]): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const lock = await createLocker().acquire(`${file}.lock`, { timeoutMs: LOCK_MS });
  try {
    const tokens = act(readNamedTokens(file));
    await replaceFile(file, `${JSON.stringify({ tokens }, null, 2)}\n`);
  } finally {
    lock.release();
  }
}

const usesFile = (file: string) => file.replace(/(\.json)?$/, '-used.json');

/** Changes with the file; null if it does not exist. Links and pipes are not accepted. */
function printOf(file: string): string | null {
  return told(file, () => {
    const fd = openNow(file, constants.O_RDONLY);
    if (fd === null) return null;
    try {
      const { mtimeMs, size, ino } = fstatSync(fd);
      return `${ino} ${size} ${mtimeMs}`;
    } finally {
      closeSync(fd);
    }
  });
}

const textOf = (file: string) => told(file, () => readTextNow(file, { maxBytes: MAX_BYTES }));

function told<T>(file: string, look: () => T): T {
  try {
    return look();
  } catch (thrown) {
    if (thrown instanceof SupervisorError) throw foreign(file);
    throw new SupervisorError('config', `${file} cannot be read: ${messageOf(thrown)}`, { cause: thrown });
  }
}

function parse(text: string, file: string): object {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return value;
  } catch {
    // Reported below.
  }
  throw foreign(file);
}

function isKept(value: unknown): value is KeptToken {
  if (typeof value !== 'object' || value === null) return false;
  const { name, scope, hash, createdAt } = value as Record<string, unknown>;
  return (
    typeof name === 'string' &&
    TOKEN_SCOPES.some((one) => one === scope) &&
    typeof hash === 'string' &&
    /^[0-9a-f]{64}$/.test(hash) &&
    typeof createdAt === 'number'
  );
}

function foreign(file: string): SupervisorError {
  return new SupervisorError('config', `${file} is not a list of tokens`, {
    hint: 'move it away and create the tokens again',
  });
}
