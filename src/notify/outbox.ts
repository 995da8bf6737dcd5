// Events for the user's own webhooks. Each is stored in the ledger, byte for byte, before it is sent; it is retried
// until delivered, for three days at most, and one transition is sent once. Which events matter is in
// notifications.ts; this file knows queues and time.

import { createHash } from 'node:crypto';
import type { NotifySettings } from '../domain/config.ts';
import { messageOf } from '../domain/errors.ts';
import type { Event } from '../domain/event.ts';
import type { DigestReport } from '../domain/overview.ts';
import type { Run } from '../domain/run.ts';
import type { Verdict } from '../domain/verdict.ts';
import type { Bus } from '../platform/bus.ts';
import { type Cancel, type Clock, isoTime } from '../platform/clock.ts';
import type { Log } from '../platform/log.ts';
import type { Service } from '../platform/service.ts';
import type { Ledger } from '../runs/ledger.ts';
import { createHeldWatch } from './blocked-task-alerts.ts';
import { latestAt } from './digest-time.ts';
import { aboutCancelled, aboutOutcome, type Notification, notificationOf } from './notifications.ts';
import { askerOf, type NotifyUrls } from './notify-url.ts';
import { createPostman, type PostmanParts } from './webhook-sender.ts';

export interface OutboxParts extends Omit<PostmanParts, 'book'> {
  readonly ledger: Ledger;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Log;
  /** The zone that times of day are of. */
  timezone(): string;
  /** The currently configured webhooks. */
  webhooks(): readonly NotifySettings[];
  /** The last verdict of every task, and the worktree of a graph. */
  verdicts(): Iterable<Verdict>;
  worktreeOf(graph: string): string;
  /** The name of a worktree's repository; null if it is not known. */
  repoOf?(worktree: string): string | null;
  /** What happened since an instant (ms); absent: no digests are sent. */
  digest?(since: number): Promise<DigestReport>;
  /** The status of a task in its graph; null if it is gone. */
  statusOf(graph: string, task: string): string | null;
}

/** Up to when every finished run was queued, to catch up after downtime. */
const SEEN = 'notify-seen-at';
const DIGEST_CHECK_MS = 60_000;

