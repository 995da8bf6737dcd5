// Everything that works on tasks: processes of this machine and jobs at a service elsewhere. They outlive every
// supervisor; each follows a script that the seed has written for it, and tells the journal what it does.

import type { Outcome } from '../../src/domain/outcome.ts';
import type { ExecutorType, Profile } from '../../src/domain/profile.ts';
import type { ProcessIdentity } from '../../src/domain/run.ts';
import { type Assignment, type Executor, type RunControl, stopReason } from '../../src/executors/executor.ts';
import { createExternalExecutor } from '../../src/executors/external.ts';
import { stoppedOutcome } from '../../src/executors/stopped.ts';
import type { Chance } from './chance.ts';
import type { Journal, Word } from './journal.ts';
import type { Life, Scheduler } from './scheduler.ts';

/** What one attempt is going to do. */
interface Script {
  readonly ms: number;
  readonly end: 'good' | 'bad' | 'gone' | 'hangs';
  readonly report:
    | 'none'
    | 'in graph'
    | 'once'
    | 'twice'
    | 'contradiction'
    | 'for another'
    | 'too late'
    | 'failure';
}

export interface Work {
  readonly run: string;
  readonly task: string;
  readonly graph: string;
  /** The task as all its copies are counted. */
  readonly key: string;
  /** As its line names it. */
  readonly agent: string;
  /** Awake time, ms. */
  readonly begunAt: number;
  readonly script: Script;
  readonly process: ProcessIdentity | null;
  /** Whose state folder it carries. */
  readonly home: string;
  /** How it ended, as the disk or the service tells; null: it works. */
  exit: 'good' | 'bad' | 'gone' | null;
  /** It reported, and does not know whether that was heard. */
  isUnsure: boolean;
  isHeard: boolean;
  readonly hears: Set<() => void>;
}

/** What is needed of the world around. */
export interface AroundAgents {
  readonly scheduler: Scheduler;
  readonly chance: Chance;
  readonly journal: Journal;
  keyOf(graph: string, task: string): string;
  /** Faults have ended: everyone does what is asked for. */
  isCalm(): boolean;
  /** The provider of a profile refuses until then, ms; null: it does not. */
  throttledUntil(profile: string): number | null;
  /** Makes a call to the supervisor that serves the graph. */
  report(
    work: Work,
    result: 'succeeded' | 'failed',
    of?: string,
  ): Promise<'taken' | 'known' | 'refused' | 'unsure'>;
  /** Writes into the graph that its task is done, as `wg done` does. */
  finishInGraph(work: Work): Promise<boolean>;
  /** A task with a verify command is done only once that has passed. */
  hasVerify(key: string): boolean;
  /** Whether the clock was set while someone else attended to it, or no one. */
  wasClockSet(work: Work, life: Life): boolean;
}

/** Between two looks at a job elsewhere, ms. */
const POLL_MS = 20_000;
const REPORT_AGAIN_MS = 15_000;
const REPORTS_AT_MOST = 8;
const LINGER_MS = 8000;
/** The clock is corrected by up to half a minute without anyone noticing, ms. */
const TIME_SLACK_MS = 240_000;

export class Agents {
  readonly #around: AroundAgents;
  readonly #work = new Map<string, Work>();
  readonly #starts = new Map<string, number>();
  #pids = 100;
  #boot = 1;

  constructor(around: AroundAgents) {
    this.#around = around;
  }

  get bootId(): string {
    return `boot-${this.#boot}`;
  }

