// What stands between a reported success and done: the task's verify command, or wg's own command if finishing the
// task involves wg's rules. Called before an outcome is recorded; writes refusals, never a final status of its own.

import { dirname } from 'node:path';
import {
  type CompletionNeed,
  completionNeed,
  failureClassForCommand,
  resultPatch,
  verifyFailedPatch,
} from '../decide/readiness/completion-need.ts';
import { artifactStrings } from '../decide/settle.ts';
import { SupervisorError } from '../domain/errors.ts';
import type { GraphPath, TaskId } from '../domain/ids.ts';
import type { Failed, Succeeded } from '../domain/outcome.ts';
import type { TaskDetail } from '../domain/task.ts';
import type { GraphStore } from '../graph/store.ts';
import type { Clock } from '../platform/clock.ts';
import type { WgCommand } from '../wg/command.ts';
import { timeoutOr, type WgSettings } from '../wg/settings.ts';
import type { Verified } from '../wg/verify.ts';
import { applyPatch } from './task-writes.ts';

export interface CompletionGateParts {
  readonly clock: Clock;
  readonly wg: WgCommand;
  settings(graph: GraphPath): WgSettings;
  /** The graph's repository is not trusted: its verify commands are not run, by wg neither. */
  isUntrusted(graph: GraphPath): boolean;
  /** Runs a verify command in a folder; `timeoutMs` 0: no limit. */
  verify(command: string, cwd: string, timeoutMs: number): Promise<Verified>;
}

/** Whether a success may be written. */
export type Passed =
  /** No objection: written natively. */
  | { readonly kind: 'native' }
  /** wg wrote it; `status` is the graph's now (`open` if a cycle started its next iteration at once). */
  | { readonly kind: 'by-wg'; readonly status: string }
  /** Refused; `status` is the graph's now. */
  | { readonly kind: 'refused'; readonly because: string; readonly status: string };

/** Who runs the verify command: we do, or the worker that did the work has done so. */
export type VerifiedBy = 'us' | 'worker';

/** How a success is checked. */
interface Checking {
  readonly verifiedBy?: VerifiedBy;
  /** Where the work was done; absent: in the worktree of the graph. */
  readonly place?: string;
}

/** Longer texts belong in the run's output. */
const REASON_CHARS = 2000;
/** On top of the verify command's own limit: locks, and wg's other gates. */
const WG_DONE_MS = 120_000;

export class CompletionGate {
  readonly #parts: CompletionGateParts;
  /** A task's gate is used by one caller at a time; concurrent callers get the same answer. */
  readonly #passing = new Map<string, Promise<Passed>>();

  /** The last agent of each task that wg finished. */
  readonly #byWgEnded = new Map<string, string>();

  constructor(parts: CompletionGateParts) {
    this.#parts = parts;
  }

  /** Whether the task may be done. `agent`: who did the work; the task must still be theirs if they own it. */
  pass(
    store: GraphStore,
    id: TaskId,
    outcome: Succeeded,
    agent: string | null,
    { verifiedBy: by, place }: Checking = {},
  ): Promise<Passed> {
    const key = `${store.graph}\0${id}`;
    const known = this.#passing.get(key);
    if (known) return known;
    const passing = this.#pass(store, id, outcome, agent, by, place).finally(() => this.#passing.delete(key));
    this.#passing.set(key, passing);
    return passing;
  }

  /** The same for any outcome: a failure is refused only if wg alone may write it. `agent` null: no agent. */
  async take(
    store: GraphStore,
    id: TaskId,
    outcome: Succeeded | Failed,
    { agent, ...how }: { readonly agent: string | null } & Checking,
  ): Promise<Passed> {
    if (outcome.kind === 'succeeded') return await this.pass(store, id, outcome, agent, how);
    return (await this.fail(store, id, outcome, agent)) ?? { kind: 'native' };
  }

  /** Whether wg itself finished this agent's task, including the line in the operations log. */
  endedByWg(graph: GraphPath, id: TaskId, agent: string): boolean {
    return this.#byWgEnded.get(`${graph}\0${id}`) === agent;
  }

  /**
   * Has wg write a failure that only it may write. `agent`: whose work it was. Null: it may be written natively, or
   * the task no longer belongs to that agent, so that nothing is to be written.
   */
  async fail(store: GraphStore, id: TaskId, outcome: Failed, agent: string | null): Promise<Passed | null> {
    if (store.detail(id)?.foreignKeys.length === 0) return null;
    await store.refresh();
    const task = store.detail(id);
    if (!task || task.foreignKeys.length === 0) return null;
    if (agent !== null && (task.status !== 'in-progress' || task.assigned !== agent)) return null;
    const kind = failureClassForCommand(outcome);
    const args = ['fail', id, '--reason', outcome.message.slice(0, REASON_CHARS)];
    const answer = await this.#parts.wg.run(store.graph, kind === null ? args : [...args, '--class', kind]);
    const status = await statusOf(store, id);
    return status === 'in-progress'
      ? { kind: 'refused', because: `wg refused: ${answer.said}`, status }
      : { kind: 'by-wg', status };
  }

  /**
   * Has wg claim a task that only it may write. Null: it may be written natively; a text: why it could not be
   * claimed.
   */
  async claim(store: GraphStore, id: TaskId, agent: string): Promise<string | null> {
    const answer = await this.#parts.wg.run(store.graph, ['claim', id, '--actor', agent]);
    const task = (await store.refresh()).tasks.get(id);
    // Exit 0 is no proof: the graph's current state is.
    if (task?.status === 'in-progress' && task.assigned === agent) return null;
    return `wg did not give it to ${agent}: ${answer.said || `it is ${task?.status ?? 'gone'}`}`;
  }

