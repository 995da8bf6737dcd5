// Agents without processes: they outlive every supervisor, end when they are asked to, and die when their run is aborted.

import type { Outcome } from '../../src/domain/outcome.ts';
import { type Assignment, type Executor, type RunControl, stopReason } from '../../src/executors/executor.ts';
import { aborted, stoppedOutcome } from '../../src/executors/stopped.ts';

/** One agent at work, or over. */
export interface Agent {
  readonly run: string;
  readonly task: string;
  /** The name by which the graph knows it. */
  readonly name: string;
  readonly token: string;
  /** What it came to; null while it works. */
  outcome: Outcome | null;
}

/** All agents that were ever started, and what may not happen when one is. */
export class Agents {
  readonly all: Agent[] = [];
  readonly #ends = new Map<string, Set<() => void>>();
  readonly #begins: (task: string) => void;

  /** `begins`: hears of every start, before it. */
  constructor(begins: (task: string) => void) {
    this.#begins = begins;
  }

  /** Who works on the task just now. */
  at(task: string): Agent | null {
    return this.all.find((agent) => agent.task === task && agent.outcome === null) ?? null;
  }

  last(task: string): Agent | null {
    return this.all.findLast((agent) => agent.task === task) ?? null;
  }

  end(agent: Agent, outcome: Outcome): void {
    if (agent.outcome !== null) return;
    agent.outcome = outcome;
    for (const heard of this.#ends.get(agent.run) ?? []) heard();
  }

  executor(): Executor {
    return {
      type: 'command',
      begin: async ({ run, task, agent, callback }: Assignment, { signal }: RunControl) => {
        if (signal.aborted) return { kind: 'ended', outcome: stoppedOutcome(stopReason(signal)) };
        this.#begins(task.id);
        this.all.push({ run, task: task.id, name: agent, token: callback.token, outcome: null });
        return { kind: 'running', process: null };
      },
      attend: ({ run }, _handle, { signal }) => this.#attend(run, signal),
      recover: async ({ id }) => (this.all.some(({ run }) => run === id) ? null : 'never'),
    };
  }

  async #attend(run: string, signal: AbortSignal): Promise<Outcome> {
    const agent = this.all.find((one) => one.run === run);
    // Its supervisor died between what it wrote down and the start.
    if (!agent) return { kind: 'failed', failure: 'interrupted', message: 'never seen', retryable: true };
    if (agent.outcome) return agent.outcome;
    const hears = this.#ends.get(run) ?? new Set();
    this.#ends.set(run, hears);
    const over = new Promise<void>((resolve) => hears.add(resolve));
    await Promise.race([over, aborted(signal)]);
    if (agent.outcome) return agent.outcome;
    const stopped = stoppedOutcome(stopReason(signal));
    if (stopReason(signal) !== 'detached') this.end(agent, stopped);
    return stopped;
  }
}
