// Wider views than the reports that every command has: for the page, and for programs like it. Changes nothing.

import { verdictOf } from '../../decide/judge/verdicts.ts';
import { SupervisorError } from '../../domain/errors.ts';
import type {
  DigestReport,
  GraphReport,
  HistoryReport,
  NeighboursReport,
  NextReport,
  OutputReport,
  OverviewReport,
  PressureReport,
  RepoReport,
  TimetableReport,
} from '../../domain/overview.ts';
import type { Run } from '../../domain/run.ts';
import type { SupervisedGraphs } from '../../graphs/supervised-graphs.ts';
import type { Bus } from '../../platform/bus.ts';
import type { Clock } from '../../platform/clock.ts';
import type { LedgerView } from '../../runs/ledger.ts';
import type { VerdictSpan } from '../../runs/verdict-store.ts';
import type { Supervisor } from '../../supervisor/supervisor.ts';
import type { TaskQuery } from '../control.ts';
import { findTask } from '../find-task.ts';
import { firstLook } from '../first-look.ts';
import type { LiveControl } from '../live-control.ts';
import { digestOf } from './digest.ts';
import { LetGoBook } from './let-go-book.ts';
import { neighboursOf, type Reach } from './neighbours.ts';
import { nextTasks, overviewOf } from './overview.ts';
import { pressureOf } from './pressure.ts';
import { graphOf, reposOf } from './repos.ts';
import { type OutputWindow, outputOf } from './run-output.ts';
import { timetableOf } from './timetable.ts';
import { historyOf, type NotedReason } from './waits.ts';

/** Everything throws SupervisorError as SupervisorControl does. */
export interface SupervisorViews {
  /** Status in few words, and what comes next. */
  overview(): Promise<OverviewReport>;
  /** What happened since (ms), or in the last day. */
  digest(since?: number): Promise<DigestReport>;
  /** Where work waits for room. */
  pressure(): Promise<PressureReport>;
  /** The next tasks, at most this many. */
  next(limit: number): Promise<readonly NextReport[]>;
  /** Ids of tasks of people that begin so, over every worktree, at most this many; nothing is judged for it. */
  ids(prefix: string, limit: number): Promise<readonly string[]>;
  repos(): Promise<readonly RepoReport[]>;
  /** The whole graph of a worktree. Throws `not-found` for an unknown one. */
  graph(worktree: string): Promise<GraphReport>;
  /** The tasks around a task. */
  neighbours(query: TaskQuery, reach: Reach): Promise<NeighboursReport>;
  /** What a task waited for and when it ran. */
  history(query: TaskQuery): Promise<HistoryReport>;
  schedules(): Promise<TimetableReport>;
  /** Part of what a run wrote. Throws `not-found` for an unknown run, and where nothing is kept. */
  output(run: string, window: OutputWindow): Promise<OutputReport>;
}

const DAY_MS = 86_400_000;
/** More runs than these are not looked through for one view. */
const MOST_RUNS = 10_000;
const RUNS_OF_TASK = 50;

interface ViewNeeds {
  readonly clock: Clock;
  readonly bus: Bus;
  readonly ledger: LedgerView;
  readonly supervisor: Supervisor;
  readonly control: Pick<LiveControl, 'status' | 'reportable'>;
  readonly graphs: Pick<SupervisedGraphs, 'all'>;
  /** Resolves once the verdicts up to now are in the ledger. */
  verdictsWritten(): Promise<void>;
}

/** What is recorded of a task besides its runs, which have rows of their own. */
function reasonsIn(spans: readonly VerdictSpan[]): NotedReason[] {
  return spans
    .filter(({ state }) => state !== 'running' && state !== 'finished')
    .map(({ from, code, because }) => ({ from, code, because }));
}

export class LiveViews implements SupervisorViews {
  readonly #needs: ViewNeeds;
  readonly #begun: Promise<void>;
  readonly #book: LetGoBook;

  constructor(needs: ViewNeeds) {
    this.#needs = needs;
    this.#begun = firstLook(needs.bus);
    this.#book = new LetGoBook(needs.bus);
  }

  async overview(): Promise<OverviewReport> {
    return overviewOf(await this.#needs.control.reportable());
  }

  async digest(since?: number): Promise<DigestReport> {
    const until = this.#needs.clock.now();
    const { world } = await this.#judged();
    const runs = this.#needs.ledger.runs({ limit: MOST_RUNS });
    return digestOf(since ?? until - DAY_MS, until, runs, world.graphs);
  }

  async pressure(): Promise<PressureReport> {
    const judged = await this.#judged();
    const since = judged.world.now - DAY_MS;
    const isOfToday = ({ openedAt, finishedAt }: Run) => openedAt >= since || (finishedAt ?? 0) >= since;
    const spent = this.#needs.ledger.runs({ limit: MOST_RUNS }).filter(isOfToday);
    return pressureOf({
      ...judged,
      spent,
      footprintOf: (executor) => this.#needs.ledger.learnedFootprint(executor),
    });
  }

  async next(limit: number): Promise<readonly NextReport[]> {
    return nextTasks(await this.#judged(), limit).next;
  }

  async ids(prefix: string, limit: number): Promise<readonly string[]> {
    const found = new Set<string>();
    for (const { store } of this.#needs.graphs.all())
      for (const id of store.snapshot().tasks.keys()) {
        if (!id.startsWith(prefix) || id.startsWith('.')) continue;
        found.add(id);
        if (found.size >= limit) return [...found];
      }
    return [...found];
  }

  async repos(): Promise<readonly RepoReport[]> {
    return reposOf((await this.#needs.control.status()).worktrees);
  }

  async graph(worktree: string): Promise<GraphReport> {
    return graphOf(await this.#judged(), worktree);
  }

  async neighbours(query: TaskQuery, reach: Reach): Promise<NeighboursReport> {
    const { world, decision } = await this.#judged();
    const { view, task } = findTask(world.graphs, query, decision);
    return neighboursOf(view, decision, task.id, reach);
  }

  async history(query: TaskQuery): Promise<HistoryReport> {
    await this.#needs.verdictsWritten();
    const { world, decision } = await this.#judged();
    const { view, task } = findTask(world.graphs, query, decision);
    return historyOf({
      view,
      task,
      verdict: verdictOf(decision.verdicts, view.graph, task.id),
      runs: this.#runsOf(view.graph, task.id),
      noted: reasonsIn(this.#needs.ledger.verdictSpans(view.graph, task.id, 0, world.now)),
      now: world.now,
    });
  }

  async schedules(): Promise<TimetableReport> {
    return timetableOf({
      ...(await this.#judged()),
      runsOf: (graph, task) => this.#runsOf(graph, task),
      letGoOf: (key) => this.#book.letGoOf(key),
    });
  }

  async output(run: string, window: OutputWindow): Promise<OutputReport> {
    const found = this.#needs.ledger.run(run);
    if (!found)
      throw new SupervisorError('not-found', `there is no run ${run}`, {
        hint: '`supervisor runs` lists them',
      });
    return outputOf(found, window);
  }

  #runsOf(graph: string, task: string): Run[] {
    return this.#needs.ledger.runs({ graph, task, limit: RUNS_OF_TASK });
  }

  /** The world as it is judged now, once everything was read for the first time. */
  async #judged() {
    await this.#begun;
    return this.#needs.supervisor.judge();
  }
}
