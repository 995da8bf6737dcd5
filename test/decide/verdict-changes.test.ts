// A simulated week: what is recorded, change by change, must be what deciding says at any instant of it.

import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { createMemo, decide } from '../../src/decide/decide.ts';
import { subjectOf, VerdictChanges } from '../../src/decide/verdict-changes.ts';
import { Verdicts, verdictOf } from '../../src/decide/verdicts.ts';
import type { World } from '../../src/decide/world.ts';
import { taskKey } from '../../src/domain/ids.ts';
import type { Run } from '../../src/domain/run.ts';
import { atOnce } from '../../src/domain/steps.ts';
import type { Task } from '../../src/domain/task.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { type Ledger, openLedger } from '../../src/runs/ledger.ts';
import { config, graphView, NOW, run, snapshot, task, world } from '../support/tasks.ts';

const WEEK_MS = 7 * 86_400_000;
const GRAPHS = ['a', 'b', 'c'] as const;
const TASKS = 30;
const INSTANTS = Number(process.env.HISTORY_INSTANTS ?? 3_000);

let folder: string;
let ledger: Ledger;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'history-'));
  ledger = await openLedger({ file: join(folder, 'ledger.sqlite'), clock: systemClock() });
});
afterEach(() => {
  ledger.close();
  rmSync(folder, { recursive: true, force: true });
});

/** The same sequence for the same seed, in [0, 1). */
function chance(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** A week of work: tasks come, run, end, fail; places run out; accounts are paused; people hold things. */
class Week {
  readonly #random: () => number;
  readonly #tasks = new Map<string, Map<string, Task>>();
  #views: World['graphs'];
  #runs: readonly (Run & { readonly endsAt: number })[] = [];
  #pauses: World['pauses'] = [];
  #made = 0;
  now = NOW;

  constructor(seed: number) {
    this.#random = chance(seed);
    for (const name of GRAPHS) this.#tasks.set(name, new Map());
    this.#views = GRAPHS.map((name) => graphView(name, []));
    for (let at = 0; at < GRAPHS.length * TASKS; at++) this.#add();
  }

  world(): World {
    return world(this.#views, {
      now: this.now,
      config: config({ maxConcurrent: 3 }),
      runs: this.#runs,
      attended: new Set(this.#runs.map(({ id }) => id)),
      pauses: this.#pauses,
    });
  }

  /** Carries out what was decided, and goes on to the next thing that happens. */
  goOn(at: World): void {
    const { actions, wakeAt } = decide(at);
    for (const action of actions)
      if (action.kind === 'dispatch') this.#start(action.plan.graph, action.plan.task);
    const ends = this.#runs.map(({ endsAt }) => endsAt);
    const event = this.now + 1 + Math.floor(this.#random() * 3_600_000);
    this.now = Math.min(event, ...ends, ...(wakeAt === null ? [] : [Math.max(wakeAt, this.now + 1)]));
    for (const ended of this.#runs.filter(({ endsAt }) => endsAt <= this.now)) this.#end(ended);
    if (this.now === event) this.#happen();
  }

  #happen(): void {
    const name = GRAPHS[Math.floor(this.#random() * GRAPHS.length)] ?? 'a';
    const ids = [...(this.#tasks.get(name)?.keys() ?? [])];
    const one = ids[Math.floor(this.#random() * ids.length)] ?? '';
    const kind = this.#random();
    if (kind < 0.4) this.#add();
    else if (kind < 0.6)
      this.#edit(name, one, (known) => (known.status === 'open' ? { paused: !known.paused } : {}));
    else if (kind < 0.75)
      this.#edit(name, one, (known) => (known.status === 'failed' ? { status: 'open' } : {}));
    else if (kind < 0.9) {
      const until = this.now + Math.floor(this.#random() * 7_200_000);
      const because = `the quota of claude is used up until ${until}`;
      this.#pauses = [{ scope: 'profile', name: 'claude', code: 'quota', because, until }];
    } else
      this.#edit(name, one, (known) =>
        known.status === 'open' ? { executor: 'nobody' } : { tags: ['seen'] },
      );
  }

  #add(): void {
    const name = GRAPHS[this.#made % GRAPHS.length] ?? 'a';
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
    const endsAt = this.now + 1 + Math.floor(this.#random() * 5_400_000);
    this.#runs = [...this.#runs, { ...run(name, id, { agent: `agent-${id}` }), endsAt }];
  }

  #end({ id, graph, task: ended }: Run): void {
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

test('what was recorded is what deciding says, at any instant of a week, over restarts', () => {
  const week = new Week(7);
  const random = chance(11);
  const worlds: World[] = [];
  let [memo, changes] = [createMemo(), new VerdictChanges()];
  while (week.now < NOW + WEEK_MS) {
    const at = week.world();
    worlds.push(at);
    // The program is started again now and then, and knows only what it recorded.
    if (random() < 0.01) [memo, changes] = [createMemo(), new VerdictChanges()];
    const { verdicts } = decide(at, memo);
    if (!(verdicts instanceof Verdicts)) throw new Error('unexpected verdicts');
    const changed = at.graphs.flatMap(({ graph }) =>
      atOnce(changes.of(graph, verdicts, () => ledger.latestVerdicts(graph))),
    );
    const dated = changed.map((verdict) => ({ at: at.now, verdict }));
    ledger.recordVerdicts(dated, { from: NOW, to: at.now });
    week.goOn(at);
  }

  let compared = 0;
  for (let n = 0; n < INSTANTS; n++) {
    const index = Math.floor(random() * (worlds.length - 1));
    const [then, next] = [worlds[index], worlds[index + 1]];
    if (!then || !next) throw new Error('no such world');
    const instant = then.now + Math.floor(random() * (next.now - then.now));
    const view = then.graphs[Math.floor(random() * then.graphs.length)];
    const ids = [...(view?.snapshot.tasks.keys() ?? [])];
    const id = ids[Math.floor(random() * ids.length)];
    if (!view || id === undefined) continue;
    const decided = verdictOf(decide({ ...then, now: instant }).verdicts, view.graph, id);
    const recorded = ledger.verdictSpans(view.graph, id, instant, instant).at(-1);
    const expected = decided ? subjectOf(decided) : null;
    // A task that starts at this very instant is not worth a row.
    if (expected === null) continue;
    expect([taskKey(view.graph, id), recorded ? subjectOf(recorded) : null]).toEqual([
      taskKey(view.graph, id),
      expected,
    ]);
    compared++;
  }
  expect(compared).toBeGreaterThan(INSTANTS * 0.9);
  if (process.env.HISTORY_INSTANTS) {
    const bytes = statSync(join(folder, 'ledger.sqlite')).size;
    process.stderr.write(`${compared} instants of ${worlds.length} worlds; the ledger has ${bytes} bytes\n`);
  }
});

test('a dependency that begins is a change; how long something takes is none', () => {
  const waiting = (because: string) => subjectOf({ state: 'waiting', code: 'dependency', because });
  expect(waiting('waits for a (open)')).not.toBe(waiting('waits for a (in-progress)'));
  expect(waiting('waits for a, b and 3 more')).toBe(waiting('waits for a, b and 4 more'));
});
