// A2A agents push their progress. Pushes are lost while no supervisor runs, so after a restart the agent is polled
// once (GetTask) in case its task has finished meanwhile; later changes are pushed again.

import type { Outcome } from '../../domain/outcome.ts';
import { readTaskEnd } from './a2a.ts';
import { nextDelay } from './backoff.ts';
import { parseJsonObject } from './json.ts';
import type { PollParts } from './poll.ts';
import { describeAnswer } from './response.ts';
import { encodeForUrl } from './template.ts';

const SEND = '/message:send';
const PACE = { baseMs: 1000, capMs: 60_000 };
const SHORTEST_PAUSE_MS = 200;
/** An agent that is starting, too, does not know its tasks yet; after this many responses it never will. */
const REFUSALS_TOLERATED = 5;

/** The URL of a task at an A2A endpoint (its HTTP+JSON binding); null for any other endpoint or name. */
export function taskUrl(endpoint: URL, reference: string | null): URL | null {
  if (reference === null || !endpoint.pathname.endsWith(SEND) || /^https?:/i.test(reference)) return null;
  if (reference === '.' || reference === '..') return null;
  const url = new URL(endpoint);
  url.pathname = `${endpoint.pathname.slice(0, -SEND.length)}/tasks/${encodeForUrl(reference)}`;
  return url;
}

/** How the task finished during downtime; null: still working, unknown, or the signal aborted. */
export async function askForEnd(
  { ask, clock, random, record, clean }: PollParts,
  signal: AbortSignal,
): Promise<Outcome | null> {
  let refusals = 0;
  for (let tries = 1; !signal.aborted; tries++) {
    const answer = await ask();
    if (signal.aborted) return null;
    if (answer.kind === 'answer') {
      const isGood = answer.status >= 200 && answer.status < 300;
      const task = isGood ? parseJsonObject(answer.body) : null;
      if (task !== null) return readTaskEnd(task);
      if (answer.status < 500 && answer.status !== 429 && ++refusals >= REFUSALS_TOLERATED) {
        await record(`the agent does not say how the task stands: ${clean(describeAnswer(answer))}`);
        return null;
      }
    }
    const retryAfter = answer.kind === 'answer' ? answer.headers['retry-after'] : undefined;
    const delay = nextDelay(tries, PACE, random(), retryAfter, clock.now());
    await clock.sleep(Math.max(SHORTEST_PAUSE_MS, delay), signal);
  }
  return null;
}