  working(): readonly Work[] {
    return [...this.#work.values()].filter(({ exit }) => exit === null);
  }

  isLive(pid: number): boolean {
    return this.working().some((work) => work.process?.pid === pid);
  }

  find(run: string): Work | undefined {
    return this.#work.get(run);
  }

  /** Runs of other tasks, for those that mistake one for their own. */
  others({ key, home }: Work): readonly string[] {
    return [...this.#work.values()]
      .filter((work) => work.key !== key && work.home === home)
      .map(({ run }) => run);
  }

  /** The machine starts again: no process is left. */
  reboot(): void {
    this.#boot++;
    for (const work of this.working()) if (work.process) this.#end(work, 'gone');
  }

  /** Stops processes of this state folder that no run owns. */
  async sweep(life: Life, home: string, owned: () => ReadonlySet<string>): Promise<void> {
    const { scheduler, chance } = this.#around;
    for (const work of this.working()) {
      if (work.home !== home || !work.process || owned().has(work.run)) continue;
      await scheduler.do(life, () => this.#kill(work), chance.below(200));
    }
  }

  executors(life: Life, home: string): ReadonlyMap<ExecutorType, Executor> {
    return new Map<ExecutorType, Executor>([
      ['command', this.#local('command', life, home)],
      ['claude', this.#local('claude', life, home)],
      ['http', this.#elsewhere(life, home)],
      ['external', createExternalExecutor()],
    ]);
  }

  #begin(assignment: Assignment, home: string, isProcess: boolean): Work {
    const { journal, chance, keyOf } = this.#around;
    const { run, task, graph } = assignment;
    const key = keyOf(graph, task.id);
    const nth = (this.#starts.get(key) ?? 0) + 1;
    this.#starts.set(key, nth);
    const process = isProcess
      ? { pid: ++this.#pids, startTime: String(this.#pids), bootId: this.bootId }
      : null;
    const script = this.#script(chance.fork(`${key} ${nth}`));
    const work: Work = {
      ...{ run, task: task.id, graph, key, agent: assignment.agent, script, process, home },
      begunAt: this.#around.scheduler.elapsed,
      ...{ exit: null, isUnsure: false, isHeard: false, hears: new Set() },
    };
    this.#work.set(run, work);
    journal.start(key, run);
    void this.#perform(work);
    return work;
  }

  #script(chance: Chance): Script {
    const ms = chance.around(150_000);
    if (this.#around.isCalm()) return { ms: Math.min(ms, 300_000), end: 'good', report: 'none' };
    return {
      ms,
      end: chance.weighed({ good: 76, bad: 14, gone: 6, hangs: 4 }),
      report: chance.weighed({
        ...{ none: 56, 'in graph': 8, once: 14, twice: 6, contradiction: 4 },
        ...{ 'for another': 4, 'too late': 4, failure: 6 },
      }),
    };
  }

  async #perform(work: Work): Promise<void> {
    const { script } = work;
    await this.#pass(script.ms);
    if (work.exit !== null) return;
    if (script.report === 'in graph') {
      if (await this.#around.finishInGraph(work)) work.isHeard = true;
      await this.#pass(this.#around.chance.below(LINGER_MS));
    }
    if (script.report === 'for another') await this.#reportForAnother(work);
    if (script.report === 'once' || script.report === 'twice' || script.report === 'contradiction') {
      await this.#report(work, 'succeeded');
      if (script.report === 'twice') await this.#report(work, 'succeeded');
      if (script.report === 'contradiction') await this.#report(work, 'failed');
      await this.#pass(this.#around.chance.below(LINGER_MS));
    }
    if (script.report === 'failure') {
      await this.#report(work, 'failed');
      await this.#pass(this.#around.chance.below(2 * LINGER_MS));
    }
    if (work.exit !== null || (script.end === 'hangs' && !work.isHeard)) return;
    this.#end(work, script.end === 'hangs' ? 'good' : script.end);
    if (script.report === 'too late')
      await this.#report(work, script.end === 'good' ? 'succeeded' : 'failed');
  }

  #pass(ms: number): Promise<void> {
    const { scheduler } = this.#around;
    return scheduler.do(scheduler.outside, () => {}, ms);
  }

  async #report(work: Work, result: 'succeeded' | 'failed'): Promise<void> {
    const { report, journal } = this.#around;
    for (let n = 0; n < REPORTS_AT_MOST; n++) {
      // A process that is gone says nothing more; what it said late is said by its wrapper.
      if (work.exit !== null && work.script.report !== 'too late') return;
      const word = await report(work, result);
      if ((word === 'taken' || word === 'known') && !work.isHeard && work.exit === null) {
        const said = result === 'succeeded' ? 'good' : 'bad';
        work.isHeard = true;
        work.isUnsure = false;
        if (word === 'taken') journal.heard(work.key, work.run, said);
        else journal.confirmed(work.key, work.run, said);
      }
      if (word !== 'unsure') return;
      work.isUnsure = true;
      await this.#pass(REPORT_AGAIN_MS);
    }
  }

  /** It takes another run's name for its own; that must not be believed. */
  async #reportForAnother(work: Work): Promise<void> {
    const others = this.others(work);
    if (others.length > 0) await this.#around.report(work, 'succeeded', this.#around.chance.pick(others));
  }

  #end(work: Work, exit: 'good' | 'bad' | 'gone', word?: Word): void {
    if (work.exit !== null) return;
    work.exit = exit;
    // Its own word came first, or may have.
    const isOpen = exit === 'good' && this.#around.hasVerify(work.key);
    const counts = work.isHeard || work.isUnsure || isOpen ? 'stopped' : (word ?? exit);
    this.#around.journal.end(work.key, work.run, counts, exit, word === 'stopped');
    for (const hear of [...work.hears]) hear();
  }

  /** Time in which it could not work, and time that only the clock's hands passed, are not its own. */
  #judgeTime(work: Work, life: Life, { timeoutMs }: Profile): void {
    const { scheduler, journal, wasClockSet } = this.#around;
    const worked = scheduler.elapsed - work.begunAt;
    if (worked >= timeoutMs - TIME_SLACK_MS || wasClockSet(work, life)) return;
    journal.fault('killed', `${work.run} of ${work.key} had ${worked} ms of ${timeoutMs}`);
  }

  #kill(work: Work): void {
    this.#end(work, 'gone', 'stopped');
  }

  /** Resolves when it ended, or when the signal aborts. */
  #ended(work: Work, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (work.exit !== null || signal.aborted) return resolve();
      const done = () => {
        work.hears.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      work.hears.add(done);
      signal.addEventListener('abort', done, { once: true });
    });
  }

  #throttled(profile: string): Outcome | null {
    const until = this.#around.throttledUntil(profile);
    if (until === null) return null;
    const isTold = this.#around.chance.is(0.5);
    const because = 'the quota is used up';
    return { kind: 'deferred', code: 'quota', because, scope: 'profile', ...(isTold ? { until } : {}) };
  }

  #local(type: 'command' | 'claude', life: Life, home: string): Executor {
    const { scheduler, chance } = this.#around;
    return {
      type,
      begin: async (assignment, { signal }) => {
        if (signal.aborted) return { kind: 'ended', outcome: stoppedOutcome(stopReason(signal)) };
        const begun = await scheduler.do(
          life,
          () => this.#throttled(assignment.profile.name) ?? this.#begin(assignment, home, true),
          chance.below(20),
        );
        // Killed here it runs, and no one has recorded that.
        await scheduler.do(life, () => {}, chance.below(20));
        if ('kind' in begun) return { kind: 'ended', outcome: begun };
        return { kind: 'running', process: begun.process };
      },
      attend: async ({ run, profile }, _handle, { signal }) => {
        const work = this.#work.get(run);
        await scheduler.do(life, () => {});
        if (!work) return INTERRUPTED;
        await this.#ended(work, signal);
        // Heard of through an operation of this life: a dead one hears nothing.
        await scheduler.do(life, () => {}, chance.below(30));
        if (work.exit === null && signal.aborted) {
          if (stopReason(signal) === 'detached') return stoppedOutcome('detached');
          if (stopReason(signal) === 'timeout') this.#judgeTime(work, life, profile);
          await scheduler.do(life, () => this.#kill(work), chance.below(4000));
          if (work.exit === 'gone') return stoppedOutcome(stopReason(signal));
        }
        if (work.exit === 'gone') return signal.aborted ? stoppedOutcome(stopReason(signal)) : INTERRUPTED;
        return outcomeOf(work);
      },
      recover: async ({ id }) => {
        await scheduler.do(life, () => {}, chance.below(50));
        const work = this.#work.get(id);
        if (!work || work.exit === 'gone') return 'never';
        return work.exit === null ? work.process : null;
      },
    };
  }

  #elsewhere(life: Life, home: string): Executor {
    const { scheduler, chance } = this.#around;
    return {
      type: 'http',
      begin: async (assignment, { signal }) => {
        if (signal.aborted) return { kind: 'ended', outcome: stoppedOutcome(stopReason(signal)) };
        const refused = await scheduler.do(
          life,
          () => {
            // The same message again is the same job.
            if (this.#work.has(assignment.run)) return null;
            const throttled = this.#throttled(assignment.profile.name);
            if (throttled === null) this.#begin(assignment, home, false);
            return throttled;
          },
          chance.below(400),
        );
        await scheduler.do(life, () => {}, chance.below(400));
        if (refused) return { kind: 'ended', outcome: refused };
        return { kind: 'handed-off', reference: `job of ${assignment.run}`, deadlineAt: null };
      },
      attend: async ({ run }, _handle, control) => await this.#attendElsewhere(life, run, control),
    };
  }

  async #attendElsewhere(life: Life, run: string, { signal }: RunControl): Promise<Outcome> {
    const { scheduler } = this.#around;
    const work = this.#work.get(run);
    await scheduler.do(life, () => {});
    if (!work) return INTERRUPTED;
    const clock = scheduler.clock(life);
    while (work.exit === null && !signal.aborted) await clock.sleep(POLL_MS, signal);
    if (work.exit === null) {
      if (stopReason(signal) === 'detached') return stoppedOutcome('detached');
      await scheduler.do(life, () => this.#kill(work), 50);
    }
    if (work.exit === 'gone')
      return signal.aborted ? stoppedOutcome(stopReason(signal)) : { ...INTERRUPTED, failure: 'unreachable' };
    return outcomeOf(work);
  }
}

const INTERRUPTED = {
  kind: 'failed',
  failure: 'interrupted',
  message: 'it vanished without an exit status',
  retryable: true,
} satisfies Outcome;

function outcomeOf({ exit, run }: Work): Outcome {
  if (exit === 'good') return { kind: 'succeeded', summary: `done by ${run}` };
  return { kind: 'failed', failure: 'exit', message: `status 1 of ${run}`, retryable: true, exitCode: 1 };
}
