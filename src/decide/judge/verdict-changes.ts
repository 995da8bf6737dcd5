// What became different between two decisions: for each task the new verdict, where it says something else than before.
// Pure; it looks only at what may have changed.

import type { GraphPath, TaskId } from '../../domain/ids.ts';
import type { Steps } from '../../domain/steps.ts';
import type { Verdict } from '../../domain/verdict.ts';
import { alikeAs } from '../capacity/admit.ts';
import type { GraphLayers, Verdicts } from './verdicts.ts';

/** What is remembered of a verdict. */
export type VerdictWords = Pick<Verdict, 'state' | 'code' | 'because'>;

interface Seen extends Pick<GraphLayers, 'kept' | 'ready'> {
  /** The subjects of the tasks of which the tick said something of its own; null: nothing worth remembering. */
  readonly own: ReadonlyMap<TaskId, string | null>;
  /** Those of the tasks that could start and were told the same. */
  readonly alike: ReadonlyMap<string, string | null>;
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
    const own = yield* ownIn(graph, verdicts, layers.byTick, last);
    const alike = alikeIn(graph, verdicts, layers, own);
    const seen: Seen = { kept: layers.kept, ready: layers.ready, own, alike };
    const now = lastIn(seen);
    const changes: Verdict[] = [];
    let asked = 0;
    for (const task of once([
      layers.kept.changedFrom(before?.kept),
      before?.own.keys() ?? [],
      // What finished while no supervisor ran has no verdict of its own any more.
      record.keys(),
      own.keys(),
      toldAnew(layers.queues, alike, before?.alike),
    ])) {
      if (++asked % TASKS_A_STEP === 0) yield;
      const subject = now(task);
      const known = last(task);
      if (subject === null || subject === known) continue;
      const verdict = verdicts.of(graph, task);
      if (verdict && (before || known !== null || verdict.state !== 'finished')) changes.push(verdict);
    }
    this.#graphs.set(graph, seen);
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

/** What the tick says of these tasks; where that is not worth remembering, what was said last. */
function* ownIn(
  graph: GraphPath,
  verdicts: Verdicts,
  tasks: Iterable<TaskId>,
  last: (task: TaskId) => string | null,
): Steps<ReadonlyMap<TaskId, string | null>> {
  const own = new Map<TaskId, string | null>();
  let asked = 0;
  for (const task of tasks) {
    if (++asked % TASKS_A_STEP === 0) yield;
    const verdict = verdicts.of(graph, task);
    if (verdict) own.set(task, subjectOf(verdict) ?? last(task));
  }
  return own;
}

/** What the tick says of all others that could start: the first one is asked for those that are alike. */
function alikeIn(
  graph: GraphPath,
  verdicts: Verdicts,
  { queues }: GraphLayers,
  own: ReadonlyMap<TaskId, unknown>,
): ReadonlyMap<string, string | null> {
  const alike = new Map<string, string | null>();
  // Ordered by priority: idle ones come last.
  for (const { plans } of queues)
    for (const first of [
      plans.find(({ task }) => !own.has(task)),
      plans.findLast(({ task }) => !own.has(task)),
    ]) {
      const verdict = first && !alike.has(alikeAs(first)) ? verdicts.of(graph, first.task) : undefined;
      if (first && verdict) alike.set(alikeAs(first), subjectOf(verdict));
    }
  return alike;
}

/** The tasks that are told something else than before, as all that are alike are. */
function* toldAnew(
  queues: GraphLayers['queues'],
  now: Seen['alike'],
  before: Seen['alike'] | undefined,
): Iterable<TaskId> {
  const isNew = (key: string) => now.has(key) && now.get(key) !== before?.get(key);
  for (const { plans, profile } of queues) {
    if (!isNew(profile.name) && !isNew(alikeAs({ profile, priority: 0 }))) continue;
    for (const plan of plans) if (isNew(alikeAs(plan))) yield plan.task;
  }
}

function lastIn({ kept, ready, own, alike }: Seen): (task: TaskId) => string | null {
  return (task) => {
    const told = own.get(task);
    if (told !== undefined) return told;
    const verdict = kept.get(task);
    const plan = verdict?.state === 'ready' ? ready.get(task)?.plan : undefined;
    if (plan) return alike.get(alikeAs(plan)) ?? null;
    return verdict ? subjectOf(verdict) : null;
  };
}

function ofRecord(recorded: ReadonlyMap<TaskId, VerdictWords>): (task: TaskId) => string | null {
  return (task) => {
    const words = recorded.get(task);
    return words ? subjectOf(words) : null;
  };
}
