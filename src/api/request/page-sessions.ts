// Who may use the page: one-time codes that a command hands out, and the sessions they become. A session has two halves
// that travel by different ways, a cookie and a key; neither is worth anything alone, because browsers send a cookie of
// this host to every port of it. The key ends with this process: while no supervisor runs, another user may answer at its
// port, and a page that is reloaded then gives that program all that the browser has stored. A page that stays open has
// one thing more, in its memory alone: what brings it a new key. Of that a hash is kept over restarts.

import { createHmac } from 'node:crypto';
import { SupervisorError } from '../../domain/errors.ts';
import type { Clock } from '../../platform/clock.ts';
import { type Identity, tokenHash } from '../../platform/identity.ts';
import { readTextNow } from '../../platform/regular-file.ts';
import { replaceFile } from '../../platform/replace-file.ts';
import type { TokenScope } from '../../runs/named-tokens.ts';
import { ApiProblem } from './problem.ts';

/** What a session may do: everything, or look. */
export type PageRole = Extract<TokenScope, 'operator' | 'read-only'>;

/** A code that opens the page once. */
export interface PageCode {
  readonly code: string;
  /** ms. */
  readonly expiresAt: number;
}

/** A new session, in the clear this once. */
export interface NewSession {
  readonly cookie: string;
  readonly key: string;
  /** Brings a new key once this process has ended. */
  readonly resume: string;
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
  /** A new key for a page that stayed open while the supervisor was started again. Throws `page-session-unknown`. */
  resume(resume: string, cookie: string | undefined): NewSession;
  /** A session of its own for a document that was loaded again, or in another tab, with the key of another. */
  copy(session: PageSession, cookie: string): Promise<NewSession>;
  /** Names this process, for pages to see that theirs was another: a label of their host name. No secret. */
  readonly life: string;
  /** The session of two halves. Throws `page-session-incomplete`, `page-session-unknown`. */
  admit(cookie: string | undefined, key: string): PageSession;
  /**
   * Proofs that this is the supervisor which the sessions of a cookie are of, one for each: an HMAC of the text by the
   * hash of what resumes it. Without that they say nothing.
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

/** One session: what resumes it, with the cookie it belongs to; hashes. */
interface Kept {
  readonly resume: string;
  readonly cookie: string;
  readonly role: PageRole;
  readonly expiresAt: number;
}

const CODE_MS = 60_000;
/** The hexadecimal digits that name a process. */
export const LIFE_CHARS = 16;
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
  const sessions = new Map(readKept(file, clock.now()).map((kept) => [kept.resume, kept]));
  /** Which session a key of this process opens. */
  const keys = new Map<string, string>();
  const endings = new Map<string, Set<() => void>>();
  const life = tokenHash(identity.token('wgs_')).slice(0, LIFE_CHARS);
  let writing: Promise<void> = Promise.resolve();

  function live(kept: Pick<Kept, 'expiresAt'>): boolean {
    // A clock that was set back makes nothing last longer than it was meant to.
    const left = kept.expiresAt - clock.now();
    return left > 0 && left <= SESSION_MS;
  }

  function drop(id: string): void {
    sessions.delete(id);
    for (const [key, of] of keys) if (of === id) keys.delete(key);
    const acts = endings.get(id);
    endings.delete(id);
    for (const act of acts ?? []) act();
  }

  /** A key of this process for a session, in place of the one before. */
  function keyOf(id: string): string {
    for (const [key, of] of keys) if (of === id) keys.delete(key);
    const key = identity.token('wgp_');
    keys.set(tokenHash(key), id);
    return key;
  }

  async function begin(role: PageRole, cookie: string, expiresAt: number): Promise<NewSession> {
    prune();
    const resume = identity.token('wgr_');
    const id = tokenHash(resume);
    sessions.set(id, { resume: id, cookie: tokenHash(cookie), role, expiresAt });
    const made = { cookie, key: keyOf(id), resume, role, expiresAt };
    await save();
    return made;
  }

  const unknown = () =>
    new ApiProblem('page-session-unknown', 'This session of the page has ended.', {
      hint: 'open the page again with `supervisor open`',
    });

  function save(): Promise<void> {
    writing = writing.then(async () => {
      try {
        const kept = [...sessions.values()].filter(live);
        await replaceFile(file, `${JSON.stringify({ sessions: kept })}\n`);
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
      const isKnown = known !== null && [...sessions.values()].some((one) => one.cookie === known);
      const half = isKnown && cookie !== undefined ? cookie : identity.token('wgs_');
      return begin(found.role, half, clock.now() + SESSION_MS);
    },
    resume(resume, cookie) {
      const id = tokenHash(resume);
      const kept = sessions.get(id);
      if (!kept || !live(kept) || cookie === undefined || kept.cookie !== tokenHash(cookie)) throw unknown();
      return { cookie, key: keyOf(id), resume, role: kept.role, expiresAt: kept.expiresAt };
    },
    async copy({ id }, cookie) {
      const kept = sessions.get(id);
      if (!kept) throw unknown();
      return begin(kept.role, cookie, kept.expiresAt);
    },
    life,
    admit(cookie, key) {
      if (cookie === undefined)
        throw new ApiProblem('page-session-incomplete', 'The key of a page came without its cookie.', {
          hint: 'open the page with `supervisor open`',
        });
      const id = keys.get(tokenHash(key));
      const kept = id === undefined ? undefined : sessions.get(id);
      if (id !== undefined && kept && !live(kept)) drop(id);
      else if (id !== undefined && kept && kept.cookie === tokenHash(cookie)) return { id, role: kept.role };
      throw unknown();
    },
    prove(cookie, text) {
      const known = cookie === undefined ? null : tokenHash(cookie);
      return [...sessions.values()]
        .filter((kept) => kept.cookie === known && live(kept))
        .slice(-MOST_PROOFS)
        .map(({ resume }) => createHmac('sha256', resume).update(text).digest('hex'));
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
  const { resume, cookie, role, expiresAt } = value as Record<string, unknown>;
  const isHash = (text: unknown) => typeof text === 'string' && /^[0-9a-f]{64}$/.test(text);
  return (
    isHash(resume) &&
    isHash(cookie) &&
    (role === 'operator' || role === 'read-only') &&
    typeof expiresAt === 'number'
  );
}
