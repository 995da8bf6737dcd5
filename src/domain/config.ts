// supervisor.toml as the program uses it: resolved, defaults filled in, durations in milliseconds.

import type { BrokenProfile, Profile, SecretValue } from './profile.ts';
import type { SchedulePolicy } from './schedule-policy.ts';

/** How a failed attempt is tried again. */
export interface RetryPolicy {
  /** Attempts in all, the first included. */
  readonly attempts: number;
  readonly backoffMs: number;
  readonly maxBackoffMs: number;
}

/** Where TCP opens: `auto` on loopback when a profile needs callbacks. Port 0 picks a free one; IPv6 hosts have no brackets. */
export type ListenSetting =
  | { readonly kind: 'off' }
  | { readonly kind: 'auto' }
  | { readonly kind: 'at'; readonly host: string; readonly port: number };

export interface RepoSettings {
  /** Absolute path of the repository or of any of its worktrees. */
  readonly path: string;
  /** Share among repositories when there is more work than room; 1 is normal. */
  readonly weight: number;
  readonly maxConcurrent: number | null;
  readonly maxConcurrentPerWorktree: number | null;
  /** Globs on worktree paths; empty include means all. */
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  /** Whether the worktrees' own `[executors]` count. */
  readonly trust: boolean;
  /** `once`: the same committed task runs in one worktree only; `each`: every copy is its own task. */
  readonly duplicates: 'once' | 'each';
  /**
   * What happens where a task's line is older than what was written of it: `restore` writes it again where that can be
   * proven and holds the task where not, `hold` only holds it, `rerun` believes the older line.
   */
  readonly onRewind: 'restore' | 'hold' | 'rerun';
}

export interface RootSettings {
  readonly path: string;
  /** How many folder levels below `path` are searched for repositories. */
  readonly depth: number;
  readonly trust: boolean;
}

/** What people can be told of. */
export const NOTIFY_EVENTS = [
  'task.started',
  'task.completed',
  'task.failed',
  'task.retrying',
  'task.stale',
  'task.input_required',
  'task.input_answered',
  'task.held',
  'supervisor.problem',
] as const;
export type NotifyEvent = (typeof NOTIFY_EVENTS)[number];

/** A webhook of the user's own. */
export interface NotifySettings {
  readonly url: string;
  /** Standard Webhooks secrets, newest first; empty: unsigned. */
  readonly secrets: readonly SecretValue[];
  readonly events: readonly NotifyEvent[];
  /** How long a task may be held before that is told, ms. */
  readonly heldAfterMs: number;
}

export interface Config {
  /** Absolute path of supervisor.toml, or null when there is none and built-in defaults are used. */
  readonly file: string | null;
  readonly maxConcurrent: number;
  readonly mode: 'dispatch' | 'observe';
  /** IANA name, resolved. */
  readonly timezone: string;
  /** True when no file names a zone: it is this machine's then, and follows when that changes. */
  readonly timezoneIsMachines?: boolean;
  /** What schedules do unless their profile says otherwise. */
  readonly schedule: SchedulePolicy;
  readonly whenWgDaemon: 'yield' | 'ignore';
  readonly repos: readonly RepoSettings[];
  readonly roots: readonly RootSettings[];
  readonly profiles: ReadonlyMap<string, Profile>;
  readonly brokenProfiles: ReadonlyMap<string, BrokenProfile>;
  readonly retry: RetryPolicy;
  readonly limits: {
    /** Longest graph line that is read, bytes. */
    readonly maxLineBytes: number;
    /** Largest graph that is read, bytes. */
    readonly maxGraphBytes: number;
    /** Largest request body, bytes. */
    readonly maxBodyBytes: number;
    /** How often every graph is looked at even if nothing was heard, ms. */
    readonly safetyPassMs: number;
    /** How often worktrees are listed even if nothing was heard, ms. */
    readonly relistMs: number;
    /** How long a claim or a result must be missing from a graph before anything follows from that, ms. */
    readonly rewindGraceMs: number;
  };
  readonly shutdown: {
    /** From the polite signal to the next harder one, ms. */
    readonly graceMs: number;
    /** How long an agent may still tidy up after its task was declared done, ms. */
    readonly lingerMs: number;
  };
  /** How long what is over is kept. */
  readonly retention: {
    /** Runs that have ended, in the ledger, ms. */
    readonly runsMs: number;
    /** Their folders with output and prompt, ms. */
    readonly outputMs: number;
  };
  readonly api: {
    readonly listen: ListenSetting;
    readonly publicUrl: string | null;
    readonly allowRemote: boolean;
    readonly allowedHosts: readonly string[];
    readonly allowedOrigins: readonly string[];
  };
  /** Whom events are sent to; absent: nobody. */
  readonly notify?: readonly NotifySettings[];
  readonly log: {
    readonly level: 'debug' | 'info' | 'warn' | 'error';
    readonly format: 'auto' | 'json' | 'pretty';
  };
}
