// The header `Prefer` (RFC 7240), as far as it is honoured here: how long a client would wait for an answer.

import type { ServerResponse } from 'node:http';

/** The longest wait that is granted, seconds: below what proxies and load balancers put up with. */
export const LONGEST_WAIT_S = 50;

/** The seconds of `Prefer: wait=N`, at most the longest wait; null when none is asked for. */
export function preferredWait(header: string | undefined): number | null {
  for (const preference of header?.split(',') ?? []) {
    const seconds = /^\s*wait\s*=\s*"?(\d{1,9})"?\s*(?:;|$)/i.exec(preference)?.[1];
    if (seconds !== undefined) return Math.min(Number(seconds), LONGEST_WAIT_S);
  }
  return null;
}

/** Aborted when whoever asked has gone: nobody is waited for in vain. */
export function hungUp(outgoing: ServerResponse): AbortSignal {
  const gone = new AbortController();
  outgoing.once('close', () => gone.abort());
  return gone.signal;
}
