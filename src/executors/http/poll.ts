// Polls an agent about a handed-off run until it has finished. Errors while polling never fail the work: they are
// tolerated until the run's deadline, which is enforced elsewhere.

import type { Outcome } from '../../domain/outcome.ts';
import type { HttpProfile } from '../../domain/profile.ts';
import type { Clock } from '../../platform/clock.ts';
import { type Assignment, type RunControl, stopReason } from '../executor.ts';
import { placeholderValue } from '../placeholder-values.ts';
import { stoppedOutcome } from '../stopped.ts';
import { nextDelay } from './backoff.ts';
import type { HttpAnswer } from './client.ts';
import { readPollAnswer } from './response.ts';
import { encodeForUrl, fillUrl } from './template.ts';

/** How often in a row an agent may answer 404 before the task counts as lost: it may still be storing it. */
const UNKNOWN_TOLERATED = 5;

/** The slowest polling of an agent with errors, ms. */
const TROUBLE_CAP_MS = 60_000;

/** The fastest polling, whatever a profile says, ms. */
const MIN_INTERVAL_MS = 20;

/** How many status changes are recorded per run: an agent with ever new texts would fill the disk. */
const MAX_NEWS = 1000;

export interface PollParts {
  readonly clock: Clock;
  readonly random: () => number;
  /** Sends one status request; never rejects, and ends when the run's signal aborts. */
  readonly ask: () => Promise<HttpAnswer>;
  /** Adds a line to the run's output. */
  readonly record: (line: string) => Promise<void>;
  /** Removes secrets from the agent's text. */
  readonly clean: (text: string) => string;
}

/** Polls until the agent says that the work has finished, or the signal aborts. */
export async function pollUntilOver(
  profile: HttpProfile,
  control: RunControl,
  parts: PollParts,
  /** Earliest first poll, ms. */
  askAt = 0,
): Promise<Outcome> {
  const intervalMs = Math.max(profile.pollIntervalMs, MIN_INTERVAL_MS);
  const pace = { baseMs: intervalMs, capMs: Math.max(intervalMs, TROUBLE_CAP_MS) };
  let troubles = 0;
  let unknown = 0;
  const tell = newsTo(parts.record);
  if (askAt > parts.clock.now()) await parts.clock.sleep(askAt - parts.clock.now(), control.signal);
  while (!control.signal.aborted) {
    const answer = await parts.ask();
    if (control.signal.aborted) break;
    const meaning = readPollAnswer(answer);
    if (meaning.kind === 'ended') return meaning.outcome;

    const words = parts.clean(meaning.kind === 'running' ? meaning.message : meaning.because);
    await tell(words);
    troubles = meaning.kind === 'running' ? 0 : troubles + 1;
    unknown = meaning.kind === 'unknown' ? unknown + 1 : 0;
    if (meaning.kind === 'running') control.progress(words);
    if (unknown > UNKNOWN_TOLERATED) return forgotten(unknown, words);
    const retryAfter = meaning.kind === 'unknown' ? undefined : meaning.retryAfter;
    const delay = nextDelay(Math.max(troubles, 1), pace, parts.random(), retryAfter, parts.clock.now());
    await parts.clock.sleep(Math.max(intervalMs, troubles > 1 || retryAfter ? delay : 0), control.signal);
  }
  return stoppedOutcome(stopReason(control.signal));
}

/** Records what the agent says whenever it says something else, a limited number of times. */
function newsTo(record: PollParts['record']): (words: string) => Promise<void> {
  let said = '';
  let news = 0;
  return async (words) => {
    const isNews = words !== said;
    said = words;
    if (isNews && ++news <= MAX_NEWS)
      await record(news < MAX_NEWS ? `status: ${words}` : 'status: (later changes are not recorded)');
  };
}

function forgotten(count: number, words: string): Outcome {
  return {
    kind: 'failed',
    failure: 'interrupted',
    message: `the agent does not know the task any more: ${count} status requests in a row were answered ${words}`,
    retryable: true,
  };
}

/**
 * The URL to poll: the profile's status_url, with the usual placeholders; else what the agent named (a URL of the
 * endpoint's own origin, as anything else would carry our credentials elsewhere; or an id below the endpoint); else
 * the task's id below the endpoint. Null if that gives no valid URL.
 */
export function statusUrl(
  profile: HttpProfile,
  assignment: Assignment,
  endpoint: URL,
  reference: string | null,
): string | null {
  const value = placeholderValue(assignment);
  if (profile.statusUrl !== null) {
    const template = profile.statusUrl
      .replaceAll('{endpoint}', endpoint.origin + withoutSlash(endpoint.pathname))
      .replaceAll('{task_id}', '{{task.id}}');
    const filled = fillUrl(template, value);
    if (filled === null || !URL.canParse(filled, endpoint.href)) return null;
    return new URL(filled, endpoint).href;
  }
  const id = profile.body === null ? assignment.globalTaskId : value('task.id');
  if (reference === null) return below(endpoint, id);
  if (!/^https?:\/\//i.test(reference)) return below(endpoint, reference);
  if (!URL.canParse(reference) || new URL(reference).origin !== endpoint.origin) return below(endpoint, id);
  return withCredentials(new URL(reference), endpoint).href;
}

/** The same with the user and password of the endpoint, which has the same origin. */
function withCredentials(url: URL, endpoint: URL): URL {
  url.username = endpoint.username;
  url.password = endpoint.password;
  return url;
}

/** The endpoint's URL with one more path segment; its query stays. */
function below(endpoint: URL, segment: string): string | null {
  if (segment === '' || segment === '.' || segment === '..') return null;
  const url = new URL(endpoint);
  url.hash = '';
  url.pathname = `${withoutSlash(url.pathname)}/${encodeForUrl(segment)}`;
  return url.href;
}

function withoutSlash(path: string): string {
  return path.replace(/\/+$/, '');
}
