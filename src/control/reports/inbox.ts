// Everything that waits for a person, and the command that settles each. Pure: the same for the page, the command
// line and the API, with and without a running supervisor.

import { cameBackIn } from '../../decide/reconcile/known-results.ts';
import type { GraphView, World } from '../../decide/world.ts';
import type { TaskId } from '../../domain/ids.ts';
import type { InboxAction, InboxItem, InboxKind, WorktreeReport } from '../../domain/report.ts';
import type { Run } from '../../domain/run.ts';
import { shellWord } from '../../domain/shell-word.ts';
import { isTerminal, type Task } from '../../domain/task.ts';
import type { Verdict } from '../../domain/verdict.ts';
import { isoTimeOrNull } from '../../platform/clock.ts';
import { globalTaskId, globalTaskIds } from '../../run/assignment.ts';
import { askedAt, questionOf } from '../../run/questions.ts';
import { type JudgedTasks, judgedTasks } from './judged-tasks.ts';
import type { Reportable } from './reports.ts';

/** Held, but not for a person: it resolves on its own, or another task's item is the cause. */
const NOBODYS_TURN: ReadonlySet<string> = new Set([
  'stopping',
  'not-running',
  'observe',
  'wg-daemon',
  'draining',
  'dependency',
  'dependency-failed',
  'dependency-abandoned',
  'copy-elsewhere',
  'daemon-tag',
  'wg-system-task',
  'respawn-throttle',
  'paused',
]);

/** Looked at again on their own, and in vain until a person installs, logs in or mends something. */
const IN_VAIN: ReadonlySet<string> = new Set(['executor-unavailable', 'before-run']);

const KIND_OF_CODE: Readonly<Record<string, InboxKind>> = {
  parked: 'parked',
  rewound: 'rewound',
  budget: 'budget',
  'instant-failures': 'budget',
  untrusted: 'untrusted',
};

/** Worktree states that a person must fix. */
const BROKEN_STATES: ReadonlySet<string> = new Set(['held', 'missing', 'prunable', 'unreadable', 'gone']);

/** The items, longest waiting first; among equals, those that block most. */
export function inboxOf(
  input: Reportable,
  worktrees: readonly WorktreeReport[],
  judged: JudgedTasks = judgedTasks(input),
): InboxItem[] {
  const commands = commandsFor(input.world);
  const items = input.world.graphs.flatMap((view) => itemsOfGraph(view, judged, commands));
  for (const run of input.world.runs) items.push(...itemsOfRun(input, run, commands));
  for (const row of worktrees) items.push(...itemsOfWorktree(row));
  const waited = ({ since }: InboxItem) => (since === null ? Number.POSITIVE_INFINITY : Date.parse(since));
  return fold(items).sort((a, b) => waited(a) - waited(b) || b.blocks - a.blocks);
}

function itemsOfGraph(view: GraphView, judged: JudgedTasks, commands: Commands): InboxItem[] {
  // An unreadable graph is one item, however many tasks it had.
  if (view.snapshot.problem || view.hold) return [];
  const idOf = globalTaskIds(view.graph);
  let blocked: ((id: TaskId) => number) | null = null;
  const item = (task: Task, kind: InboxKind, code: string, because: string, by: Settled): InboxItem => {
    blocked ??= countBlocked(view);
    return {
      kind,
      code,
      task: task.id,
      id: idOf(task.id),
      title: task.title,
      worktree: view.worktree,
      because,
      since: task.lastInteractionAt ?? task.createdAt ?? null,
      blocks: blocked(task.id),
      tasks: [task.id],
      ...by,
    };
  };
  const items: InboxItem[] = [];
  for (const { task, verdict } of judged.get(view.graph) ?? []) {
    if (task.status === 'failed') {
      const because = task.failureReason ?? 'it failed';
      items.push(item(task, 'failed', 'status-failed', because, commands.retry(view, task.id)));
      continue;
    }
    if (!verdict || !waitsForPerson(verdict)) continue;
    const kind = KIND_OF_CODE[verdict.code] ?? 'configuration';
    items.push(item(task, kind, verdict.code, verdict.because, commands.forKind(kind, view, task.id)));
  }
  return items;
}

function waitsForPerson({ state, code, nextAt }: Verdict): boolean {
  // A spent budget is for a person to know of, though it resets on its own.
  if (KIND_OF_CODE[code] === 'budget') return true;
  if (state !== 'held' || NOBODYS_TURN.has(code) || code.startsWith('status-')) return false;
  return nextAt === null || IN_VAIN.has(code);
}

