// What must hold after every walk, asked of the agents' own journal, the ledger and the graphs that are left.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { graphOf } from '../../src/cli/drill/operations.ts';
import { isOpenRun } from '../../src/domain/run.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { openLedger } from '../../src/runs/ledger.ts';
import type { Stage } from './stage.ts';

/** What can be wrong, by what it means for the person whose work it is. */
export type Kind =
  /** A task that had succeeded was started again. */
  | 'twice'
  /** Work that was done is not known to the ledger as done. */
  | 'lost'
  /** More starts than attempts and setbacks allow. */
  | 'starts'
  /** In progress, and no one works on it. */
  | 'stranded'
  /** An agent was ended although no one had decided so. */
  | 'killed'
  /** What a worker outside reported was refused for good. */
  | 'refused'
  /** An open task of which status says nothing. */
  | 'silent'
  /** The graph or the status cannot be read. */
  | 'broken';

export interface Finding {
  readonly kind: Kind;
  readonly what: string;
}

/** An attempt that was interrupted by what git did may be made again so often, before someone has to look. */
const SETBACKS = 2;

const readGraph = (worktree: string): Map<string, Record<string, unknown>> | null => {
  try {
    const lines = readFileSync(graphOf(worktree), 'utf8').split('\n').filter(Boolean);
    return new Map(
      lines.map((line) => JSON.parse(line) as Record<string, unknown>).map((task) => [String(task.id), task]),
    );
  } catch {
    return null;
  }
};

const runsOf = async (stage: Stage) => {
  const file = join(stage.playground.stateDir, 'ledger.sqlite');
  const ledger = await openLedger({ file, clock: systemClock(), readOnly: true });
  const runs = ledger?.runs() ?? [];
  ledger?.close();
  return runs;
};

/** Whether no one works, and no run is open that can end. */
export async function isQuiet(stage: Stage, places: readonly (string | null)[]): Promise<boolean> {
  if (stage.workers.busy() > 0) return false;
  const words = new Map(stage.journal.entries().map(({ run, word }) => [run, word]));
  // Before it is there, and while it is brought up to date, a ledger cannot be read.
  const runs = await runsOf(stage).catch(() => null);
  if (runs === null) return false;
  for (const run of runs) {
    if (isOpenRun(run) && existsSync(run.graph)) return false;
    if (isOpenRun(run) && words.get(run.id) === 'start') return false;
  }
  return places.every((place) => {
    const tasks = place === null ? null : readGraph(place);
    return ![...(tasks?.values() ?? [])].some((task) => task.status === 'in-progress');
  });
}

export async function findingsOf(walked: {
  readonly stage: Stage;
  readonly places: readonly (string | null)[];
  /** Worktrees in which git or a person removed what runs had written. */
  readonly wiped: ReadonlySet<string>;
  readonly status: unknown;
}): Promise<readonly Finding[]> {
  const { stage, places, wiped, status } = walked;
  const found: Finding[] = [];
  const say = (kind: Kind, what: string) => void found.push({ kind, what });
  const entries = stage.journal.entries();
  const runs = new Map((await runsOf(stage)).map((run) => [String(run.id), run]));
  const ended = new Set(entries.filter(({ word }) => word === 'end').map(({ run }) => run));

  /** Of a copy of the task, too, which ran in another worktree than its own. */
  const isWiped = (home: string, run: string) =>
    wiped.has(home) || wiped.has(runs.get(run)?.worktree ?? home);

  for (const [task, { starts, home }] of stage.tasks) {
    const own = entries.filter((entry) => entry.task === task);
    let ends = 0;
    let begun = 0;
    const again: string[] = [];
    for (const { word, run } of own) {
      if (word === 'start') {
        begun++;
        if (ends >= starts) again.push(run);
      } else if (word === 'end') ends++;
      else if (!isWiped(home, run))
        say(
          'killed',
          `${task}: ${run} ended as ${JSON.stringify(runs.get(run)?.outcome)}, ${runs.get(run)?.phase}`,
        );
    }
    if (again.length > 0) say('twice', `${task} had succeeded when these started: ${again.join(' ')}`);
    if (begun > starts + SETBACKS) say('starts', `${task} was started ${begun} times`);
    const last = own.filter(({ word }) => word === 'end').at(-1);
    if (ends >= starts && last && !isWiped(home, last.run) && !isKept(last.run, task, runs, places))
      say(
        'lost',
        `${task}: ${last.run} had ended, but is ${JSON.stringify(runs.get(last.run)?.outcome)}, ${runs.get(last.run)?.phase}`,
      );
  }
  for (const refusal of stage.workers.refusals) say('refused', refusal);
  for (const place of places) {
    if (place === null) continue;
    const tasks = readGraph(place);
    if (tasks === null) continue;
    for (const [id, task] of tasks)
      if (
        task.status === 'in-progress' &&
        ![...runs.values()].some((run) => run.task === id && isOpenRun(run) && !ended.has(run.id))
      )
        say(
          'stranded',
          `${id} in ${place} is in progress as ${String(task.assigned)}, and no one works on it`,
        );
  }
  if (!isReport(status)) say('broken', 'status could not be asked');
  else
    for (const place of places) {
      const row = status.worktrees.find(({ path }) => path === place);
      if (place !== null && row === undefined) say('silent', `${place} is not in status`);
    }
  return found;
}

/** Known as succeeded to the ledger, or done in a graph that is still there. */
function isKept(
  run: string,
  task: string,
  runs: ReadonlyMap<string, { readonly outcome: { readonly kind: string } | null }>,
  places: readonly (string | null)[],
): boolean {
  if (runs.get(run)?.outcome?.kind === 'succeeded') return true;
  return places.some((place) => place !== null && readGraph(place)?.get(task)?.status === 'done');
}

interface Report {
  readonly supervisor: { readonly running: boolean };
  readonly worktrees: readonly {
    readonly path: string;
    readonly counts: Readonly<Record<string, number>>;
  }[];
}

const isReport = (value: unknown): value is Report =>
  typeof value === 'object' && value !== null && 'worktrees' in value && Array.isArray(value.worktrees);

/** Whether a running supervisor says that it has seen the graphs and has nothing more to start. */
export const isIdle = (status: unknown): boolean =>
  isReport(status) &&
  status.supervisor.running &&
  status.worktrees.length > 0 &&
  status.worktrees.every(({ counts }) => !counts.ready && !counts.running && !counts.queued);
