// Tasks whose agents are gone: those that a wg daemon, or a person's `wg spawn`, started and that nobody watches any more
// (wg-rules 6.6). Ours are not among them: the ledger knows how they stand.

import type { TaskId } from '../domain/ids.ts';
import type { Task } from '../domain/task.ts';
import { graphTime, parseInstant } from './instant.ts';
import type { TaskPatch } from './settle.ts';

/** An agent as the registry tells of it. */
export interface RegisteredAgent {
  readonly id: string;
  readonly pid: number;
  readonly status: string;
  /** RFC 3339. */
  readonly started_at: string;
}

/** A task that is to be opened again. */
export interface Orphan {
  readonly task: TaskId;
  readonly agent: string;
  readonly because: string;
}

/** wg's reaper_grace_seconds: an agent that was registered just now may not have its process yet. */
const GRACE_MS = 30_000;
const ALIVE: ReadonlySet<string> = new Set(['starting', 'working', 'idle']);

/**
 * In progress, registered, and the process is gone, or the registry says dead. Nobody's and unregistered claims are a
 * person's own business: wg's daemon would open them after five minutes, we leave them.
 */
export function orphans(
  tasks: Iterable<Pick<Task, 'id' | 'status' | 'assigned' | 'foreignKeys'>>,
  agents: ReadonlyMap<string, RegisteredAgent>,
  facts: {
    readonly now: number;
    /** Tasks that a run of ours holds. */
    isOurs(task: TaskId): boolean;
    isLive(pid: number): boolean;
    /** How a run of ours ended that the task still names; null: no run of ours, or one that is not over. Absent: never. */
    ended?(task: TaskId, agent: string): string | null;
  },
): Orphan[] {
  const found: Orphan[] = [];
  for (const task of tasks) {
    if (!mayBeLeft(task) || task.assigned === undefined || facts.isOurs(task.id)) continue;
    const ended = task.status === 'in-progress' ? facts.ended?.(task.id, task.assigned) : null;
    if (ended) {
      found.push({ task: task.id, agent: task.assigned, because: ended });
      continue;
    }
    const agent = agents.get(task.assigned);
    if (!agent) {
      // Opened under the hands of an agent whose entry is gone too: nothing would ever free it (wg-rules 9.3).
      if (task.status !== 'in-progress' && /^agent-\d+$/.test(task.assigned))
        found.push({ task: task.id, agent: task.assigned, because: 'nobody knows it' });
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

/** A task that could have been left by its agent, and that we may write. */
export function mayBeLeft(task: Pick<Task, 'status' | 'assigned' | 'foreignKeys'>): boolean {
  const held = task.status === 'in-progress' || task.status === 'open' || task.status === 'incomplete';
  return held && task.assigned !== undefined && task.foreignKeys.length === 0;
}

/** Opens such a task again. The words are none that wg's respawn throttle counts (wg-rules 9.4). */
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
