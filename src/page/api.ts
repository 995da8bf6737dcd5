// Asking the supervisor: one session, one key, JSON. What it refuses comes out as a sentence.

import { newKey, removeWorkers } from './browser.ts';

/** What the supervisor refused, or that it could not be reached. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  /** 0: no answer. */
  readonly status: number;
  readonly code: string;
  readonly hint: string;

  constructor(status: number, code: string, detail: string, hint: string) {
    super(detail);
    this.status = status;
    this.code = code;
    this.hint = hint;
  }

  /** The session has ended or was never there. */
  get isSession(): boolean {
    return this.status === 401;
  }
}

/** Throws if another program left a service worker here; it is removed. */
export async function refuseWorkers(): Promise<void> {
  if (await removeWorkers())
    throw new Refusal(401, 'not-ours', 'Another program answered here, and left a worker behind.', '');
}

/** One session's way to the supervisor. */
export interface Api {
  get<T>(path: string, signal?: AbortSignal): Promise<T>;
  /** `key`: the same request again with the same key is done once. */
  post<T>(path: string, body: unknown, key?: string): Promise<T>;
  /** A stream of text, such as the events. */
  stream(path: string, headers: Readonly<Record<string, string>>, signal: AbortSignal): Promise<Response>;
  /** Sends the key nowhere until the one who answers has proved to be the supervisor that it is for. */
  lock(): void;
  /**
   * Asks for that proof unless nothing is locked, and for a new key if the supervisor was started again meanwhile. Gives
   * which build of the page it serves, null if nothing was locked. Throws Refusal if no one answers, or the proof is wrong.
   */
  unlock(): Promise<string | null>;
  /** The key of this document's session. */
  key(): string;
}

/** A session of this document. */
export interface Session {
  /** Good while that supervisor runs. */
  readonly key: string;
  /** Brings a new key from the next one. Kept in memory alone: what is stored could be read by another program at this address. */
  readonly resume: string;
  /** Names the supervisor's process. */
  readonly life: string;
}

/** `kept`: hears of every new key. */
export function createApi(begun: Session, kept: (key: string) => void): Api {
  let session = begun;
  const own = () => ({ 'x-page-key': session.key });
  let isLocked = false;
  const send = (path: string, init: RequestInit) => {
    if (isLocked) throw new Refusal(0, 'unreachable', 'The supervisor is gone.', 'wait until it is back');
    return ask(path, init);
  };
  return {
    get: async <T>(path: string, signal?: AbortSignal) => {
      const response = await send(path, { headers: own(), ...(signal ? { signal } : {}) });
      return (await response.json()) as T;
    },
    post: async <T>(path: string, body: unknown, key?: string) => {
      const headers = {
        ...own(),
        'content-type': 'application/json',
        ...(key ? { 'idempotency-key': `"${key}"` } : {}),
      };
      const response = await send(path, { method: 'POST', headers, body: JSON.stringify(body) });
      return (await response.json()) as T;
    },
    stream: async (path, headers, signal) => send(path, { headers: { ...own(), ...headers }, signal }),
    lock() {
      isLocked = true;
    },
    async unlock() {
      if (!isLocked) return null;
      await refuseWorkers();
      const nonce = newKey();
      const response = await ask('/page/proof', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ nonce }),
      });
      const { proofs, life, print } = (await response.json()) as Record<string, unknown>;
      const wanted = await proofOf(session.resume, `${nonce} ${location.host}`);
      if (!Array.isArray(proofs) || proofs.length === 0)
        throw new Refusal(401, 'page-session-unknown', 'This session of the page has ended.', '');
      if (!proofs.includes(wanted))
        throw new Refusal(401, 'not-ours', 'Another program answers in place of the supervisor.', '');
      if (life !== session.life) {
        session = await beginSession({ resume: session.resume });
        kept(session.key);
      }
      isLocked = false;
      return String(print);
    },
    key: () => session.key,
  };
}

/** What only the supervisor that keeps the key's hash can say of a text. */
async function proofOf(key: string, text: string): Promise<string> {
  const bytes = (one: string) => new TextEncoder().encode(one);
  const hex = (buffer: ArrayBuffer) =>
    [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  const hash = hex(await crypto.subtle.digest('SHA-256', bytes(key)));
  const how = { name: 'HMAC', hash: 'SHA-256' };
  const secret = await crypto.subtle.importKey('raw', bytes(hash), how, false, ['sign']);
  return hex(await crypto.subtle.sign('HMAC', secret, bytes(text)));
}

/** Begins a session: by a one-time code, by what resumes one, or (`again`) with the key of another document. */
export async function beginSession(
  by: { readonly code: string } | { readonly resume: string } | { readonly again: true },
  key?: string,
): Promise<Session> {
  const response = await ask('/page/session', {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(key === undefined ? {} : { 'x-page-key': key }) },
    body: JSON.stringify(by),
  });
  return (await response.json()) as Session;
}

async function ask(path: string, init: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, { cache: 'no-store', ...init });
  } catch (thrown) {
    if (init.signal?.aborted) throw thrown;
    throw new Refusal(0, 'unreachable', 'The supervisor does not answer.', 'see supervisor status');
  }
  if (response.ok) return response;
  const said = (await response.json().catch(() => ({}))) as Record<string, unknown>;
  const text = (name: string, otherwise: string) => (typeof said[name] === 'string' ? said[name] : otherwise);
  throw new Refusal(
    response.status,
    text('code', 'unknown'),
    text('detail', `The supervisor answered ${response.status}.`),
    text('hint', ''),
  );
}

/** The path of a task's route. */
export function taskPath(task: string, worktree: string, rest = ''): string {
  const query = worktree === '' ? '' : `?worktree=${encodeURIComponent(worktree)}`;
  return `/api/task/${encodeURIComponent(task)}${rest}${query}`;
}
