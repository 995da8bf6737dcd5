// Control without a running supervisor: the same graphs, the same deciding, nothing dispatched and nothing locked.
// Serves `status`, `why`, `list`, `show`, `runs`, and completions while no supervisor runs.

import { decide } from '../decide/decide.ts';
import { explainTask } from '../decide/explain.ts';
import { cameBackIn } from '../decide/reconcile/known-results.ts';
import type { Decision, GraphView, World } from '../decide/world.ts';
import type { Config } from '../domain/config.ts';
import { SupervisorError } from '../domain/errors.ts';
import type { DigestReport } from '../domain/overview.ts';
import type {
  PromptReport,
  ReportedProblem,
  RunReport,
  StatusReport,
  TaskDetailReport,
  TaskReport,
  VerdictsReport,
  WhyReport,
} from '../domain/report.ts';
import type { Run } from '../domain/run.ts';
import type { Task } from '../domain/task.ts';
import type { SupervisedGraph, SupervisedGraphs } from '../graphs/supervised-graphs.ts';
import type { Clock } from '../platform/clock.ts';
import type { LedgerView } from '../runs/ledger.ts';
import { observeWorld } from '../supervisor/observe.ts';
import { actionsOn } from './actions.ts';
import type { CompletionAnswer, CompletionRequest, RunFilter, TaskFilter, TaskQuery } from './control.ts';
import { askedRuns, endedMeanwhile, type FoundTask, findTask } from './find-task.ts';
import {
  detailReport,
  filterTasks,
  judgedTaskReport,
  runReport,
  statusReport,
  taskReport,
  taskReports,
} from './reports/reports.ts';
import { type Period, verdictsReport } from './verdicts.ts';
import { digestOf } from './views/digest.ts';
import type { CompletionMeans } from './work/complete-in-graph.ts';

export interface LookoutParts {
  readonly config: Config;
  readonly graphs: SupervisedGraphs;
  readonly ledger: LedgerView | null;
  readonly clock: Clock;
  readonly version: string;
  readonly problems: readonly ReportedProblem[];
  /** Loaded when something is completed. */
  completionMeans(): Promise<CompletionMeans>;
  /** Clears in the ledger what prevents a retry; absent if there is no ledger to write. */
  letGo?(view: GraphView, task: Task): Promise<void>;
  /** Records in the ledger the result of a completion; absent if there is no ledger to write. */
  keep?(graph: SupervisedGraph, request: CompletionRequest, mark: string): Promise<void>;
}

export class OfflineControl {
  readonly #parts: LookoutParts;
  readonly #world: World;
  readonly #decision: Decision;

