// The stage of the random walks: one repository, a supervisor that is killed and started, agents, a worker outside, wg, and
// someone who puts older states of the graph back. What may never happen is told as a fault.

import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExecutorType } from '../../src/domain/profile.ts';
import { isOpenRun, type RunPhase } from '../../src/domain/run.ts';
import type { Executor } from '../../src/executors/executor.ts';
import { createExternalExecutor } from '../../src/executors/external.ts';
import { nextTurn } from '../../src/platform/cooperative.ts';
import { createLocker, type FileLock } from '../../src/platform/flock.ts';
import { type Log, silentLog } from '../../src/platform/log.ts';
import type { Ledger } from '../../src/runs/ledger.ts';
import { type Called, type Caller, callerOf } from '../support/api-calls.ts';
import { createFakeClock, type FakeClock } from '../support/fake-clock.ts';
import { createPlayground, type Playground } from '../support/playground.ts';
import { type Supervised, supervise } from '../support/supervised.ts';
import { Agents } from './agents.ts';
import { createMortal, type Mortal } from './mortal.ts';

export const TASKS = ['job', 'next', 'far'] as const;
export type TaskName = (typeof TASKS)[number];

/** The table of docs and of the ledger, written down once more. */
const LEGAL: Readonly<Partial<Record<RunPhase, readonly RunPhase[]>>> = {
  opened: ['claimed', 'abandoned', 'superseded', 'overruled', 'interrupted'],
  claimed: ['started', 'handed-off', 'finished', 'abandoned', 'superseded', 'overruled', 'interrupted'],
  started: ['handed-off', 'finished', 'superseded', 'overruled', 'interrupted'],
  'handed-off': ['finished', 'superseded', 'overruled', 'interrupted'],
  finished: ['settled', 'superseded', 'overruled'],
};

/** What the log may say of something that broke, while nothing is broken but the lock being held. */
const BROKEN = new Set(['tick.failed', 'action.failed', 'run.broken', 'request.failed', 'background.failed']);

/** Longer than the grace in which nothing follows from what is missing, ms. */
const GRACE_MS = 6000;
/** How long everything may take to come to rest: far longer than it should. */
const PATIENCE_MS = 20_000;

interface Life {
  readonly supervised: Supervised;
  readonly mortal: Mortal;
  readonly api: Caller;
  /** Ends all calls to it. */
  readonly hangUp: AbortController;
}

export class Stage {
  readonly playground: Playground;
  readonly clock: FakeClock = createFakeClock('2027-03-10T08:00:00Z');
  readonly agents: Agents;
  readonly faults: string[] = [];
  /** What happened, for the report of a failure. */
  readonly story: string[] = [];
  /** Tasks that succeeded, by whose word; a person's `retry` takes them out. */
  readonly #succeeded = new Map<string, string>();
  readonly #pending = new Set<Promise<void>>();
  /** Tokens that a worker outside was given, the newest last. */
  readonly #leases: string[] = [];
  readonly #locker = createLocker();
  readonly #executors: Map<ExecutorType, Executor>;
  #life: Life | null = null;
  #lock: FileLock | null = null;
  #saved = '';
  #first = '';

