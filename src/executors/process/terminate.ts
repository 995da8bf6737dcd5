// Ends what belongs to a run: its process group, and whatever left it, found by the run's mark in the environment.
// Politely first, then harder, each time only after recognising again who is signalled.

import type { ProcessIdentity } from '../../domain/run.ts';
import type { Clock } from '../../platform/clock.ts';
import type { Processes } from './process-table.ts';

/** How the processes of a run are ended, and by which means. */
export interface Ending {
  readonly clock: Clock;
  readonly processes: Processes;
  readonly stateDir: string;
  /** From one signal to the next harder one, ms. */
  readonly graceMs: number;
}

/** The kernel ends a killed process at once unless a device keeps it; no use in waiting longer than this. */
const KILL_WAIT_MS = 5_000;
const LOOK_EVERY_MS = 20;

/** What is alive of one run. */
interface Remains {
  /** A live member of the run's own group, when it has one. */
  readonly witness: ProcessIdentity | null;
  readonly group: readonly ProcessIdentity[];
  /** Marked processes outside of that group. */
  readonly escaped: readonly ProcessIdentity[];
}

/** Everything alive of a run. A group counts as the run's only by its leader's start time or a member's mark. */
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
  // Without a witness the number has passed to strangers since.
  const group = witness === null ? [] : members;
  return { witness, group, escaped: marked.filter((one) => group.length === 0 || !pids.has(one.pid)) };
}

/**
 * Ends every process of a run by a ladder of signals and resolves when none is left, with those that even SIGKILL did
 * not end. SIGINT reaches the group only: a program that tidies up its own tools on it is to do so undisturbed.
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
    // New processes appear while old ones are ended: the last rung looks again until nothing is found.
    do {
      const remains = await remainsOf(run, leader, means);
      if (remains.group.length + remains.escaped.length === 0) return [];
      const waited = signalRemains(remains, leader, signal, means.processes);
      const gone = await allGone(waited, until, means);
      if (!gone || signal !== 'SIGKILL') break;
      // What may not be signalled is not waited for above, and is still there when it is looked for again at once.
      if (waited.length === 0) await means.clock.sleep(LOOK_EVERY_MS);
    } while (means.clock.now() < until);
  }
  const { group, escaped } = await remainsOf(run, leader, means);
  return [...group, ...escaped];
}

/** Signals what remains; the processes worth waiting for. */
function signalRemains(
  remains: Remains,
  leader: ProcessIdentity | null,
  signal: NodeJS.Signals,
  processes: Processes,
): readonly ProcessIdentity[] {
  const waited: ProcessIdentity[] = [];
  const all = (who: Remains['witness'], members: readonly ProcessIdentity[]) => {
    if (who === null || leader === null || !processes.signalGroup(leader.pid, who, signal)) return;
    // A stopped process takes a polite signal only once it goes on.
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

/** Waits until none of them lives; false when the time is up first. */
async function allGone(who: readonly ProcessIdentity[], until: number, means: Ending): Promise<boolean> {
  while (who.some((one) => means.processes.isAlive(one))) {
    if (means.clock.now() >= until) return false;
    await means.clock.sleep(LOOK_EVERY_MS);
  }
  return true;
}

/** A process that nobody's run held, and that was ended. */
export interface SweptProcess {
  readonly pid: number;
  readonly run: string;
}

/**
 * Ends every process of this supervisor's agents whose run nobody holds: left over from a crash between spawning and
 * noting the pid, or from a run that has ended. `held` is asked after the processes were listed, so that a run opened
 * in between is not taken for an orphan; give a function where runs may be opened meanwhile.
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