  /** `graphs` must have been discovered and read. */
  constructor(parts: LookoutParts) {
    this.#parts = parts;
    this.#world = observeWorld({
      now: parts.clock.now(),
      config: parts.config,
      graphs: parts.graphs,
      ledger: parts.ledger,
      attended: new Set(),
      endingTasks: new Set(),
      peers: new Map(),
      dispatchBlocked: {
        code: 'not-running',
        because: 'no supervisor is running: start one with `supervisor run`',
      },
    });
    this.#decision = decide(this.#world);
  }

  status(): StatusReport {
    const { graphs, runs } = this.#world;
    return statusReport({
      // Running means there is work left: a run whose task finished meanwhile only waits to be closed.
      world: { ...this.#world, runs: runs.filter((run) => endedMeanwhile(run, graphs) === null) },
      decision: this.#decision,
      repositories: this.#parts.graphs.repositories(),
      gone: this.#parts.ledger?.rememberedGraphs().filter((graph) => graph.goneAt !== null) ?? [],
      polling: new Set(),
      problems: this.#parts.problems,
      supervisor: {
        running: false,
        pid: null,
        version: this.#parts.version,
        started_at: null,
        mode: this.#parts.config.mode,
        state: 'stopped',
      },
      progressOf: () => null,
    });
  }

  why(query: TaskQuery): WhyReport {
    const found = this.find(query);
    const { conditions } = explainTask(this.#world, found.view.graph, found.task.id);
    return { ...this.#report(found), conditions, runs: this.#runsOf(found) };
  }

  async prompt(query: TaskQuery): Promise<PromptReport> {
    const { promptOf } = await import('./prompt.ts');
    return await promptOf(this.find(query), this.#world, this.#parts.graphs, this.#parts.ledger);
  }

  verdicts(query: TaskQuery, period: Period): VerdictsReport {
    return verdictsReport(this.find(query), this.#parts.ledger, period, this.#parts.clock.now());
  }

  tasks(filter: TaskFilter): readonly TaskReport[] {
    return filterTasks(
      taskReports({ world: this.#world, decision: this.#decision }),
      filter,
      this.#world.graphs,
    );
  }

  task(query: TaskQuery): TaskDetailReport {
    const found = this.find(query);
    const detail = this.#parts.graphs.get(found.view.graph)?.store.detail(found.task.id) ?? null;
    const actions = actionsOn(this.#parts.ledger, found);
    return detailReport(this.#report(found), detail, this.#runsOf(found), actions);
  }

  runs(filter: RunFilter): readonly RunReport[] {
    return askedRuns(this.#parts.ledger, this.#world.graphs, filter).map((run) => this.#runReport(run));
  }

  /** What happened since an instant (ms). */
  digest(since: number): DigestReport {
    const runs = this.#parts.ledger?.runs({ since, limit: 10_000 }) ?? [];
    return digestOf(since, this.#world.now, runs, this.#world.graphs);
  }

  /** The world as it is, and the ledger: what forecasts are made of. */
  outlook(): { readonly world: World; readonly ledger: LedgerView | null } {
    return { world: this.#world, ledger: this.#parts.ledger };
  }

  /** Writes a completion into the graph; the next supervisor notices it there. */
  async complete(request: CompletionRequest): Promise<CompletionAnswer> {
    const found = this.find(request);
    const graph = this.#parts.graphs.get(found.view.graph);
    if (!graph) throw new SupervisorError('graph', `${found.view.graph} cannot be reached`);
    const [{ completeByHand }, means] = await Promise.all([
      import('./work/complete-in-graph.ts'),
      this.#parts.completionMeans(),
    ]);
    const asked = { ...request, task: found.task.id };
    const { mark, ...done } = await completeByHand(means, graph, asked, this.#parts.clock.now());
    if (mark !== undefined) await this.#parts.keep?.(graph, asked, mark);
    return { task: found.task.id, worktree: found.view.worktree, ...done, late: false };
  }

  /** Reopens a failed task. */
  async retry(query: TaskQuery, { doneToo = false } = {}): Promise<TaskReport> {
    const found = this.find(query);
    const store = this.#store(found);
    const { reopenInGraph } = await import('../graphs/task-writes.ts');
    // What the last supervisor parked, the next one should retry.
    const { view } = found;
    const isRewound = cameBackIn(view, found.task.id, this.#world.results) !== null;
    await this.#parts.letGo?.(view, found.task);
    await reopenInGraph(store, found.task.id, this.#parts.clock.now(), {
      isRewound,
      doneToo,
    });
    const task = store.snapshot().tasks.get(found.task.id) ?? found.task;
    return taskReport(task, found.view.graph, found.view.worktree);
  }

  /** The store of the graph that a task query or a folder names, for `add` and `edit`. */
  storeOf(query: TaskQuery) {
    const found = this.find(query);
    return { store: this.#store(found), task: found.task.id, worktree: found.view.worktree };
  }

  #store(found: FoundTask) {
    const graph = this.#parts.graphs.get(found.view.graph);
    if (!graph) throw new SupervisorError('graph', `${found.view.graph} cannot be reached`);
    return graph.store;
  }

  /** The task that a query means. Throws `not-found` and `ambiguous`. */
  find(query: TaskQuery): FoundTask {
    return findTask(this.#world.graphs, query, this.#decision);
  }

  #report(found: FoundTask): TaskReport {
    return judgedTaskReport(found.task, found.view, this.#decision);
  }

  #runsOf(found: FoundTask): RunReport[] {
    const runs = this.#parts.ledger?.runs({ graph: found.view.graph, task: found.task.id, limit: 20 }) ?? [];
    return runs.map((run) => this.#runReport(run));
  }

  /** Runs are not closed while no supervisor runs, though their tasks may have finished: the report says so. */
  #runReport(run: Run): RunReport {
    const ended = endedMeanwhile(run, this.#world.graphs);
    const progress =
      ended === null ? null : `its task is ${ended} in the graph; the next supervisor closes it`;
    return runReport(run, progress);
  }
}
