// The hooks of a run: which apply to it, when they run, and what follows from how they end. A failed before_run releases
// the task, no attempt counted; a failed after_run is told and changes nothing.

import type { RepoSettings } from '../domain/config.ts';
import type { Deferred, Outcome, Stopped } from '../domain/outcome.ts';
import { isSpawned, type Profile, runsHere } from '../domain/profile.ts';
import type { Run } from '../domain/run.ts';
import type { Assignment } from '../executors/executor.ts';
import { stopReason } from '../executors/executor.ts';
import type { HookCall, HookRunner } from '../executors/process/hook.ts';
import type { HookName } from '../executors/process/hook-files.ts';
import type { Ledger } from '../runs/ledger.ts';
import { previousRun } from './assignment.ts';
import type { LiveRun } from './live-run.ts';
import type { RunEvents } from './run-events.ts';

/** The graph's part of it. */
export interface HookedGraph {
  readonly profiles: { readonly repositoryUntrusted?: true };
  readonly settings?: Pick<RepoSettings, 'beforeRun' | 'afterRun'>;
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
    const earlier = previousRun(ledger, live.run);
    const cut = earlier && (await runner.state(earlier.folder, 'before_run')) === 'begun' ? earlier : null;
    // It may still be at work: the supervisor was killed, and it was not.
    if (cut) await runner.endLeftovers(cut.id);
    const end = await this.#run(live, assignment, {
      ...{ name: 'before_run', command, again: cut?.id ?? null, signal: live.signal },
    });
    if (end.kind === 'ok') return null;
    await runner.endLeftovers(live.run.id);
    if (end.kind === 'stopped') return { kind: 'stopped', reason: stopReason(live.signal) };
    return { kind: 'deferred', code: 'before-run', because: end.because, scope: 'task' };
  }

  /** Runs after_run once the processes of the agent have ended, however that was. Never rejects. */
  async after(live: LiveRun, graph: HookedGraph, assignment: Assignment, outcome: Outcome): Promise<void> {
    const { runner } = this.#parts;
    const { run } = live;
    if (!runsHere(run.type) || isDetached(outcome)) return;
    const hasBegun = (await runner.state(run.folder, 'before_run')) !== 'none';
    const command = this.#commandFor('after_run', live, graph, assignment.profile);
    if (command !== null) {
      const state = await runner.state(run.folder, 'after_run');
      // Only the end of the supervisor ends it: what the run came to is known already.
      const detached = new AbortController();
      const stop = () => {
        if (stopReason(live.signal) === 'detached') detached.abort('detached');
      };
      live.signal.addEventListener('abort', stop, { once: true });
      if (live.signal.aborted) stop();
      if (state !== 'none') await runner.endLeftovers(run.id);
      if (state !== 'ended')
        await this.#run(live, assignment, {
          ...{ name: 'after_run', command, again: state === 'begun' ? run.id : null },
          outcome: (live.declared ?? outcome).kind,
          signal: detached.signal,
        });
      live.signal.removeEventListener('abort', stop);
    }
    if (hasBegun || command !== null) await runner.endLeftovers(run.id);
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

  async #run(live: LiveRun, assignment: Assignment, call: HookCall) {
    const { runner, events } = this.#parts;
    if (call.again !== null) {
      const because = `${call.name} was begun in ${call.again} and cut off with the supervisor; it runs again`;
      events.emit('run.hook', live.run, { hook: call.name, result: 'again', because });
    }
    const end = await runner.run(assignment, call);
    const because = end.kind === 'failed' ? end.because : '';
    events.emit('run.hook', live.run, { hook: call.name, result: end.kind, because });
    return end;
  }

  /** A profile's own takes precedence over its repository's; '' means none. Null: none, or it may not run. */
  #commandFor(name: HookName, live: LiveRun, { profiles, settings }: HookedGraph, profile: Profile) {
    if (!isSpawned(profile)) return null;
    const key = name === 'before_run' ? 'beforeRun' : 'afterRun';
    const command = (profile[key] ?? settings?.[key] ?? '').trim();
    if (command === '') return null;
    if (!profiles.repositoryUntrusted) return command;
    const because = `${name} is not run: the repository is not trusted`;
    this.#parts.events.emit('run.hook', live.run, { hook: name, result: 'skipped', because });
    return null;
  }
}

function isDetached(outcome: Outcome): boolean {
  return outcome.kind === 'stopped' && outcome.reason === 'detached';
}
