// Asks an agent how a handed-off run is getting on, until it says that it is over. Trouble while asking is never a
// failure of the work: it is borne until the run's deadline, which is somebody else's to keep.

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

/** An agent may answer 404 this often in a row before the task counts as lost: it may still be writing it down. */
const UNKNOWN_TOLERATED = 5;

/** The slowest pace of asking an agent in trouble, ms. */
const TROUBLE_CAP_MS = 60_000;

/** Nobody asks oftener than this, whatever a profile says, ms. */
const MIN_INTERVAL_MS = 20;

/** So many changes of status are kept with the run: an agent that says something new each time would fill the disk. */
const MAX_NEWS = 1000;

export interface PollParts {
  readonly clock: Clock;
  readonly random: () => number;
  /** Sends one status request; never rejects, and ends when the run's signal aborts. */
  readonly ask: () => Promise<HttpAnswer>;
  /** Keeps a line with the run. */
  readonly record: (line: string) => Promise<void>;
  /** Takes secrets out of what the agent said. */
  readonly clean: (text: string) => string;
}

/** Polls until the agent says that the work is over, or the signal aborts. */
export async function pollUntilOver(
  profile: HttpProfile,
  control: RunControl,
  parts: PollParts,
  /** When it wants to be asked for the first time, ms. */
  askAt = 0,
): Promise<Outcome> {
  const intervalMs = Math.max(profile.pollIntervalMs, MIN_INTERVAL_MS);
  const pace = { baseMs: intervalMs, capMs: Math.max(intervalMs, TROUBLE_CAP_MS) };
  let troubles = 0;
  let unknown = 0;
  let said = '';
  let news = 0;
  if (askAt > parts.clock.now()) await parts.clock.sleep(askAt - parts.clock.now(), control.signal);
  while (!control.signal.aborted) {
    const answer = await parts.ask();
    if (control.signal.aborted) break;
    const meaning = readPollAnswer(answer);
    if (meaning.kind === 'ended') return meaning.outcome;

    const words = parts.clean(meaning.kind === 'running' ? meaning.message : meaning.because);
    if (words !== said && ++news <= MAX_NEWS)
      await parts.record(news < MAX_NEWS ? `status: ${words}` : 'status: (no more of these are kept)');
    said = words;
    troubles = meaning.kind === 'running' ? 0 : troubles + 1;
    unknown = meaning.kind === 'unknown' ? unknown + 1 : 0;
    if (meaning.kind === 'running') control.progress(words);
    if (unknown > UNKNOWN_TOLERATED)
      return {
        kind: 'failed',
        failure: 'interrupted',
        message: `the agent does not know the task any more: ${unknown} status requests in a row were answered ${words}`,
        retryable: true,
      };
    const retryAfter = meaning.kind === 'unknown' ? undefined : meaning.retryAfter;
    const delay = nextDelay(Math.max(troubles, 1), pace, parts.random(), retryAfter, parts.clock.now());
    await parts.clock.sleep(Math.max(intervalMs, troubles > 1 || retryAfter ? delay : 0), control.signal);
  }
  return stoppedOutcome(stopReason(control.signal));
}

/**
 * Where this run is asked about: the profile's status_url, whose placeholders mean what they mean everywhere; else what
 * the agent named (a URL of the endpoint's own origin, as anything else would carry our credentials elsewhere; or an
 * id below the endpoint); else the task's id, as the agent was sent it, below the endpoint. Null when no sound URL
 * comes of it.
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

/** The same with the user and password of the endpoint, which is at the same origin. */
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
