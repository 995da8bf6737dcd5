// What is known of the machine: read while anything is to start and at most every few seconds, kept as one plain value.

import type { MachineView } from '../decide/capacity/machine-room.ts';
import {
  READ_EVERY_MS,
  READING_VALID_MS,
  type Shortage,
  shortagesOf,
} from '../decide/capacity/machine-room.ts';
import type { Config } from '../domain/config.ts';
import type { LearnedFootprint, MachineReading } from '../domain/machine.ts';
import type { Clock } from '../platform/clock.ts';
import type { MachineProbe } from '../platform/machine.ts';
import type { Decided } from '../run/last-decision.ts';
import type { Footprints } from './footprints.ts';

interface MachineWatchNeeds {
  readonly clock: Clock;
  readonly probe: MachineProbe;
  readonly stateDir: string;
  readonly footprints: Pick<Footprints, 'held'>;
  /** What runs of a profile took; null: too few were measured. */
  readonly learned: (executor: string) => LearnedFootprint | null;
  config(): Pick<Config, 'machine'>;
}

export class MachineWatch {
  readonly #parts: MachineWatchNeeds;
  #reading: MachineReading | null = null;
  #short: readonly Shortage[] = [];
  #looking: Promise<void> | null = null;

  constructor(parts: MachineWatchNeeds) {
    this.#parts = parts;
  }

  /** Whether what is known is too old to start anything by it. */
  isDue(): boolean {
    if (!this.#parts.config().machine) return false;
    const age = this.#age();
    return age === null || age >= READ_EVERY_MS;
  }

  /** What is judged by a recent look, where something is to start on the machine, and not once for each. */
  async judged(judge: () => Decided): Promise<Decided> {
    const decided = judge();
    if (!decided.decision.asksMachine || !this.isDue()) return decided;
    await this.look(decided.world.graphs.map(({ worktree }) => worktree));
    return judge();
  }

  /** Reads the machine and the disks of these worktrees; shares a reading that is under way. Never rejects. */
  look(worktrees: readonly string[]): Promise<void> {
    this.#looking ??= this.#look(worktrees).finally(() => {
      this.#looking = null;
    });
    return this.#looking;
  }

  /** What deciding may know; null: nothing that is recent enough. */
  view(): MachineView | null {
    const { stateDir, footprints, learned, config } = this.#parts;
    const { machine: limits } = config();
    const age = this.#age();
    if (!limits || this.#reading === null || age === null || age > READING_VALID_MS) return null;
    const known = new Map<string, ReturnType<typeof learned>>();
    return {
      reading: this.#reading,
      limits,
      stateDir,
      short: this.#short,
      held: footprints.held,
      // Asked for each task that waits; the same for all of a profile.
      footprintOf(executor) {
        const found = known.has(executor) ? known.get(executor) : learned(executor);
        known.set(executor, found ?? null);
        return found ?? null;
      },
    };
  }

  async #look(worktrees: readonly string[]): Promise<void> {
    const { clock, probe, stateDir, config } = this.#parts;
    const reading = await probe.read([stateDir, ...worktrees], clock.now());
    const { machine: limits } = config();
    // Without a look for a while it is not known whether what was short stayed short.
    const before = (this.#age() ?? Number.POSITIVE_INFINITY) > READING_VALID_MS ? [] : this.#short;
    this.#short = limits ? shortagesOf(reading, limits, before) : [];
    this.#reading = reading;
  }

  /** Null: never read, or the clock was set back since. */
  #age(): number | null {
    if (this.#reading === null) return null;
    const age = this.#parts.clock.now() - this.#reading.at;
    return age < 0 ? null : age;
  }
}
