// Measures what the processes of each run take while they run, and writes the most of it down: what their profile takes
// is learned from that. One look at the process table serves all of them, and none is taken while nothing runs.

import { messageOf } from '../domain/errors.ts';
import type { RunId } from '../domain/ids.ts';
import type { Footprint } from '../domain/machine.ts';
import type { Run } from '../domain/run.ts';
import type { Processes } from '../executors/process/lifecycle/process-table.ts';
import type { Base } from '../platform/base.ts';
import type { Cancel } from '../platform/clock.ts';
import type { LiveRun } from '../run/live-run.ts';
import type { Ledger } from '../runs/ledger.ts';

/** From one look to the next, ms. */
const LOOK_EVERY_MS = 5_000;
/** What is written down changes by at least this share: not every look is worth a write. */
const WORTH_NOTING = 1.05;

interface FootprintNeeds extends Pick<Base, 'clock' | 'bus' | 'log'> {
  readonly processes: Pick<Processes, 'usage'>;
  readonly ledger: Pick<Ledger, 'note'>;
  attended(): readonly LiveRun[];
}

export class Footprints {
  readonly #parts: FootprintNeeds;
  readonly #peaks = new Map<RunId, Footprint>();
  readonly #unsubscribe: () => void;
  #held: ReadonlyMap<RunId, number> = new Map();
  #timer: Cancel | null = null;
  #isStopped = false;

  constructor(parts: FootprintNeeds) {
    this.#parts = parts;
    this.#unsubscribe = parts.bus.on(({ name }) => {
      if (name === 'run.started' || name === 'run.adopted') this.#later();
    });
  }

  /** Memory that the processes of each run held at the last look, bytes. */
  get held(): ReadonlyMap<RunId, number> {
    return this.#held;
  }

  stop(): void {
    this.#isStopped = true;
    this.#unsubscribe();
    this.#timer?.();
    this.#timer = null;
  }

  #later(): void {
    const isOfUse = !this.#isStopped && this.#parts.attended().some(({ run }) => run.process !== null);
    if (!isOfUse) return;
    this.#timer ??= this.#parts.clock.after(LOOK_EVERY_MS, () => {
      void this.look().finally(() => {
        this.#timer = null;
        this.#later();
      });
    });
  }

  /** One look at the processes of all runs. Never rejects. */
  async look(): Promise<void> {
    const { attended, processes, log } = this.#parts;
    const runs = attended().flatMap(({ run }) => (run.process ? [{ run, root: run.process }] : []));
    try {
      const usage = await processes.usage(runs.map(({ root }) => root.pid));
      const held = new Map<RunId, number>();
      for (const { run, root } of runs) {
        const used = usage.get(root.pid);
        if (used === undefined) continue;
        held.set(run.id, used.bytes);
        this.#note(run, { peakBytes: used.bytes, cpuMs: used.cpuMs });
      }
      this.#held = held;
      for (const id of this.#peaks.keys()) if (!held.has(id)) this.#peaks.delete(id);
    } catch (thrown) {
      // Of use only for what starts later.
      log.warn('footprint.unknown', { because: messageOf(thrown) });
    }
  }

  #note({ id, footprint: recorded }: Run, now: Footprint): void {
    // An earlier supervisor may have seen it take more.
    const known = this.#peaks.get(id) ?? recorded;
    const grew = (was: number | undefined, is: number) => is > (was ?? 0) * WORTH_NOTING;
    if (known && !grew(known.peakBytes, now.peakBytes) && !grew(known.cpuMs, now.cpuMs)) return;
    const footprint = {
      peakBytes: Math.max(now.peakBytes, known?.peakBytes ?? 0),
      cpuMs: Math.max(now.cpuMs, known?.cpuMs ?? 0),
    };
    this.#peaks.set(id, footprint);
    this.#parts.ledger.note(id, { footprint });
  }
}
