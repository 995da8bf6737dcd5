// The hooks of a run under this supervisor: which apply to it, and the events that tell of them.

import type { Deferred, Outcome, Stopped } from '../domain/outcome.ts';
import { type Profile, runsHere } from '../domain/profile.ts';
import type { Run } from '../domain/run.ts';
import type { Assignment } from '../executors/executor.ts';
import type { HookRunner } from '../executors/process/hooks/hook.ts';
import type { HookName } from '../executors/process/hooks/hook-files.ts';
import type { Ledger } from '../runs/ledger.ts';
import { previousRun } from './assignment.ts';
import { type HookedRun, hookCommand, type RepoHooks, runAfter, runBefore } from './hook-rules.ts';
import type { LiveRun } from './live-run.ts';
import type { RunEvents } from './run-events.ts';

/** The graph's part of it. */
export interface HookedGraph {
  readonly profiles: { readonly repositoryUntrusted?: true };
  readonly settings?: RepoHooks;
}

interface HookNeeds {
  readonly runner: HookRunner;
  readonly ledger: Pick<Ledger, 'runs'>;
  readonly events: Pick<RunEvents, 'emit'>;
}

export class RunHooks {
  readonly #parts: HookNeeds;

  constructor(parts: HookNeeds) {
    this.#parts = parts;
  }

  /** Runs before_run. Null: the agent may start; else how the run ends instead. Never rejects. */
  async before(
    live: LiveRun,
    graph: HookedGraph,
    assignment: Assignment,
  ): Promise<Deferred | Stopped | null> {
    const command = this.#commandFor('before_run', live, graph, assignment.profile);
    if (command === null) return null;
    const { runner, ledger } = this.#parts;
    return runBefore(runner, this.#hooked(live, assignment), command, previousRun(ledger, live.run));
  }

  /** Runs after_run once the processes of the agent have ended, however that was. Never rejects. */
  async after(live: LiveRun, graph: HookedGraph, assignment: Assignment, outcome: Outcome): Promise<void> {
    if (!runsHere(live.run.type) || isDetached(outcome)) return;
    const command = this.#commandFor('after_run', live, graph, assignment.profile);
    await runAfter(this.#parts.runner, this.#hooked(live, assignment), command, live.declared ?? outcome);
  }

  /** What a run that never started its agent has to say of its hook; '': nothing. */
  async unfinished(run: Run): Promise<string> {
    switch (await this.#parts.runner.state(run.folder, 'before_run')) {
      case 'begun':
        return '; its before_run was under way, and runs again with the next run';
      case 'ended':
        return '; its before_run had ended, and runs again with the next run';
      default:
        return '';
    }
  }

  #hooked(live: LiveRun, assignment: Assignment): HookedRun {
    return {
      assignment,
      signal: live.signal,
      tell: (hook, result, because) =>
        this.#parts.events.emit('run.hook', live.run, { hook, result, because }),
    };
  }

  /** The command of a hook; null: none, or it may not run. */
  #commandFor(name: HookName, live: LiveRun, { profiles, settings }: HookedGraph, profile: Profile) {
    const command = hookCommand(name, profile, settings);
    if (command === null || !profiles.repositoryUntrusted) return command;
    const because = `${name} is not run: the repository is not trusted`;
    this.#parts.events.emit('run.hook', live.run, { hook: name, result: 'skipped', because });
    return null;
  }
}

function isDetached(outcome: Outcome): boolean {
  return outcome.kind === 'stopped' && outcome.reason === 'detached';
}
