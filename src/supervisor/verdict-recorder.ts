// Writes down what was said of each task whenever it changes, so that `why --at` can answer for a past instant.
// Works beside the tick, a graph at a time, and never holds it up.

import { VerdictChanges } from '../decide/verdict-changes.ts';
import { Verdicts } from '../decide/verdicts.ts';
import { messageOf } from '../domain/errors.ts';
import type { Base } from '../platform/base.ts';
import type { Cancel, Clock } from '../platform/clock.ts';
import { type Steps, yielding } from '../platform/cooperative.ts';
import type { Log } from '../platform/log.ts';
import type { LastDecision } from '../run/last-decision.ts';
import type { DatedVerdict, VerdictStore } from '../runs/verdict-store.ts';

/** Changes are gathered this long before they are written, ms. */
const GATHER_MS = 2_000;
/** At most this many are kept waiting. */
const GATHERED = 2_000;
/** How far back the record may say that no supervisor was judging, ms. */
const WATCH_MS = 60_000;

interface RecorderNeeds extends Base {
  readonly store: VerdictStore;
  readonly last: LastDecision;
  /** Until everything was read once, what is said of tasks is only that. */
  isStarting(): boolean;
}

export class VerdictRecorder {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #store: VerdictStore;
  readonly #last: LastDecision;
  readonly #isStarting: () => boolean;
  readonly #changes = new VerdictChanges();
  readonly #unsubscribe: () => void;
  #gathered: DatedVerdict[] = [];
  #watchedFrom: number | null = null;
  #writtenAt = Number.NEGATIVE_INFINITY;
  #timer: Cancel = () => {};
  #isTimed = false;
  #looking: Promise<void> | null = null;
  #again = false;

  constructor({ clock, log, bus, store, last, isStarting }: RecorderNeeds) {
    this.#clock = clock;
    this.#log = log;
    this.#store = store;
    this.#last = last;
    this.#isStarting = isStarting;
    this.#unsubscribe = bus.on(({ name }) => {
      if (name === 'tick.finished') this.#look();
    });
  }

  /** Writes what is gathered: everything up to the last tick, if that was looked at. Never throws. */
  async flush(): Promise<void> {
    await this.#looking;
    this.#write();
  }

  /** Writes the rest and ends. */
  async stop(): Promise<void> {
    this.#unsubscribe();
    // A tick during the last look brings one more, which must not outlive the ledger.
    while (this.#looking) await this.#looking;
    this.#write();
  }

  #look(): void {
    if (this.#isStarting()) return;
    if (this.#looking) this.#again = true;
    else
      this.#looking = this.#lookAround().finally(() => {
        this.#looking = null;
        if (this.#again) this.#look();
      });
  }

  async #lookAround(): Promise<void> {
    this.#again = false;
    const decided = this.#last.made;
    if (!decided) return;
    this.#watchedFrom ??= decided.world.now;
    try {
      await yielding(this.#compare(decided));
    } catch (thrown) {
      this.#log.warn('verdicts.unread', { because: messageOf(thrown) });
    }
    this.#schedule();
  }

  *#compare({ world, decision }: NonNullable<LastDecision['made']>): Steps<void> {
    const { verdicts } = decision;
    if (!(verdicts instanceof Verdicts)) return;
    for (const { graph } of world.graphs) {
      for (const verdict of this.#changes.of(graph, verdicts, () => this.#store.latestVerdicts(graph)))
        this.#gathered.push({ at: world.now, verdict });
      yield;
    }
    this.#changes.keepOnly(new Set(world.graphs.map(({ graph }) => graph)));
  }

  #schedule(): void {
    const isFull = this.#gathered.length >= GATHERED;
    const isDue = this.#clock.now() >= this.#writtenAt + WATCH_MS;
    if (isFull) this.#write();
    else if (!this.#isTimed && (this.#gathered.length > 0 || isDue)) {
      this.#isTimed = true;
      this.#timer = this.#clock.after(GATHER_MS, () => this.#write());
    }
  }

  #write(): void {
    this.#timer();
    this.#isTimed = false;
    if (this.#watchedFrom === null) return;
    const changes = this.#gathered;
    this.#gathered = [];
    const now = this.#clock.now();
    try {
      this.#store.recordVerdicts(changes, { from: this.#watchedFrom, to: now });
      this.#writtenAt = now;
    } catch (thrown) {
      // The record is for people: a full disk is said by what cannot work without the ledger.
      this.#log.warn('verdicts.unwritten', { because: messageOf(thrown), changes: changes.length });
    }
  }
}
