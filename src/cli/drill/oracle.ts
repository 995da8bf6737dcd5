// What is wrong at the end of a drill. The witnesses are the agents' own journal, the graph files and the process
// table: what the supervisor remembers is not asked.

import type { Entry } from './journal.ts';
import type { Marked } from './processes.ts';
import type { DrillTask } from './stage.ts';

export type FindingKind =
  /** A task was started again although it had succeeded, was running, or nothing had ended its run. */
  | 'twice'
  /** Work that was done, or an edit of another program, is not in the graph. */
  | 'lost'
  /** A task did not come to its end. */
  | 'stranded'
  /** A process of an agent is left. */
  | 'orphan'
  /** The supervisor itself ended, or the drill could not ask. */
  | 'broken';

export interface Finding {
  readonly kind: FindingKind;
  readonly what: string;
}

/** What the drill saw. */
export interface Evidence {
  readonly tasks: readonly DrillTask[];
  readonly entries: readonly Entry[];
  /** By worktree: the status of each task in its graph; null: the graph cannot be read. */
  readonly graphs: ReadonlyMap<string, ReadonlyMap<string, string> | null>;
  /** Reports of agents that were refused for good, edits that are missing, ends of the supervisor. */
  readonly refusals: readonly string[];
  readonly missingEdits: readonly string[];
  readonly crashes: readonly string[];
  readonly left: readonly Marked[];
}

/** Everything that is wrong; nothing is expected to be. */
export function findingsOf(evidence: Evidence): Finding[] {
  const byTask = entriesByTask(evidence.entries);
  const found: Finding[] = [];
  for (const task of evidence.tasks) {
    const own = byTask.get(task.id) ?? [];
    const status = evidence.graphs.get(task.worktree)?.get(task.id) ?? null;
    found.push(...ofTask(task, own, status));
  }
  for (const [path, tasks] of evidence.graphs)
    if (tasks === null) found.push({ kind: 'broken', what: `the graph of ${path} cannot be read` });
  for (const what of evidence.refusals) found.push({ kind: 'lost', what: `a report was refused: ${what}` });
  for (const what of evidence.missingEdits)
    found.push({ kind: 'lost', what: `an edit is not in the graph: ${what}` });
  for (const what of evidence.crashes) found.push({ kind: 'broken', what });
  for (const { pid, what } of evidence.left)
    found.push({ kind: 'orphan', what: `process ${pid} is left: ${what.slice(0, 100)}` });
  return found;
}

/** What is wrong whatever happens later. */
export function alreadyWrong(tasks: readonly DrillTask[], entries: readonly Entry[]): Finding[] {
  const byTask = entriesByTask(entries);
  return tasks.flatMap((task) =>
    ofTask(task, byTask.get(task.id) ?? [], null).filter(({ kind }) => kind === 'twice'),
  );
}

function entriesByTask(entries: readonly Entry[]): Map<string, Entry[]> {
  const byTask = new Map<string, Entry[]>();
  for (const entry of entries) byTask.set(entry.task, [...(byTask.get(entry.task) ?? []), entry]);
  return byTask;
}

type Ended = 'end' | 'fail' | 'killed' | 'shot';

function ofTask(task: DrillTask, entries: readonly Entry[], status: string | null): Finding[] {
  const found: Finding[] = [];
  const say = (kind: FindingKind, what: string) => void found.push({ kind, what: `${task.id}: ${what}` });
  /** Each run in the order of its start, and how it ended; null: it runs. */
  const runs = new Map<string, Ended | null>();
  /** Shot runs may have ended a moment before: that decides nothing, either way. */
  const shot = new Set(entries.filter(({ word }) => word === 'shot').map(({ run }) => run));
  for (const { word, run } of entries) {
    if (word === 'start') {
      for (const what of wrongStart(run, runs)) say('twice', what);
      runs.set(run, null);
      continue;
    }
    if (word === 'killed' && !shot.has(run))
      say('lost', `the agent of ${run} was ended, and no one decided that`);
    if (runs.get(run) !== 'shot') runs.set(run, shot.has(run) ? 'shot' : word);
  }
  const ends = [...runs.values()];
  const failed = ends.filter((how) => how === 'fail').length;
  if (failed > (task.failsFirst ? 1 : 0)) say('twice', `its first attempt was made ${failed} times`);
  for (const { kind, what } of wrongEnd(ends, status)) say(kind, what);
  return found;
}

function wrongStart(run: string, runs: ReadonlyMap<string, Ended | null>): string[] {
  const found = runs.has(run) ? [`${run} was started twice`] : [];
  for (const [earlier, how] of runs) {
    if (earlier === run) continue;
    if (how === 'end') found.push(`${run} was started after ${earlier} had succeeded`);
    if (how === null) found.push(`${run} was started while ${earlier} was running`);
  }
  return found;
}

function wrongEnd(ends: readonly (Ended | null)[], status: string | null): Finding[] {
  const succeeded = ends.includes('end');
  const says = `its graph says ${status ?? 'nothing'}`;
  if (status !== 'done')
    return succeeded
      ? [{ kind: 'lost', what: `it succeeded, and ${says}` }]
      : [{ kind: 'stranded', what: `${says} after ${ends.length} runs` }];
  const found: Finding[] = [];
  if (!succeeded && !ends.includes('shot'))
    found.push({ kind: 'lost', what: `${says}, and no agent did it` });
  if (ends.includes(null)) found.push({ kind: 'twice', what: `${says} while an agent works on it` });
  return found;
}
