// People, editors, git and other programs: everything that touches graphs and supervisors from outside, and everything
// that breaks. Each is a loop of its own that the seed paces.

import type { SupervisorControl } from '../../src/control/control.ts';
import { SupervisorError } from '../../src/domain/errors.ts';
import { isoTime } from '../../src/platform/clock.ts';
import type { Chance } from './chance.ts';
import type { Life } from './scheduler.ts';
import { Unreachable, type World } from './world.ts';

type Line = Record<string, unknown> & { readonly id: string };

/** What may go wrong, or be done by others. A walk has some of them. */
export const FAULTS = [
  'kill',
  'stop',
  'reboot',
  'full disk',
  'clock',
  'rewind',
  'away',
  'edit',
  'careless edit',
  'torn edit',
  'held lock',
  'throttle',
  'lost events',
  'cancel',
  'operator',
  'pause',
  'new tasks',
] as const;
export type FaultName = (typeof FAULTS)[number];

/** How long between two of a kind, ms. */
const PACE: Readonly<Record<FaultName, number>> = {
  kill: 600_000,
  stop: 3_000_000,
  reboot: 1_800_000,
  'full disk': 3_600_000,
  clock: 2_400_000,
  rewind: 1_500_000,
  away: 4_800_000,
  edit: 300_000,
  'careless edit': 900_000,
  'torn edit': 1_800_000,
  'held lock': 1_800_000,
  throttle: 2_400_000,
  'lost events': 1_800_000,
  cancel: 2_400_000,
  operator: 2_400_000,
  pause: 4_800_000,
  'new tasks': 1_200_000,
};

const DOOMS = [
  'run.opened',
  'run.opened',
  'run.claimed',
  'run.started',
  'run.handed-off',
  'run.finished',
  'run.settled',
];

const EXECUTORS = { shell: 46, agent: 20, service: 17, outside: 17 } as const;

/** A graph to begin with. */
export function tasksFor(chance: Chance, prefix: string, count: number): Line[] {
  const ids: string[] = [];
  return Array.from({ length: count }, (_, n) => {
    const id = `${prefix}${n}`;
    const after = ids.length > 0 && chance.is(0.35) ? [chance.pick(ids)] : [];
    ids.push(id);
    return newLine(chance, id, after, '2027-03-10T07:00:00Z');
  });
}

function newLine(chance: Chance, id: string, after: readonly string[], at: string): Line {
  const executor = chance.weighed(EXECUTORS);
  return {
    ...{ kind: 'task', id, title: `Task ${id}`, status: 'open', priority: chance.pick([0, 5, 10, 50]) },
    ...{ executor, tags: [`executor:${executor}`], created_at: at },
    ...(after.length > 0 ? { after: [...after] } : {}),
    ...(chance.is(0.15) ? { verify: `check ${id}` } : {}),
  };
}

export class People {
  readonly #world: World;
  readonly #chance: Chance;
  #added = 0;
  /** States of the graph of the shop, of all its branches. */
  readonly #commits: Buffer[] = [];

  constructor(world: World) {
    this.#world = world;
    this.#chance = world.chance.fork('people');
  }

  /** Starts what this walk has, until it is calm. */
  begin(faults: readonly FaultName[], workers: number): void {
    for (const name of faults) this.#loop(PACE[name], () => this.#do(name));
    for (let n = 0; n < workers; n++) void this.#work(`worker-${n}`);
  }

  #loop(pace: number, act: () => Promise<void>): void {
    void (async () => {
      for (;;) {
        await this.#world.pass(this.#chance.around(pace));
        if (this.#world.isCalm) return;
        await act();
      }
    })();
  }

