// Sends queued events: a few at once, signed, each retried at growing intervals until its webhook accepts it, or for
// three days. Counts a delivery before it is made, so that a crash repeats it and never loses it.

import type { NotifyFormat, NotifySettings } from '../domain/config.ts';
import type { SecretValue } from '../domain/profile.ts';
import { type Lookup, parseEndpoint, resolveEndpoint, systemLookup } from '../executors/http/address.ts';
import { retryAfterMs } from '../executors/http/backoff.ts';
import { type HttpAnswer, type HttpClient, sendWithGot } from '../executors/http/client.ts';
import { signatureHeader, signingKey } from '../executors/http/signature.ts';
import type { Cancel, Clock } from '../platform/clock.ts';
import { tokenHash } from '../platform/identity.ts';
import type { Log } from '../platform/log.ts';
import type { DeliveryStore, QueuedEvent } from '../runs/delivery-store.ts';
import { showOnDesktop } from './desktop.ts';
import { chatRequest, messageFor } from './message.ts';

export interface PostmanParts {
  readonly book: DeliveryStore;
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
  readonly version: string;
  /** Resolves `{ env = "NAME" }`. */
  readonly variables: Readonly<Record<string, string | undefined>>;
  readonly webhooks: () => readonly NotifySettings[];
  /** Absent: that of this process. */
  readonly platform?: string;
  readonly client?: HttpClient;
  readonly lookup?: Lookup;
}

export interface WebhookSender {
  start(): void;
  /** An event was queued. */
  pump(): void;
  /** The configuration was read again: webhooks that refused are retried if they changed. */
  reconsider(): void;
  /** Stops deliveries in flight; the next sender repeats them. */
  stop(): Promise<void>;
}

const S = 1000;
const M = 60 * S;
const H = 60 * M;
/** The intervals between deliveries (awaithumans, Standard Webhooks): short at first, then days. */
export const LADDER_MS = [30 * S, M, 2 * M, 5 * M, 15 * M, 30 * M, H, 2 * H, 4 * H, 8 * H, 24 * H];
/** Older news is useless. */
export const KEPT_MS = 72 * H;
/** A page that waits for one call may not be there yet: three quick tries. */
const ONCE_WAIT_MS = 10 * S;
const ONCE_TRIES = 3;
const AT_ONCE = 4;
const CONNECT_MS = 5000;
const RESPONSE_MS = 20_000;

