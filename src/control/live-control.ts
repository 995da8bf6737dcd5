// Answers the API and the commands for a running supervisor. Reads the last decision, and passes every change to the
// part that owns it.

import { explainTask } from '../decide/explain.ts';
import { cameBackIn } from '../decide/reconcile/known-results.ts';
import type { ActionTaken, NotedAction } from '../domain/action.ts';
import type { AgentUpdate } from '../domain/agent-update.ts';
import { countedTask } from '../domain/counted-task.ts';
import { SupervisorError } from '../domain/errors.ts';
import type { Event } from '../domain/event.ts';
import { taskKey } from '../domain/ids.ts';
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
import { isOpenRun, type Run } from '../domain/run.ts';
import type { PieceOfOutput } from '../executors/executor.ts';
import { addTask, editTask, type TaskRequest } from '../graphs/authoring.ts';
import type { SupervisedGraphs } from '../graphs/supervised-graphs.ts';
import { reopenInGraph } from '../graphs/task-writes.ts';
import type { Base } from '../platform/base.ts';
import { isoTime } from '../platform/clock.ts';
import { tokenHash } from '../platform/identity.ts';
import type { HeartbeatAnswer } from '../run/leases.ts';
import type { AnsweredQuestion } from '../run/questions.ts';
import type { Runs } from '../run/runs.ts';
import { silenceText } from '../run/silence.ts';
import type { ActionsFilter } from '../runs/action-store.ts';
import type { Ledger } from '../runs/ledger.ts';
import type { ConnectedWorkers } from '../supervisor/connected-workers.ts';
import type { Supervisor } from '../supervisor/supervisor.ts';
import { actionsOn, noteAction } from './actions.ts';
import type {
  Caller,
  Claimed,
  ClaimRequest,
  ClaimTerms,
  CompletionAnswer,
  CompletionRequest,
  DispatchRequest,
  ReleaseTerms,
  RunFilter,
  RunOfToken,
  SupervisorControl,
  TaskFilter,
  TaskQuery,
} from './control.ts';
import type { CurrentTasks } from './current-tasks.ts';
import { type EditedTask, editMany } from './edit-many.ts';
import { askedRuns, type FoundTask, findTask, lostRun, onlyGraph, runNamed } from './find-task.ts';
import { firstLook, soonOr } from './first-look.ts';
import { pauseTarget } from './pause-target.ts';
import { promptOf } from './prompt.ts';
import {
  detailReport,
  filterTasks,
  judgedTaskReport,
  type Reportable,
  runReport,
  statusReport,
  taskReports,
} from './reports/reports.ts';
import { type Period, verdictsReport } from './verdicts.ts';
import { handleAgentUpdate } from './work/agent-updates.ts';
import type { Claims } from './work/claims.ts';
import type { Completions } from './work/completions.ts';
import { contradiction, nothingUnderWay } from './work/conflicts.ts';
import type { WorkerCalls } from './work/worker-calls.ts';

export interface ControlNeeds extends Base {
  readonly version: string;
  readonly observeOnly: boolean;
  readonly ledger: Ledger;
  readonly graphs: SupervisedGraphs;
  readonly runs: Runs;
  readonly supervisor: Supervisor;
  readonly tasks: CurrentTasks;
  readonly completions: Completions;
  readonly claims: Claims;
  readonly workerCalls: WorkerCalls;
  readonly workers: ConnectedWorkers;
  problems(): readonly ReportedProblem[];
  pollingGraphs(): readonly string[];
  /** Reads the configuration again, keeping the last good one; returns what is wrong, as sentences. */
  reloadConfig(): Promise<readonly string[]>;
  /** Has a successor take over soon, or throws why that cannot be. */
  restart(): Promise<void>;
  /** Resolves once the verdicts up to now are in the ledger. */
  verdictsWritten(): Promise<void>;
}

export class LiveControl implements SupervisorControl {
  readonly #parts: ControlNeeds;
  readonly #supervisor: Supervisor;
  readonly #runs: Runs;
  readonly #tasks: CurrentTasks;
  readonly #startedAt: number;
  /** Resolves after the first full scan: questions can be answered from then on. */
  readonly #begun: Promise<void>;
  /** The same, for calls that are asked again after a 503: they wait as long as a restart takes, and no longer. */
  readonly #begunSoon: Promise<void>;

