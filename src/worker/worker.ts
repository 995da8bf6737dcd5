// Takes work as long as it has places, carries each job to its end, and goes on with what an earlier worker left. A far side
// that does not answer is asked again, ever more rarely; what runs continues meanwhile.

import { messageOf, SupervisorError } from '../domain/errors.ts';
import type { Profile } from '../domain/profile.ts';
import { Job, type JobEnd, type JobParts } from './job.ts';
import type { JobRecord } from './job-record.ts';
import { profileFor } from './order.ts';
import { Resting } from './resting.ts';
import type { Taken, WorkSource } from './work-source.ts';

export interface WorkerParts extends Omit<JobParts, 'isOurs'> {
  readonly source: WorkSource;
  /** Profiles that it offers. */
  readonly offers: readonly string[];
  readonly places: number;
  /** A folder that programs are looked for from. */
  readonly folder: string;
  random(): number;
}

const FIRST_AGAIN_MS = 500;
const LAST_AGAIN_MS = 30_000;
/** How often it looks whether what rests may continue, ms. */
const REST_LOOK_MS = 10_000;

export class Worker {
  readonly #parts: WorkerParts;
  readonly #jobs = new Map<string, Job>();
  readonly #resting = new Resting();
  readonly #draining = new AbortController();
  #freed: () => void = () => {};
  #isUnheard = false;

  constructor(parts: WorkerParts) {
    this.#parts = parts;
  }

  /** What it works on, by run. */
  get jobs(): ReadonlyMap<string, Job> {
    return this.#jobs;
  }

  /** Takes nothing new; what runs is carried to its end. */
  drain(): void {
    this.#draining.abort();
    this.#freed();
  }

  /** Releases what runs, too: agents continue, and the next start adopts them. */
  leave(): void {
    this.drain();
    for (const job of this.#jobs.values()) job.stop('detached');
  }

  /** Resolves when it was drained and nothing runs. Rejects with `config` where it is refused for good. */
  async run(): Promise<void> {
    const { records, source } = this.#parts;
    for (const record of await records.left()) this.#start(record, 'worker.taken-up');
    try {
      await this.#take();
    } catch (thrown) {
      this.leave();
      throw thrown;
    } finally {
      await this.#idle();
      await source.close();
    }
  }

  async #take(): Promise<void> {
    const { places, source, clock, log, random } = this.#parts;
    const { signal } = this.#draining;
    let wait = FIRST_AGAIN_MS;
    while (!signal.aborted) {
      const free = places - this.#jobs.size;
      if (free <= 0) {
        await this.#nextFree();
        continue;
      }
      const resting = await this.#rests();
      const profiles = this.#parts.offers.filter((name) => !resting.has(name));
      try {
        const taken = await source.take({ profiles, resting, places: free }, signal);
        if (this.#isUnheard) log.info('worker.heard-again', { source: source.name });
        this.#isUnheard = false;
        wait = FIRST_AGAIN_MS;
        for (const one of taken) this.#begin(one);
        if (profiles.length === 0) await clock.sleep(REST_LOOK_MS, signal);
      } catch (thrown) {
        if (signal.aborted) return;
        if (!(thrown instanceof SupervisorError) || thrown.code !== 'not-running') throw thrown;
        if (!this.#isUnheard) log.warn('worker.unheard', { source: source.name, because: thrown.message });
        this.#isUnheard = true;
        // All workers of a farm lose their supervisor together; they need not come back together.
        await clock.sleep(wait * (0.5 + random() / 2), signal);
        wait = Math.min(wait * 2, LAST_AGAIN_MS);
      }
    }
  }

  #begin(taken: Taken): void {
    const { order } = taken;
    if (this.#jobs.has(order.attempt.id)) return;
    this.#start({ ...taken, phase: 'taken', process: null, outcome: null, pushed: null }, 'worker.taken');
  }

  #start(record: JobRecord, how: 'worker.taken' | 'worker.taken-up'): void {
    const { source, log, clock } = this.#parts;
    const job = new Job(record, source.line(record), {
      ...this.#parts,
      isOurs: (run) => this.#jobs.has(run),
    });
    const about = { run: job.run, task: job.order.task.local_id, profile: job.order.work.profile };
    this.#jobs.set(job.run, job);
    log.info(how, about);
    void job
      .work()
      .then(
        (end) => this.#ended(end, job),
        (thrown: unknown) => {
          // The disk, most likely: nothing more can be begun here for a while.
          const because = messageOf(thrown);
          log.error('worker.job-broken', { ...about, because });
          this.#resting.note(about.profile, { because }, clock.now());
        },
      )
      .finally(() => {
        this.#jobs.delete(job.run);
        this.#freed();
      });
  }

  #ended(end: JobEnd, job: Job): void {
    const { log, clock } = this.#parts;
    const about = { run: job.run, task: job.order.task.local_id };
    const { profile } = job.order.work;
    if (end.kind !== 'reported') {
      log.info(`worker.${end.kind}`, { ...about, ...('because' in end ? { because: end.because } : {}) });
      return;
    }
    const { outcome } = end;
    log.info('worker.reported', { ...about, outcome: outcome.kind });
    if (outcome.kind !== 'deferred') this.#resting.works(profile);
    else if (outcome.scope !== 'task') this.#resting.note(profile, outcome, clock.now());
  }

  /** Which profiles rest, and why; a missing program is looked for each time. */
  async #rests(): Promise<ReadonlyMap<string, string>> {
    const { executors, profiles, environment, offers, clock, folder } = this.#parts;
    const resting = new Map(this.#resting.at(clock.now()));
    for (const name of offers) {
      const known: Profile | undefined = profiles().get(name);
      if (resting.has(name) || known === undefined) continue;
      const found = profileFor({ profile: name, run: name }, profiles());
      if (found.kind !== 'profile') continue;
      const executor = executors.get(found.profile.type);
      const lack = await executor?.lacks?.(found.profile, { worktree: folder, environment });
      if (lack) resting.set(name, lack.because);
    }
    return resting;
  }

  #nextFree(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#draining.signal.aborted) return resolve();
      this.#freed = resolve;
    });
  }

  async #idle(): Promise<void> {
    while (this.#jobs.size > 0)
      await new Promise<void>((resolve) => {
        this.#freed = resolve;
      });
  }
}
