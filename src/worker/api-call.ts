// One request of a worker to the supervisor's API, and its answer or what kind of refusal came. Knows no route.

import { messageOf, SupervisorError } from '../domain/errors.ts';
import { isLoopback } from '../domain/loopback.ts';
import type { Clock } from '../platform/clock.ts';

/** The API of a supervisor. */
export interface ApiAddress {
  /** Without a slash at its end. */
  readonly url: string;
  readonly clock: Clock;
}

/** An answer. `code`: of the problem document of a refusal, '' where there is none. */
export interface ApiAnswer {
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  readonly value: Readonly<Record<string, unknown>>;
}

/** More is no answer of the API, bytes. */
const MAX_BYTES = 64 * 1024 * 1024;

/** The address of an API. Throws `usage` for what is none, and for http beyond this machine unless `insecure`. */
export function apiUrl(text: string, insecure: boolean): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !/^https?:$/.test(url.protocol))
    throw new SupervisorError('usage', `${text} is not an http or https address`, {
      hint: 'give the address of the supervisor, like https://supervisor.example.net',
    });
  if (url.username !== '' || url.password !== '')
    throw new SupervisorError('usage', 'an address must not hold a password', {
      hint: 'put the token into SUPERVISOR_WORKER_TOKEN or a file (--token-file)',
    });
  if (url.protocol === 'http:' && !isLoopback(url.hostname) && !insecure)
    throw new SupervisorError(
      'usage',
      `${url.origin} is not encrypted: anyone listening could take over the work`,
      {
        hint: 'use https (a reverse proxy or a tunnel), or say --insecure on a network that you trust',
      },
    );
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}`;
}

/**
 * Posts JSON. Throws `not-running` when no one answers, or answers only for the moment (429, 502, 503, 504), and
 * `permission` never: refusals are answers.
 */
export async function postJson(
  { url, clock }: ApiAddress,
  call: {
    readonly path: string;
    readonly token: string;
    readonly body: unknown;
    readonly timeoutMs: number;
    readonly signal?: AbortSignal;
  },
): Promise<ApiAnswer> {
  const ending = new AbortController();
  const stop = () => ending.abort();
  const cancel = clock.after(call.timeoutMs, stop);
  call.signal?.addEventListener('abort', stop, { once: true });
  if (call.signal?.aborted) stop();
  try {
    const response = await fetch(`${url}${call.path}`, {
      method: 'POST',
      redirect: 'error',
      headers: { authorization: `Bearer ${call.token}`, 'content-type': 'application/json' },
      body: JSON.stringify(call.body),
      signal: ending.signal,
    });
    const text = await readText(response);
    if ([429, 502, 503, 504].includes(response.status))
      throw new SupervisorError('not-running', `${url} answers ${response.status} just now`);
    return { status: response.status, ...problemOf(text) };
  } catch (thrown) {
    if (thrown instanceof SupervisorError) throw thrown;
    const cause = thrown instanceof Error && thrown.cause !== undefined ? thrown.cause : thrown;
    throw new SupervisorError('not-running', `${url} does not answer: ${messageOf(cause)}`, {
      cause: thrown,
    });
  } finally {
    cancel();
    call.signal?.removeEventListener('abort', stop);
  }
}

async function readText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    if (length > MAX_BYTES)
      throw new SupervisorError('failed', 'the answer is larger than any of a supervisor');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function problemOf(text: string): Pick<ApiAnswer, 'code' | 'detail' | 'value'> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // A proxy's page, or nothing at all.
    return { code: '', detail: text.replace(/\s+/g, ' ').trim().slice(0, 200), value: {} };
  }
  const fields = typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  const word = (name: string) => (typeof fields[name] === 'string' ? fields[name] : '');
  return { code: word('code'), detail: word('detail') || word('title'), value: fields };
}
