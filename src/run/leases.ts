// The clocks of external work: a lease that heartbeats extend, silence after which work counts as stale, and what
// happens then. The attempt's own deadline never moves and is enforced by the dispatcher. Retries are not decided
// here: that depends on the outcome.

import { profileNamed } from '../decide/routes/route.ts';
import { asksService, isForWorkers } from '../domain/profile.ts';
import type { Run } from '../domain/run.ts';
import type { Begun } from '../executors/executor.ts';
import type { SupervisedGraphs } from '../graphs/supervised-graphs.ts';
import { type Clock, isoTime } from '../platform/clock.ts';
import { type Lease, newLease } from '../runs/lease-row.ts';
import type { Ledger } from '../runs/ledger.ts';
import type { Background } from './background.ts';
import type { RunEnds } from './end-run.ts';
import type { LiveRun } from './live-run.ts';
import type { Releases } from './release.ts';
import type { RunEvents } from './run-events.ts';

/** An agent that sends heartbeats is given up after this much silence, ms. One that never does is not. */
const HTTP_LEASE_MS = 15 * 60_000;

/** The state of a worker's lease, and whether to continue. Instants are RFC 3339 strings. */
export interface HeartbeatAnswer {
  readonly directive: 'continue' | 'cancel';
  /** Extended by every heartbeat; null: it does not expire. */
  readonly lease: { readonly expires_at: string | null };
  /** The end of the attempt, never extended; null: none. */
  readonly deadline: string | null;
  /** A person's answer to the last question; absent until there is one. Repeated until the next question. */
  readonly answer?: string;
}

/** The content of a heartbeat. */
export interface HeartbeatFields {
  readonly extendMs?: number;
  readonly externalRef?: string;
  /** The worker continues without an answer to its question. */
  readonly resumed?: boolean;
  /** From a worker that reports only occasionally: starts no clock. */
  readonly passive?: boolean;
}

interface LeaseParts {
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly graphs: SupervisedGraphs;
  readonly ends: RunEnds;
  readonly releases: Releases;
  readonly events: RunEvents;
  readonly background: Background;
}

/** Whether a worker has it now. */
export function isHeld(lease: Lease | null, now: number): boolean {
  return (
    lease !== null &&
    lease.worker !== null &&
    (lease.expiresAt === null || lease.expiresAt > now || waits(lease))
  );
}

/** A worker that waits for a person's answer is not late. */
function waits(lease: Lease): boolean {
  return lease.question !== null && lease.answer === null;
}

export class Leases {
  readonly #parts: LeaseParts;

  constructor(parts: LeaseParts) {
    this.#parts = parts;
  }

  /**
   * Records a heartbeat and extends the lease. `question`: the worker waits for a person, and its clock is stopped,
   * later heartbeats included.
   */
  renew(live: LiveRun, facts: HeartbeatFields & { readonly question?: string } = {}): HeartbeatAnswer {
    const { clock } = this.#parts;
    const now = clock.now();
    const { run } = live;
    const before = live.lease ?? newLease(asksService(run.type) ? 'http' : 'hold');
    const usual = before.leaseMs ?? (before.kind === 'http' && !facts.passive ? HTTP_LEASE_MS : null);
    const leaseMs = facts.extendMs ?? usual;
    const question = facts.question ?? (facts.resumed ? null : before.question);
    const answer = facts.question === undefined && question !== null ? before.answer : null;
    live.progressAt = now;
    this.set(
      live,
      {
        ...before,
        leaseMs: usual,
        expiresAt: leaseMs === null || (question !== null && answer === null) ? null : now + leaseMs,
        heartbeatAt: now,
        question,
        answer,
        staleAt: null,
        externalRef: facts.externalRef ?? before.externalRef,
      },
      question !== before.question,
    );
    return leaseAnswer(live, 'continue');
  }

  /** A person answered: the worker's clock restarts, whenever the worker receives the answer. */
  answered(live: LiveRun, answer: string): void {
    const { lease } = live;
    if (!lease) return;
    const now = this.#parts.clock.now();
    const expiresAt = lease.leaseMs === null ? null : now + lease.leaseMs;
    this.set(live, { ...lease, answer, expiresAt, heartbeatAt: now, staleAt: null });
  }

  /**
   * Stores a lease. Local processes have none: they live as long as their lease would. `lasting` false for a mere
   * heartbeat: the next one replaces it after a power cut.
   */
  set(live: LiveRun, lease: Lease, lasting = true): void {
    live.lease = lease;
    this.#parts.ledger.setLease(live.run.id, lease, lasting);
  }

