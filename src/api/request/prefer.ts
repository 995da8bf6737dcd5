// The header `Prefer` (RFC 7240), as far as it is supported: how long a client would wait for a response.

import type { ServerResponse } from 'node:http';

/** The longest wait that is granted, seconds: below the timeouts of proxies and load balancers. */
export const LONGEST_WAIT_S = 50;

/** The seconds of `Prefer: wait=N`, at most the longest wait; null if not requested. */
export function preferredWait(header: string | undefined): number | null {
  for (const preference of header?.split(',') ?? []) {
    const seconds = /^\s*wait\s*=\s*"?(\d{1,9})"?\s*(?:;|$)/i.exec(preference)?.[1];
    if (seconds !== undefined) return Math.min(Number(seconds), LONGEST_WAIT_S);
  }
  return null;
}

/** Aborted when the client has gone: no needless waiting. */
export function hungUp(outgoing: ServerResponse): AbortSignal {
  const gone = new AbortController();
  outgoing.once('close', () => gone.abort());
  return gone.signal;
}
