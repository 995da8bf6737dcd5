// The world of one walk: repositories, disks, supervisors that come and go, agents, workers and people. What happens
// when is the seed's; what is right and wrong is the journal's.

import { createHash } from 'node:crypto';
import { parseMachineConfig } from '../../src/config/load.ts';
import type { CompletionAnswer, SupervisorControl } from '../../src/control/control.ts';
import type { Config, RepoSettings } from '../../src/domain/config.ts';
import { SupervisorError } from '../../src/domain/errors.ts';
import type { Event } from '../../src/domain/event.ts';
import { isoTime } from '../../src/platform/clock.ts';
import type { Identity } from '../../src/platform/identity.ts';
import type { Log } from '../../src/platform/log.ts';
import type { Verified } from '../../src/wg/verify.ts';
import type { DiscoveredRepository } from '../../src/worktrees/discover.ts';
import type { Word } from '../model/life.ts';
import { Agents, type Work } from './agents.ts';
import { Chance } from './chance.ts';
import { Disk } from './disk.ts';
import { createInstance, type Instance } from './instance.ts';
import { Journal } from './journal.ts';
import { LedgerDisk } from './ledger-disk.ts';
import { Life, Scheduler } from './scheduler.ts';

export const ATTEMPTS = 3;
const BEGIN = Date.parse('2027-03-10T08:00:00Z');

const CONFIG = `
[supervisor]
max_concurrent = 4
timezone = "UTC"
[retry]
attempts = ${ATTEMPTS}
backoff = "20s"
max_backoff = "2m"
[executors.shell]
type = "command"
command = ["work"]
timeout = "20m"
[executors.agent]
type = "claude"
timeout = "20m"
max_concurrent = 2
[executors.service]
type = "http"
endpoint = "http://127.0.0.1:1/"
completion = "response"
timeout = "25m"
[executors.outside]
type = "external"
stale_after = "10m"
on_stale = "retry"
timeout = "40m"
[[repos]]
path = "/shop"
[[repos]]
path = "/blog"
`;

/** A place in which one supervisor lives after the other. */
interface Home {
  readonly name: string;
  readonly stateDir: string;
  readonly ledgerDisk: LedgerDisk;
  instance: Instance | null;
  lives: number;
  isStopping: boolean;
  /** Requests that it has not answered. */
  readonly calls: Set<Promise<unknown>>;
}

/** The call was cut off, or there was no one to answer. */
export class Unreachable extends Error {}

export interface WorldOptions {
  readonly seed: number;
  /** Which faults there are. */
  readonly hasCopies: boolean;
  readonly losesPower: boolean;
  readonly homes: number;
}

/** More than any reason there is. */
const TICKS_A_MINUTE = 3000;

/** What the log tells of something that broke though no disk was full. */
const BROKEN = new Set(['tick.failed', 'action.failed', 'run.broken', 'background.failed']);

export class World {
  readonly chance: Chance;
  readonly scheduler: Scheduler;
  readonly disk: Disk;
  readonly journal: Journal;
  readonly agents: Agents;
  readonly homes: readonly Home[];
  readonly story: string[] = [];
  /** Each event of each supervisor, as a line of JSON. */
  readonly events: string[] = [];
  /** The same as the model of test/model wants it, and what the agents say. */
  readonly words: Word[] = [];
  readonly #hash = createHash('sha256');
  readonly config: Config;
  readonly repositories: readonly DiscoveredRepository[];
  readonly throttled = new Map<string, number>();
  /** Tasks with a verify command, and whether it has passed. */
  readonly verified = new Map<string, boolean>();
  readonly #verifications = new Map<string, number>();
  readonly #jumps: { readonly at: number; readonly life: Life | null }[] = [];
  readonly #ticks = new Map<string, { minute: number; count: number }>();
  losesEvents = false;
  isCalm = false;
  /** Disks were full, locks were held: then writes fail. */
  mayBreak = false;
  readonly keepsStory: boolean;
  readonly #identity: Identity;
  #ids = 0;

