// The graph's agent registry, so that `wg agents`, `wg kill` and wg's reapers see what the supervisor dispatches.
// Owns agent numbers and our entries; all other entries pass through untouched. Knows nothing of runs. Lock order is
// wg's: `.registry.lock` before `graph.lock`, so nothing here may be called while holding the latter.

import { join } from 'node:path';
import { messageOf, SupervisorError, systemCode } from '../domain/errors.ts';
import type { GraphPath } from '../domain/ids.ts';
import { type Cancel, type Clock, isoTime } from '../platform/clock.ts';
import type { Locker } from '../platform/flock.ts';
import { aboveAll, numberOf, removeFolder, takeNumber } from './agent-numbers.ts';
import { makeWithin } from './folder-within.ts';
import {
  type AgentStatus,
  type EntryTexts,
  type RegistryContent,
  type RegistryEntry,
  readRegistry,
  registryPrint,
  writeRegistry,
} from './registry-file.ts';

/**
 * The pid of an agent without a local process: above every pid a system assigns (Linux: 2^22), so that no kill can
 * hit anything.
 */
export const NO_PID = 2_147_483_647;

/**
 * The status of such an agent: one that every age of wg reads, and that its reapers and its reconciliation leave
 * alone. `parked` would fit better, but makes the whole registry unreadable for a wg of March 2026.
 */
export const WITHOUT_PROCESS = 'stopping' satisfies AgentStatus;

export interface NewAgent {
  readonly task_id: string;
  readonly executor: string;
  readonly worktree_path?: string;
  /** Its process, if known already. */
  readonly pid?: number;
}

export interface AgentChange {
  /** `agent-N`. */
  readonly agent: string;
  /** The agent's own process. Setting it stamps `started_at` and, unless specified otherwise, makes it `working`. */
  readonly pid?: number;
  readonly status?: AgentStatus;
  /** RFC 3339; stamped when the status becomes done, failed or dead. */
  readonly completed_at?: string;
  /** A heartbeat: `last_heartbeat` becomes now. */
  readonly heartbeat?: boolean;
  /** Recreates the entry if it was removed; without this a missing agent is only reported. */
  readonly restore?: NewAgent;
}

export interface Registry {
  /** New agents, without a process until theirs is known, each with its folder `agents/agent-N/`. */
  allocate(agents: readonly NewAgent[]): Promise<string[]>;
  /**
   * Applies changes; resolves with the agents that are missing from the registry. `lazily`: they wait up to 50 ms for
   * another write to join.
   */
  update(changes: readonly AgentChange[], options?: { readonly lazily?: boolean }): Promise<string[]>;
  /** Writes pending changes at once; resolves when they are written or refused. */
  flush(): Promise<void>;
  /** The current entries, read without a lock; none if there is no registry. */
  entries(): ReadonlyMap<string, RegistryEntry>;
}

export interface RegistryOptions {
  /** The graph's real path. */
  readonly graph: GraphPath;
  readonly locker: Locker;
  readonly clock: Clock;
  /** How long to wait for wg, which holds this lock across 5 s kill waits and worktree creation. Default 30 s. */
  readonly lockTimeoutMs?: number;
}

/** How long a change that is not awaited may wait for others, ms. */
const LAZY_MS = 50;

/** How many of our finished entries are kept: wg reads the whole file on every command. */
const KEEP_FINISHED = 200;

interface Mutable {
  agents: Record<string, RegistryEntry>;
  next_agent_id: number;
  /** The next number is above those of all folders: checked once, and again after another program has written. */
  counted: boolean;
}

