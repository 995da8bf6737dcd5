// What became different between two decisions: for each task the new verdict, where it says something else than before.
// Pure; it looks only at what may have changed.

import type { GraphPath, TaskId } from '../../domain/ids.ts';
import type { Steps } from '../../domain/steps.ts';
import type { Verdict } from '../../domain/verdict.ts';
import type { GraphVerdicts } from './graph-verdicts.ts';
import type { Verdicts } from './verdicts.ts';

/** What is remembered of a verdict. */
export type VerdictWords = Pick<Verdict, 'state' | 'code' | 'because'>;

interface Seen {
  readonly kept: GraphVerdicts;
  /** The subjects of the tasks that were judged by the tick. */
  readonly passing: ReadonlyMap<TaskId, string>;
}

/** Codes whose sentence names what uses the capacity at the moment: another name in it is no news. */
const CAPACITY_CODES: ReadonlySet<string> = new Set([
  ...['machine-limit', 'repo-limit', 'worktree-limit', 'profile-limit', 'probe', 'idle'],
]);

/**
 * What two verdicts must share to count as the same; null for one that is not worth remembering: a task that starts now
 * is running a moment later. A running task's steps are those of its run; numbers in a sentence change with time.
 */
export function subjectOf({ state, code, because }: VerdictWords): string | null {
  if (state === 'ready') return null;
  if (state === 'running') return state;
  if (state === 'finished' || CAPACITY_CODES.has(code)) return `${state} ${code}`;
  return `${state} ${code} ${because.replace(/\d+/g, '#')}`;
}

/** Tasks looked at between two pauses. */
const TASKS_A_STEP = 64;

const NOTHING: ReadonlyMap<TaskId, VerdictWords> = new Map();

/** Remembers what was said last, graph by graph. */
export class VerdictChanges {
  readonly #graphs = new Map<GraphPath, Seen>();

  /**
   * The verdicts of a graph that differ from those of the last call. `recorded`: asked for a graph that is new here, what
   * was last recorded of its tasks. Tasks that were finished before anything was recorded of them are left out. In steps,
   * as there may be many.
   */
  *of(
    graph: GraphPath,
    verdicts: Verdicts,
    recorded: () => Steps<ReadonlyMap<TaskId, VerdictWords>>,
  ): Steps<readonly Verdict[]> {
    const layers = verdicts.layersOf(graph);
    if (!layers) return [];
    const before = this.#graphs.get(graph);
    const record = before ? NOTHING : yield* recorded();
    const last = before ? lastIn(before) : ofRecord(record);
    const byTick = new Set(layers.passing);
    const passing = new Map<TaskId, string>();
    const changes: Verdict[] = [];
    let asked = 0;
    for (const task of once([
      layers.kept.changedFrom(before?.kept),
      before?.passing.keys() ?? [],
      // What finished while no supervisor ran has no verdict of its own any more.
      record.keys(),
      byTick,
    ])) {
      if (++asked % TASKS_A_STEP === 0) yield;
      const verdict = verdicts.of(graph, task);
      if (!verdict) continue;
      const known = last(task);
      const subject = subjectOf(verdict) ?? known;
      if (byTick.has(task) && subject !== null) passing.set(task, subject);
      const isOld = !before && known === null && verdict.state === 'finished';
      if (subject !== null && subject !== known && !isOld) changes.push(verdict);
    }
    this.#graphs.set(graph, { kept: layers.kept, passing });
    return changes;
  }

  /** Forgets the graphs that are not among these. */
  keepOnly(graphs: ReadonlySet<GraphPath>): void {
    for (const graph of this.#graphs.keys()) if (!graphs.has(graph)) this.#graphs.delete(graph);
  }
}

/** Each item of several lists once. */
function* once<T>(lists: readonly Iterable<T>[]): Iterable<T> {
  const seen = new Set<T>();
  for (const list of lists)
    for (const item of list) {
      if (seen.has(item)) continue;
      seen.add(item);
      yield item;
    }
}

function lastIn({ kept, passing }: Seen): (task: TaskId) => string | null {
  return (task) => {
    const words = passing.get(task);
    if (words !== undefined) return words;
    const verdict = kept.get(task);
    return verdict ? subjectOf(verdict) : null;
  };
}

function ofRecord(recorded: ReadonlyMap<TaskId, VerdictWords>): (task: TaskId) => string | null {
  return (task) => {
    const words = recorded.get(task);
    return words ? subjectOf(words) : null;
  };
}