  private constructor(playground: Playground) {
    this.playground = playground;
    this.agents = new Agents((task) => this.#begins(task));
    this.#executors = new Map<ExecutorType, Executor>([
      ['command', this.agents.executor()],
      ['external', createExternalExecutor()],
    ]);
  }

  static async open(): Promise<Stage> {
    const stage = new Stage(await createPlayground());
    const { playground } = stage;
    const born = { created_at: '2027-03-10T07:00:00Z' };
    await playground.writeGraph(playground.repo, [
      { id: 'job', exec: 'scripted', ...born },
      { id: 'next', exec: 'scripted', after: ['job'], ...born },
      { id: 'far', executor: 'external', ...born },
    ]);
    await playground.git(playground.repo, 'add', '-f', '.workgraph/graph.jsonl');
    await playground.git(playground.repo, 'commit', '-q', '-m', 'Plan');
    await playground.writeConfig(
      '[api]\nlisten = "127.0.0.1:0"\n[retry]\nattempts = 3\nbackoff = "1s"\n[limits]\nrewind_grace = "5s"\n',
    );
    stage.#first = await readFile(stage.#file, 'utf8');
    stage.#saved = stage.#first;
    await stage.start();
    return stage;
  }

  get isAlive(): boolean {
    return this.#life !== null;
  }

  get isLocked(): boolean {
    return this.#lock !== null;
  }

  async start(): Promise<void> {
    this.#tell('start');
    const mortal = createMortal();
    const { ledger: mortally, ...others } = mortal.wrap;
    const supervised = await supervise(this.playground, {
      clock: this.clock,
      executors: this.#executors,
      log: this.#log(mortal),
      wrap: { ...others, ledger: (ledger) => mortally?.(this.#watched(ledger)) ?? ledger },
      start: false,
    });
    // A start waits for the graphs, and someone may hold the lock of one.
    void supervised.start().catch((thrown) => mortal.isDead || this.#fault(`start: ${String(thrown)}`));
    while (!(await this.#served(supervised))) await nextTurn();
    this.#life = { supervised, mortal, api: await callerOf(supervised), hangUp: new AbortController() };
    await this.look();
  }

  async #served(supervised: Supervised): Promise<boolean> {
    return (
      supervised.supervisor.decided !== null &&
      (await readFile(supervised.paths.apiFile, 'utf8').catch(() => '')).includes(`"pid":${process.pid}`)
    );
  }

  async kill(): Promise<void> {
    this.#tell('kill');
    const life = this.#life;
    this.#life = null;
    life?.mortal.kill();
    life?.hangUp.abort();
    // What it waits for in vain would keep this process from leaving it; no one else is there to take the lock.
    const wasLocked = this.#lock !== null;
    this.#lock?.release();
    await life?.supervised.stop({ cancelAgents: false });
    if (wasLocked) await this.#take();
  }

  async lock(): Promise<void> {
    this.#tell('lock');
    await this.#take();
  }

  async #take(): Promise<void> {
    this.#lock = await this.#locker.acquire(join(this.playground.repo, '.workgraph', 'graph.lock'), {
      timeoutMs: 20_000,
    });
  }

  unlock(): void {
    this.#tell('unlock');
    this.#lock?.release();
    this.#lock = null;
  }

  /** Lets the supervisor look at everything, and what is under way continue a little. */
  async look(): Promise<void> {
    const { supervisor } = this.#life?.supervised ?? {};
    if (!supervisor) return;
    supervisor.markDirty(join(this.playground.repo, '.workgraph'));
    // Its pass may wait for the lock that we hold.
    await Promise.race([supervisor.tick(), this.#turns(40)]);
    await this.#turns(10);
  }

  async pass(ms: number): Promise<void> {
    if (this.story.at(-1) !== `${ms} ms pass`) this.#tell(`${ms} ms pass`);
    this.clock.advance(ms);
    await this.look();
  }

  end(task: TaskName, isGood: boolean): void {
    const agent = this.agents.at(task);
    if (!agent) return;
    this.#tell(`agent of ${task} ends: ${isGood ? 'good' : 'bad'}`);
    if (isGood) this.#succeeded.set(task, `${agent.run} ended`);
    this.agents.end(
      agent,
      isGood
        ? { kind: 'succeeded', summary: 'all is well' }
        : { kind: 'failed', failure: 'exit', message: 'status 1', retryable: true },
    );
  }

  /** Someone reports: the operator, the task's newest agent, or the newest worker outside. */
  report(task: TaskName, who: 'operator' | 'worker', result: 'complete' | 'fail'): void {
    const token = task === 'far' ? this.#leases.at(-1) : this.agents.last(task)?.token;
    if (who === 'worker' && token === undefined) return;
    const before = this.#succeeded.get(task);
    const body = result === 'complete' ? { summary: 'reported' } : { reason: 'reported', retryable: true };
    this.#call(
      `${who} reports ${result}`,
      task,
      result,
      body,
      who === 'worker' ? token : undefined,
      (called) => {
        const { status, duplicate } = called.json as { status?: string; duplicate?: boolean };
        if (result === 'complete' && (status === 'done' || !duplicate))
          this.#succeeded.set(task, `${who} reported`);
        // Whose word comes first counts, and what the agent came to in that moment may not have been heard yet.
        if (result === 'fail' && !duplicate) {
          if (before?.endsWith('reported')) this.#fault(`${task} failed, but before ${before}`);
          this.#succeeded.delete(task);
        }
      },
    );
  }

  cancel(task: TaskName): void {
    this.#call('cancel', task, 'cancel', {});
  }

  retry(task: TaskName): void {
    // From the moment on at which it may be heard.
    this.#succeeded.delete(task);
    this.#call('retry', task, 'retry', {}, undefined, () => void this.#succeeded.delete(task));
  }

  release(): void {
    const token = this.#leases.at(-1);
    if (token !== undefined) this.#call('worker releases', 'far', 'release', {}, token);
  }

  claim(): void {
    this.#send('claim', '/api/tasks/claim', { worker_id: 'w', max_tasks: 1 }, undefined, ({ json }) => {
      for (const { lease } of json.tasks as unknown as { lease: { token: string } }[])
        this.#leases.push(lease.token);
    });
  }

  /** What `wg done` writes, by the task's own agent. */
  async wgDone(task: TaskName): Promise<void> {
    const agent = this.agents.at(task);
    if (!agent || this.#lock) return;
    this.#tell(`wg done ${task}`);
    const lock = await this.#locker.acquire(join(this.playground.repo, '.workgraph', 'graph.lock'), {
      timeoutMs: 20_000,
    });
    try {
      const lines = (await readFile(this.#file, 'utf8')).split('\n').filter(Boolean);
      const now = new Date(this.clock.now()).toISOString();
      const written = lines.map((line) => {
        const found = JSON.parse(line) as Record<string, unknown>;
        if (found.id !== task || found.status !== 'in-progress' || found.assigned !== agent.name) return line;
        const log = [
          ...((found.log as object[] | undefined) ?? []),
          { timestamp: now, message: 'Task marked as done' },
        ];
        return JSON.stringify({ ...found, status: 'done', completed_at: now, last_interaction_at: now, log });
      });
      await this.#put(`${written.join('\n')}\n`);
    } finally {
      lock.release();
    }
    await this.look();
  }

  async save(): Promise<void> {
    this.#tell('commit');
    this.#saved = await readFile(this.#file, 'utf8');
  }

  /** What git does: without the lock. */
  async rewind(how: 'saved' | 'first'): Promise<void> {
    this.#tell(`rewind to the ${how} state`);
    await this.#put(how === 'saved' ? this.#saved : this.#first);
  }

  /** Brings everything to its end, and says what is wrong then. */
  async finish(): Promise<readonly string[]> {
    this.#tell('finish');
    if (this.#lock) this.unlock();
    if (!this.#life) await this.start();
    let quiet = 0;
    const patience = performance.now() + PATIENCE_MS;
    while (quiet < 4 && this.faults.length === 0 && performance.now() < patience) {
      for (const task of TASKS) this.end(task, true);
      await this.pass(GRACE_MS);
      quiet = this.#pending.size === 0 && (await this.#isQuiet()) ? quiet + 1 : 0;
    }
    if (quiet < 4 && this.faults.length === 0) this.#fault('it does not come to rest');
    for (const task of await this.#tasks()) {
      const { id, status } = task;
      const open = this.#runs().filter((run) => run.task === id && isOpenRun(run));
      const isAttended = open.some(({ phase, agent }) => phase === 'handed-off' && agent === task.assigned);
      if (status === 'in-progress' && !isAttended) this.#fault(`${id} is in progress with no one on it`);
      if (!(status === 'in-progress') && open.length > 0)
        this.#fault(`${id} is ${status}, but has an open run: ${JSON.stringify(open)}`);
      const by = this.#succeeded.get(id);
      if (by !== undefined && status !== 'done') {
        const why = await this.#life?.supervised.control.why({ task: id });
        if (why?.code !== 'rewound') this.#fault(`${id} is ${status} (${why?.because}), but ${by}`);
      }
    }
    return this.faults;
  }

  async close(): Promise<void> {
    this.#lock?.release();
    await this.#life?.supervised.stop({ cancelAgents: true });
    await Promise.all(this.#pending);
    await this.playground.remove();
  }

  /** Whether nothing is under way any more, and nothing will be on its own. */
  async #isQuiet(): Promise<boolean> {
    const { supervisor } = this.#life?.supervised ?? {};
    await supervisor?.tick();
    const { decision } = supervisor?.decided ?? {};
    if (!decision || decision.actions.length > 0) return false;
    const open = this.#runs().filter(isOpenRun);
    if (open.some(({ phase }) => phase !== 'handed-off')) return false;
    return [...decision.verdicts.values()].every(
      ({ state, nextAt }) =>
        state === 'running' || (state !== 'ready' && state !== 'queued' && nextAt === null),
    );
  }

  #runs() {
    return this.#ledger?.runs() ?? [];
  }

  async #tasks(): Promise<{ id: string; status: string; assigned?: string }[]> {
    const text = await readFile(this.#file, 'utf8');
    return text
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as { id: string; status: string; assigned?: string });
  }

  get #file(): string {
    return join(this.playground.repo, '.workgraph', 'graph.jsonl');
  }

  async #put(text: string): Promise<void> {
    await writeFile(`${this.#file}.next`, text);
    await rename(`${this.#file}.next`, this.#file);
  }

  #begins(task: string): void {
    this.#tell(`agent of ${task} begins`);
    const by = this.#succeeded.get(task);
    if (by !== undefined) this.#fault(`${task} is started again, but ${by}`);
    if (this.agents.at(task)) this.#fault(`${task} has two agents at once`);
  }

  #call(
    what: string,
    task: TaskName,
    verb: string,
    body: object,
    token?: string,
    then: (called: Called) => void = () => {},
  ): void {
    this.#send(`${what} ${task}`, `/api/task/${task}/${verb}`, body, token, then);
  }

  /** Begins a call; the result is noted when it comes. */
  #send(
    what: string,
    path: string,
    body: object,
    token: string | undefined,
    then: (called: Called) => void,
  ): void {
    const life = this.#life;
    if (!life) return;
    this.#tell(what);
    const calling = life.api
      .call('POST', path, { body, signal: life.hangUp.signal, ...(token === undefined ? {} : { token }) })
      .then((called) => {
        // What a dead one answers was never sent.
        if (life.mortal.isDead) return;
        this.#tell(`${what}: ${called.status} ${JSON.stringify(called.json).slice(0, 160)}`);
        if (called.status >= 500 && called.status !== 503)
          this.#fault(`${what} was answered ${called.status}: ${JSON.stringify(called.json)}`);
        if (called.status < 300) then(called);
      })
      .catch((thrown) => {
        if (!life.mortal.isDead) this.#fault(`${what}: ${String(thrown)}`);
      })
      .finally(() => this.#pending.delete(calling));
    this.#pending.add(calling);
  }

  /** Takes down every move that is not in the table. */
  #watched(ledger: Ledger): Ledger {
    this.#ledger = ledger;
    const judge = (id: string, to: RunPhase) => {
      const from = ledger.run(id)?.phase;
      if (from && from !== to && !LEGAL[from]?.includes(to)) this.#fault(`${id} goes from ${from} to ${to}`);
    };
    return {
      ...ledger,
      move: (id, to, facts) => {
        judge(id, to);
        return ledger.move(id, to, facts);
      },
      advance: (id, to, facts) => {
        judge(id, to);
        return ledger.advance(id, to, facts);
      },
    };
  }

  #ledger: Ledger | null = null;

  #log(mortal: Mortal): Log {
    const hear = (name: string, fields: Readonly<Record<string, unknown>> = {}) => {
      if (mortal.isDead) return;
      this.#tell(`  ${name} ${JSON.stringify(fields)}`);
      if (BROKEN.has(name)) this.#fault(`${name}: ${JSON.stringify(fields)}`);
    };
    return { ...silentLog, info: hear, warn: hear, error: hear };
  }

  async #turns(count: number): Promise<void> {
    for (let n = 0; n < count; n++) await nextTurn();
  }

  #tell(what: string): void {
    this.story.push(what);
  }

  #fault(what: string): void {
    this.#tell(`FAULT ${what}`);
    this.faults.push(what);
  }
}
