// Runs a hook: a shell command of the configuration, before or after the agent of a run, where the agent works. What it
// did is written beside the run's output before it begins and after it ends, so that a supervisor that is killed in
// between leaves a trace, and nothing runs twice unnoticed.

import { constants } from 'node:fs';
import { stat } from 'node:fs/promises';
import { stripVTControlCharacters } from 'node:util';
import { execa } from 'execa';
import { messageOf } from '../../../domain/errors.ts';
import type { RunId } from '../../../domain/ids.ts';
import { redact } from '../../../platform/log.ts';
import { openRegular, writeText } from '../../../platform/regular-file.ts';
import type { Assignment } from '../../executor.ts';
import { agentEnvironment, RUN_MARK, STATE_MARK } from '../environment/environment.ts';
import { isFolder } from '../environment/find-program.ts';
import type { ProcessMeans } from '../lifecycle/subprocess.ts';
import { endRunProcesses } from '../lifecycle/terminate.ts';
import { tailOf } from '../output/tail.ts';
import {
  HOOK_LIMIT_MS,
  HOOKS,
  type HookName,
  type HookState,
  hookLog,
  hookRecord,
  hookState,
} from './hook-files.ts';

/** One hook of a run. */
export interface HookCall {
  readonly name: HookName;
  readonly command: string;
  /** The run in which it was begun and not ended; null: it was not. */
  readonly again: RunId | null;
  /** How the run ended, for `after_run`. */
  readonly outcome?: string;
  /** Aborted: it is ended at once. */
  readonly signal: AbortSignal;
}

export type HookEnd =
  | { readonly kind: 'ok' }
  | { readonly kind: 'failed'; readonly because: string }
  | { readonly kind: 'stopped' };

export interface HookRunner {
  /** Runs it to its end. Never rejects. */
  run(assignment: Assignment, call: HookCall): Promise<HookEnd>;
  /** What the folder of a run says about its hook. */
  state(folder: string | null, name: HookName): Promise<HookState>;
  /** Ends what hooks of a run left running. */
  endLeftovers(run: RunId): Promise<void>;
}

/** As much as it may print, bytes. */
const PRINTED_MAX_BYTES = 16 * 1024 * 1024;
const APPENDING = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT;
const SAID_CHARS = 200;
const LADDER = ['SIGTERM', 'SIGKILL'] as const;

/** The marks by which processes of a run's hooks are found; the agent's own mark is another. */
export function hookMarks(run: RunId): readonly string[] {
  return HOOKS.map((name) => markOf(run, name));
}

/** Runs hooks with these means. */
export function createHookRunner(means: ProcessMeans): HookRunner {
  const end = (mark: string) =>
    endRunProcesses(mark, null, LADDER, { ...means, graceMs: means.graceMs() }).then(() => undefined);
  return {
    async run(assignment, call) {
      try {
        return await runHook(assignment, call, means);
      } catch (thrown) {
        return { kind: 'failed', because: `${call.name} could not be run: ${messageOf(thrown)}` };
      }
    },
    state: hookState,
    async endLeftovers(run) {
      for (const mark of hookMarks(run)) await end(mark);
    },
  };
}

async function runHook(assignment: Assignment, call: HookCall, means: ProcessMeans): Promise<HookEnd> {
  const { folder, worktree } = assignment;
  const { name, command, again, signal } = call;
  if (signal.aborted) return { kind: 'stopped' };
  if (!(await isFolder(worktree.path)))
    return { kind: 'failed', because: `${name} was not run: ${worktree.path} is not there` };
  const environment = agentEnvironment(means.variables, assignment);
  if (environment.kind === 'deferred')
    return { kind: 'failed', because: `${name} was not run: ${environment.outcome.because}` };
  const { clock } = means;
  const mark = markOf(assignment.run, name);
  const record = { hook: name, command, started_at: clock.now(), ...(again === null ? {} : { again }) };
  await writeText(hookRecord(folder, name), `${JSON.stringify(record)}\n`);
  const log = await openRegular(hookLog(folder, name), APPENDING, {}, 0o600);
  if (log === null) throw new Error(`there is no ${hookLog(folder, name)}`);
  const running = execa('/bin/sh', ['-c', command], {
    cwd: worktree.path,
    env: {
      ...environment.variables,
      [RUN_MARK]: mark,
      [STATE_MARK]: means.stateDir,
      SUPERVISOR_HOOK: name,
      SUPERVISOR_HOOK_RUN: assignment.run,
      ...(again === null ? {} : { SUPERVISOR_HOOK_AGAIN: again }),
      ...(call.outcome === undefined ? {} : { SUPERVISOR_OUTCOME: call.outcome }),
    },
    extendEnv: false,
    detached: true,
    cleanup: false,
    buffer: false,
    reject: false,
    // execa's types know the three standard descriptors only.
    stdio: ['ignore', log.fd as 1, log.fd as 2],
  });
  const leader = running.pid === undefined ? null : means.processes.identify(running.pid);
  const cause = await firstOf(running, call, hookLog(folder, name), means).finally(() => log.close());
  if (cause !== 'exited') {
    await endRunProcesses(mark, leader, LADDER, { ...means, graceMs: means.graceMs() });
    await running;
  }
  // Ended with the supervisor: the next one runs it again, and says so.
  if (cause === 'stopped') return { kind: 'stopped' };
  const { exitCode, failed, signal: by } = await running;
  const ended = { ...record, ended_at: clock.now(), exit: exitCode ?? null };
  await writeText(hookRecord(folder, name), `${JSON.stringify(ended)}\n`);
  if (cause === 'exited' && !failed) return { kind: 'ok' };
  const how =
    cause === 'late'
      ? `did not end within ${HOOK_LIMIT_MS / 1000} s`
      : cause === 'flood'
        ? `printed more than ${PRINTED_MAX_BYTES / 2 ** 20} MiB`
        : `failed (${exitCode === undefined ? (by ?? 'it did not start') : `exit ${exitCode}`})`;
  return { kind: 'failed', because: `${name} ${how}${await lastLine(folder, name)}` };
}

/** Whichever comes first: it exits, is to be stopped, takes too long, or prints too much. */
async function firstOf(
  running: Promise<unknown>,
  { signal }: HookCall,
  log: string,
  { clock, poller }: ProcessMeans,
): Promise<'exited' | 'stopped' | 'late' | 'flood'> {
  let leave = () => {};
  let cancel = () => {};
  let stop = () => {};
  try {
    return await new Promise((resolve) => {
      stop = () => resolve('stopped');
      cancel = clock.after(HOOK_LIMIT_MS, () => resolve('late'));
      leave = poller.add(async () => {
        const printed = await stat(log).catch(() => null);
        if ((printed?.size ?? 0) > PRINTED_MAX_BYTES) resolve('flood');
      });
      signal.addEventListener('abort', stop, { once: true });
      void running.then(() => resolve('exited'));
    });
  } finally {
    leave();
    cancel();
    signal.removeEventListener('abort', stop);
  }
}

async function lastLine(folder: string, name: HookName): Promise<string> {
  const said = stripVTControlCharacters(await tailOf(hookLog(folder, name), 4096).catch(() => ''));
  const line = redact(said.trim().split('\n').at(-1)?.trim() ?? '').slice(0, SAID_CHARS);
  return line === '' ? `; its output is in ${hookLog(folder, name)}` : `: ${line} (${hookLog(folder, name)})`;
}

function markOf(run: RunId, name: HookName): string {
  return `${run}.${name}`;
}
