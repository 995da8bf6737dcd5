// What the `wg` program of this machine can do, as a value for decisions. wg has changed its rules several times
// while its version stayed 0.1.0, so each rule is detected by what the program does, never by its name or folder.

import type { TaskStatus } from './task.ts';

/** The known ages of wg, oldest first: by the month in which each was the newest. */
export const WG_AGES = ['2026-03', '2026-05', '2026-08'] as const;
export type WgAge = (typeof WG_AGES)[number];

/** What one wg program can do. */
export interface WgCapabilities {
  /** The newest age whose abilities it has; for texts, and where no single ability decides. */
  readonly age: WgAge;
  /** Statuses of a dependency that let its dependents start. */
  readonly satisfying: readonly TaskStatus[];
  /** It reads tasks that are waiting, pending-validation, pending-eval, failed-pending-eval or incomplete. */
  readonly waitingStatuses: boolean;
  /** It reads lines of kind `archivedboundary`, which it leaves where tasks were archived. */
  readonly archivedBoundaries: boolean;
  /** It reads registry entries that are `parked` or `frozen`. */
  readonly parkedAgents: boolean;
  /** Tasks become done through completion candidates: it has `wg submit` and `wg candidate`. */
  readonly candidates: boolean;
  /** Tasks that it claims or reopens carry `lifecycle`. */
  readonly lifecycle: boolean;
  /** Tasks that it creates begin as drafts: they wait for `wg publish`. */
  readonly drafts: boolean;
  /** `wg add --verify`. */
  readonly addVerify: boolean;
  /** `wg add --no-place`. */
  readonly addNoPlace: boolean;
  /** `wg add --exec`. */
  readonly addExec: boolean;
  /** `wg add --cron`. */
  readonly addCron: boolean;
  /** `wg trace TASK` shows a task; if false, `wg trace show TASK` does. */
  readonly traceTask: boolean;
  /** Its commands, as it lists them. */
  readonly commands: ReadonlySet<string>;
}

/** What the probes of a program found; see `wg/capabilities.ts` for each probe. */
export interface WgProbes {
  /** Ids of ready tasks, where `after-STATUS` waits for a task of that status. */
  readonly ready: readonly string[];
  readonly readsWaiting: boolean;
  readonly readsBoundary: boolean;
  readonly readsParked: boolean;
  /** The line that `wg add` wrote; null: none that could be read. */
  readonly added: Readonly<Record<string, unknown>> | null;
  /** The same line after `wg claim`. */
  readonly claimed: Readonly<Record<string, unknown>> | null;
  readonly helpAll: string;
  readonly addHelp: string;
  readonly traceHelp: string;
}

/** Statuses that may let a dependent task start. */
export const PROBED_STATUSES = ['done', 'failed', 'abandoned'] as const satisfies readonly TaskStatus[];

/** Derives the capabilities from the answers. */
export function wgCapabilities(probes: WgProbes): WgCapabilities {
  const commands = new Set(
    [...probes.helpAll.matchAll(/^ {2}([a-z][a-z-]*)(?= )/gm)].map(([, name]) => name ?? ''),
  );
  const candidates = commands.has('submit') && commands.has('candidate');
  const flag = (name: string) => new RegExp(`^\\s+(?:-\\w, )?--${name}(?![\\w-])`, 'm').test(probes.addHelp);
  return {
    age: candidates ? '2026-08' : probes.readsParked ? '2026-05' : '2026-03',
    satisfying: PROBED_STATUSES.filter((status) => probes.ready.includes(`after-${status}`)),
    waitingStatuses: probes.readsWaiting,
    archivedBoundaries: probes.readsBoundary,
    parkedAgents: probes.readsParked,
    candidates,
    lifecycle: probes.claimed !== null && 'lifecycle' in probes.claimed,
    drafts: probes.added?.paused === true,
    addVerify: flag('verify'),
    addNoPlace: flag('no-place'),
    addExec: flag('exec'),
    addCron: flag('cron'),
    traceTask: !/^Commands:/m.test(probes.traceHelp),
    commands,
  };
}
