// Waits for one job: whether someone has begun it, whether its worker lives, what it asks, and what it comes to.

import { defined } from '../../domain/defined.ts';
import type { Failed, Outcome } from '../../domain/outcome.ts';
import type { Clock } from '../../platform/clock.ts';
import type { RunControl } from '../executor.ts';
import type { QueueHub, Seen } from './hub.ts';
import { type AskedQuestion, type QueueReport, read, type Sign } from './messages.ts';

/** The job. */
export interface Attended {
  readonly queue: string;
  readonly run: string;
  readonly leaseMs: number;
  /** Its workers share an account that this supervisor knows. */
  readonly hasAccount: boolean;
}

/** Looks in a row, some time apart, that must find nothing before a job counts as lost. */
const MISSES = 3;
/** Added to a lease before its end is looked at: clocks and networks stutter, ms. */
const SLACK_MS = 1_000;

export class Attendance {
  readonly #hub: QueueHub;
  readonly #job: Attended;
  readonly #control: RunControl;
  readonly #clock: Clock;
  #misses = 0;
  #beat: number | null = null;
  #signAt: number;
  /** What its worker asked last by name, null: nothing, undefined: nothing was heard of it yet. */
  #asked: string | null | undefined;
  /** The sign of life that was answered. */
  #answeredBeat: number | null = null;
  #isClosing = false;
  #end: (outcome: Outcome | null) => void = () => {};

  constructor(hub: QueueHub, job: Attended, control: RunControl, clock: Clock) {
    this.#hub = hub;
    this.#job = job;
    this.#control = control;
    this.#clock = clock;
    this.#signAt = clock.now();
  }

  /** What the job came to; null: the signal aborted first. */
  end(): Promise<Outcome | null> {
    const { queue, run } = this.#job;
    const { signal } = this.#control;
    return new Promise((resolve) => {
      const stopped = () => this.#end(null);
      this.#end = (outcome) => {
        leave();
        signal.removeEventListener('abort', stopped);
        resolve(outcome);
      };
      const leave = this.#hub.wait({
        queue,
        run,
        see: (seen) => this.#see(seen),
        output: (piece) => this.#control.output?.(piece) ?? Promise.resolve(),
      });
      signal.addEventListener('abort', stopped, { once: true });
      if (signal.aborted) stopped();
    });
  }

  #see(seen: Seen): void {
    if (seen.state !== 'unknown') this.#misses = 0;
    switch (seen.state) {
      case 'queued':
        this.#control.queued?.();
        this.#signAt = this.#clock.now();
        return;
      case 'active':
        this.#control.begins?.();
        this.#hear(seen.sign);
        if (seen.isInTurn) void this.#closeIfLost();
        return;
      case 'completed':
        if (seen.sign !== null) this.#hearUse(seen.sign);
        this.#end(outcomeOf(seen.result, this.#clock.now(), this.#job.hasAccount));
        return;
      case 'failed':
        this.#end(lost(seen.because || 'the queue gave it up'));
        return;
      case 'unknown':
        // News may come before the job is where it is looked for.
        if (seen.isInTurn) this.#misses++;
        if (this.#misses >= MISSES) this.#end(lost('the queue does not have it any more'));
    }
  }

  #hear(sign: Sign | null): void {
    if (sign !== null && sign.beat !== this.#beat) {
      this.#beat = sign.beat;
      this.#signAt = this.#clock.now();
      this.#control.progress(sign.message ?? `works on ${sign.worker}`);
      this.#hearUse(sign);
    }
    if (sign !== null) this.#hearQuestion(sign.question, sign.beat);
  }

  #hearUse({ usage, model }: Sign): void {
    if (usage || model)
      this.#control.note({ ...(usage ? { usage: defined(usage) } : {}), ...(model ? { model } : {}) });
    if ((usage?.outputTokens ?? 0) > 0) this.#control.works?.();
  }

  #hearQuestion(question: AskedQuestion | null, beat: number): void {
    if (question === null && this.#asked === null) return;
    this.#asked = question?.name ?? null;
    const answer = this.#control.asks?.(question) ?? null;
    // A later sign of life that still asks has not heard it: the Redis may have lost its last second.
    if (question === null || answer === null || this.#answeredBeat === beat) return;
    this.#answeredBeat = beat;
    this.#hub.tell(this.#job.run, { answer: { name: question.name, text: answer } }).catch(() => {
      this.#answeredBeat = null;
    });
  }

  async #closeIfLost(): Promise<void> {
    const { queue, run, leaseMs } = this.#job;
    const quietMs = this.#clock.now() - Math.max(this.#signAt, this.#hub.upSince);
    if (this.#isClosing || quietMs < leaseMs + SLACK_MS) return;
    this.#isClosing = true;
    try {
      if (await this.#hub.closeLost(queue, run))
        this.#end(lost(`its worker was silent for ${leaseMs / 1000} s`));
      // Someone holds it, and will be heard.
      else this.#signAt = this.#clock.now() - leaseMs / 2;
    } catch {
      // It is looked at again in a moment.
    }
    this.#isClosing = false;
  }
}

function lost(because: string): Failed {
  return {
    kind: 'failed',
    failure: 'interrupted',
    message: `it was lost on its way: ${because}`,
    retryable: true,
  };
}

function outcomeOf(value: unknown, now: number, hasAccount: boolean): Outcome {
  const report = read.report(value);
  if ('because' in report)
    return {
      kind: 'failed',
      failure: 'unreachable',
      message: `the report of its worker cannot be read (${report.because}): upgrade worker or supervisor`,
      retryable: true,
    };
  return outcomeOfReport(report, now, hasAccount);
}

function outcomeOfReport({ outcome }: QueueReport, now: number, hasAccount: boolean): Outcome {
  switch (outcome.kind) {
    case 'succeeded': {
      const { summary, artifacts, usage } = outcome;
      return {
        kind: 'succeeded',
        ...(summary === undefined ? {} : { summary }),
        ...(artifacts === undefined || artifacts === null ? {} : { artifacts }),
        ...(usage === undefined ? {} : { usage: defined(usage) }),
      };
    }
    case 'failed': {
      const { failure, message, retryable, usage } = outcome;
      return {
        ...{ kind: 'failed', failure, message, retryable },
        ...(usage === undefined ? {} : { usage: defined(usage) }),
      };
    }
    case 'deferred': {
      const { because, delay_ms: delayMs, account } = outcome;
      if (account !== undefined && hasAccount) {
        const until = account.delay_ms === null ? {} : { until: now + account.delay_ms };
        return { kind: 'deferred', code: account.code, because, scope: 'account', ...until };
      }
      // What one worker lacks is no reason for the others to wait.
      return { kind: 'deferred', code: 'handed-back', because, scope: 'task', until: now + (delayMs ?? 0) };
    }
  }
}
