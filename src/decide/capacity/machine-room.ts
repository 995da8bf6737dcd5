// Whether the machine has room for one more local process: memory, processors, disk. What began to be short stays short
// until there is clearly more (hysteresis), and what runs is left alone.

import type { RunId } from '../../domain/ids.ts';
import type { MachineLimits, MachineReading } from '../../domain/machine.ts';
import { bytesText, type LearnedFootprint } from '../../domain/machine.ts';

/** Something the machine has too little of. */
export interface Shortage {
  readonly kind: 'memory' | 'load' | 'disk';
  /** What it is measured against: a folder for `disk`, else ''. */
  readonly of: string;
  /** With the figures as they were at `saidAt`. */
  readonly because: string;
  /** ms. */
  readonly since: number;
  readonly saidAt: number;
}

/** What deciding knows of the machine. */
export interface MachineView {
  readonly reading: MachineReading;
  readonly limits: MachineLimits;
  /** Its disk must have room whatever starts. */
  readonly stateDir: string;
  readonly short: readonly Shortage[];
  /** Memory that the processes of each run hold now, bytes, as far as it was measured. */
  readonly held: ReadonlyMap<RunId, number>;
  /** What runs of a profile take; null: too few were measured. */
  footprintOf(executor: string): LearnedFootprint | null;
}

/** A reading that is older says nothing any more, ms. */
export const READING_VALID_MS = 15_000;
/** From one reading to the next while anything is to start, ms. */
export const READ_EVERY_MS = 3_000;
/** How often the figures of a shortage that lasts are renewed, ms: each renewal changes the verdict of every queued task. */
const FIGURES_RENEWED_MS = 60_000;

/** What is short lasts until the pressure is below this share of its limit… */
const EASED = 0.7;
/** … or this much more than the least is available. */
const RECOVERED = 1.25;
const LEAST_SHARE = 0.05;

/** What is short by this reading, after what was short before. */
export function shortagesOf(
  reading: MachineReading,
  limits: MachineLimits,
  before: readonly Shortage[],
): readonly Shortage[] {
  const found: Shortage[] = [];
  const note = (kind: Shortage['kind'], of: string, judge: (wasShort: boolean) => string | null) => {
    const known = before.find((one) => one.kind === kind && one.of === of);
    const because = judge(known !== undefined);
    if (because === null) return;
    const isFresh = known && reading.at >= known.saidAt && reading.at < known.saidAt + FIGURES_RENEWED_MS;
    found.push(
      isFresh
        ? known
        : { kind, of, because, since: Math.min(known?.since ?? reading.at, reading.at), saidAt: reading.at },
    );
  };
  note('memory', '', (wasShort) => shortMemory(reading, limits, wasShort));
  note('load', '', (wasShort) => overloaded(reading, limits, wasShort));
  for (const [folder, disk] of reading.disks)
    note('disk', folder, (wasShort) => {
      const least = leastOf(limits.minDiskBytes, disk.totalBytes);
      if (disk.freeBytes >= least * (wasShort ? RECOVERED : 1)) return null;
      return `the disk of ${folder} is short of room: ${bytesText(disk.freeBytes)} free (min_disk ${bytesText(least)})`;
    });
  return found;
}

/** The least amount for a machine or disk of this size. */
function leastOf(limit: number, total: number): number {
  return Math.min(limit, total * LEAST_SHARE);
}

function shortMemory({ memory }: MachineReading, limits: MachineLimits, wasShort: boolean): string | null {
  if (memory === null) return null;
  const { pressure, availableBytes, totalBytes } = memory;
  const { memoryPressure } = limits;
  const short = (figures: string) => `the machine is short of memory: ${figures}`;
  if (pressure !== null && memoryPressure > 0 && pressure >= memoryPressure * (wasShort ? EASED : 1))
    return short(`some avg10 = ${Math.round(pressure)} % (limit ${memoryPressure} %)`);
  const least = leastOf(limits.minMemoryBytes, totalBytes);
  if (availableBytes >= least * (wasShort ? RECOVERED : 1)) return null;
  return short(
    `${bytesText(availableBytes)} of ${bytesText(totalBytes)} available (min_memory ${bytesText(least)})`,
  );
}