  /** Has wg release a task that only it may write. */
  async release(store: GraphStore, id: TaskId): Promise<void> {
    await this.#parts.wg.run(store.graph, ['unclaim', id]);
    await store.refresh();
  }

  async #pass(
    store: GraphStore,
    id: TaskId,
    outcome: Succeeded,
    agent: string | null,
    by: VerifiedBy = 'us',
    place = dirname(store.graph),
  ): Promise<Passed> {
    const task = store.detail(id);
    // For a finished task the graph takes precedence.
    if (!task || task.status === 'done' || task.status.startsWith('pending-')) return { kind: 'native' };
    if (task.verify?.trim() && this.#parts.isUntrusted(store.graph)) return unverified(store.graph, task);
    const can = await this.#parts.wg.capabilities();
    const need = completionNeed(task, store.snapshot().tasks, this.#parts.wg.path() !== null, can);
    switch (need.way) {
      case 'plain':
        return { kind: 'native' };
      case 'verify':
        // Its commits are not in the worktree here: the worker ran the command where they are.
        if (by === 'worker') return { kind: 'native' };
        return await this.#verify(store, task, need.command, agent, place);
      case 'wg':
        return await this.#byWg(store, task, need, outcome, agent);
    }
  }

  async #verify(
    store: GraphStore,
    task: TaskDetail,
    command: string,
    agent: string | null,
    place: string,
  ): Promise<Passed> {
    const { clock } = this.#parts;
    const settings = this.#parts.settings(store.graph);
    const limit = timeoutOr(task.fields.verify_timeout, settings.verifyTimeoutMs);
    const verified = await this.#parts.verify(command, place, limit);
    if (verified.passed) return { kind: 'native' };
    const actor = agent ?? task.assigned ?? 'supervisor';
    const status = await store.change((draft) => {
      const fresh = draft.detail(task.id);
      if (!fresh) return 'gone';
      // Another agent has it by now, or it is finished: the count is theirs.
      if (fresh.status !== task.status || fresh.assigned !== task.assigned) return fresh.status;
      const patch = verifyFailedPatch(
        fresh,
        verified.because,
        settings.maxVerifyFailures,
        actor,
        clock.now(),
      );
      applyPatch(draft, task.id, patch);
      return draft.snapshot.tasks.get(task.id)?.status ?? 'gone';
    });
    return { kind: 'refused', because: verified.because, status };
  }

  async #byWg(
    store: GraphStore,
    task: TaskDetail,
    need: CompletionNeed & { readonly way: 'wg' },
    outcome: Succeeded,
    agent: string | null,
  ): Promise<Passed> {
    const { wg, clock } = this.#parts;
    if (wg.path() === null)
      return {
        kind: 'refused',
        because: `${need.because}, whose rules only wg knows, and there is no wg on PATH: install it`,
        status: task.status,
      };
    const before = Number(task.fields.loop_iteration ?? 0);
    if (need.only) {
      for (const artifact of artifactStrings(outcome.artifacts))
        await wg.run(store.graph, ['artifact', task.id, artifact]);
      if (outcome.summary) await wg.run(store.graph, ['log', task.id, `Result: ${outcome.summary}`]);
    } else {
      await store.change((draft) => {
        const fresh = draft.detail(task.id);
        if (fresh && fresh.status === task.status && fresh.assigned === task.assigned)
          applyPatch(draft, task.id, resultPatch(fresh, outcome, agent ?? 'supervisor', clock.now()));
      });
    }
    const settings = this.#parts.settings(store.graph);
    const timeoutMs = timeoutOr(task.fields.verify_timeout, settings.verifyTimeoutMs) + WG_DONE_MS;
    const answer = await wg.run(store.graph, ['done', task.id], { timeoutMs });
    await store.refresh();
    const after = store.detail(task.id);
    const status = after?.status ?? 'gone';
    const wentOn = status === 'open' && Number(after?.fields.loop_iteration ?? 0) > before;
    if (status === 'done' || status.startsWith('pending-') || wentOn) {
      if (agent !== null) this.#byWgEnded.set(`${store.graph}\0${task.id}`, agent);
      return { kind: 'by-wg', status };
    }
    const said = answer.said === '' ? `\`wg done\` left it ${status}` : answer.said;
    return { kind: 'refused', because: `wg refused: ${said}`, status };
  }
}

/** Not counted against the task: once its repository is trusted, it may be reported again. */
function unverified(graph: GraphPath, task: TaskDetail): Passed {
  const because = `its repository is not trusted, so its verify command is not run: \`supervisor trust ${dirname(graph)}\` trusts it`;
  return { kind: 'refused', because, status: task.status };
}

async function statusOf(store: GraphStore, id: TaskId): Promise<string> {
  return (await store.refresh()).tasks.get(id)?.status ?? 'gone';
}

/** The error for the reporter of a refused success. */
export function refusal(
  id: TaskId,
  { because, status }: Passed & { readonly kind: 'refused' },
): SupervisorError {
  return new SupervisorError('failed', `${id} is not done: ${because}`, {
    hint:
      status === 'failed'
        ? `it counts as failed now; \`supervisor retry ${id}\` opens it again`
        : 'put that right and report it again',
    details: { status },
  });
}