  constructor(options: WorldOptions, keepsStory: boolean) {
    this.keepsStory = keepsStory;
    this.chance = new Chance(`simulation ${options.seed}`);
    this.scheduler = new Scheduler(this.chance.fork('order'), BEGIN);
    this.disk = new Disk(this.scheduler, this.chance.fork('disk'));
    this.journal = new Journal(
      // Each counts those that its own ledger knows.
      ATTEMPTS * options.homes,
      (line) => this.tell(line),
      (run, word) => this.words.push({ kind: 'agent', at: this.scheduler.elapsed, run, word }),
    );
    this.config = parseMachineConfig('/supervisor.toml', CONFIG, { home: '/home' }).config;
    this.repositories = repositories(this.config, options.hasCopies);
    this.agents = new Agents({
      ...{ scheduler: this.scheduler, chance: this.chance.fork('agents'), journal: this.journal },
      keyOf: (graph, task) => this.keyOf(graph, task),
      isCalm: () => this.isCalm,
      throttledUntil: (profile) => {
        const until = this.throttled.get(profile) ?? 0;
        return until > this.scheduler.elapsed ? until + this.scheduler.now - this.scheduler.elapsed : null;
      },
      report: (work, result, of) => this.#report(work, result, of),
      finishInGraph: (work) => this.#finishInGraph(work),
      hasVerify: (key) => this.verified.has(key),
      wasClockSet: ({ begunAt }, life) =>
        this.#jumps.some((jump) => jump.at >= begunAt && jump.life !== life),
    });
    this.homes = Array.from({ length: options.homes }, (_, n) => {
      const name = 'AB'[n] ?? 'C';
      const ledgerDisk = new LedgerDisk(this.scheduler, options.losesPower, (what) =>
        this.journal.fault('late', what),
      );
      return {
        name,
        stateDir: `/state/${name}`,
        ledgerDisk,
        instance: null,
        lives: 0,
        isStopping: false,
        calls: new Set(),
      };
    });
    if (keepsStory) for (const home of this.homes) this.#recordMoves(home);
    const random = this.chance.fork('identity');
    this.#identity = {
      runId: (now) => `run_${now.toString(32).toUpperCase().padStart(10, '0')}${this.#count(16)}`,
      token: (prefix) => `${prefix}${this.#count(43)}`,
      random: () => random.next(),
    };
    this.disk.onChange((graph) => this.#watch(graph));
  }