function itemsOfRun(input: Reportable, run: Run, commands: Commands): InboxItem[] {
  const lease = input.leaseOf?.(run.id) ?? null;
  const view = input.world.graphs.find(({ graph }) => graph === run.graph);
  if (lease === null || !view) return [];
  const { question, options, answer } = questionOf(lease);
  const isAsked = question !== null && answer === null;
  if (!isAsked && lease.staleAt === null) return [];
  const about = {
    task: run.task,
    id: globalTaskId(run.graph, run.task),
    title: view.snapshot.tasks.get(run.task)?.title ?? run.task,
    worktree: run.worktree,
    blocks: countBlocked(view)(run.task),
    tasks: [run.task],
  };
  if (isAsked)
    return [
      {
        ...about,
        kind: 'question',
        code: 'question',
        because: question,
        since: isoTimeOrNull(askedAt(lease) ?? lease.heartbeatAt),
        ...(options.length > 0 ? { options } : {}),
        ...commands.answer(view, run.task),
      },
    ];
  const because = `${lease.worker ?? 'its worker'} has not been heard of for long`;
  const since = isoTimeOrNull(lease.staleAt);
  return [{ ...about, kind: 'stale', code: 'stale', because, since, ...commands.release(view, run.task) }];
}

function itemsOfWorktree(row: WorktreeReport): InboxItem[] {
  if (!BROKEN_STATES.has(row.state) || row.problems.some(({ code }) => code === 'wg-daemon')) return [];
  return [
    {
      kind: 'worktree',
      code: row.problems[0]?.code ?? row.state,
      task: null,
      id: null,
      title: row.branch ?? row.repo,
      worktree: row.path,
      because: row.because,
      since: null,
      blocks: row.counts.open,
      tasks: [],
      command: 'supervisor doctor',
      action: null,
    },
  ];
}

/** Tasks of one worktree with the same problem are one item: one configuration change fixes all of them. */
function fold(items: readonly InboxItem[]): InboxItem[] {
  const folded = new Map<string, InboxItem[]>();
  for (const item of items) {
    const isShared = item.kind === 'configuration' || item.kind === 'untrusted' || item.kind === 'budget';
    const key = isShared ? [item.kind, item.code, item.worktree, item.because].join('\n') : `#${folded.size}`;
    const same = folded.get(key);
    if (same) same.push(item);
    else folded.set(key, [item]);
  }
  return [...folded.values()].flatMap((same) => {
    const [first] = same;
    if (first === undefined || same.length === 1) return same;
    const since = same.flatMap((item) => item.since ?? []).sort();
    return {
      ...first,
      since: since[0] ?? null,
      blocks: same.reduce((sum, { blocks }) => sum + blocks, 0),
      tasks: same.flatMap(({ tasks }) => tasks),
    };
  });
}

/** How many unfinished tasks of the graph depend on a task, directly and transitively. */
function countBlocked(view: GraphView): (id: TaskId) => number {
  const dependents = new Map<TaskId, TaskId[]>();
  for (const task of view.snapshot.tasks.values())
    if (!isTerminal(task.status))
      for (const id of task.after) {
        const list = dependents.get(id);
        if (list) list.push(task.id);
        else dependents.set(id, [task.id]);
      }
  return (id) => {
    const found = new Set<TaskId>();
    const next = [id];
    for (let at = next.pop(); at !== undefined; at = next.pop())
      for (const dependent of dependents.get(at) ?? [])
        if (dependent !== id && !found.has(dependent)) {
          found.add(dependent);
          next.push(dependent);
        }
    return found.size;
  };
}

/** How an item is settled. */
type Settled = Pick<InboxItem, 'command' | 'action'>;
type Commands = ReturnType<typeof commandsFor>;

/** The command that settles an item; it names the worktree if the id alone is ambiguous. */
function commandsFor({ graphs: views, results }: Pick<World, 'graphs' | 'results'>) {
  /** Counted at the first question: mostly nothing waits for a person. */
  let places: Map<TaskId, number> | null = null;
  const on = (view: GraphView, id: TaskId) => {
    places ??= placesOf(views);
    return (places.get(id) ?? 0) > 1
      ? `${shellWord(id)} --worktree ${shellWord(view.worktree)}`
      : shellWord(id);
  };
  const by =
    (action: InboxAction, rest = '') =>
    (view: GraphView, id: TaskId): Settled => ({
      command: `supervisor ${action} ${on(view, id)}${rest}`,
      action,
    });
  const shown = (command: string): Settled => ({ command, action: null });
  const retry = by('retry');
  const done = by('done');
  return {
    retry,
    answer: by('answer', ' TEXT'),
    release: by('release'),
    forKind(kind: InboxKind, view: GraphView, id: TaskId): Settled {
      if (kind === 'parked') return retry(view, id);
      if (kind === 'rewound') {
        // Finished work is kept, not repeated.
        const known = cameBackIn(view, id, results)?.known;
        if (known) return known.ended === 'succeeded' ? done(view, id) : retry(view, id);
      }
      if (kind === 'budget') return shown('supervisor budgets');
      if (kind === 'untrusted') return shown(`supervisor trust ${shellWord(view.worktree)}`);
      return shown(`supervisor why ${on(view, id)}`);
    },
  };
}

/** In how many graphs each id is. */
function placesOf(views: readonly GraphView[]): Map<TaskId, number> {
  const places = new Map<TaskId, number>();
  for (const { snapshot } of views)
    for (const id of snapshot.tasks.keys()) places.set(id, (places.get(id) ?? 0) + 1);
  return places;
}
