// supervisor.toml as the program uses it: resolved, with defaults, durations in milliseconds.

import type { Budget } from './budget.ts';
import type { MachineLimits } from './machine.ts';
import type { BrokenProfile, Profile, SecretValue } from './profile.ts';
import type { SchedulePolicy } from './schedule-policy.ts';

/** How a failed attempt is retried. */
export interface RetryPolicy {
  /** Attempts in all, the first included. */
  readonly attempts: number;
  readonly backoffMs: number;
  readonly maxBackoffMs: number;
}

/**
 * Where TCP listens: `auto` on loopback if a profile needs callbacks. Port 0 picks a free one; IPv6 hosts have no
 * brackets.
 */
export type ListenSetting =
  | { readonly kind: 'off' }
  | { readonly kind: 'auto' }
  | { readonly kind: 'at'; readonly host: string; readonly port: number };

export interface RepoSettings {
  /** Absolute path of the repository or of any of its worktrees. */
  readonly path: string;
  /** Share among repositories when there is more work than capacity; 1 is normal. */
  readonly weight: number;
  readonly maxConcurrent: number | null;
  readonly maxConcurrentPerWorktree: number | null;
  /** Globs on worktree paths; an empty include means all. */
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  /** Whether the worktrees' own `[executors]` count. */
  readonly trust: boolean;
  /** `once`: the same committed task runs in one worktree only; `each`: every copy is its own task. */
  readonly duplicates: 'once' | 'each';
  /**
   * What happens when a task's line is older than what was written to it: `restore` writes it again if that is
   * provably right and holds the task otherwise, `hold` only holds it, `rerun` believes the older line.
   */
  readonly onRewind: 'restore' | 'hold' | 'rerun';
  /** The same for worktrees of single tasks; absent: they share the one of their graph. */
  readonly worktree?: 'own' | 'shared';
  /** Shell commands before and after each run whose profile has none of its own; absent: none. */
  readonly beforeRun?: string;
  readonly afterRun?: string;
}

export interface RootSettings {
  readonly path: string;
  /** How many folder levels below `path` are searched for repositories. */
  readonly depth: number;
  readonly trust: boolean;
}

/** Kinds of notifications. */
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

/** The shape of what is sent. */
export const NOTIFY_FORMATS = ['webhook', 'ntfy', 'slack', 'discord', 'desktop'] as const;
export type NotifyFormat = (typeof NOTIFY_FORMATS)[number];

/** Where the desktop's notifications are queued for, in place of a URL. */
export const DESKTOP_TARGET = 'desktop:';

/** A recipient of notifications configured by the user. */
export interface NotifySettings {
  /** `desktop:` for the desktop. */
  readonly url: string;
  /** Absent: webhook. */
  readonly format?: NotifyFormat;
  /** Sent as a bearer token. */
  readonly token?: SecretValue;
  /** The local time of day of a digest, `18:00`; absent: none. */
  readonly digestAt?: string;
  /** Standard Webhooks secrets, newest first; empty: unsigned. */
  readonly secrets: readonly SecretValue[];
  readonly events: readonly NotifyEvent[];
  /** How long a task may be held before a notification, ms. */
  readonly heldAfterMs: number;
}

export interface Config {
  /** Absolute path of supervisor.toml, or null when there is none and built-in defaults are used. */
  readonly file: string | null;
  readonly maxConcurrent: number;
  readonly mode: 'dispatch' | 'observe';
  /** IANA name, resolved. */
  readonly timezone: string;
  /** True if no file names a zone: then it is this machine's, and follows its changes. */
  readonly timezoneIsMachines?: boolean;
  /** The policy of schedules whose profile does not set one. */
  readonly schedule: SchedulePolicy;
  readonly whenWgDaemon: 'yield' | 'ignore';
  readonly repos: readonly RepoSettings[];
  readonly roots: readonly RootSettings[];
  readonly profiles: ReadonlyMap<string, Profile>;
  readonly brokenProfiles: ReadonlyMap<string, BrokenProfile>;
  readonly retry: RetryPolicy;
  readonly limits: {
    /** Longest graph line that is accepted, bytes. */
    readonly maxLineBytes: number;
    /** Largest graph that is accepted, bytes. */
    readonly maxGraphBytes: number;
    /** Largest request body, bytes. */
    readonly maxBodyBytes: number;
    /** How often every graph is checked even without a change event, ms. */
    readonly safetyPassMs: number;
    /** How often worktrees are listed even without a change event, ms. */
    readonly relistMs: number;
    /** How long a claim or a result must be missing from a graph before that has consequences, ms. */
    readonly rewindGraceMs: number;
  };
  readonly shutdown: {
    /** From the polite signal to the next harder one, ms. */
    readonly graceMs: number;
    /** How long an agent may still clean up after its task was reported done, ms. */
    readonly lingerMs: number;
  };
  /** How long finished runs and their files are kept. */
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
    /** The page may be opened on this machine. */
    readonly page: boolean;
  };
  /** How little of the machine may be left before nothing more starts; absent: it is not looked at. */
  readonly machine?: MachineLimits;
  /** What agents may spend; absent: as much as they like. */
  readonly budgets?: readonly Budget[];
  /** The recipients of events; absent: none. */
  readonly notify?: readonly NotifySettings[];
  readonly log: {
    readonly level: 'debug' | 'info' | 'warn' | 'error';
    readonly format: 'auto' | 'json' | 'pretty';
  };
}
