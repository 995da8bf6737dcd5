// May a task start now, and if not, why? Judges exactly as wg's dispatcher does (wg-rules 4.1–4.6), one graph at a
// time; knows nothing of executors, limits or other worktrees beyond what the view contains.

import type { TaskId } from '../../domain/ids.ts';
import type { Task } from '../../domain/task.ts';
import type { Condition } from '../../domain/verdict.ts';
import { instantText, parseInstant } from '../instant.ts';
import { judgeCron } from '../schedules/wg-cron.ts';
import { lazyBackEdges } from './cycles.ts';
import { dependenciesAgainst, doneDependencies } from './dependencies.ts';
import {
  assignedAgainst,
  daemonTagAgainst,
  foreignKeysAgainst,
  spawnFailuresAgainst,
  startsText,
  systemTaskAgainst,
  throttleAgainst,
} from './dispatcher-filters.ts';
import { type NotReady, notReady, type ReadinessView } from './readiness-view.ts';

/** Whether a task may start now. */
export type Readiness = { readonly ready: true } | NotReady;

/** A view of a single graph. Back-edges are computed only when first needed. */
export function readinessView(
  tasks: ReadonlyMap<TaskId, Task>,
  now: number,
  more: Partial<Omit<ReadinessView, 'tasks' | 'now'>> = {},
): ReadinessView {
  return {
    tasks,
    now,
    peers: more.peers ?? new Map(),
    wgOnPath: more.wgOnPath ?? false,
    ...(more.wgCan === undefined ? {} : { wgCan: more.wgCan }),
    isBackEdge: more.isBackEdge ?? lazyBackEdges(tasks),
    statusElsewhere: more.statusElsewhere ?? (() => null),
  };
}

const READY: Readiness = { ready: true };

/** Judges one task; the first obstacle is the answer. */
export function assessReadiness(task: Task, view: ReadinessView): Readiness {
  for (const judge of JUDGES) {
    const against = judge.against(task, view);
    if (against) return against;
  }
  return READY;
}

/** Judges one task by every condition, for `why`; none is skipped because an earlier one failed. */
export function explainReadiness(task: Task, view: ReadinessView): Condition[] {
  return JUDGES.map(({ name, fine, against }) => {
    const reason = against(task, view);
    return { name, met: reason === null, because: reason?.because ?? fine(task, view) };
  });
}

interface Judge {
  readonly name: string;
  /** The text if the condition is met. */
  fine(task: Task, view: ReadinessView): string;
  against(task: Task, view: ReadinessView): NotReady | null;
}

/** wg's order: status, paused, time, cron, dependencies, then the dispatcher's filters. */
const JUDGES: readonly Judge[] = [
  { name: 'status', fine: (task) => `it is ${task.status}`, against: statusAgainst },
  { name: 'paused', fine: () => 'it is not paused', against: pauseAgainst },
  {
    name: 'not before',
    fine: (task) => gateText('not_before', task.notBefore),
    against: (task, { now }) => gateAgainst('not-before', 'not_before', task.notBefore, now),
  },
  {
    name: 'ready after',
    fine: (task) => gateText('ready_after', task.readyAfter),
    against: (task, { now }) => gateAgainst('ready-after', 'ready_after', task.readyAfter, now),
  },
  {
    name: 'cron',
    fine: (task) => (task.cronEnabled ? `cron ${task.cronSchedule} is due` : 'it has no cron schedule'),
    against: cronAgainst,
  },
  {
    name: 'dependencies',
    fine: doneDependencies,
    against: dependenciesAgainst,
  },
  {
    name: 'assigned',
    fine: (task) => (task.assigned === undefined ? 'no agent is assigned' : `it went to ${task.assigned}`),
    against: assignedAgainst,
  },
  { name: 'daemon tags', fine: () => "it carries no tag of wg's daemon loops", against: daemonTagAgainst },
  { name: 'respawn throttle', fine: () => 'its agents did not die lately', against: throttleAgainst },
  { name: 'failed starts', fine: (task) => startsText(task.spawnFailures), against: spawnFailuresAgainst },
  { name: 'wg machinery', fine: () => "it is not one of wg's system tasks", against: systemTaskAgainst },
  {
    name: 'known keys',
    fine: () => 'it carries no key whose rules only wg knows',
    against: foreignKeysAgainst,
  },
];

/** The verdict of nearly every task of a large graph, so each exists once. */
const DONE = notReady('finished', 'status-done', 'it is done');
const ABANDONED = notReady('finished', 'status-abandoned', 'it is abandoned');

function statusAgainst(task: Task): NotReady | null {
  switch (task.status) {
    case 'open':
    case 'incomplete':
      return null;
    case 'done':
    case 'abandoned':
    case 'failed':
      return overBecause(task);
    case 'in-progress': {
      const since = task.startedAt ? ` since ${task.startedAt}` : '';
      const who = task.assigned
        ? `claimed by ${task.assigned}${since}`
        : `in progress${since}; no agent is named`;
      return notReady('running', 'status-in-progress', who);
    }
    default:
      return notReady('waiting', `status-${task.status}`, PARKED[task.status]);
  }
}

const PARKED = {
  waiting:
    'parked by `wg wait`; `wg service tick` or a running wg service wakes it when its condition is met',
  blocked: 'blocked; `wg service tick` or a running wg service opens it when its dependencies are done',
  'pending-validation': 'done, and waits for its validation (`wg approve` or `wg service tick`)',
  'pending-eval': 'done, and waits for its evaluation (a running wg service or `wg service tick`)',
  'failed-pending-eval': 'failed, and waits for the evaluation that may rescue it (a running wg service)',
} as const;

/** The verdict of a finished task. */
export function overBecause(task: Task): NotReady {
  if (task.status === 'done') return DONE;
  if (task.status === 'abandoned') return ABANDONED;
  return notReady('finished', 'status-failed', failedText(task));
}

function failedText(task: Task): string {
  return task.failureReason ? `it failed: ${task.failureReason}` : 'it failed';
}

function pauseAgainst(task: Task): NotReady | null {
  if (!task.paused) return null;
  return notReady(
    'paused',
    'paused',
    `it is paused: \`supervisor retry ${task.id}\` or \`supervisor edit ${task.id} --no-paused\` starts it, as \`wg publish\` and \`wg resume\` do`,
  );
}

/** An unparsable time gates nothing, as in wg. */
function gateAgainst(
  code: 'not-before' | 'ready-after',
  key: string,
  text: string | undefined,
  now: number,
): NotReady | null {
  if (text === undefined) return null;
  const at = parseInstant(text);
  if (at === null || now >= at) return null;
  return notReady('scheduled', code, `waits until ${instantText(at)} (${key})`, at);
}

function gateText(key: string, text: string | undefined): string {
  if (text === undefined) return `it has no ${key}`;
  return parseInstant(text) === null
    ? `${key} "${text}" has no offset or is no time: it gates nothing, as in wg`
    : `${key} ${text} has passed`;
}

function cronAgainst(task: Task, { now }: ReadinessView): NotReady | null {
  if (!task.cronEnabled) return null;
  const verdict = judgeCron(task, now);
  if (verdict.due) return null;
  if (verdict.nextAt === null) return notReady('held', 'cron-never', verdict.because);
  return notReady('scheduled', 'cron', verdict.because, verdict.nextAt);
}
