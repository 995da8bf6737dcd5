// Writes down what was said of each task whenever it changes, so that `why --at` can answer for a past instant.
// Works beside the tick, a graph at a time, and never holds it up.

import { VerdictChanges } from '../decide/judge/verdict-changes.ts';
import { Verdicts } from '../decide/judge/verdicts.ts';
import { messageOf } from '../domain/errors.ts';
import type { Steps } from '../domain/steps.ts';
import type { Base } from '../platform/base.ts';
import type { Cancel, Clock } from '../platform/clock.ts';
import { nextTurn, yielding } from '../platform/cooperative.ts';
import type { Log } from '../platform/log.ts';
import type { Decided, LastDecision } from '../run/last-decision.ts';
import type { DatedVerdict, VerdictStore } from '../runs/verdict-store.ts';

/** Changes are gathered this long before they are written, ms. */
const GATHER_MS = 2_000;
/** At most this many are kept waiting. */
const GATHERED = 2_000;
/** At most this many are written in one turn of the event loop. */
const WRITTEN_A_TURN = 250;
/** How far back the record may say that no supervisor was judging, ms. */
const WATCH_MS = 60_000;

interface RecorderNeeds extends Base {
  readonly store: VerdictStore;
  readonly last: LastDecision;
  /** Verdicts are provisional, and not recorded, until everything was read once. */
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
  #writing: Promise<void> | null = null;
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
    await this.#write();
  }

  /** Writes the rest and ends. */
  async stop(): Promise<void> {
    this.#unsubscribe();
    // A tick during the last look brings one more, which must not outlive the ledger.
    while (this.#looking) await this.#looking;
    await this.#write();
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

  *#compare({ world, decision }: Decided): Steps<void> {
    const { verdicts } = decision;
    if (!(verdicts instanceof Verdicts)) return;
    // Small ones first: meanwhile they may change again.
    const bySize = [...world.graphs].sort((a, b) => a.snapshot.tasks.size - b.snapshot.tasks.size);
    for (const { graph } of bySize) {
      // What is said of it while it is judged is only what was said before.
      if (decision.unjudged?.has(graph)) continue;
      const changes = yield* this.#changes.of(graph, verdicts, () => this.#store.latestVerdicts(graph));
      for (const verdict of changes) this.#gathered.push({ at: world.now, verdict });
      yield;
    }
    this.#changes.keepOnly(new Set(world.graphs.map(({ graph }) => graph)));
  }

  #schedule(): void {
    const isFull = this.#gathered.length >= GATHERED;
    const isDue = this.#clock.now() >= this.#writtenAt + WATCH_MS;
    if (isFull) void this.#write();
    else if (!this.#isTimed && (this.#gathered.length > 0 || isDue)) {
      this.#isTimed = true;
      this.#timer = this.#clock.after(GATHER_MS, () => void this.#write());
    }
  }

  /** Never rejects. */
  #write(): Promise<void> {
    this.#timer();
    this.#isTimed = false;
    this.#writing ??= this.#writeTurns().finally(() => {
      this.#writing = null;
    });
    return this.#writing;
  }

  async #writeTurns(): Promise<void> {
    const from = this.#watchedFrom;
    if (from === null) return;
    for (;;) {
      const changes = this.#gathered.splice(0, WRITTEN_A_TURN);
      const next = this.#gathered[0];
      const now = this.#clock.now();
      try {
        // Before the rest is written, the record is complete only up to that.
        this.#store.recordVerdicts(changes, { from, to: next ? Math.max(from, next.at - 1) : now });
        this.#writtenAt = now;
      } catch (thrown) {
        const lost = changes.length + this.#gathered.splice(0).length;
        // The record is for people: a full disk is said by what cannot work without the ledger.
        this.#log.warn('verdicts.unwritten', { because: messageOf(thrown), changes: lost });
      }
      if (this.#gathered.length === 0) return;
      await nextTurn();
    }
  }
}
