// Tasks whose agents are gone: started by a wg daemon or a person's `wg spawn`, and no longer watched (wg-rules 6.6).
// The supervisor's own runs are not among them: the ledger tracks those.

import type { TaskId } from '../../domain/ids.ts';
import type { Task } from '../../domain/task.ts';
import { graphTime, parseInstant } from '../instant.ts';
import type { TaskPatch } from '../settle.ts';

/** An agent as the registry describes it. */
export interface RegisteredAgent {
  readonly id: string;
  readonly pid: number;
  readonly status: string;
  /** RFC 3339. */
  readonly started_at: string;
}

/** Why an agent is known to be gone. */
export interface LostAgent {
  readonly because: string;
  /** The task's line is older than its known result: reopening is no decision to do it again. */
  readonly isOlder?: true;
}

/** A task to reopen. */
export interface Orphan extends LostAgent {
  readonly task: TaskId;
  readonly agent: string;
}

/** wg's reaper_grace_seconds: a newly registered agent may not have its process yet. */
const GRACE_MS = 30_000;
const ALIVE: ReadonlySet<string> = new Set(['starting', 'working', 'idle']);

/**
 * In progress, registered, and the process is gone, or the registry says dead. Unassigned and unregistered claims
 * belong to a person: wg's daemon would reopen them after five minutes, the supervisor leaves them.
 */
export function orphans(
  tasks: Iterable<Pick<Task, 'id' | 'status' | 'assigned' | 'foreignKeys'>>,
  agents: ReadonlyMap<string, RegisteredAgent>,
  facts: {
    readonly now: number;
    /** Tasks claimed by a run of this supervisor. */
    isOurs(task: TaskId): boolean;
    isLive(pid: number): boolean;
    /** How the run that the task still names finished; null: not this supervisor's, or not finished. Absent: never. */
    ended?(task: TaskId, agent: string): LostAgent | null;
  },
): Orphan[] {
  const found: Orphan[] = [];
  for (const task of tasks) {
    if (!mayBeLeft(task) || task.assigned === undefined || facts.isOurs(task.id)) continue;
    const ended = task.status === 'in-progress' ? facts.ended?.(task.id, task.assigned) : null;
    if (ended) {
      found.push({ task: task.id, agent: task.assigned, ...ended });
      continue;
    }
    const agent = agents.get(task.assigned);
    if (!agent) {
      // Reopened while its agent, whose entry is gone, too, worked on it: nothing else would ever free it (wg-rules
      // 9.3).
      if (task.status !== 'in-progress' && /^agent-\d+$/.test(task.assigned))
        found.push({ task: task.id, agent: task.assigned, because: 'no registry has it' });
      continue;
    }
    const started = parseInstant(agent.started_at) ?? 0;
    if (facts.now < started + GRACE_MS && facts.now >= started) continue;
    if (agent.status === 'dead')
      found.push({ task: task.id, agent: agent.id, because: 'it is registered as dead' });
    else if (ALIVE.has(agent.status) && !facts.isLive(agent.pid))
      found.push({ task: task.id, agent: agent.id, because: `its process ${agent.pid} is gone` });
  }
  return found;
}

/** A task whose agent may have left it, and that the supervisor may write. */
export function mayBeLeft(task: Pick<Task, 'status' | 'assigned' | 'foreignKeys'>): boolean {
  const held = task.status === 'in-progress' || task.status === 'open' || task.status === 'incomplete';
  return held && task.assigned !== undefined && task.foreignKeys.length === 0;
}

/** Reopens such a task. The wording is not one that wg's respawn throttle counts (wg-rules 9.4). */
export function orphanPatch(orphan: Orphan, now: number): TaskPatch {
  return {
    fields: { status: 'open', assigned: undefined, started_at: undefined },
    log: {
      timestamp: graphTime(now),
      actor: 'supervisor',
      message: `Task unclaimed: agent '${orphan.agent}' left it (${orphan.because})`,
    },
  };
}