  #recordMoves({ ledgerDisk, name }: Home): void {
    ledgerDisk.recordMoves(({ run, graph, task, fence, phase, agent, type, outcome }) => {
      const at = this.scheduler.elapsed;
      const by = name === 'A' ? 'a' : 'b';
      const of = { run, task: `${graph} ${task}`, fence, phase, hasAgent: agent !== '', type, outcome };
      this.words.push({ kind: 'move', at, by, ...of });
    });
  }

  /** Copies of a task in several worktrees are one task. */
  keyOf(graph: string, task: string): string {
    return `${graph.slice(1, 5)}:${task}`;
  }

  graphs(): readonly string[] {
    return this.repositories.flatMap(({ repository }) =>
      repository.worktrees.flatMap(({ graph }) => (graph === null ? [] : [graph])),
    );
  }

  get digest(): string {
    return this.#hash.copy().update(`${this.scheduler.steps} ${this.scheduler.elapsed}`).digest('hex');
  }

  tell(line: string): void {
    if (this.keepsStory) this.story.push(`${isoTime(this.scheduler.now)}  ${line}`);
  }

  /** Begins a life, unless there is one. */
  begin(home: Home): void {
    if (home.instance?.life.isAlive) return;
    const life = new Life(`${home.name}${++home.lives}`);
    this.tell(`${life.name} starts`);
    this.words.push({ kind: 'began', at: this.scheduler.elapsed, by: home.name === 'A' ? 'a' : 'b' });
    let instance: Instance;
    try {
      instance = createInstance(life, {
        ...{ scheduler: this.scheduler, disk: this.disk, agents: this.agents, config: this.config },
        ...{ ledgerDisk: home.ledgerDisk, stateDir: home.stateDir, repositories: this.repositories },
        identity: this.#identity,
        hear: (event) => this.#hear(life, event),
        log: this.#log(life),
        verify: (command, cwd) => this.#verify(command, cwd),
      });
    } catch (thrown) {
      // A full disk: the service manager tries again.
      if (!this.mayBreak) throw thrown;
      life.die();
      return;
    }
    home.instance = instance;
    home.isStopping = false;
    life.onDeath(() => {
      this.tell(`${life.name} is dead`);
      if (home.instance === instance) home.instance = null;
      home.calls.clear();
    });
    this.scheduler.after(life, 0, () => {
      instance.start().catch((thrown: unknown) => {
        if (!life.isAlive) return;
        // It exits, and its service manager starts it again.
        this.tell(`${life.name} could not start: ${String(thrown)}`);
        life.die();
      });
    });
  }

  /** Stops in good order; everything detached. */
  async stop(home: Home): Promise<void> {
    const { instance } = home;
    if (!instance) return;
    const { life } = instance;
    this.tell(`${life.name} is asked to stop`);
    home.isStopping = true;
    const answered = async () => {
      while (home.calls.size > 0) await Promise.allSettled(home.calls);
    };
    const stopped = this.scheduler.do(life, () => instance.stop(answered));
    const dead = new Promise<void>((resolve) => life.onDeath(resolve));
    await Promise.race([stopped, dead]);
    // Whatever it still does now comes too late.
    await this.pass(5000);
    life.die();
  }

  setClock(ms: number): void {
    this.tell(`the clock is set by ${ms} ms`);
    const life = this.homes.length === 1 ? (this.homes[0]?.instance?.life ?? null) : null;
    this.#jumps.push({ at: this.scheduler.elapsed, life });
    this.scheduler.jump(ms);
  }

  /** A request to a supervisor. Throws `Unreachable` if it dies first. */
  call<T>(home: Home, ask: (control: SupervisorControl) => Promise<T>): Promise<T> {
    const { instance } = home;
    const { scheduler } = this;
    return new Promise((resolve, reject) => {
      const answer = (act: () => void) => scheduler.after(scheduler.outside, 1, act);
      if (!instance || home.isStopping || instance.supervisor.state === 'starting')
        return void answer(() => reject(new Unreachable('there is no one')));
      const forget = instance.life.onDeath(() => answer(() => reject(new Unreachable('cut off'))));
      scheduler.after(instance.life, 1, () => {
        const asked = ask(instance.control).finally(() => home.calls.delete(asked));
        home.calls.add(asked);
        asked.then(
          (value) => {
            // What a dead one answers was never sent.
            if (!instance.life.isAlive) return;
            forget();
            answer(() => resolve(value));
          },
          (thrown: unknown) => {
            if (!instance.life.isAlive) return;
            forget();
            answer(() => reject(thrown));
          },
        );
      });
    });
  }

  home(name: string): Home {
    const found = this.homes.find((home) => home.name === name) ?? this.homes[0];
    if (!found) throw new Error('there is no home');
    return found;
  }

  /** Lets time pass outside. */
  pass(ms: number): Promise<void> {
    return this.scheduler.do(this.scheduler.outside, () => {}, ms);
  }

  close(): void {
    for (const { ledgerDisk } of this.homes) ledgerDisk.close();
  }

  #count(digits: number): string {
    return (++this.#ids).toString(32).toUpperCase().padStart(digits, '0');
  }

  #hear(life: Life, event: Event): void {
    if (!life.isAlive) return;
    const line = JSON.stringify(event.name === 'supervisor.started' ? { ...event, pid: 1 } : event);
    this.#hash.update(`${life.name} ${line}\n`);
    if (event.name === 'tick.finished') this.#countTick(life);
    if (event.name === life.doom?.event) {
      life.steps = life.doom.steps;
      life.writes = life.doom.writes;
      life.doom = null;
    }
    if (!this.keepsStory) return;
    this.events.push(line.replace(/\}$/, `,"life":"${life.name}"}`));
    if (event.name !== 'tick.finished' && event.name !== 'graph.changed')
      this.story.push(`${isoTime(this.scheduler.now)}  ${life.name} ${line.slice(1, -1)}`);
  }

  /** A supervisor that looks again and again without a reason heats the machine. */
  #countTick(life: Life): void {
    const minute = Math.floor(this.scheduler.elapsed / 60_000);
    const known = this.#ticks.get(life.name);
    const count = known?.minute === minute ? known.count + 1 : 1;
    this.#ticks.set(life.name, { minute, count });
    if (count === TICKS_A_MINUTE) this.journal.fault('busy', `${life.name} ticks ${count} times in a minute`);
  }

  /**
   * A report of a success that does not count, or not yet: what is kept passes its verify command later; what was heard
   * before a kill passes it once more, and may fail there; after too many failures of it the task is failed for good.
   */
  awaitsVerify(key: string, { kept, duplicate, status }: CompletionAnswer): boolean {
    if (!this.verified.has(key)) return false;
    return kept === true || (duplicate && status !== 'done') || status === 'failed';
  }

  #verify(command: string, cwd: string): Verified {
    const key = this.keyOf(`${cwd}/.workgraph`, command.split(' ').at(-1) ?? '');
    const nth = (this.#verifications.get(key) ?? 0) + 1;
    this.#verifications.set(key, nth);
    const passed = this.isCalm || this.chance.fork(`verify ${key} ${nth}`).is(0.7);
    this.tell(`verify of ${key}: ${passed ? 'passed' : 'failed'}`);
    if (!passed) return { passed, because: 'the check failed' };
    this.verified.set(key, true);
    return { passed };
  }

  async #finishInGraph({ graph, task, agent, key, run }: Work): Promise<boolean> {
    const lock = await this.disk
      .locker(this.scheduler.outside)
      .acquire(`${graph}/graph.lock`, { timeoutMs: 60_000 })
      .catch(() => null);
    try {
      const folder = this.disk.folder(graph);
      const lines = folder.text?.split('\n').filter(Boolean) ?? [];
      const timestamp = isoTime(this.scheduler.now);
      let isFound = false;
      const written = lines.map((text) => {
        const line = JSON.parse(text) as Record<string, unknown> & { log?: object[] };
        if (line.id !== task || line.status !== 'in-progress' || line.assigned !== agent || line.verify)
          return text;
        isFound = true;
        const log = [...(line.log ?? []), { timestamp, message: 'Task marked as done' }];
        return JSON.stringify({ ...line, status: 'done', completed_at: timestamp, log });
      });
      if (!lock || !isFound) return false;
      folder.replace(Buffer.from(written.map((line) => `${line}\n`).join('')));
      this.tell(`${agent} writes that ${task} is done`);
      this.journal.heard(key, run, 'good');
      return true;
    } catch {
      // It is half written at the moment.
      return false;
    } finally {
      lock?.release();
    }
  }

  #log(life: Life): Log {
    const hear = (name: string, fields: Readonly<Record<string, unknown>> = {}) => {
      if (!life.isAlive) return;
      const text = `${life.name} log ${name} ${JSON.stringify(fields)}`;
      this.#hash.update(`${text}\n`);
      this.tell(text);
      if (BROKEN.has(name) && !this.mayBreak) this.journal.fault('log', text);
    };
    return { debug() {}, info: hear, warn: hear, error: hear };
  }

  /** A file event is a hint: late, and sometimes lost. */
  #watch(graph: string): void {
    for (const { instance } of this.homes) {
      if (!instance?.life.isAlive || this.losesEvents) continue;
      const { supervisor } = instance;
      this.scheduler.after(instance.life, 20 + this.chance.below(30), () =>
        supervisor.markDirty(graph, 'graph'),
      );
    }
  }

  async #report(work: Work, result: 'succeeded' | 'failed', of = work.run) {
    const home = this.homes.find(({ stateDir }) => stateDir === work.home) ?? this.home('A');
    const caller = { kind: 'run', run: of } as const;
    try {
      const answer = await this.call(home, (control) =>
        control.complete({
          ...{ task: work.task, worktree: work.graph, caller, result },
          ...(result === 'failed' ? { reason: `cannot, says ${of}`, retryable: true } : { summary: of }),
        }),
      );
      this.tell(`report ${result} of ${of}: ${JSON.stringify(answer)}`);
      if (of !== work.run && !answer.duplicate && !answer.late) this.#believed(of, result);
      if (result === 'succeeded' && this.awaitsVerify(work.key, answer)) return 'refused' as const;
      return answer.duplicate ? ('known' as const) : ('taken' as const);
    } catch (thrown) {
      this.tell(`report ${result} of ${of}: ${String(thrown)}`);
      if (thrown instanceof SupervisorError && thrown.code !== 'failed' && thrown.code !== 'graph')
        return thrown.code === 'not-running' ? ('unsure' as const) : ('refused' as const);
      if (thrown instanceof Unreachable || thrown instanceof SupervisorError) return 'unsure' as const;
      throw thrown;
    }
  }

  /** Someone else's name was believed, as the holder of the token may speak for the run: then its work counts as done. */
  #believed(of: string, result: 'succeeded' | 'failed'): void {
    const other = this.agents.find(of);
    if (other && !other.isHeard) {
      other.isHeard = true;
      this.journal.heard(other.key, of, result === 'succeeded' ? 'good' : 'bad');
    }
  }
}

function repositories(config: Config, hasCopies: boolean): readonly DiscoveredRepository[] {
  const settingsOf = (path: string): RepoSettings => {
    const found = config.repos.find((repo) => repo.path === path);
    if (!found) throw new Error(`no settings of ${path}`);
    return found;
  };
  const worktree = (path: string, repo: string, main: boolean, graphTracked: boolean) => ({
    ...{ path, repo: `${repo}/.git`, main, bare: false, detached: false, head: null, locked: null },
    ...{ branch: main ? 'main' : 'side', prunable: null, missing: false, graph: `${path}/.workgraph` },
    ...{ graphIsAlias: false, graphTracked },
  });
  const repository = (path: string, worktrees: ReturnType<typeof worktree>[]): DiscoveredRepository => ({
    repository: { id: `${path}/.git`, name: path.slice(1), path, worktrees, problem: null },
    settings: settingsOf(path),
    excluded: new Set(),
  });
  return [
    repository('/shop', [
      worktree('/shop', '/shop', true, true),
      ...(hasCopies ? [worktree('/shop-side', '/shop', false, true)] : []),
    ]),
    repository('/blog', [worktree('/blog', '/blog', true, false)]),
  ];
}