  /** When this run's clock must be checked next, ms; null: never without a change. */
  nextAt(live: LiveRun): number | null {
    if (!this.#ticks(live)) return null;
    const { lease } = live;
    if (lease && waits(lease)) return null;
    if (lease?.expiresAt != null && lease.expiresAt !== live.leaseNotedAt) return lease.expiresAt;
    return lease?.staleAt != null ? null : this.#staleAt(live);
  }

  /** Handles everything that is due. */
  expire(live: LiveRun, now: number): void {
    const at = this.nextAt(live);
    if (at === null || at > now) return;
    const { lease, run } = live;
    if (lease?.expiresAt === at) {
      live.leaseNotedAt = at;
      this.#leaseEnded(live, lease);
      return;
    }
    const since = isoTime(this.#lastSign(live));
    const because = `no sign of life since ${since}`;
    const policy = this.#policy(run);
    this.set(live, { ...(lease ?? newLease('hold')), staleAt: now });
    live.progress = because;
    this.#parts.events.emit('run.stale', run, { because, action: policy?.onStale ?? 'flag' });
    if (policy?.onStale === 'retry') this.#giveBack(live, `${because}; on_stale = "retry"`);
    if (policy?.onStale === 'fail')
      this.#parts.background.later(
        this.#parts.ends.end(
          run,
          {
            kind: 'failed',
            failure: 'silent',
            message: `${because}; on_stale = "fail"`,
            retryable: false,
          },
          'lease',
        ),
      );
  }

  #leaseEnded(live: LiveRun, lease: Lease): void {
    const who = lease.worker ?? live.run.executor;
    const because = `the lease of ${who} ended without a sign of life`;
    switch (lease.kind) {
      case 'http':
        live.stop('silent');
        return;
      case 'claim':
        this.#parts.events.emit('run.stale', live.run, { because, action: 'retry' });
        this.#giveBack(live, because);
        return;
      case 'hold':
        // Still theirs to finish until another worker claims it.
        live.progress = because;
        this.#parts.events.emit('run.stale', live.run, { because, action: 'flag' });
    }
  }

  #giveBack(live: LiveRun, because: string): void {
    const { releases, background } = this.#parts;
    const { run } = live;
    // A task that ends every worker that takes it must not go on to the next one for ever.
    const givenBack = isForWorkers(run.type)
      ? releases.giveBack(run, because, { kind: 'stopped', reason: 'silent', because })
      : releases.release(run, because);
    background.later(
      givenBack.then(
        () => live.stop('completed'),
        // The graph could not be written; the next expiry or a person tries again.
        () => {
          live.leaseNotedAt = null;
        },
      ),
    );
  }

  #ticks({ run, signal, declared }: LiveRun): boolean {
    return run.phase === 'handed-off' && !signal.aborted && declared === null && run.process === null;
  }

  #lastSign({ lease, run }: LiveRun): number {
    return lease?.heartbeatAt ?? run.startedAt ?? run.openedAt;
  }

  #staleAt(live: LiveRun): number | null {
    const policy = this.#policy(live.run);
    return policy === null || policy.staleAfterMs <= 0 ? null : this.#lastSign(live) + policy.staleAfterMs;
  }

  #policy(run: Run) {
    if (run.type !== 'external') return null;
    const profiles = this.#parts.graphs.get(run.graph)?.profiles;
    const profile = profiles && profileNamed(run.executor, profiles);
    return profile?.type === 'external' ? profile : null;
  }
}

/** The state of a worker's lease. */
function leaseAnswer(live: LiveRun, directive: HeartbeatAnswer['directive']): HeartbeatAnswer {
  const at = (ms: number | null | undefined) => (ms == null ? null : isoTime(ms));
  return {
    directive,
    lease: { expires_at: at(live.lease?.expiresAt) },
    deadline: at(live.run.deadlineAt),
    ...(live.lease?.answer == null ? {} : { answer: live.lease.answer }),
  };
}

/** A worker could not send heartbeats while no supervisor ran: its clock starts again. */
export function withTimeToCall(lease: Lease | null, run: Run, now: number): Lease | null {
  if (!lease || !isForWorkers(run.type) || lease.expiresAt === null || lease.leaseMs === null) return lease;
  return { ...lease, expiresAt: Math.max(lease.expiresAt, now + lease.leaseMs) };
}

/** Heartbeats that may be missed in a row before an agent is given up. */
const MISSED = 3;

/** The shortest lease from a promised interval, ms: networks stutter. */
const SHORTEST_MS = 60_000;

/** Records the terms of a hand-off. A heartbeat received meanwhile is newer and stays. */
export function notePromises(
  ledger: Pick<Ledger, 'setLease'>,
  live: LiveRun,
  { externalId, heartbeatEveryS }: Extract<Begun, { kind: 'handed-off' }>,
  now: number,
): void {
  if (externalId === undefined && heartbeatEveryS === undefined) return;
  const before = live.lease ?? newLease('http');
  const promised =
    heartbeatEveryS === undefined ? null : Math.max(heartbeatEveryS * 1000 * MISSED, SHORTEST_MS);
  const leaseMs = before.leaseMs ?? promised;
  live.lease = {
    ...before,
    leaseMs,
    expiresAt: before.heartbeatAt === null && leaseMs !== null ? now + leaseMs : before.expiresAt,
    externalRef: before.externalRef ?? externalId ?? null,
  };
  ledger.setLease(live.run.id, live.lease, true);
}