  async #do(name: FaultName): Promise<void> {
    const world = this.#world;
    const chance = this.#chance;
    switch (name) {
      case 'kill':
        return await this.#kill();
      case 'stop': {
        const home = chance.pick(world.homes);
        await world.stop(home).catch(() => {});
        await world.pass(chance.around(20_000));
        return world.begin(home);
      }
      case 'reboot':
        await this.#condemn(chance.pick(world.homes).instance?.life);
        world.tell('the machine loses its power');
        for (const { instance } of world.homes) instance?.life.die();
        world.agents.reboot();
        for (const { ledgerDisk } of world.homes) ledgerDisk.powerCut();
        await world.pass(chance.around(60_000));
        for (const home of world.homes) world.begin(home);
        return;
      case 'full disk':
        return await this.#fill();
      case 'clock': {
        const ms = Math.round(chance.pick([1, -1]) * chance.around(chance.pick([5000, 120_000, 7_200_000])));
        return world.setClock(ms);
      }
      case 'throttle': {
        const profile = chance.pick(['agent', 'agent', 'service', 'shell']);
        const ms = chance.around(600_000);
        world.tell(`the provider of ${profile} refuses for ${ms} ms`);
        world.throttled.set(profile, world.scheduler.elapsed + ms);
        return;
      }
      case 'lost events':
        world.tell('file events are lost');
        world.losesEvents = true;
        await world.pass(chance.around(300_000));
        world.losesEvents = false;
        return;
      case 'held lock':
        return await this.#holdLock();
      case 'edit':
        return await this.#edit(chance.pick(world.graphs()));
      case 'careless edit':
        return await this.#editCarelessly(chance.pick(world.graphs()));
      case 'torn edit':
        return await this.#tear(chance.pick(world.graphs()));
      case 'rewind':
        return await this.#rewind();
      case 'away':
        return await this.#takeAway();
      case 'new tasks':
        return await this.#addTasks();
      case 'cancel':
        return await this.#cancel();
      case 'operator':
        return await this.#complete();
      case 'pause':
        return await this.#pause();
      default:
        name satisfies never;
    }
  }

  async #kill(): Promise<void> {
    const world = this.#world;
    const chance = this.#chance;
    const home = chance.pick(world.homes);
    await this.#condemn(home.instance?.life);
    await world.pass(chance.around(chance.pick([500, 20_000, 300_000])));
    world.begin(home);
  }

  /** It ends at any operation of its own from now on, or between two writes of its ledger. */
  async #condemn(life: Life | undefined): Promise<void> {
    if (!life?.isAlive) return;
    const chance = this.#chance;
    life.finishesWrite = chance.is(0.5);
    const isByWrite = chance.is(0.4);
    const steps = isByWrite ? Number.POSITIVE_INFINITY : chance.below(24);
    const writes = isByWrite ? chance.below(5) : Number.POSITIVE_INFINITY;
    // Most of its time it does nothing: what it does is begun by an event.
    const isAwaited = chance.is(0.7);
    if (isAwaited) life.doom = { event: chance.pick(DOOMS), steps, writes };
    else Object.assign(life, { steps, writes });
    const dead = new Promise<void>((resolve) => life.onDeath(resolve));
    await Promise.race([dead, this.#world.pass(chance.around(isAwaited ? 400_000 : 60_000))]);
    life.die();
  }

  async #fill(): Promise<void> {
    const world = this.#world;
    const what = this.#chance.pick(['ledgers', 'graphs', 'both'] as const);
    world.tell(`the disk is full: ${what}`);
    world.mayBreak = true;
    if (what !== 'graphs') for (const { ledgerDisk } of world.homes) ledgerDisk.isFull = true;
    if (what !== 'ledgers') world.disk.isFull = true;
    await world.pass(this.#chance.around(120_000));
    for (const { ledgerDisk } of world.homes) ledgerDisk.isFull = false;
    world.disk.isFull = false;
    world.tell('there is room on the disk again');
    for (const home of world.homes) world.begin(home);
  }

  async #locked<T>(graph: string, act: () => Promise<T>): Promise<T | null> {
    const { disk, scheduler } = this.#world;
    try {
      const lock = await disk.locker(scheduler.outside).acquire(`${graph}/graph.lock`, { timeoutMs: 60_000 });
      try {
        return await act();
      } finally {
        lock.release();
      }
    } catch (thrown) {
      if (thrown instanceof SupervisorError) return null;
      throw thrown;
    }
  }

  async #holdLock(): Promise<void> {
    const graph = this.#chance.pick(this.#world.graphs());
    this.#world.mayBreak = true;
    await this.#locked(graph, () => this.#world.pass(this.#chance.around(15_000)));
  }

  /** Each line's text: most are never parsed. Null: there is no file, or its end is missing at the moment. */
  #lines(graph: string): string[] | null {
    const { text } = this.#world.disk.folder(graph);
    if (text === null) return null;
    const lines = text.split('\n').filter((line) => line !== '');
    try {
      JSON.parse(lines.at(-1) ?? 'null');
      return lines;
    } catch {
      return null;
    }
  }

  #put(graph: string, lines: readonly string[]): void {
    this.#world.disk.folder(graph).replace(textOf(lines));
  }

  /** As wg does it: the lock, the whole file, a rename. */
  async #edit(graph: string): Promise<void> {
    const { pass } = bound(this.#world);
    await this.#locked(graph, async () => {
      await pass(this.#chance.below(40));
      const lines = this.#lines(graph);
      if (!lines || lines.length === 0) return;
      const n = this.#chance.below(lines.length);
      lines[n] = this.#touched(lines[n] as string);
      await pass(this.#chance.below(40));
      this.#put(graph, lines);
    });
  }

  #touched(text: string): string {
    const line = JSON.parse(text) as Line;
    const at = isoTime(this.#world.scheduler.now);
    if (this.#chance.is(0.3)) return JSON.stringify({ ...line, priority: this.#chance.pick([0, 5, 10, 50]) });
    const log = Array.isArray(line.log) ? line.log : [];
    return JSON.stringify({ ...line, log: [...log, { timestamp: at, actor: 'ann', message: 'a note' }] });
  }

  /** An editor: what was written between its reading and its writing is lost. */
  async #editCarelessly(graph: string): Promise<void> {
    const lines = this.#lines(graph);
    if (!lines || lines.length === 0) return;
    await this.#world.pass(this.#chance.around(this.#chance.pick([30, 3000])));
    const n = this.#chance.below(lines.length);
    lines[n] = this.#touched(lines[n] as string);
    this.#world.tell(`an editor writes ${graph}, without the lock`);
    this.#put(graph, lines);
  }

  /** The same in place, so that the file is half there for a while. */
  async #tear(graph: string): Promise<void> {
    const { pass } = bound(this.#world);
    const folder = this.#world.disk.folder(graph);
    const lines = this.#lines(graph);
    if (!lines || lines.length === 0) return;
    const whole = textOf(lines);
    this.#world.tell(`${graph} is written in place`);
    folder.overwrite(Buffer.alloc(0));
    await pass(this.#chance.below(20));
    folder.overwrite(whole.subarray(0, this.#chance.below(whole.length)));
    await pass(this.#chance.around(this.#chance.pick([5, 400])));
    folder.overwrite(whole);
  }

  /** What git does to a file that it tracks: without the lock. */
  async #rewind(): Promise<void> {
    const chance = this.#chance;
    const tracked = this.#world.graphs().filter((graph) => graph.startsWith('/shop'));
    const graph = chance.pick(tracked);
    const folder = this.#world.disk.folder(graph);
    const now = folder.inode?.bytes;
    if (!now) return;
    if (this.#commits.length === 0 || chance.is(0.4)) {
      this.#world.tell(`${graph} is committed`);
      this.#commits.push(now);
      return;
    }
    const to = chance.pick(this.#commits);
    const how = chance.pick(['reset', 'stash', 'stash', 'checkout']);
    this.#world.tell(`git ${how} brings an older ${graph}`);
    if (how === 'checkout') {
      folder.remove();
      await this.#world.pass(chance.below(50));
    }
    folder.replace(to);
    if (how === 'reset') return;
    await this.#world.pass(chance.around(chance.pick([300, 3000, 60_000])));
    // What was written meanwhile stays if git refuses to put the stash back over it.
    if (folder.inode?.bytes !== to) return;
    this.#world.tell(`git puts the former ${graph} back`);
    folder.replace(now);
  }

  async #takeAway(): Promise<void> {
    const folder = this.#world.disk.folder(this.#chance.pick(this.#world.graphs()));
    const now = folder.inode?.bytes;
    if (!now) return;
    this.#world.tell(`${folder.path} is away`);
    this.#world.mayBreak = true;
    folder.remove();
    await this.#world.pass(this.#chance.around(this.#chance.pick([1000, 60_000])));
    if (folder.inode === null) folder.replace(now);
    this.#world.tell(`${folder.path} is back`);
  }

  async #addTasks(): Promise<void> {
    const graph = this.#chance.pick(this.#world.graphs());
    await this.#locked(graph, async () => {
      const lines = this.#lines(graph);
      if (!lines) return;
      const id = `${graph.slice(1, 2)}new${this.#added++}`;
      const after = lines.length > 0 && this.#chance.is(0.4) ? [idOf(this.#chance.pick(lines))] : [];
      const line = newLine(this.#chance, id, after, isoTime(this.#world.scheduler.now));
      if (line.verify) this.#world.verified.set(this.#world.keyOf(graph, id), false);
      this.#put(graph, [...lines, JSON.stringify(line)]);
    });
  }

  /** Asks the supervisors in turn; null: none could do it. */
  async ask<T>(act: (control: SupervisorControl) => Promise<T>): Promise<T | null> {
    for (const home of this.#world.homes) {
      try {
        return await this.#world.call(home, act);
      } catch (thrown) {
        if (!(thrown instanceof Unreachable || thrown instanceof SupervisorError)) throw thrown;
      }
    }
    return null;
  }

  #anyTask(): { graph: string; task: string } | null {
    const graph = this.#chance.pick(this.#world.graphs());
    const lines = this.#lines(graph)
      ?.map((text) => JSON.parse(text) as Line)
      .filter(({ status }) => status === 'open' || status === 'in-progress');
    return lines && lines.length > 0 ? { graph, task: this.#chance.pick(lines).id } : null;
  }

  async #cancel(): Promise<void> {
    const found = this.#anyTask();
    if (!found) return;
    const { graph, task } = found;
    this.#world.tell(`a person cancels ${task} in ${graph}`);
    this.#world.journal.decided(this.#world.keyOf(graph, task));
    await this.ask((control) => control.cancel({ task, worktree: graph }, 'not now'));
    this.#world.journal.decided(this.#world.keyOf(graph, task));
    await this.#world.pass(this.#chance.around(120_000));
    await this.retry(graph, task);
  }

  async retry(graph: string, task: string): Promise<void> {
    this.#world.tell(`a person retries ${task} in ${graph}`);
    this.#world.journal.decided(this.#world.keyOf(graph, task));
    await this.ask((control) => control.retry({ task, worktree: graph }));
  }

  async #complete(): Promise<void> {
    const found = this.#anyTask();
    if (!found) return;
    const { graph, task } = found;
    this.#world.tell(`a person completes ${task} in ${graph}`);
    this.#world.journal.decided(this.#world.keyOf(graph, task));
    const answer = await this.ask((control) =>
      control.complete({
        ...{ task, worktree: graph, caller: { kind: 'operator' }, result: 'succeeded', summary: 'by hand' },
      }),
    );
    this.#world.journal.decided(this.#world.keyOf(graph, task));
    if (answer?.status === 'done')
      this.#world.journal.confirmed(this.#world.keyOf(graph, task), 'a person', 'good');
  }

  async #pause(): Promise<void> {
    const target = this.#chance.pick([null, 'shop', 'shell']);
    this.#world.tell(`a person pauses ${target}`);
    for (const home of this.#world.homes)
      await this.#world.call(home, (control) => control.pause(target, 'a person says so')).catch(() => {});
    await this.#world.pass(this.#chance.around(600_000));
    await this.resume(target);
  }

  async resume(target: string | null): Promise<void> {
    for (const home of this.#world.homes)
      await this.#world.call(home, (control) => control.resume(target)).catch(() => {});
  }

  /** A worker elsewhere: claims, works, tells that it lives, reports; sometimes it falls silent or comes late. */
  async #work(name: string): Promise<void> {
    const world = this.#world;
    const chance = this.#chance.fork(name);
    for (;;) {
      await world.pass(chance.around(40_000));
      const home = chance.pick(world.homes);
      const leaseMs = 180_000;
      const claimed = await world
        .call(home, (control) => control.claimMany({ worker: name, max: 1, waitMs: 10_000, leaseMs }))
        .catch(() => []);
      for (const { run } of claimed) {
        const { run: id, worktree, task } = run;
        await this.#workOn({ home, chance, leaseMs, id, graph: `${worktree}/.workgraph`, task });
      }
    }
  }

  async #workOn(job: {
    readonly home: World['homes'][number];
    readonly chance: Chance;
    readonly leaseMs: number;
    readonly id: string;
    readonly graph: string;
    readonly task: string;
  }): Promise<void> {
    const world = this.#world;
    const { chance, id, graph, task, home, leaseMs } = job;
    const key = world.keyOf(graph, task);
    const script = world.isCalm
      ? 'good'
      : chance.weighed({ good: 60, bad: 12, silent: 10, late: 12, twice: 6 });
    world.journal.begin(key, id);
    let left = chance.around(200_000);
    if (script === 'late') left = leaseMs * 5;
    while (left > 0) {
      const ms = Math.min(left, 60_000);
      await world.pass(ms);
      left -= ms;
      if (script === 'silent' || script === 'late') continue;
      const answer = await world
        .call(home, (control) => control.heartbeat(id, 'still here'))
        .catch(() => null);
      if (answer?.directive === 'cancel') return world.journal.end(key, id, 'stopped');
    }
    if (script === 'silent') return world.journal.end(key, id, 'stopped');
    const result = script === 'bad' ? ('failed' as const) : ('succeeded' as const);
    for (let n = 0; n < (script === 'twice' ? 2 : 1); n++) await this.#tell({ ...job, key, result });
    world.journal.end(key, id, 'stopped');
  }

  async #tell(job: {
    readonly home: World['homes'][number];
    readonly id: string;
    readonly graph: string;
    readonly task: string;
    readonly key: string;
    readonly result: 'succeeded' | 'failed';
  }): Promise<void> {
    const world = this.#world;
    const { home, id, graph, task, key, result } = job;
    const caller = { kind: 'run', run: id } as const;
    for (let n = 0; n < 12; n++) {
      try {
        const answer = await world.call(home, (control) =>
          control.complete({
            ...{ task, worktree: graph, caller, result },
            ...(result === 'failed' ? { reason: 'could not', retryable: true } : { summary: id }),
          }),
        );
        world.tell(`${id} reported ${result}: ${JSON.stringify(answer)}`);
        const word = result === 'failed' ? 'bad' : 'good';
        if (result === 'succeeded' && world.awaitsVerify(key, answer)) return;
        if (answer.duplicate) return world.journal.confirmed(key, id, word);
        return world.journal.heard(key, id, word);
      } catch (thrown) {
        world.tell(`${id} reported ${result}: ${String(thrown)}`);
        if (thrown instanceof SupervisorError && thrown.code !== 'failed' && thrown.code !== 'graph') {
          if (thrown.code !== 'not-running') return;
        } else if (!(thrown instanceof Unreachable || thrown instanceof SupervisorError)) throw thrown;
      }
      await world.pass(20_000);
    }
  }
}

function textOf(lines: readonly string[]): Buffer {
  return Buffer.from(lines.map((line) => `${line}\n`).join(''));
}

function idOf(text: string): string {
  return (JSON.parse(text) as Line).id;
}

function bound(world: World) {
  return { pass: (ms: number) => world.pass(ms) };
}
