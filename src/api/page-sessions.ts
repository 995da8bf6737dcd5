// Who may use the page: one-time codes that a command hands out, and the sessions they become. A session has two halves
// that travel by different ways, a cookie and a key; neither is worth anything alone, because browsers send a cookie of
// this host to every port of it. Kept are hashes, over restarts too, so that an open page comes back on its own.

import { createHmac } from 'node:crypto';
import { rename, rm, writeFile } from 'node:fs/promises';
import { SupervisorError } from '../domain/errors.ts';
import type { Clock } from '../platform/clock.ts';
import { type Identity, tokenHash } from '../platform/identity.ts';
import { readTextNow } from '../platform/regular-file.ts';
import type { TokenScope } from '../runs/named-tokens.ts';
import { ApiProblem } from './problem.ts';

/** What a session may do: everything, or look. */
export type PageRole = Extract<TokenScope, 'operator' | 'read-only'>;

/** A code that opens the page once. */
export interface PageCode {
  readonly code: string;
  /** ms. */
  readonly expiresAt: number;
}

/** Both halves of a new session, in the clear this once. */
export interface NewSession {
  readonly cookie: string;
  readonly key: string;
  readonly role: PageRole;
  /** ms. */
  readonly expiresAt: number;
}

/** A session that was recognised. */
export interface PageSession {
  readonly id: string;
  readonly role: PageRole;
}

export interface PageSessions {
  /** A new one-time code. */
  issue(role: PageRole): PageCode;
  /**
   * Makes a session of a code. `cookie`: what the browser holds already; a live one continues, so that its other tabs do
   * too. Throws `page-code-unknown`, `page-code-used`, `page-code-expired`.
   */
  redeem(code: string, cookie: string | undefined): Promise<NewSession>;
  /** The session of two halves. Throws `page-session-incomplete`, `page-session-unknown`. */
  admit(cookie: string | undefined, key: string): PageSession;
  /**
   * Proofs that this is the supervisor which the keys of a cookie are for, one for each key: an HMAC of the text by the
   * key's hash. Without the key they say nothing.
   */
  prove(cookie: string | undefined, text: string): string[];
  /** Whether any session could still come back. */
  anyLive(): boolean;
  /** Calls `act` when the session ends; the result takes that back. */
  onEnd(session: PageSession, act: () => void): () => void;
  /** Ends one session. */
  end(session: PageSession): Promise<void>;
  /** Ends every session and every code; gives how many sessions there were. */
  endAll(): Promise<number>;
}

/** One key, with the cookie it belongs to. */
interface Kept {
  readonly key: string;
  readonly cookie: string;
  readonly role: PageRole;
  readonly expiresAt: number;
}

const CODE_MS = 60_000;
export const SESSION_MS = 12 * 3_600_000;
/** Codes and sessions at once; the oldest are dropped. No person opens that many by hand. */
const MOST_CODES = 100;
const MOST_SESSIONS = 500;
/** Of one browser. */
const MOST_PROOFS = 50;
const MAX_BYTES = 1 << 20;

