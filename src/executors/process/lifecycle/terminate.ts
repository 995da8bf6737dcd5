// Stops the processes of a run: its process group, and any that left it, found by the run's mark in the environment.
// Politely first, then harder, each time only after checking again who is signalled.

import type { ProcessIdentity } from '../../../domain/run.ts';
import type { Clock } from '../../../platform/clock.ts';
import type { Processes } from './process-table.ts';

/** How the processes of a run are stopped. */
export interface Ending {
  readonly clock: Clock;
  readonly processes: Processes;
  readonly stateDir: string;
  /** From one signal to the next harder one, ms. */
  readonly graceMs: number;
}

/** The kernel ends a killed process at once unless a device blocks it; waiting longer than this is pointless. */
const KILL_WAIT_MS = 5_000;
const LOOK_EVERY_MS = 20;

/** The live processes of one run. */
interface Remains {
  /** A live member of the run's own group, if it has one. */
  readonly witness: ProcessIdentity | null;
  readonly group: readonly ProcessIdentity[];
  /** Marked processes outside that group. */
  readonly escaped: readonly ProcessIdentity[];
}

/** All live processes of a run. A group counts as the run's only by its leader's start time or a member's mark. */
export async function remainsOf(
  run: string,
  leader: ProcessIdentity | null,
  means: Pick<Ending, 'processes' | 'stateDir'>,
): Promise<Remains> {
  const { processes, stateDir } = means;
  const marked = (await processes.marked()).filter((one) => one.run === run && one.stateDir === stateDir);
  const members = leader === null ? [] : await processes.group(leader.pid);
  const pids = new Set(members.map((member) => member.pid));
  const witness =
    (leader !== null && processes.isAlive(leader) ? leader : undefined) ??
    marked.find((one) => pids.has(one.pid)) ??
    null;
  // Without such a member the group number may have been reused.
  const group = witness === null ? [] : members;
  return { witness, group, escaped: marked.filter((one) => group.length === 0 || !pids.has(one.pid)) };
}

/**
 * Stops every process of a run with escalating signals and resolves when none is left, with those that even SIGKILL
 * did not stop. SIGINT goes to the group only: a program that cleans up its own tools must be able to do so
 * undisturbed.
 */
export async function endRunProcesses(
  run: string,
  leader: ProcessIdentity | null,
  ladder: readonly NodeJS.Signals[],
  means: Ending,
): Promise<readonly ProcessIdentity[]> {
  for (const signal of ladder) {
    const waitMs = signal === 'SIGKILL' ? KILL_WAIT_MS : means.graceMs;
    const until = means.clock.now() + waitMs;
    // New processes may appear while old ones are stopped: the last step checks again until nothing is found.
    do {
      const remains = await remainsOf(run, leader, means);
      if (remains.group.length + remains.escaped.length === 0) return [];
      const waited = signalRemains(remains, leader, signal, means.processes);
      const gone = await allGone(waited, until, means);
      if (!gone || signal !== 'SIGKILL') break;
      // Processes that may not be signalled are not waited for above, and would be found again at once.
      if (waited.length === 0) await means.clock.sleep(LOOK_EVERY_MS);
    } while (means.clock.now() < until);
  }
  const { group, escaped } = await remainsOf(run, leader, means);
  return [...group, ...escaped];
}

/** Signals what remains; returns the processes worth waiting for. */
function signalRemains(
  remains: Remains,
  leader: ProcessIdentity | null,
  signal: NodeJS.Signals,
  processes: Processes,
): readonly ProcessIdentity[] {
  const waited: ProcessIdentity[] = [];
  const all = (who: Remains['witness'], members: readonly ProcessIdentity[]) => {
    if (who === null || leader === null || !processes.signalGroup(leader.pid, who, signal)) return;
    // A stopped process handles a polite signal only once it is continued.
    if (signal !== 'SIGKILL') processes.signalGroup(leader.pid, who, 'SIGCONT');
    waited.push(...members);
  };
  all(remains.witness, remains.group);
  if (signal === 'SIGINT' && waited.length > 0) return waited;
  for (const one of remains.escaped) {
    if (!processes.signal(one, signal)) continue;
    if (signal !== 'SIGKILL') processes.signal(one, 'SIGCONT');
    waited.push(one);
  }
  return waited;
}

/** Waits until none of them lives; false if the time is up first. */
async function allGone(who: readonly ProcessIdentity[], until: number, means: Ending): Promise<boolean> {
  while (who.some((one) => means.processes.isAlive(one))) {
    if (means.clock.now() >= until) return false;
    await means.clock.sleep(LOOK_EVERY_MS);
  }
  return true;
}

/** A process without a run that was stopped. */
export interface SweptProcess {
  readonly pid: number;
  readonly run: string;
}

/**
 * Stops every process of this supervisor's agents that belongs to no open run: left over from a crash between
 * spawning and recording the pid, or from a finished run. `held` is evaluated after the processes were listed, so
 * that a run opened in between is not mistaken for an orphan; pass a function if runs may be opened meanwhile.
 */
export async function sweepOrphans(
  held: ReadonlySet<string> | (() => ReadonlySet<string>),
  means: Ending,
): Promise<readonly SweptProcess[]> {
  const found = (await means.processes.marked()).filter((one) => one.stateDir === means.stateDir);
  const runs = typeof held === 'function' ? held() : held;
  const orphans = found.filter((one) => !runs.has(one.run));
  const ladder = ['SIGTERM', 'SIGKILL'] as const;
  await Promise.all(
    [...new Set(orphans.map((one) => one.run))].map((run) => endRunProcesses(run, null, ladder, means)),
  );
  return orphans.map(({ pid, run }) => ({ pid, run }));
}