function overloaded({ load }: MachineReading, limits: MachineLimits, wasShort: boolean): string | null {
  if (load === null || limits.maxLoad <= 0 || load.cores < 1) return null;
  const ease = wasShort ? EASED : 1;
  const perCore = load.average / load.cores;
  if (perCore < limits.maxLoad * ease) return null;
  // The load average also counts what waits for a disk; processes that get their time are no overload.
  const { pressure } = load;
  const isWaited = pressure === null || limits.cpuPressure <= 0 || pressure >= limits.cpuPressure * ease;
  if (!isWaited) return null;
  const waited = pressure === null ? '' : `, some avg60 = ${Math.round(pressure)} %`;
  return (
    `the machine is overloaded: load ${load.average.toFixed(1)} on ${load.cores} ` +
    `${load.cores === 1 ? 'core' : 'cores'} (max_load ${limits.maxLoad} a core${waited})`
  );
}

/** The codes of what the machine lacks. */
export type MachineLack = 'machine-memory' | 'machine-load' | 'machine-disk';

/** A local process: what runs, or is let in. */
interface Local {
  readonly executor: string;
  /** Null: it is only being let in. */
  readonly run: RunId | null;
}

/** The room of the machine while plans are let in, one after the other. */
export class MachineRoom {
  readonly #view: MachineView;
  /** Memory that what runs is still expected to take. */
  #expected = 0;
  #locals = 0;

  constructor(view: MachineView, running: readonly Local[]) {
    this.#view = view;
    for (const local of running) this.take(local);
  }

  /** One more local process. */
  take({ executor, run }: Local): void {
    const { held } = this.#view;
    this.#locals++;
    const whole = this.#view.footprintOf(executor)?.bytes ?? 0;
    this.#expected += Math.max(0, whole - (run === null ? 0 : (held.get(run) ?? 0)));
  }

  /** Why one more of this profile may not start in this worktree; null: it may. */
  lacks(executor: string, worktree: string): { readonly code: MachineLack; readonly because: string } | null {
    const { short, stateDir } = this.#view;
    const footprint = this.#view.footprintOf(executor);
    for (const { kind, of, because } of short)
      if (kind !== 'disk' || of === worktree || of === stateDir)
        return {
          code: `machine-${kind}`,
          because: kind === 'disk' ? because : because + takes(executor, footprint, kind),
        };
    return this.#tooLittleLeft(executor, footprint);
  }

  /** Those that have just started have not taken their memory yet. One alone always may start: no other will end. */
  #tooLittleLeft(executor: string, footprint: LearnedFootprint | null) {
    const { reading, limits } = this.#view;
    if (this.#locals === 0 || footprint === null || reading.memory === null || limits.minMemoryBytes <= 0)
      return null;
    const { availableBytes, totalBytes } = reading.memory;
    const least = leastOf(limits.minMemoryBytes, totalBytes);
    if (availableBytes - this.#expected - footprint.bytes >= least) return null;
    const expected =
      this.#expected > 0 ? `, of which those that run are expected to take ${bytesText(this.#expected)}` : '';
    const because =
      `the machine has too little memory for one more: ${bytesText(availableBytes)} available${expected}` +
      takes(executor, footprint, 'memory');
    return { code: 'machine-memory' as const, because };
  }
}

function takes(executor: string, footprint: LearnedFootprint | null, kind: 'memory' | 'load'): string {
  if (footprint === null) return '';
  const { runs, bytes, cores } = footprint;
  const amount =
    kind === 'memory'
      ? bytesText(bytes)
      : `${cores.toFixed(1)} ${cores.toFixed(1) === '1.0' ? 'core' : 'cores'}`;
  return `; ${executor} takes ${amount} (p90 of ${runs} ${runs === 1 ? 'run' : 'runs'})`;
}
