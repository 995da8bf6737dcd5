// The hooks around one agent, wherever it runs: when they run, when they run again, and what follows from how they end. A
// failed before_run releases the task, no attempt counted; a failed after_run is told and changes nothing.

import type { RepoSettings } from '../domain/config.ts';
import type { RunId } from '../domain/ids.ts';
import type { Deferred, Outcome, Stopped } from '../domain/outcome.ts';
import { isSpawned, type Profile } from '../domain/profile.ts';
import { type Assignment, stopReason } from '../executors/executor.ts';
import type { HookCall, HookEnd, HookRunner } from '../executors/process/hooks/hook.ts';
import type { HookName } from '../executors/process/hooks/hook-files.ts';

/** The hooks of a repository. */
export type RepoHooks = Pick<RepoSettings, 'beforeRun' | 'afterRun'>;

/** One run and who hears of its hooks. */
export interface HookedRun {
  readonly assignment: Assignment;
  /** Of the run. */
  readonly signal: AbortSignal;
  tell(hook: HookName, result: HookEnd['kind'] | 'again', because: string): void;
}

/** The command of a hook: a profile's own takes precedence over its repository's; '' means none. Null: there is none. */
export function hookCommand(name: HookName, profile: Profile, repo: RepoHooks | undefined): string | null {
  if (!isSpawned(profile)) return null;
  const key = name === 'before_run' ? 'beforeRun' : 'afterRun';
  const command = (profile[key] ?? repo?.[key] ?? '').trim();
  return command === '' ? null : command;
}

/**
 * Runs before_run. Null: the agent may start; else how the run ends instead. `earlier`: the run in which it was perhaps
 * begun and cut off. Never rejects.
 */
export async function runBefore(
  runner: HookRunner,
  hooked: HookedRun,
  command: string,
  earlier: { readonly id: RunId; readonly folder: string | null } | null,
): Promise<Deferred | Stopped | null> {
  const { assignment, signal } = hooked;
  const cut = earlier && (await runner.state(earlier.folder, 'before_run')) === 'begun' ? earlier : null;
  // It may still be at work: its supervisor was killed, and it was not.
  if (cut) await runner.endLeftovers(cut.id);
  const end = await run(runner, hooked, { name: 'before_run', command, again: cut?.id ?? null, signal });
  if (end.kind === 'ok') return null;
  await runner.endLeftovers(assignment.run);
  if (end.kind === 'stopped') return { kind: 'stopped', reason: stopReason(signal) };
  return { kind: 'deferred', code: 'before-run', because: end.because, scope: 'task' };
}

/** Runs after_run, if there is one, once the processes of the agent have ended, however that was. Never rejects. */
export async function runAfter(
  runner: HookRunner,
  hooked: HookedRun,
  command: string | null,
  outcome: Outcome,
): Promise<void> {
  const { assignment, signal } = hooked;
  const { run: id, folder } = assignment;
  const hasBegun = (await runner.state(folder, 'before_run')) !== 'none';
  if (command !== null) {
    const state = await runner.state(folder, 'after_run');
    // Only the end of who attends to it ends it: the outcome of the run is known already.
    const detached = new AbortController();
    const stop = () => {
      if (stopReason(signal) === 'detached') detached.abort('detached');
    };
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    if (state !== 'none') await runner.endLeftovers(id);
    if (state !== 'ended')
      await run(runner, hooked, {
        name: 'after_run',
        command,
        again: state === 'begun' ? id : null,
        outcome: outcome.kind,
        signal: detached.signal,
      });
    signal.removeEventListener('abort', stop);
  }
  if (hasBegun || command !== null) await runner.endLeftovers(id);
}

async function run(runner: HookRunner, { assignment, tell }: HookedRun, call: HookCall): Promise<HookEnd> {
  if (call.again !== null)
    tell(call.name, 'again', `${call.name} was begun in ${call.again} and cut off; it runs again`);
  const end = await runner.run(assignment, call);
  tell(call.name, end.kind, end.kind === 'failed' ? end.because : '');
  return end;
}