/** Creates the outbox. It receives events from its start on, and sends in the background. */
export function createOutbox(parts: OutboxParts): Service {
  const { ledger, bus, clock, log } = parts;
  const book = ledger.deliveries;
  const postman = createPostman({ ...parts, book });
  const held = createHeldWatch(clock);
  /** Reported problems that are not resolved yet. */
  const problems = new Set<string>();
  let off: (() => void) | null = null;
  let cancelDigests: Cancel = () => {};
  let missedSince = 0;

  function tell(notification: Notification): void {
    if (notification.type === 'supervisor.problem') {
      if (problems.has(notification.key)) return;
      problems.add(notification.key);
    }
    const { type } = notification;
    const wanted = parts.webhooks().filter(({ events }) => type !== 'digest' && events.includes(type));
    // A resolved problem may come back; everything else happens once.
    const moment = notification.type === 'supervisor.problem' ? isoTime(clock.now()) : '';
    const asker = wanted.length > 0 || isEnd(notification) ? askerOfNotified(notification) : null;
    const placed = withRepo(notification);
    const named = asker ? withName(placed, asker) : placed;
    for (const { url } of wanted) queue(url, named, moment);
    const once = isEnd(notification) ? (asker?.notifyUrl ?? null) : null;
    if (once !== null) queue(`once:${once}`, named, moment);
    if (wanted.length > 0 || once !== null) postman.pump();
  }

  function queue(target: string, { type, key, data }: Notification, moment: string): void {
    const name = JSON.stringify([type, key, moment, target]);
    const id = `evt_${createHash('sha256').update(name).digest('base64url').slice(0, 32)}`;
    book.queueEvent({ id, target, payload: JSON.stringify({ type, timestamp: isoTime(clock.now()), data }) });
  }

  function withRepo(notification: Notification): Notification {
    const { worktree } = notification.data;
    const repo = typeof worktree === 'string' ? (parts.repoOf?.(worktree) ?? null) : null;
    return repo === null ? notification : { ...notification, data: { ...notification.data, repo } };
  }

  /** Sends what is due, and checks again in a minute: a machine that slept sends late, and once. */
  async function digests(): Promise<void> {
    cancelDigests();
    cancelDigests = clock.after(DIGEST_CHECK_MS, () => void digests());
    for (const { url, digestAt } of parts.webhooks()) {
      if (digestAt === undefined || !parts.digest) continue;
      const due = latestAt(digestAt, clock.now(), parts.timezone());
      const key = `digest-sent ${url}`;
      const last = Number(ledger.meta(key) ?? Number.NaN);
      try {
        if (last >= due) continue;
        // The first one comes at the next time of day, not at once.
        if (!Number.isNaN(last)) {
          const data = { ...(await parts.digest(last)) };
          queue(url, { type: 'digest', key: String(due), run: null, data }, '');
          postman.pump();
        }
        ledger.setMeta(key, String(due));
      } catch (thrown) {
        log.warn('notify.unqueued', { event: 'digest', because: messageOf(thrown) });
      }
    }
  }

  /** The requester of the run that a notification is about. */
  function askerOfNotified({ run }: Notification): NotifyUrls | null {
    return run === null ? null : askerOf(ledger, run);
  }

  /** No notification for a cancelled run, the canceller knows; but a page that waits for its end must not wait on. */
  function cancelled(id: string): void {
    const run = ledger.run(id);
    if (run?.outcome?.kind !== 'stopped' || run.outcome.reason !== 'cancelled') return;
    const { notifyUrl, externalRef } = askerOf(ledger, id);
    if (notifyUrl === null) return;
    const status = parts.statusOf(run.graph, run.task) ?? 'gone';
    const facts = { ...factsOf(run, ledger), ...(externalRef === null ? {} : { external_ref: externalRef }) };
    queue(`once:${notifyUrl}`, aboutCancelled(facts, run.outcome, status), '');
    postman.pump();
  }

  function hear(event: Event): void {
    try {
      if (event.name === 'graph.healed')
        for (const key of problems) if (key.includes(event.graph)) problems.delete(key);
      if (event.name === 'config.loaded') {
        problems.clear();
        postman.reconsider();
      }
      // Not before the graphs are read: only they distinguish a failure that is retried from a final one.
      if (event.name === 'supervisor.started') catchUp();
      if (event.name === 'tick.finished') watchHeld();
      if (event.name === 'run.released') cancelled(event.run);
      const notification = notificationOf(event);
      if (notification) tell(notification);
      if (event.name === 'run.settled') ledger.setMeta(SEEN, String(event.at));
    } catch (thrown) {
      // A full disk must not break the emitter of the event; finished runs are caught up with at the next start.
      log.warn('notify.unqueued', { event: event.name, because: messageOf(thrown) });
    }
  }

  function watchHeld(): void {
    const shortest = Math.min(...parts.webhooks().map((webhook) => webhook.heldAfterMs));
    if (!Number.isFinite(shortest)) return;
    for (const one of held.look(parts.verdicts(), shortest, (graph) => parts.worktreeOf(graph))) tell(one);
  }

  /** Runs recorded as finished when this program died before it could queue them. */
  function catchUp(): void {
    const missed = ledger
      .runs({ limit: 5000 })
      .filter((run) => run.phase === 'settled' && (run.finishedAt ?? 0) >= missedSince)
      .reverse();
    for (const run of missed) {
      const status = parts.statusOf(run.graph, run.task) ?? 'gone';
      const notification = run.outcome && aboutOutcome(factsOf(run, ledger), run.outcome, status);
      if (notification) tell(notification);
    }
  }

  return {
    name: 'outbox',
    async start() {
      if (off) return;
      missedSince = Number(ledger.meta(SEEN) ?? clock.now());
      off = bus.on(hear);
      postman.start();
      await digests();
    },
    async stop() {
      off?.();
      off = null;
      cancelDigests();
      await postman.stop();
    },
  };
}

function factsOf(run: Run, ledger: Ledger) {
  const ref = askerOf(ledger, run.id).externalRef;
  const { id, graph, task, worktree, executor, attempt } = run;
  return { run: id, graph, task, worktree, executor, attempt, ...(ref ? { external_ref: ref } : {}) };
}

/** Whether it says that a run is finished for good. */
function isEnd({ type }: Notification): boolean {
  return type === 'task.completed' || type === 'task.failed';
}

/** The requester, if the run itself has none: a later attempt of the request. */
function withName(notification: Notification, { externalRef }: NotifyUrls): Notification {
  const { data } = notification;
  if (externalRef === null || data.external_ref !== null) return notification;
  return { ...notification, data: { ...data, external_ref: externalRef } };
}
