// One job from taken to reported: a worktree at its commit, the same executor as on the supervisor's machine, signs of life
// and output on the way, its commits pushed, its outcome told. Every step is written down before the next, so that a worker
// that was killed continues where it was.

import { messageOf, SupervisorError } from '../domain/errors.ts';
import {
  accountLack,
  type Deferred,
  type Failed,
  type Outcome,
  type StopReason,
  type Succeeded,
  type Usage,
} from '../domain/outcome.ts';
import type { ExecutorType, Profile } from '../domain/profile.ts';
import type { Assignment, Executor, Handle, RunControl } from '../executors/executor.ts';
import type { HookRunner } from '../executors/process/hooks/hook.ts';
import type { HookName } from '../executors/process/hooks/hook-files.ts';
import type { Clock } from '../platform/clock.ts';
import { type Log, redact } from '../platform/log.ts';
import { type HookedRun, hookCommand, runAfter, runBefore } from '../run/hook-rules.ts';
import { runVerify } from '../wg/verify.ts';
import { type Checkouts, CheckoutTrouble } from './checkouts.ts';
import type { JobRecord, JobRecords } from './job-record.ts';
import { assignmentOf, type Order, profileFor } from './order.ts';
import { OutputRelay } from './output-relay.ts';
import type { SaidByAgents } from './said-by-agents.ts';
import type { JobLine, JobReport, SignOfLife } from './work-source.ts';

export interface JobParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly records: JobRecords;
  readonly checkouts: Checkouts;
  readonly executors: ReadonlyMap<ExecutorType, Executor>;
  readonly hooks: HookRunner;
  readonly said: SaidByAgents;
  readonly profiles: () => ReadonlyMap<string, Profile>;
  /** What agents may inherit, and what a verify command sees. */
  readonly environment: Readonly<Record<string, string>>;
  isOurs(run: string): boolean;
}

/** What a job came to here. */
export type JobEnd =
  /** Told; `outcome` as it was told. */
  | { readonly kind: 'reported'; readonly outcome: JobReport['outcome'] }
  /** No one wanted it any more. */
  | { readonly kind: 'dropped'; readonly because: string }
  /** It continues without this worker, and the next one resumes it. */
  | { readonly kind: 'left' };

/** How often output and words of the agent are looked for, ms. */
const LOOK_EVERY_MS = 2_000;
/** How long an agent may still clean up that said it is done, ms. */
const LINGER_MS = 30_000;
/** As wg's own limit where no one set another, ms. */
const VERIFY_MS = 15 * 60_000;
/** A task whose commit cannot be had, or whose before_run failed, is not asked for again before, ms. */
const TRY_AGAIN_MS = 60_000;
/** From a push or report that failed to the next, ms; it doubles. */
const FIRST_AGAIN_MS = 1_000;
const LAST_AGAIN_MS = 60_000;
const PUSHES = 6;

export class Job {
  readonly order: Order;
  #record: JobRecord;
  readonly #parts: JobParts;
  readonly #line: JobLine;
  readonly #relay: OutputRelay;
  readonly #ending = new AbortController();
  readonly #over = new AbortController();
  #progress: string | null = null;
  #dropped: string | null = null;
  #usage: Usage | null = null;
  #model: string | null = null;

  constructor(record: JobRecord, line: JobLine, parts: JobParts) {
    this.order = record.order;
    this.#record = record;
    this.#line = line;
    this.#parts = parts;
    this.#relay = new OutputRelay(this.#folders.run, line);
  }

  get run(): string {
    return this.order.attempt.id;
  }

  get #sign(): SignOfLife {
    return { progress: this.#progress, usage: this.#usage, model: this.#model };
  }

