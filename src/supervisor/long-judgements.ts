// Judges large graphs beside the tick, in short turns: no other graph waits until a hundred thousand tasks are judged. The
// earlier judgement stands until then. One graph is judged after the other, each as it was when it began: what changes
// meanwhile is judged next, so that a graph that changes all the time is judged all the same.

import { countedGraphs, type DecideMemo } from '../decide/decide.ts';
import type { Interim, Interims } from '../decide/judge/interim.ts';
import type { JudgedGraph } from '../decide/judge/judge.ts';
import { judgeAhead } from '../decide/judge/judge-ahead.ts';
import { countedSnapshot, findCopies } from '../decide/reconcile/identity.ts';
import type { GraphView, World } from '../decide/world.ts';
import { messageOf } from '../domain/errors.ts';
import type { Snapshot, Tasks } from '../domain/graph.ts';
import type { GraphPath } from '../domain/ids.ts';
import type { Steps } from '../domain/steps.ts';
import type { Clock } from '../platform/clock.ts';
import { nextTurn, type Turn } from '../platform/cooperative.ts';
import type { Log } from '../platform/log.ts';

/** Fewer tasks are judged in a few milliseconds. */
const MANY_TASKS = 5000;
/** A judgement that only time made invalid rests this many times as long as it took. */
const REST = 4;
const LONGEST_REST_MS = 2000;
const FAILED_REST_MS = 1000;

interface Working {
  readonly steps: Steps<void>;
  readonly tasks: Tasks;
  readonly begunAt: number;
}

interface LongJudgementsParts {
  readonly memo: DecideMemo;
  readonly clock: Pick<Clock, 'now'>;
  readonly log: Pick<Log, 'warn'>;
  /** Called when a judgement is complete. */
  wake(): void;
  readonly turn: Turn;
  /** Graphs of this many tasks are judged here. */
  readonly manyTasks?: number;
}

export class LongJudgements {
  readonly #parts: LongJudgementsParts;
  readonly #manyTasks: number;
  readonly #turn: Turn;
  readonly #working = new Map<GraphPath, Working>();
  /** Judged beside the tick, and not acted on yet. */
  readonly #fresh = new Set<GraphPath>();
  /** Until when (ms) a graph is not judged again unless its tasks change. */
  readonly #rests = new Map<GraphPath, { readonly tasks: Tasks; readonly until: number }>();
  /** The state before the first one that is judged. */
  readonly #empty = new Map<GraphPath, Snapshot>();
  /** Those that the last world had. */
  #behind: ReadonlySet<GraphPath> = new Set();
  #running: Promise<void> | null = null;
  #isStopped = false;

  constructor(parts: LongJudgementsParts) {
    this.#parts = parts;
    this.#manyTasks = parts.manyTasks ?? MANY_TASKS;
    this.#turn = parts.turn;
  }

  /** Some graph is not judged as it is, or that has not been acted on. */
  get isBusy(): boolean {
    return this.#behind.size > 0 || this.#fresh.size > 0;
  }

