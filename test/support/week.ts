// A simulated week of work, as worlds to decide about: the same for the same seed.

import type { Decision, World } from '../../src/decide/world.ts';
import type { Run } from '../../src/domain/run.ts';
import type { Task } from '../../src/domain/task.ts';
import { config, graphView, NOW, run, snapshot, task, world } from './tasks.ts';

/** The same sequence for the same seed, in [0, 1). */
export function chance(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

export interface WeekSize {
  readonly graphs: readonly string[];
  /** Tasks in each graph at first. */
  readonly tasks: number;
  readonly maxConcurrent: number;
  /** The longest run, ms. */
  readonly longestRunMs: number;
  /** The longest time between two things that people do, ms. */
  readonly longestGapMs: number;
  /** How many of those things are that an account's quota is used up, in [0, 1]. */
  readonly quotaShare: number;
}

const SMALL: WeekSize = {
  graphs: ['a', 'b', 'c'],
  tasks: 30,
  maxConcurrent: 3,
  longestRunMs: 5_400_000,
  longestGapMs: 3_600_000,
  quotaShare: 0.15,
};

/** A week of work: tasks come, run, end, fail; places run out; accounts are paused; people hold things. */
export class Week {
  readonly #size: WeekSize;
  readonly #random: () => number;
  readonly #tasks = new Map<string, Map<string, Task>>();
  #views: World['graphs'];
  #runs: readonly (Run & { readonly endsAt: number })[] = [];
  #pauses: World['pauses'] = [];
  #made = 0;
  now = NOW;

  /** How many runs have ended. */
  ended = 0;

  constructor(seed: number, size = SMALL) {
    this.#random = chance(seed);
    this.#size = size;
    const { graphs, tasks } = size;
    for (const name of graphs) this.#tasks.set(name, new Map());
    this.#views = graphs.map((name) => graphView(name, []));
    for (let at = 0; at < graphs.length * tasks; at++) this.#add();
  }

  world(): World {
    return world(this.#views, {
      now: this.now,
      config: config({ maxConcurrent: this.#size.maxConcurrent }),
      runs: this.#runs,
      attended: new Set(this.#runs.map(({ id }) => id)),
      pauses: this.#pauses,
    });
  }

  /** Carries out what was decided of the world, and moves to the next thing that happens. */
  continue({ actions, wakeAt }: Pick<Decision, 'actions' | 'wakeAt'>): void {
    for (const action of actions)
      if (action.kind === 'dispatch') this.#start(action.plan.graph, action.plan.task);
    const ends = this.#runs.map(({ endsAt }) => endsAt);
    const event = this.now + 1 + Math.floor(this.#random() * this.#size.longestGapMs);
    this.now = Math.min(event, ...ends, ...(wakeAt === null ? [] : [Math.max(wakeAt, this.now + 1)]));
    for (const ended of this.#runs.filter(({ endsAt }) => endsAt <= this.now)) this.#end(ended);
    if (this.now === event) this.#happen();
  }

  #happen(): void {
    const { graphs } = this.#size;
    const name = graphs[Math.floor(this.#random() * graphs.length)] ?? 'a';
    const ids = [...(this.#tasks.get(name)?.keys() ?? [])];
    const one = ids[Math.floor(this.#random() * ids.length)] ?? '';
    const kind = this.#random();
    if (kind < 0.4) this.#add();
    else if (kind < 0.6)
      this.#edit(name, one, (known) => (known.status === 'open' ? { paused: !known.paused } : {}));
    else if (kind < 0.75)
      this.#edit(name, one, (known) => (known.status === 'failed' ? { status: 'open' } : {}));
    else if (kind < 0.75 + this.#size.quotaShare) {
      const until = this.now + Math.floor(this.#random() * 7_200_000);
      const because = `the quota of claude is used up until ${until}`;
      this.#pauses = [{ scope: 'profile', name: 'claude', code: 'quota', because, until }];
    } else
      this.#edit(name, one, (known) =>
        known.status === 'open' ? { executor: 'nobody' } : { tags: ['seen'] },
      );
  }

  #add(): void {
    const { graphs } = this.#size;
    const name = graphs[this.#made % graphs.length] ?? 'a';
    const known = [...(this.#tasks.get(name)?.keys() ?? [])];
    const id = `t${this.#made++}`;
    const first = known[Math.floor(this.#random() * known.length)];
    const after = first === undefined || this.#random() < 0.4 ? [] : [first];
    const later =
      this.#random() < 0.2 ? { notBefore: new Date(this.now + this.#random() * 9e6).toISOString() } : {};
    this.#put(name, task(id, { after, ...later, createdAt: new Date(this.now).toISOString() }));
  }

  #start(graph: string, id: string): void {
    const name = graph.slice(1, graph.lastIndexOf('/'));
    this.#edit(name, id, () => ({ status: 'in-progress', assigned: `agent-${id}` }));
    const endsAt = this.now + 1 + Math.floor(this.#random() * this.#size.longestRunMs);
    this.#runs = [...this.#runs, { ...run(name, id, { agent: `agent-${id}` }), endsAt }];
  }

  #end({ id, graph, task: ended }: Run): void {
    this.ended++;
    // Its end says that the account serves again.
    this.#pauses = this.#pauses.filter(({ until }) => until === null || until > this.now);
    this.#runs = this.#runs.filter((one) => one.id !== id);
    const status = this.#random() < 0.85 ? 'done' : 'failed';
    this.#edit(graph.slice(1, graph.lastIndexOf('/')), ended, () => ({ status }));
  }

  #edit(name: string, id: string, change: (known: Task) => Partial<Task>): void {
    const known = this.#tasks.get(name)?.get(id);
    if (known) this.#put(name, { ...known, ...change(known) });
  }

  #put(name: string, one: Task): void {
    const tasks = new Map(this.#tasks.get(name)).set(one.id, one);
    this.#tasks.set(name, tasks);
    this.#views = this.#views.map((view) =>
      view.repoName === name ? { ...view, snapshot: snapshot(view.graph, [...tasks.values()]) } : view,
    );
  }
}
