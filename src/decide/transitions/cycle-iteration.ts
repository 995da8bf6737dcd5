// What follows when all members of a cycle are done or failed (wg-rules 4.4): the next iteration, or a restart after
// a failure. wg does this in `wg done`, in `wg fail` and in every tick of its daemon.

import { durationOrNull } from '../../domain/duration.ts';
import { cycleOwners } from '../../domain/graph.ts';
import type { TaskId } from '../../domain/ids.ts';
import type { TaskDetail } from '../../domain/task.ts';
import { graphTime } from '../instant.ts';
import { cycleMembers } from '../readiness/cycles.ts';
import { counter, type TickerMove, type TickerView, tickerMove } from './ticker-view.ts';

interface CycleConfig {
  /** 0: no limit. */
  readonly maxIterations: number;
  readonly guard: unknown;
  readonly delayMs: number;
  readonly noConverge: boolean;
  readonly restartOnFailure: boolean;
  readonly maxFailureRestarts: number;
}

/** wg's default max_failure_restarts. */
const MAX_FAILURE_RESTARTS = 3;
/** Owners with these tags are never iterated. */
const STANDING = ['archived', 'chat-loop'];
const CONVERGED = 'converged';

/** The transitions of every cycle of the graph. */
export function cycleMoves(view: TickerView): TickerMove[] {
  if (!hasOwner(view.tasks)) return [];
  return cycleMembers(view.tasks).flatMap((ids) => movesOf(ids, view));
}

/**
 * The transitions for one finished task: of its cycle or, if it has a cycle_config and is in no cycle, of the
 * implicit cycle of itself and its dependencies. wg considers the latter only in `wg done`.
 */
export function cycleMovesAfter(id: TaskId, view: TickerView): TickerMove[] {
  const task = view.tasks.get(id);
  if (!task || !hasOwner(view.tasks)) return [];
  const cycle = cycleMembers(view.tasks).find((ids) => ids.includes(id));
  if (cycle) return movesOf(cycle, view);
  if (!task.hasCycleConfig || task.status !== 'done') return [];
  const members = [id, ...task.after.filter((dependency) => view.tasks.has(dependency))];
  const details = detailsOf(members, view);
  const owner = details?.find((one) => one.id === id);
  return details && owner ? iterate(details, owner, view) : [];
}

/** Whether the cycle is configured at all. */
function hasOwner(tasks: TickerView['tasks']): boolean {
  for (const _owner of cycleOwners(tasks)) return true;
  return false;
}

function movesOf(ids: readonly TaskId[], view: TickerView): TickerMove[] {
  if (!ids.some((id) => view.tasks.get(id)?.hasCycleConfig)) return [];
  const statuses = ids.map((id) => view.tasks.get(id)?.status);
  const failed = statuses.includes('failed');
  const over = statuses.every((status) => status === 'done' || status === 'abandoned');
  if (!failed && !over) return [];
  const members = detailsOf(ids, view);
  const owner = members?.find((member) => member.hasCycleConfig);
  if (!members || !owner) return [];
  return failed ? restart(members, owner, view) : iterate(members, owner, view);
}

/** Null if the supervisor may not edit one of them. */
function detailsOf(ids: readonly TaskId[], view: TickerView): TaskDetail[] | null {
  const found = ids.map((id) => view.detail(id));
  const members = found.filter((one): one is TaskDetail => one !== null);
  if (members.length < ids.length || members.some((member) => member.foreignKeys.length > 0)) return null;
  return members;
}

function iterate(members: readonly TaskDetail[], owner: TaskDetail, view: TickerView): TickerMove[] {
  const config = configOf(owner);
  if (!config || STANDING.some((tag) => owner.tags.includes(tag))) return [];
  if (!members.every(({ status }) => status === 'done' || status === 'abandoned')) return [];
  if (!members.some((member) => member.status === 'done' && !member.tags.includes('archived'))) return [];
  const guarded = config.guard !== undefined && config.guard !== null && config.guard !== 'Always';
  const mayConverge = !guarded && !config.noConverge;
  if (mayConverge && members.some((member) => member.tags.includes(CONVERGED))) return [];
  const iteration = counter(owner, 'loop_iteration');
  if (config.maxIterations > 0 && iteration + 1 >= config.maxIterations) return [];
  if (!guardHolds(config.guard, iteration, view)) return [];
  const next = iteration + 1;
  const of = config.maxIterations > 0 ? `${next}/${config.maxIterations}` : String(next);
  return members
    .filter((member) => member.status !== 'abandoned' && !member.tags.includes('archived'))
    .map((member) => {
      const delayed =
        member.id === owner.id && config.delayMs > 0
          ? { ready_after: graphTime(view.now + config.delayMs) }
          : {};
      return tickerMove(
        view,
        member.id,
        'cycle-iteration',
        {
          status: 'open',
          last_iteration_completed_at: member.completedAt,
          assigned: undefined,
          started_at: undefined,
          completed_at: undefined,
          triage_count: undefined,
          loop_iteration: next,
          ...delayed,
        },
        `Re-activated by cycle iteration (iteration ${of})`,
      );
    });
}

function restart(members: readonly TaskDetail[], owner: TaskDetail, view: TickerView): TickerMove[] {
  const config = configOf(owner);
  if (!config?.restartOnFailure || STANDING.some((tag) => owner.tags.includes(tag))) return [];
  const restarts = counter(owner, 'cycle_failure_restarts');
  if (restarts >= config.maxFailureRestarts) return [];
  const who = members.find((member) => member.status === 'failed')?.id;
  return members.map((member) => {
    const isOwner = member.id === owner.id;
    return tickerMove(
      view,
      member.id,
      'cycle-restart',
      {
        status: 'open',
        assigned: undefined,
        started_at: undefined,
        completed_at: undefined,
        failure_reason: undefined,
        ...(isOwner ? { cycle_failure_restarts: restarts + 1 } : {}),
        ...(isOwner && member.tags.includes(CONVERGED)
          ? { tags: member.tags.filter((tag) => tag !== CONVERGED) }
          : {}),
      },
      `Re-activated after the failure of ${who} (cycle restart ${restarts + 1}/${config.maxFailureRestarts})`,
    );
  });
}

function guardHolds(guard: unknown, iteration: number, view: TickerView): boolean {
  if (typeof guard !== 'object' || guard === null) return true;
  if ('IterationLessThan' in guard) return iteration < Number(guard.IterationLessThan);
  if ('TaskStatus' in guard) {
    const wanted = guard.TaskStatus as { readonly task: string; readonly status: string };
    return view.tasks.get(wanted.task)?.status === wanted.status;
  }
  return true;
}

function configOf(owner: TaskDetail): CycleConfig | null {
  const config = owner.fields.cycle_config;
  if (typeof config !== 'object' || config === null) return null;
  const fields = config as Record<string, unknown>;
  const { max_iterations: max, max_failure_restarts: restarts } = fields;
  return {
    maxIterations: typeof max === 'number' ? max : 0,
    guard: fields.guard,
    delayMs: delayOf(fields.delay),
    noConverge: fields.no_converge === true,
    restartOnFailure: fields.restart_on_failure !== false,
    maxFailureRestarts: typeof restarts === 'number' ? restarts : MAX_FAILURE_RESTARTS,
  };
}

/** `30s`, `5m`, `2h`, `1d`, or bare seconds; any other value means no delay. */
function delayOf(value: unknown): number {
  if (typeof value !== 'string') return 0;
  const text = value.trim();
  return (/^\d+$/.test(text) ? durationOrNull(`${text}s`) : durationOrNull(text)) ?? 0;
}