  constructor(parts: ControlNeeds) {
    this.#parts = parts;
    this.#supervisor = parts.supervisor;
    this.#runs = parts.runs;
    this.#tasks = parts.tasks;
    this.#startedAt = parts.clock.now();
    this.#begun = firstLook(parts.bus);
    this.#begunSoon = soonOr(this.#begun, parts.clock);
  }

  async status(): Promise<StatusReport> {
    return statusReport(await this.reportable());
  }

  /** What reports are made of, as of now. */
  async reportable(): Promise<Reportable> {
    await this.#begun;
    return this.#reportable();
  }

  async why(query: TaskQuery): Promise<WhyReport> {
    await this.#begun;
    const { world, decision } = this.#supervisor.judge();
    const found = findTask(world.graphs, query, decision);
    const { conditions } = explainTask(world, found.view.graph, found.task.id, decision);
    // Of the same look as the conditions, not of the last tick.
    const report = judgedTaskReport(found.task, found.view, decision);
    return { ...report, conditions, runs: this.#runsOf(found) };
  }

  async prompt(query: TaskQuery): Promise<PromptReport> {
    await this.#begun;
    const { world, decision } = this.#supervisor.judge();
    const found = findTask(world.graphs, query, decision);
    return await promptOf(found, world, this.#parts.graphs, this.#parts.ledger);
  }

  async verdicts(query: TaskQuery, period: Period): Promise<VerdictsReport> {
    await this.#begun;
    await this.#parts.verdictsWritten();
    const { world, decision } = this.#supervisor.judge();
    const found = findTask(world.graphs, query, decision);
    return verdictsReport(found, this.#parts.ledger, period, this.#parts.clock.now());
  }

  async tasks(filter: TaskFilter): Promise<readonly TaskReport[]> {
    await this.#begun;
    const { world, decision } = this.#supervisor.judge();
    return filterTasks(taskReports({ world, decision }), filter, world.graphs);
  }

  async task(query: TaskQuery): Promise<TaskDetailReport> {
    await this.#begun;
    const found = this.#tasks.find(query);
    const detail = this.#graph(found).store.detail(found.task.id);
    const { ledger } = this.#parts;
    return detailReport(this.#report(found), detail, this.#runsOf(found), actionsOn(ledger, found));
  }

  async runs(filter: RunFilter): Promise<readonly RunReport[]> {
    await this.#begun;
    return askedRuns(this.#parts.ledger, this.#tasks.views(), filter).map((run) => this.#runReport(run));
  }

  async complete(request: CompletionRequest): Promise<CompletionAnswer> {
    await this.#begun;
    return await this.#parts.completions.complete(request);
  }

  runOfToken(token: string): RunOfToken | null {
    const { ledger } = this.#parts;
    const run = ledger.runOfToken(tokenHash(token));
    if (!run) return null;
    return { run: run.id, task: run.task, graph: run.graph, formerGraphs: ledger.formerGraphs(run.id) };
  }

  async heldRun(query: TaskQuery, holder: string): Promise<RunOfToken | null> {
    await this.#begunSoon;
    const { view, task } = this.#tasks.find(query);
    return this.#parts.workerCalls.heldRun({ graph: view.graph, task: task.id }, holder);
  }

  async heartbeat(...said: Parameters<WorkerCalls['heartbeat']>): Promise<HeartbeatAnswer> {
    await this.#begunSoon;
    return this.#parts.workerCalls.heartbeat(...said);
  }

  async input(...said: Parameters<WorkerCalls['input']>): Promise<HeartbeatAnswer> {
    await this.#begunSoon;
    return this.#parts.workerCalls.input(...said);
  }

  async output(run: string, piece: PieceOfOutput): Promise<number> {
    await this.#begunSoon;
    return await this.#parts.workerCalls.output(run, piece);
  }

  async pushed(run: string, said: AgentUpdate): Promise<void> {
    await this.#begunSoon;
    const { ledger } = this.#parts;
    await handleAgentUpdate(run, said, {
      ledger,
      outside: this.#parts.workerCalls,
      complete: (report) => this.complete(report),
    });
  }

  async answer(query: TaskQuery, answer: string, question?: string): Promise<AnsweredQuestion> {
    await this.#begun;
    const run = this.#latestRun(query);
    return this.#parts.workerCalls.answer(run, run?.task ?? query.task, answer, question);
  }

  async cancel(query: TaskQuery, reason: string): Promise<RunReport> {
    await this.#begun;
    const run = this.#openRun(query);
    const live = this.#runs.find(run.id);
    // Its result is known, and only not written yet.
    if (!live && run.phase === 'finished') throw contradiction(run);
    this.#parts.log.info('run.cancel', { run: run.id, task: run.task, because: reason });
    await this.#runs.cancel(run, reason);
    return runReport(run, live?.progress ?? null);
  }

  async retry(query: TaskQuery, { doneToo = false } = {}): Promise<TaskReport> {
    await this.#begun;
    const { ledger, clock } = this.#parts;
    const found = this.#tasks.find(query);
    const { view, task } = found;
    const { graph, repo, settings } = view;
    ledger.clearPause('task', taskKey(graph, task.id));
    ledger.resetAttempts(countedTask({ graph, task: task.id, createdAt: task.createdAt }, repo, settings));
    const isRewound = cameBackIn(view, task.id, ledger.results()) !== null;
    ledger.forgetResult({ repo, task: task.id, createdAt: task.createdAt ?? null });
    await reopenInGraph(this.#graph(found).store, task.id, clock.now(), {
      isRewound,
      doneToo,
    });
    await this.#supervisor.tick();
    return this.#report(this.#tasks.find(query));
  }

  async addTask(
    place: string | null,
    request: TaskRequest & { readonly title: string; readonly id?: string },
  ): Promise<TaskReport> {
    await this.#begun;
    const { graphs } = this.#tasks.decided().world;
    const store = this.#parts.graphs.get(onlyGraph(graphs, place))?.store;
    if (!store) throw new SupervisorError('graph', 'the graph was just removed', { hint: 'try again' });
    const { id } = await addTask(store, request, this.#parts.clock.now());
    await this.#supervisor.tick();
    return this.#report(this.#tasks.find({ task: id, worktree: store.graph }));
  }

  async editTask(query: TaskQuery, request: TaskRequest): Promise<TaskReport> {
    await this.#begun;
    const found = this.#tasks.find(query);
    const { store } = this.#graph(found);
    await editTask(store, found.task.id, request);
    await this.#supervisor.tick();
    return this.#report(this.#tasks.find({ task: found.task.id, worktree: store.graph }));
  }

  async claim(query: TaskQuery, worker: string, terms: ClaimTerms = {}): Promise<Claimed> {
    await this.#begun;
    return await this.#parts.claims.claim(this.#tasks.find(query), worker, terms);
  }

  async claimMany(wish: ClaimRequest): Promise<readonly Claimed[]> {
    await this.#begunSoon;
    return await this.#parts.claims.claimMany(wish);
  }

  async release(
    query: TaskQuery,
    caller: Caller,
    reason?: string,
    terms?: ReleaseTerms,
  ): Promise<TaskReport> {
    await this.#begunSoon;
    const run = (caller.kind === 'run' && this.#parts.ledger.run(caller.run)) || this.#openRun(query);
    await this.#parts.workerCalls.release(run, caller, reason, terms);
    return this.#report(this.#tasks.find({ task: run.task, worktree: run.graph }));
  }

  async dispatch(query: TaskQuery, how: DispatchRequest): Promise<RunReport> {
    await this.#begunSoon;
    return this.#parts.workerCalls.dispatch(this.#tasks.find(query), how);
  }

  async changed(query: TaskQuery, ms: number, signal?: AbortSignal): Promise<void> {
    await this.#begunSoon;
    await this.#parts.workerCalls.changed(this.#tasks.find(query), ms, signal);
  }

  async ended(run: string, ms: number, signal?: AbortSignal): Promise<RunReport> {
    await this.#begunSoon;
    return await this.#parts.workerCalls.ended(run, ms, signal);
  }

  async pause(target: string | null, because: string): Promise<void> {
    await this.#begun;
    this.#parts.ledger.setPause({
      ...pauseTarget(target, this.#tasks.decided().world.graphs),
      code: 'paused',
      because,
      until: null,
    });
    this.#supervisor.wake();
  }

  async resume(target: string | null): Promise<void> {
    await this.#begun;
    const { scope, name } = pauseTarget(target, this.#tasks.decided().world.graphs);
    this.#parts.ledger.clearPause(scope, name);
    if (scope === 'profile') this.#runs.resumeProfile(name);
    if (target === null) this.#supervisor.undrain();
    this.#supervisor.wake();
  }

  async drain(): Promise<void> {
    this.#supervisor.drain('asked for');
  }

  async restart(): Promise<void> {
    await this.#parts.restart();
  }

  async reload(): Promise<{ problems: readonly string[] }> {
    const problems = await this.#parts.reloadConfig();
    this.#supervisor.markEverything();
    return { problems };
  }

  async editTasks(queries: readonly TaskQuery[], request: TaskRequest): Promise<readonly EditedTask[]> {
    await this.#begun;
    const edited = await editMany(this.#parts, queries, request);
    await this.#supervisor.tick();
    return edited;
  }

  noteAction(action: ActionTaken): void {
    noteAction(this.#parts, action);
  }

  async actions(filter: ActionsFilter): Promise<readonly NotedAction[]> {
    return this.#parts.ledger.actions(filter);
  }

  events(hear: (event: Event) => void): () => void {
    return this.#parts.bus.on(hear);
  }

  #openRun(query: TaskQuery): Run {
    const { ledger, graphs } = this.#parts;
    const lost = () => lostRun(ledger.openRuns(), query, (graph) => graphs.get(graph) !== undefined);
    let run: Run | null;
    try {
      run = this.#latestRun(query);
    } catch (thrown) {
      run = thrown instanceof SupervisorError && thrown.code === 'not-found' ? lost() : null;
      if (!run) throw thrown;
    }
    if (run && isOpenRun(run)) return run;
    const other = lost();
    if (other) return other;
    throw nothingUnderWay(run?.task ?? query.task);
  }

  /** The run whose id begins so, else the latest one of the task; null when it has none. */
  #latestRun(query: TaskQuery): Run | null {
    const byId = runNamed(this.#parts.ledger, query.task);
    if (byId) return byId;
    const found = this.#tasks.find(query);
    return this.#parts.ledger.latestRun(found.view.graph, found.task.id);
  }

  #graph(found: FoundTask) {
    return this.#parts.graphs.require(found.view.graph);
  }

  #report(found: FoundTask): TaskReport {
    return judgedTaskReport(found.task, found.view, this.#tasks.decided().decision);
  }

  #runsOf(found: FoundTask): RunReport[] {
    return this.#parts.ledger
      .runs({ graph: found.view.graph, task: found.task.id, limit: 20 })
      .map((run) => this.#runReport(run));
  }

  #runReport(run: Run): RunReport {
    const report = runReport(run, this.#progressOf(run.id), this.#parts.ledger.lease(run.id));
    return !isOpenRun(run) && this.#runs.find(run.id) ? { ...report, ending: true } : report;
  }

  #progressOf(run: string): string | null {
    const live = this.#runs.find(run);
    return live ? (silenceText(live, this.#parts.clock.now()) ?? live.progress) : null;
  }

  /** The state of things now. */
  #reportable(): Reportable {
    const { graphs, version, observeOnly, workers, problems, pollingGraphs } = this.#parts;
    const { world, decision } = this.#supervisor.judge();
    return {
      world,
      decision,
      repositories: graphs.repositories(),
      gone: this.#supervisor.goneGraphs,
      polling: new Set(pollingGraphs()),
      problems: problems(),
      supervisor: {
        running: true,
        pid: process.pid,
        version,
        started_at: isoTime(this.#startedAt),
        mode: observeOnly ? 'observe' : 'dispatch',
        state: this.#supervisor.state,
      },
      workers: workers.offers(world.now).map(({ name, profiles, resting }) => ({
        name,
        profiles,
        resting: [...resting].map(([executor, because]) => ({ executor, because })),
      })),
      keptPlaces: this.#runs.keptPlaces(),
      progressOf: (run) => this.#progressOf(run),
      leaseOf: (run) => this.#runs.find(run)?.lease ?? null,
    };
  }
}
