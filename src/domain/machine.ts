// The state of the machine, and how little of what it has may be left before nothing more starts on it.

/** What one look at the machine found. Bytes; shares in per cent. What is not known is null. */
export interface MachineReading {
  /** ms. */
  readonly at: number;
  readonly memory: {
    readonly availableBytes: number;
    readonly totalBytes: number;
    /** In the last 10 s some process waited for memory in this share of the time (Linux PSI). */
    readonly pressure: number | null;
  } | null;
  readonly load: {
    /** The load average of one minute. */
    readonly average: number;
    readonly cores: number;
    /** In the last minute some process waited for a processor in this share of the time (Linux PSI). */
    readonly pressure: number | null;
  } | null;
  /** Free space by folder: those that were asked for, as far as their file systems answered. */
  readonly disks: ReadonlyMap<string, DiskSpace>;
}

export interface DiskSpace {
  readonly freeBytes: number;
  readonly totalBytes: number;
}

/** `[machine]`: from where on nothing more starts. 0 turns a rule off. */
export interface MachineLimits {
  /** Per cent of the time, `some avg10` of memory pressure. */
  readonly memoryPressure: number;
  /** Stays available, bytes, or 5 % of a machine with less than twenty times that. */
  readonly minMemoryBytes: number;
  /** Load average of one minute per core, together with `cpuPressure` where that is known. */
  readonly maxLoad: number;
  /** Per cent of the time, `some avg60` of processor pressure. */
  readonly cpuPressure: number;
  /** Stays free on the file systems of worktrees and state, bytes, or 5 % of a smaller one. */
  readonly minDiskBytes: number;
}

/** What the processes of one run took. */
export interface Footprint {
  /** The most memory that they held together at any look, bytes. */
  readonly peakBytes: number;
  /** Processor time, ms. */
  readonly cpuMs: number;
}

/** What a profile's runs take, learned from those that were measured. */
export interface LearnedFootprint {
  /** How many were measured. */
  readonly runs: number;
  /** Nine of ten runs held less memory than this, bytes. */
  readonly bytes: number;
  /** Nine of ten kept fewer processors busy than this. */
  readonly cores: number;
}

/** Amounts of memory and disk for people: `0.9 GB`, `340 MB`. */
export function bytesText(bytes: number): string {
  if (bytes >= 9.95e9) return `${Math.round(bytes / 1e9)} GB`;
  if (bytes >= 0.95e9) return `${(bytes / 1e9).toFixed(1)} GB`;
  return `${Math.round(bytes / 1e6)} MB`;
}