interface Pending {
  /** Changes the content; the returned function reverts effects outside the file, null says that nothing changed. */
  readonly apply: (content: Mutable) => Promise<(() => void) | null>;
  readonly lazily: boolean;
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

/** The registry of one graph. Callers that wait while it is locked are served by one rewrite. */
export function createRegistry(options: RegistryOptions): Registry {
  const { graph, locker, clock, lockTimeoutMs = 30_000 } = options;
  let waiting: Pending[] = [];
  let writing: Promise<void> | null = null;
  let later: Cancel | null = null;
  /** The registry as last written here: as long as the file is that one it need not be read. */
  let written: {
    readonly print: string;
    readonly content: RegistryContent;
    readonly counted: boolean;
  } | null = null;
  const texts: EntryTexts = new WeakMap();

  const begin = (evenLazy: boolean) => {
    later?.();
    later = null;
    writing ??= writeAll(evenLazy).finally(() => {
      writing = null;
      // Changes since the last check, and those waiting for others.
      if (waiting.some((one) => !one.lazily)) void begin(false);
      else if (waiting.length > 0) beginLater();
    });
    return writing;
  };

  const beginLater = () => {
    later ??= clock.after(LAZY_MS, () => void begin(true));
  };

  const commit = (apply: Pending['apply'], lazily = false) =>
    new Promise<void>((resolve, reject) => {
      waiting.push({ apply, lazily, resolve, reject });
      if (!lazily) void begin(false);
      else if (writing === null) beginLater();
    });

  async function writeAll(evenLazy: boolean): Promise<void> {
    // Callers of the same turn join the first rewrite.
    await Promise.resolve();
    for (let first = true; first || waiting.some((one) => !one.lazily); first = false) {
      if (waiting.length === 0 || !(evenLazy || waiting.some((one) => !one.lazily))) return;
      let batch: Pending[] = [];
      try {
        makeWithin(graph, 'service');
        const lock = await locker.acquire(join(graph, 'service', '.registry.lock'), {
          timeoutMs: lockTimeoutMs,
        });
        try {
          batch = waiting;
          waiting = [];
          await rewrite(batch);
        } finally {
          lock.release();
        }
      } catch (thrown) {
        // Without the lock none was served yet: all waiting callers get the error.
        if (batch.length === 0) {
          batch = waiting;
          waiting = [];
        }
        for (const one of batch) one.reject(inOurWords(thrown, graph));
      }
    }
  }

  async function rewrite(batch: readonly Pending[]): Promise<void> {
    const known = written !== null && written.print === registryPrint(graph) ? written : null;
    const found = known?.content ?? readRegistry(graph) ?? { agents: {}, next_agent_id: 1 };
    const content: Mutable = { ...found, agents: { ...found.agents }, counted: known?.counted ?? false };
    const served: { pending: Pending; undo: (() => void) | null }[] = [];
    for (const pending of batch) {
      try {
        served.push({ pending, undo: await pending.apply(content) });
      } catch (thrown) {
        pending.reject(inOurWords(thrown, graph));
      }
    }
    try {
      if (served.some((one) => one.undo !== null)) {
        prune(content);
        mendParked(content);
        const { counted, ...plain } = content;
        const print = await writeRegistry(graph, plain, texts);
        written = print === null ? null : { print, content: plain, counted };
      }
    } catch (thrown) {
      for (const { pending, undo } of served) {
        undo?.();
        pending.reject(thrown);
      }
      return;
    }
    for (const { pending } of served) pending.resolve();
  }

  function entryOf(id: string, agent: NewAgent): RegistryEntry {
    const now = isoTime(clock.now());
    return {
      id,
      pid: agent.pid ?? NO_PID,
      task_id: agent.task_id,
      executor: agent.executor,
      started_at: now,
      last_heartbeat: now,
      status: agent.pid === undefined ? WITHOUT_PROCESS : 'working',
      output_file: join(graph, 'agents', id, 'output.log'),
      ...(agent.worktree_path === undefined ? {} : { worktree_path: agent.worktree_path }),
    };
  }

  function changed(entry: RegistryEntry, change: AgentChange): RegistryEntry {
    const now = isoTime(clock.now());
    const status = change.status ?? (change.pid === undefined ? entry.status : 'working');
    const over = status === 'done' || status === 'failed' || status === 'dead';
    const completed = change.completed_at ?? (over && !entry.completed_at ? now : undefined);
    return {
      ...entry,
      status,
      // wg compares started_at with the process's own start, so it is stamped after the process began.
      ...(change.pid === undefined ? {} : { pid: change.pid, started_at: now, last_heartbeat: now }),
      ...(change.heartbeat ? { last_heartbeat: now } : {}),
      ...(completed === undefined ? {} : { completed_at: completed }),
    };
  }

  return {
    async allocate(agents) {
      if (agents.length === 0) return [];
      const ids: string[] = [];
      await commit(async (content) => {
        const made: string[] = [];
        const undo = () => made.forEach(removeFolder);
        try {
          for (const agent of agents) {
            if (!content.counted) {
              const { agents: entries, next_agent_id: next } = content;
              content.next_agent_id = aboveAll(graph, Object.keys(entries), next);
              content.counted = true;
            }
            const { number, id, folder } = await takeNumber(graph, content.next_agent_id);
            content.next_agent_id = number + 1;
            ids.push(id);
            made.push(folder);
            content.agents[id] = entryOf(id, agent);
          }
        } catch (thrown) {
          undo();
          for (const id of ids) delete content.agents[id];
          throw thrown;
        }
        return undo;
      });
      return ids;
    },

    async update(changes, { lazily = false } = {}) {
      const missing: string[] = [];
      for (const { pid } of changes)
        if (pid === process.pid || pid === 0 || pid === 1)
          // wg kills a registered pid with its whole tree.
          throw new Error(`pid ${pid} must never be registered as an agent`);
      if (changes.length === 0) return missing;
      await commit(async (content) => {
        for (const change of changes) {
          const entry =
            own(content.agents, change.agent) ??
            (change.restore === undefined ? undefined : entryOf(change.agent, change.restore));
          if (entry === undefined) missing.push(change.agent);
          else content.agents[change.agent] = changed(entry, change);
        }
        return missing.length === changes.length ? null : () => undefined;
      }, lazily);
      return missing;
    },

    async flush() {
      // A write in progress may miss the latest changes.
      while (writing !== null || waiting.length > 0) await (writing ?? begin(true));
    },

    entries: () => new Map(Object.entries(readRegistry(graph)?.agents ?? {})),
  };
}

function own(agents: Record<string, RegistryEntry>, id: string): RegistryEntry | undefined {
  return Object.hasOwn(agents, id) ? agents[id] : undefined;
}

/**
 * Drops our oldest finished entries: `wg done` marks the first entry of a task, which must not be an ancient one. Ours say in
 * which worktree they worked; wg's own say so only of the worktrees that it makes.
 */
function prune(content: Mutable): void {
  const finished = Object.values(content.agents)
    .filter((entry) => entry.status === 'done' || entry.status === 'failed')
    .filter(({ worktree_path: place }) => typeof place === 'string' && !place.includes('/.wg-worktrees/'));
  if (finished.length <= KEEP_FINISHED) return;
  finished.sort((a, b) => numberOf(b.id) - numberOf(a.id));
  for (const entry of finished.slice(KEEP_FINISHED)) delete content.agents[entry.id];
}

/** What earlier versions wrote for agents without a process. */
function mendParked(content: Mutable): void {
  for (const [id, entry] of Object.entries(content.agents))
    if (entry.pid === NO_PID && entry.status === 'parked')
      content.agents[id] = { ...entry, status: WITHOUT_PROCESS };
}

function inOurWords(thrown: unknown, graph: GraphPath): unknown {
  if (thrown instanceof SupervisorError || systemCode(thrown) === undefined) return thrown;
  return new SupervisorError('graph', `Agents of ${graph} could not be registered: ${messageOf(thrown)}.`, {
    hint: 'Check the disk and the permissions of the graph folder.',
    cause: thrown,
  });
}