  /** When to ask again at the latest, ms; null: when something happens. */
  get nextAt(): number | null {
    const rests = [...this.#rests.values()].map(({ until }) => until);
    return rests.length === 0 ? null : Math.min(...rests);
  }

  /** The large graphs that are not judged as they are in this world. Begins to judge them; what is done at once is left out. */
  of(world: World): Interims {
    const large = world.graphs.filter((view) => this.#isLarge(view));
    this.#forgetOthers(large);
    const behind = large.length === 0 ? new Map<GraphPath, Interim>() : this.#interims(world, large);
    const waiting = large.filter(({ graph }) => behind.has(graph) && !this.#working.has(graph));
    for (const view of waiting) if (!this.#isAtRest(view, world)) this.#begin(view, world);
    // Most changes are small, and judged within one turn.
    const isAtOnce = this.#running === null && this.#working.size > 0 && this.#stepFirst();
    const interims = isAtOnce ? this.#interims(world, large) : behind;
    if (this.#working.size > 0) this.#running ??= this.#run();
    this.#behind = new Set(interims.keys());
    return interims;
  }

  /** Judges all large graphs of this world before it resolves. */
  async complete(world: () => World): Promise<void> {
    while (this.of(world()).size > 0 && this.#running) await this.#running;
  }

  /** What was judged has been acted on. Returns whether some of it was outdated by then: to be looked at again at once. */
  actedOn(): boolean {
    const isOutdated = [...this.#fresh].some((graph) => this.#behind.has(graph));
    this.#fresh.clear();
    return isOutdated;
  }

  /** Begins nothing more; resolves when nothing is being judged. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#running;
  }

  #isLarge({ graph, snapshot }: GraphView): boolean {
    return snapshot.tasks.size >= this.#manyTasks || this.#working.has(graph);
  }

  #forgetOthers(large: readonly GraphView[]): void {
    const graphs = new Set(large.map(({ graph }) => graph));
    for (const known of [this.#working, this.#fresh, this.#rests, this.#empty])
      for (const graph of known.keys()) if (!graphs.has(graph)) known.delete(graph);
  }

  /** Those of the graphs that are not judged as they are. */
  #interims(world: World, large: readonly GraphView[]): ReadonlyMap<GraphPath, Interim> {
    const found = new Map<GraphPath, Interim>();
    const counted = new Map(large.map((view) => [view.graph, { counted: this.#counted(view) }]));
    const copies = findCopies(countedGraphs(world.graphs, counted), this.#parts.memo.copies);
    for (const view of large) {
      const { graph } = view;
      const known = this.#parts.memo.graphs.get(graph);
      if (!this.#working.has(graph) && known?.isValid(view, world, copies)) {
        this.#rests.delete(graph);
        continue;
      }
      const isFresh = this.#fresh.has(graph) && known?.isSameGround(view, world) === true;
      found.set(graph, { counted: this.#counted(view), judged: known ?? null, isFresh });
    }
    return found;
  }

  /** A graph counts as it was judged until it is judged as it is. */
  #counted(view: GraphView): Snapshot {
    const { graph, snapshot } = view;
    if (this.#judged(graph)?.tasks === snapshot.tasks) return snapshot;
    const counted = countedSnapshot(view, this.#parts.memo.copies);
    if (counted) return counted;
    const empty = this.#empty.get(graph) ?? { ...snapshot, tasks: new Map(), warnings: [] };
    this.#empty.set(graph, empty);
    return empty;
  }

  #judged(graph: GraphPath): JudgedGraph | undefined {
    return this.#working.has(graph) ? undefined : this.#parts.memo.graphs.get(graph);
  }

  /** A judgement of the same tasks that time alone made invalid is not made again without pause. */
  #isAtRest({ graph, snapshot }: GraphView, { now }: World): boolean {
    if (this.#isStopped || this.#fresh.has(graph)) return true;
    const rest = this.#rests.get(graph);
    // A clock that is set back makes no rest longer.
    const isResting = rest && now < rest.until && now >= rest.until - LONGEST_REST_MS;
    if (isResting && rest.tasks === snapshot.tasks) return true;
    this.#rests.delete(graph);
    return false;
  }

  #begin(view: GraphView, world: World): void {
    const steps = judgeAhead(view, world, this.#parts.memo);
    const { tasks } = view.snapshot;
    this.#working.set(view.graph, { steps, tasks, begunAt: this.#parts.clock.now() });
  }

  #stepFirst(): boolean {
    const [graph] = this.#working.keys();
    if (graph === undefined || !this.#step(graph)) return false;
    this.#fresh.delete(graph);
    return true;
  }

  async #run(): Promise<void> {
    for (;;) {
      await nextTurn();
      const [graph] = this.#working.keys();
      if (graph === undefined || this.#isStopped) break;
      if (this.#step(graph)) this.#parts.wake();
    }
    this.#running = null;
  }

  /** One turn of the work on a graph. Returns whether that was all of it. */
  #step(graph: GraphPath): boolean {
    const work = this.#working.get(graph);
    if (!work) return true;
    const { clock, log } = this.#parts;
    let restMs = FAILED_REST_MS;
    try {
      if (this.#turn(work.steps) === null) return false;
      this.#fresh.add(graph);
      restMs = Math.min(LONGEST_REST_MS, REST * Math.max(0, clock.now() - work.begunAt));
    } catch (thrown) {
      log.warn('graph.unjudged', { graph, because: messageOf(thrown) });
    }
    this.#working.delete(graph);
    this.#rests.set(graph, { tasks: work.tasks, until: clock.now() + restMs });
    return true;
  }
}