export function createPostman(parts: PostmanParts): WebhookSender {
  const { book, clock, log } = parts;
  const client = parts.client ?? sendWithGot;
  const lookup = parts.lookup ?? systemLookup;
  const underWay = new Map<string, Promise<void>>();
  /** Webhooks that refused further events, by URL, with their configuration then. */
  const turnedAway = new Map<string, string>();
  let stopped = new AbortController();
  let running = false;
  let cancel: Cancel = () => {};

  function pump(): void {
    if (!running) return;
    cancel();
    const now = clock.now();
    for (const event of book.dueEvents(now, AT_ONCE * 2)) {
      if (underWay.size >= AT_ONCE) break;
      if (underWay.has(event.id)) continue;
      const sending = deliver(event).finally(() => {
        underWay.delete(event.id);
        pump();
      });
      underWay.set(event.id, sending);
    }
    const next = book.nextEventAt();
    if (next !== null && underWay.size < AT_ONCE) cancel = clock.after(Math.max(0, next - now), pump);
  }

  async function deliver(event: QueuedEvent): Promise<void> {
    const once = event.target.startsWith('once:');
    const text = once ? event.target.slice('once:'.length) : event.target;
    const webhook = parts.webhooks().find(({ url }) => url === text);
    if (!once && !webhook) {
      book.endEvent(event.id, 'refused', 'the webhook is no longer configured');
      return;
    }
    if (webhook && turnedAway.has(text)) {
      book.endEvent(event.id, 'held', 'the webhook refused further events');
      return;
    }
    const now = clock.now();
    if (now - event.createdAt > KEPT_MS) {
      book.endEvent(event.id, 'expired', 'three days have passed');
      return;
    }
    const tries = event.attempts + 1;
    // Due again before anything is sent: a crash here sends it at most once too often.
    book.beginEvent(event.id, now + waitAfter(tries, once));
    const answer = await send(event, text, webhook, now);
    if (stopped.signal.aborted) return;
    const meaning = readAnswer(answer, tries, once, clock.now());
    if (meaning.kind === 'again') {
      const wait = meaning.waitMs * (1 + 0.1 * parts.random());
      log.info('notify.postponed', { message: event.id, tries, because: meaning.because });
      book.postponeEvent(event.id, clock.now() + Math.round(wait), meaning.because);
      return;
    }
    if (meaning.state === 'held') {
      if (webhook) turnedAway.set(text, fingerprint(webhook));
      log.warn('notify.turned-away', {
        because: meaning.because,
        next: 'change its [[notify]] to receive events again',
      });
    }
    book.endEvent(event.id, meaning.state, meaning.because);
  }

  async function send(
    event: QueuedEvent,
    text: string,
    webhook: NotifySettings | undefined,
    now: number,
  ): Promise<HttpAnswer> {
    const none = (message: string): HttpAnswer => ({ kind: 'none', timedOut: false, message });
    if (webhook?.format === 'desktop')
      return await showOnDesktop(
        messageFor(JSON.parse(event.payload)),
        parts.platform ?? process.platform,
        parts.variables,
        stopped.signal,
      );
    const { target, payload } = shaped(event.payload, text, webhook?.format ?? 'webhook');
    const url = parseEndpoint(target);
    if ('because' in url) return none(url.because);
    const bearer = secretText(webhook?.token ?? '');
    if (bearer === null) return none('the environment variable of its token is not set');
    const keys: Buffer[] = [];
    for (const secret of webhook?.secrets ?? []) {
      const value = secretText(secret);
      const parsed = value
        ? signingKey(value)
        : { problem: 'the environment variable of its secret is not set' };
      if ('problem' in parsed) return none(parsed.problem);
      keys.push(parsed.key);
    }
    const resolved = await resolveEndpoint(url, 'configured', lookup);
    if (resolved.kind !== 'addresses') return none(resolved.because);
    const body = Buffer.from(payload, 'utf8');
    const seconds = Math.floor(now / 1000);
    return await client(
      {
        method: 'POST',
        url,
        addresses: resolved.addresses,
        headers: {
          'content-type': 'application/json; charset=utf-8',
          'user-agent': `workgraph-supervisor/${parts.version}`,
          'webhook-id': event.id,
          'webhook-timestamp': String(seconds),
          ...(keys.length === 0
            ? {}
            : { 'webhook-signature': signatureHeader(keys, event.id, seconds, body) }),
          'idempotency-key': `"${event.id}"`,
          ...(bearer !== '' ? { authorization: `Bearer ${bearer}` } : {}),
        },
        body,
        connectMs: CONNECT_MS,
        responseMs: RESPONSE_MS,
        maxBytes: 16 * 1024,
      },
      stopped.signal,
    );
  }

  /** Null: its environment variable is not set. */
  function secretText(secret: SecretValue): string | null {
    return typeof secret === 'string' ? secret : parts.variables[secret.env] || null;
  }

  return {
    pump,
    start() {
      running = true;
      stopped = new AbortController();
      // What was held when the last process exited is tried once more: its configuration may have changed.
      for (const { url } of parts.webhooks()) book.unholdEvents(url);
      pump();
    },
    reconsider() {
      for (const webhook of parts.webhooks()) {
        const before = turnedAway.get(webhook.url);
        if (before === undefined || before === fingerprint(webhook)) continue;
        turnedAway.delete(webhook.url);
        book.unholdEvents(webhook.url);
      }
      pump();
    },
    async stop() {
      running = false;
      cancel();
      stopped.abort();
      await Promise.all(underWay.values());
    },
  };
}

/** Where it goes and what is sent, in the shape that the recipient takes. */
function shaped(
  payload: string,
  url: string,
  format: Exclude<NotifyFormat, 'desktop'>,
): { readonly target: string; readonly payload: string } {
  if (format === 'webhook') return { target: url, payload };
  const chat = chatRequest(format, url, messageFor(JSON.parse(payload)));
  return { target: chat.url, payload: JSON.stringify(chat.body) };
}

type Meaning =
  | { readonly kind: 'over'; readonly state: 'delivered' | 'refused' | 'held'; readonly because: string }
  | { readonly kind: 'again'; readonly waitMs: number; readonly because: string };

/** The meaning of a response. `once`: the page of a single call, which exists only for a moment. */
function readAnswer(answer: HttpAnswer, tries: number, once: boolean, now: number): Meaning {
  if (answer.kind === 'none')
    return { kind: 'again', waitMs: waitAfter(tries, once), because: answer.message };
  const { status, headers } = answer;
  const because = `HTTP ${status}`;
  const over = (state: 'delivered' | 'refused' | 'held'): Meaning => ({ kind: 'over', state, because });
  const wish = headers['webhook-delivery']?.trim().toLowerCase();
  if (status >= 200 && status < 300) return over('delivered');
  // The waiting page was already called, or is gone: no one is left to notify.
  if (once && tries > ONCE_TRIES && status === 409) return over('delivered');
  if (once && tries > ONCE_TRIES && status === 404) return over('refused');
  if (wish === 'abort-message') return over('refused');
  if (status === 410 || wish === 'disable') return over(once ? 'refused' : 'held');
  const asked = retryAfterMs(headers['retry-after'], now) ?? 0;
  return { kind: 'again', waitMs: Math.max(waitAfter(tries, once), asked), because };
}

function waitAfter(tries: number, once: boolean): number {
  if (once && tries <= ONCE_TRIES) return ONCE_WAIT_MS;
  return LADDER_MS[Math.min(tries, LADDER_MS.length) - 1] ?? KEPT_MS;
}

function fingerprint(webhook: NotifySettings): string {
  return tokenHash(JSON.stringify(webhook));
}