/** The sessions in this file, for the one supervisor of a state folder. */
export function openPageSessions(
  file: string,
  clock: Clock,
  identity: Pick<Identity, 'token'>,
): PageSessions {
  const codes = new Map<string, { readonly role: PageRole; readonly expiresAt: number; isUsed: boolean }>();
  const sessions = new Map(readKept(file, clock.now()).map((kept) => [kept.key, kept]));
  const endings = new Map<string, Set<() => void>>();
  let writing: Promise<void> = Promise.resolve();

  function live(kept: Pick<Kept, 'expiresAt'>): boolean {
    // A clock that was set back makes nothing last longer than it was meant to.
    const left = kept.expiresAt - clock.now();
    return left > 0 && left <= SESSION_MS;
  }

  function drop(key: string): void {
    sessions.delete(key);
    const acts = endings.get(key);
    endings.delete(key);
    for (const act of acts ?? []) act();
  }

  function save(): Promise<void> {
    writing = writing.then(async () => {
      try {
        const kept = [...sessions.values()].filter(live);
        await replace(file, `${JSON.stringify({ sessions: kept })}\n`);
      } catch {
        // A full disk locks no user out: the session only does not outlive this process.
      }
    });
    return writing;
  }

  function prune(): void {
    for (const [key, kept] of sessions) if (!live(kept)) drop(key);
    for (const key of sessions.keys()) if (sessions.size >= MOST_SESSIONS) drop(key);
    for (const code of codes.keys()) if (codes.size >= MOST_CODES) codes.delete(code);
  }

  return {
    issue(role) {
      prune();
      const code = identity.token('wgo_');
      const expiresAt = clock.now() + CODE_MS;
      codes.set(tokenHash(code), { role, expiresAt, isUsed: false });
      return { code, expiresAt };
    },
    async redeem(code, cookie) {
      const found = codes.get(tokenHash(code));
      const hint = 'open the page again with `supervisor open`';
      if (!found) throw new ApiProblem('page-code-unknown', 'This code is not known here.', { hint });
      if (found.isUsed)
        throw new ApiProblem('page-code-used', 'This code was used already: each opens the page once.', {
          hint,
        });
      const left = found.expiresAt - clock.now();
      if (left <= 0 || left > CODE_MS)
        throw new ApiProblem('page-code-expired', 'This code is older than a minute.', { hint });
      found.isUsed = true;
      prune();
      const known = cookie === undefined ? null : tokenHash(cookie);
      const goesOn = known !== null && [...sessions.values()].some((one) => one.cookie === known);
      const half = goesOn && cookie !== undefined ? cookie : identity.token('wgs_');
      const key = identity.token('wgp_');
      const expiresAt = clock.now() + SESSION_MS;
      sessions.set(tokenHash(key), {
        key: tokenHash(key),
        cookie: tokenHash(half),
        role: found.role,
        expiresAt,
      });
      await save();
      return { cookie: half, key, role: found.role, expiresAt };
    },
    admit(cookie, key) {
      if (cookie === undefined)
        throw new ApiProblem('page-session-incomplete', 'The key of a page came without its cookie.', {
          hint: 'open the page with `supervisor open`',
        });
      const id = tokenHash(key);
      const kept = sessions.get(id);
      if (kept && !live(kept)) drop(id);
      else if (kept && kept.cookie === tokenHash(cookie)) return { id, role: kept.role };
      throw new ApiProblem('page-session-unknown', 'This session of the page has ended.', {
        hint: 'open the page again with `supervisor open`',
      });
    },
    prove(cookie, text) {
      const known = cookie === undefined ? null : tokenHash(cookie);
      return [...sessions.values()]
        .filter((kept) => kept.cookie === known && live(kept))
        .slice(-MOST_PROOFS)
        .map(({ key }) => createHmac('sha256', key).update(text).digest('hex'));
    },
    anyLive: () => [...sessions.values()].some(live),
    onEnd({ id }, act) {
      const acts = endings.get(id) ?? new Set();
      endings.set(id, acts.add(act));
      const kept = sessions.get(id);
      const cancel = clock.after(Math.max(0, (kept?.expiresAt ?? 0) - clock.now()), () => drop(id));
      return () => {
        cancel();
        acts.delete(act);
        if (acts.size === 0) endings.delete(id);
      };
    },
    async end({ id }) {
      drop(id);
      await save();
    },
    async endAll() {
      const count = sessions.size;
      codes.clear();
      for (const key of [...sessions.keys()]) drop(key);
      await save();
      return count;
    },
  };
}

/** A torn, foreign or missing file has no sessions: their users open the page again. */
function readKept(file: string, now: number): Kept[] {
  try {
    const { sessions } = JSON.parse(readTextNow(file, { maxBytes: MAX_BYTES }) ?? '{}') as {
      sessions?: unknown;
    };
    return Array.isArray(sessions) ? sessions.filter(isKept).filter(({ expiresAt }) => expiresAt > now) : [];
  } catch (thrown) {
    if (thrown instanceof SyntaxError || thrown instanceof SupervisorError || thrown instanceof TypeError)
      return [];
    throw thrown;
  }
}

function isKept(value: unknown): value is Kept {
  if (typeof value !== 'object' || value === null) return false;
  const { key, cookie, role, expiresAt } = value as Record<string, unknown>;
  const isHash = (text: unknown) => typeof text === 'string' && /^[0-9a-f]{64}$/.test(text);
  return (
    isHash(key) &&
    isHash(cookie) &&
    (role === 'operator' || role === 'read-only') &&
    typeof expiresAt === 'number'
  );
}

async function replace(file: string, text: string): Promise<void> {
  const draft = `${file}.${process.pid}.tmp`;
  await rm(draft, { force: true });
  await writeFile(draft, text, { mode: 0o600, flag: 'wx', flush: true });
  await rename(draft, file);
}