  get #folders() {
    return this.#parts.records.folders(this.order.attempt.id);
  }

  /** Ends its agent, or (`detached`) only the attending. The first reason counts. */
  stop(reason: StopReason): void {
    if (!this.#ending.signal.aborted) this.#ending.abort(reason);
  }

  /** Does all of it. Rejects only for what is a bug, or a disk that cannot be written. */
  async work(): Promise<JobEnd> {
    const { clock, records } = this.#parts;
    const { deadline } = this.order.attempt;
    const cancel =
      deadline === null ? null : clock.after(Date.parse(deadline) - clock.now(), () => this.stop('timeout'));
    const beating = this.#keepTelling();
    try {
      if (this.#record.phase !== 'ended') {
        const outcome = await this.#outcome();
        if (this.#dropped === null && outcome.kind === 'stopped') {
          // It continues on its own. A stop with a verdict of its own is dropped below.
          if (outcome.reason === 'detached') return { kind: 'left' };
          this.#dropped = `ended: ${outcome.reason}`;
        }
        if (this.#dropped === null) await this.#save({ phase: 'ended', outcome });
      }
      const end =
        this.#dropped === null ? await this.#tell() : { kind: 'dropped' as const, because: this.#dropped };
      if (end.kind === 'left') return end;
      if (end.kind === 'dropped') await this.#line.dropped?.();
      await this.#relay.flush();
      const { remote } = this.order.worktree;
      if (remote !== null) await this.#parts.checkouts.remove(remote, this.#folders.tree);
      await records.remove(this.run);
      await this.#parts.said.forget(this.run);
      return end;
    } finally {
      cancel?.();
      this.#over.abort();
      await beating;
    }
  }

  async #outcome(): Promise<Outcome> {
    const { executors, profiles, environment } = this.#parts;
    const found = profileFor(this.order.work, profiles());
    if (found.kind === 'lacks') return found.outcome;
    const { profile } = found;
    const executor = executors.get(profile.type);
    if (!executor) throw new Error(`no executor of type ${profile.type}`);
    const assignment = assignmentOf(this.order, profile, this.#folders, this.#line.callback, environment);
    const control = this.#control();
    let handle = await this.#leftRunning(executor);
    if (handle === null) {
      await this.#save({ phase: 'taken' });
      const trouble = await this.#prepare();
      if (trouble !== null) return trouble;
      const lack = await executor.lacks?.(profile, { worktree: this.#folders.tree, environment });
      if (lack) return lack;
      const refused = await this.#before(assignment);
      if (refused) return refused;
      const begun = await executor.begin(assignment, control);
      if (begun.kind === 'ended') {
        await this.#after(assignment, begun.outcome);
        return begun.outcome;
      }
      if (begun.kind === 'handed-off') throw new Error(`${profile.type} hands work off`);
      await this.#save({ phase: 'running', process: begun.process });
      handle = { process: begun.process, reference: null, adopted: false };
    }
    const attended = await executor.attend(assignment, handle, control);
    await this.#after(assignment, attended);
    await this.#relay.flush();
    return await this.#judged(attended);
  }

  /** The process that an earlier worker began for it, or null where there was none. */
  async #leftRunning(executor: Executor): Promise<Handle | null> {
    const { phase, process } = this.#record;
    if (phase === 'running' && process !== null) return { process, reference: null, adopted: true };
    const recovered = await executor.recover?.({ id: this.run, folder: this.#folders.run });
    if (recovered === undefined || recovered === 'never') return null;
    if (recovered === 'away') throw new Error(`the folder ${this.#folders.run} is out of reach`);
    return { process: recovered, reference: null, adopted: true };
  }

  async #before(assignment: Assignment): Promise<Outcome | null> {
    const command = this.#hookCommand('before_run', assignment);
    if (command === null) return null;
    // Begun, perhaps, by a worker that was killed in it.
    const earlier = { id: this.run, folder: this.#folders.run };
    const refused = await runBefore(this.#parts.hooks, this.#hooked(assignment), command, earlier);
    await this.#relay.flush();
    if (refused?.kind !== 'deferred') return refused;
    // As a task that is released is offered again at once unless it says when.
    return { ...refused, until: this.#parts.clock.now() + TRY_AGAIN_MS };
  }

  async #after(assignment: Assignment, outcome: Outcome): Promise<void> {
    if (outcome.kind === 'stopped' && outcome.reason === 'detached') return;
    const { hooks, said, isOurs } = this.#parts;
    const command = this.#hookCommand('after_run', assignment);
    const word = await said.of(this.run, isOurs);
    await runAfter(hooks, this.#hooked(assignment), command, word ?? outcome);
  }

  #hookCommand(name: HookName, { profile }: Assignment): string | null {
    const { before_run, after_run } = this.order.work.hooks ?? { before_run: null, after_run: null };
    return hookCommand(name, profile, { beforeRun: before_run ?? '', afterRun: after_run ?? '' });
  }

  #hooked(assignment: Assignment): HookedRun {
    return {
      assignment,
      signal: this.#ending.signal,
      tell: (hook, result, because) => {
        const level = result === 'failed' ? 'warn' : 'info';
        this.#log(level, 'worker.hook', { hook, result, because: redact(because) });
      },
    };
  }

  async #prepare(): Promise<Deferred | null> {
    const { checkouts, clock } = this.#parts;
    const { remote, head, branch } = this.order.worktree;
    const hold = (because: string): Deferred => ({
      kind: 'deferred',
      code: 'commit-missing',
      because,
      until: clock.now() + TRY_AGAIN_MS,
      scope: 'task',
    });
    if (remote === null)
      return hold('its repository has no remote to fetch it from: `git remote add origin URL`, then push');
    if (head === null) return hold('its branch has no commit yet: commit and push something');
    try {
      await checkouts.prepare(remote, head, branch, this.#folders.tree);
      return null;
    } catch (thrown) {
      if (!(thrown instanceof CheckoutTrouble)) throw thrown;
      return hold(redact(thrown.message));
    }
  }

  /** What counts of how it ended: the agent's own word before its exit, and its verify command before success. */
  async #judged(attended: Outcome): Promise<Outcome> {
    const { said, clock, environment, isOurs } = this.#parts;
    const word = await said.of(this.run, isOurs);
    const isOver = attended.kind === 'succeeded' || attended.kind === 'failed' || word !== null;
    if (!isOver || this.#dropped !== null) return attended;
    const usage = ('usage' in attended ? attended.usage : undefined) ?? this.#usage ?? undefined;
    const outcome = { ...(word ?? (attended as Succeeded | Failed)), ...(usage ? { usage } : {}) };
    const { verify } = this.order.work;
    if (outcome.kind !== 'succeeded' || verify === null) return outcome;
    const verified = await runVerify({
      command: verify,
      cwd: this.#folders.tree,
      variables: environment,
      timeoutMs: VERIFY_MS,
      clock,
    });
    if (verified.passed) return outcome;
    return {
      kind: 'failed',
      failure: 'reported',
      message: redact(verified.because),
      retryable: true,
      ...(usage ? { usage } : {}),
    };
  }

  /** Pushes and reports, however often that takes. */
  async #tell(): Promise<JobEnd> {
    const { outcome } = this.#record;
    if (outcome === null || outcome.kind === 'stopped')
      return { kind: 'dropped', because: 'it has no outcome' };
    const told = outcome.kind === 'deferred' ? forOthers(outcome) : await this.#published(outcome);
    if (told === null) return { kind: 'left' };
    // A report has no model in it, and a release no use.
    if (this.#model !== null || this.#usage !== null) await this.#line.beat(this.#sign);
    for (let wait = FIRST_AGAIN_MS; ; wait = Math.min(wait * 2, LAST_AGAIN_MS)) {
      try {
        const reported = await this.#line.end({ outcome: told, pushed: this.#record.pushed });
        if (reported.kind === 'taken') {
          if (reported.note) this.#log('info', `worker.${reported.note}`, {});
          return { kind: 'reported', outcome: told };
        }
        const { pushed } = this.#record;
        const kept = pushed === null ? '' : `; its commits stay on branch ${pushed.branch}`;
        return { kind: 'dropped', because: `its result came too late: ${reported.because}${kept}` };
      } catch (thrown) {
        if (!(thrown instanceof SupervisorError) || thrown.code !== 'not-running') throw thrown;
        if (await this.#leavesDuring(wait)) return { kind: 'left' };
      }
    }
  }

  /** The outcome once its commits are where others find them; null: the worker ends before they are. */
  async #published(outcome: Succeeded | Failed): Promise<Succeeded | Failed | null> {
    const { remote, head } = this.order.worktree;
    const { push } = this.order.work;
    if (push === null || remote === null || head === null) return outcome;
    let wait = FIRST_AGAIN_MS;
    for (let left = PUSHES; ; left--) {
      try {
        const pushed = await this.#parts.checkouts.publish({
          remote,
          tree: this.#folders.tree,
          base: head,
          branch: push,
          run: this.run,
          leftovers: `${this.order.task.local_id}: what its agent left uncommitted`,
        });
        await this.#save({ pushed });
        return outcome;
      } catch (thrown) {
        if (!(thrown instanceof CheckoutTrouble)) throw thrown;
        this.#log('warn', 'worker.push-failed', { because: thrown.message });
        if (left > 1) {
          if (await this.#leavesDuring(wait)) return null;
          wait = Math.min(wait * 2, LAST_AGAIN_MS);
          continue;
        }
        const message = redact(thrown.message);
        // A failure needs no commits to be one.
        if (outcome.kind === 'failed') return { ...outcome, message: `${outcome.message}; ${message}` };
        const usage = outcome.usage ? { usage: outcome.usage } : {};
        return { kind: 'failed', failure: 'unreachable', message, retryable: true, ...usage };
      }
    }
  }

  /** Waits; true when the worker is leaving meanwhile. */
  async #leavesDuring(ms: number): Promise<boolean> {
    await this.#parts.clock.sleep(ms, this.#ending.signal);
    return this.#ending.signal.aborted && this.#ending.signal.reason === 'detached';
  }

  /** Signs of life, output and what the agent says, until it has finished. */
  async #keepTelling(): Promise<void> {
    const { clock } = this.#parts;
    const every = Math.min(LOOK_EVERY_MS, this.#line.beatEveryMs);
    let beatAt = clock.now() + this.#line.beatEveryMs;
    let isHandedBack = false;
    while (!this.#over.signal.aborted) {
      await clock.sleep(every, this.#over.signal);
      if (this.#over.signal.aborted) return;
      try {
        await this.#relay.flush();
        await this.#hearAgent();
        if (clock.now() < beatAt) continue;
        beatAt = clock.now() + this.#line.beatEveryMs;
        const heard = await this.#line.beat(this.#sign);
        if (heard === 'cancel') this.#drop('cancelled', 'it was cancelled, or its time has finished');
        if (heard === 'superseded') this.#drop('lost-claim', 'someone else has it');
        if (heard === 'handed-back' && !isHandedBack) {
          isHandedBack = true;
          this.#log('warn', 'worker.lease-lost', {
            because: 'it continues: a result is welcome until someone else has it',
          });
        }
      } catch (thrown) {
        this.#log('warn', 'worker.beat-failed', { because: messageOf(thrown) });
      }
    }
  }

  async #hearAgent(): Promise<void> {
    const { said, clock, isOurs } = this.#parts;
    const word = await said.of(this.run, isOurs);
    if (word === null || this.#ending.signal.aborted) return;
    if (word.kind === 'failed') this.stop('completed');
    else clock.after(LINGER_MS, () => this.stop('completed'));
  }

  #drop(reason: StopReason, because: string): void {
    // What has finished already is told all the same: the answer says what it counts for.
    if (this.#record.phase === 'ended' || this.#dropped !== null) return;
    this.#dropped = because;
    this.#log('warn', 'worker.dropped', { because });
    this.stop(reason);
  }

  #control(): RunControl {
    return {
      signal: this.#ending.signal,
      progress: (message) => {
        this.#progress = redact(message);
      },
      note: ({ usage, model }) => {
        this.#usage = usage ?? this.#usage;
        this.#model = model ?? this.#model;
      },
    };
  }

  async #save(news: Partial<JobRecord>): Promise<void> {
    this.#record = { ...this.#record, ...news };
    await this.#parts.records.save(this.#record);
  }

  #log(level: 'info' | 'warn', name: string, fields: Readonly<Record<string, unknown>>): void {
    this.#parts.log[level](name, { run: this.run, task: this.order.task.local_id, ...fields });
  }
}

/** What this worker lacks is no reason for others to wait. */
function forOthers(outcome: Deferred): Deferred {
  if (outcome.scope === 'task' || accountLack(outcome) !== null) return outcome;
  const { until: _until, ...rest } = outcome;
  return rest;
}
