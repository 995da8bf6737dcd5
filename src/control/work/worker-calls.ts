// Calls of external agents and orchestrators about work in progress: heartbeats, questions, releases, starting a task
// on request, and waiting for news of one.

import { isLeftByWorker } from '../../decide/retry.ts';
import { routeTask } from '../../decide/routes/route.ts';
import { SupervisorError } from '../../domain/errors.ts';
import type { Event } from '../../domain/event.ts';
import { type TaskKey, taskKey } from '../../domain/ids.ts';
import type { AccountLack } from '../../domain/outcome.ts';
import { asksService, isOffered } from '../../domain/profile.ts';
import type { RunReport } from '../../domain/report.ts';
import { isOpenRun, type Run, type RunNotes } from '../../domain/run.ts';
import type { PieceOfOutput } from '../../executors/executor.ts';
import type { SupervisedGraphs } from '../../graphs/supervised-graphs.ts';
import type { Base } from '../../platform/base.ts';
import { redact } from '../../platform/log.ts';
import type { ClaimCheck } from '../../run/claim-check.ts';
import type { LastDecision } from '../../run/last-decision.ts';
import type { HeartbeatAnswer, HeartbeatFields } from '../../run/leases.ts';
import type { LiveRun } from '../../run/live-run.ts';
import type { AnsweredQuestion, Question } from '../../run/questions.ts';
import { addOutput } from '../../run/remote-output.ts';
import type { Runs } from '../../run/runs.ts';
import { newLease } from '../../runs/lease-row.ts';
import type { Ledger } from '../../runs/ledger.ts';
import { HELD_BY } from '../../runs/old-runs.ts';
import type { ConnectedWorkers } from '../../supervisor/connected-workers.ts';
import type { Supervisor } from '../../supervisor/supervisor.ts';
import type { Caller, DispatchRequest, ReleaseTerms, RunOfToken } from '../control.ts';
import type { FoundTask } from '../find-task.ts';
import { runReport } from '../reports/reports.ts';
import { notReady, planOf } from './claims.ts';
import {
  alreadyClaimed,
  contradiction,
  newestRun,
  notClaimed,
  superseded,
  taskCancelled,
  taskRemoved,
  wasCancelled,
} from './conflicts.ts';
import { waitFor } from './wait-for.ts';

interface WorkerCallNeeds extends Pick<Base, 'bus' | 'clock'> {
  readonly ledger: Ledger;
  readonly graphs: SupervisedGraphs;
  readonly runs: Runs;
  readonly claimCheck: ClaimCheck;
  readonly supervisor: Supervisor;
  readonly last: LastDecision;
  readonly workers: Pick<ConnectedWorkers, 'hear'>;
}

export class WorkerCalls {
  readonly #parts: WorkerCallNeeds;
  readonly #runs: Runs;
  readonly #supervisor: Supervisor;

  constructor(parts: WorkerCallNeeds) {
    this.#parts = parts;
    this.#runs = parts.runs;
    this.#supervisor = parts.supervisor;
  }

  /** The newest run of a task if that named token claimed it, else null. */
  heldRun(of: Pick<Run, 'graph' | 'task'>, holder: string): RunOfToken | null {
    const { ledger } = this.#parts;
    const run = newestRun(ledger, of);
    if (run === null || ledger.meta(`${HELD_BY}${run.id}`) !== holder) return null;
    return { run: run.id, task: run.task, graph: run.graph };
  }

  /** Throws `superseded` for an older attempt's, `conflict` if no worker has it any more, `task-removed`. */
  heartbeat(
    id: string,
    said: string | undefined,
    facts: HeartbeatFields & Partial<Pick<RunNotes, 'usage' | 'model'>> = {},
  ): HeartbeatAnswer {
    const live = this.#working(id);
    if (!live) return { directive: 'cancel', lease: { expires_at: null }, deadline: null };
    const message = said === undefined ? undefined : redact(said);
    const { usage, model } = facts;
    if (usage || model)
      this.#runs.noteUse(live, { ...(usage ? { usage } : {}), ...(model ? { model } : {}) });
    const answer = this.#runs.heartbeat(live, message, facts);
    const isNews = this.#hearWorker(live);
    // The new lease expiry may be the next timed event.
    if (isNews || answer.lease.expires_at !== null) this.#supervisor.wake();
    return answer;
  }

  /** One whose places are all taken asks for nothing, but is there. Returns whether that is news. */
  #hearWorker({ run, lease }: LiveRun): boolean {
    const { workers, clock } = this.#parts;
    if (!isOffered(run.type) || lease?.worker == null) return false;
    return workers.hear(lease.worker, run.executor, clock.now());
  }

  /** The worker waits for a person: its clock is stopped. A repeated question is the same question. */
  input(id: string, said: Question, facts: HeartbeatFields = {}): HeartbeatAnswer {
    const live = this.#working(id);
    if (!live) return { directive: 'cancel', lease: { expires_at: null }, deadline: null };
    const asked = { ...said, question: redact(said.question), options: said.options.map(redact) };
    return this.#runs.ask(live, asked, facts);
  }

  /** Answers a worker's question. Throws `conflict`: `not-claimed` if no worker has it (any more). */
  answer(run: Run | null, task: string, answer: string, question?: string): AnsweredQuestion {
    const live = run && this.#runs.find(run.id);
    if (!live || live.signal.aborted || live.declared)
      throw new SupervisorError('conflict', `no worker is waiting for an answer on ${task}`, {
        hint: `\`supervisor why ${task}\` says how it stands`,
        details: { code: 'not-claimed', task_id: task },
      });
    const answered = this.#runs.answer(live, { answer, question });
    // Its lease runs again: the shared timer must know.
    this.#supervisor.wake();
    return answered;
  }

  /** Throws as `heartbeat`; output of a finished run is still accepted, as its folder stays. */
  async output(id: string, piece: PieceOfOutput): Promise<number> {
    const { ledger } = this.#parts;
    const run = ledger.run(id);
    if (!run || run.folder === null) throw new SupervisorError('not-found', `there is no run ${id}`);
    const latest = newestRun(ledger, run);
    if (latest && latest.fence > run.fence) throw superseded(run, latest);
    const folder = this.#runs.find(id)?.run.folder ?? run.folder;
    return await addOutput(folder, piece);
  }

  /** Releases a run, no attempt counted. Its own worker may repeat this; a release is final. */
  async release(run: Run, caller: Caller, reason?: string, terms: ReleaseTerms = {}): Promise<void> {
    const { delayMs, account } = terms;
    if (caller.kind === 'run' && !this.#mayRelease(run)) return;
    if (run.phase === 'finished') throw contradiction(run);
    if (delayMs !== undefined && delayMs > 0) {
      const name = taskKey(run.graph, run.task);
      const until = this.#parts.clock.now() + delayMs;
      const because = reason ?? 'it was released to be tried later';
      this.#parts.ledger.setPause({ scope: 'task', name, code: 'handed-back', because, until });
    }
    if (account !== undefined)
      this.#runs.accountLacks(run, lackOf(account, this.#parts.clock.now()), reason ?? account.code);
    const live = this.#runs.find(run.id);
    await this.#runs.release(run, reason ?? 'released');
    live?.stop('completed');
    await this.#supervisor.tick();
  }

  /** Starts a task now. Throws `conflict` if it may not start or has started. */
  dispatch(found: FoundTask, how: DispatchRequest): RunReport {
    const { view, task } = found;
    const { dispatchBlocked } = this.#parts.last;
    if (dispatchBlocked)
      throw new SupervisorError('not-running', dispatchBlocked.because, { hint: 'try again later' });
    const graph = this.#parts.graphs.require(view.graph);
    const named = how.executor === undefined ? task : { ...task, executor: how.executor };
    const route = routeTask(named, graph.profiles);
    if (!route.routed)
      throw new SupervisorError('executor-unavailable', route.because, { details: { code: 'not-ready' } });
    if (isOffered(route.profile.type))
      throw new SupervisorError(
        'conflict',
        `${task.id} begins when a worker with profile ${route.profile.name} takes it`,
        {
          hint: `\`supervisor why ${task.id}\` says which workers there are`,
          details: { code: 'not-ready', task_id: task.id },
        },
      );
    const open = this.#parts.ledger
      .openRuns()
      .find((run) => run.graph === view.graph && run.task === task.id);
    if (open) throw alreadyClaimed(task.id, `has a run already: ${open.id} (${open.phase})`);
    const because = this.#parts.claimCheck.refuse(graph, task.id);
    if (because !== null) throw notReady(task.id, because);
    const by =
      how.executor === undefined ? 'dispatched by request' : `dispatched by request, to ${how.executor}`;
    const live = this.#supervisor.dispatch(planOf(found, route.profile, by));
    if (how.notifyUrl !== undefined || how.externalRef !== undefined)
      this.#runs.agree(
        live,
        newLease(asksService(live.run.type) ? 'http' : 'hold', {
          notifyUrl: how.notifyUrl ?? null,
          externalRef: how.externalRef ?? null,
        }),
      );
    return runReport(live.run, null, live.lease);
  }

  /** Resolves when something happened to the task, after `ms`, or when the caller is gone. */
  async changed({ view, task }: FoundTask, ms: number, signal?: AbortSignal): Promise<void> {
    const standing = this.#standing(taskKey(view.graph, task.id));
    const before = standing();
    const concerns = (event: Event) =>
      ('graph' in event && 'task' in event && event.task === task.id && event.graph === view.graph) ||
      (event.name === 'graph.changed' && event.graph === view.graph) ||
      // Time, other tasks, claims and heartbeats change it without an event of its own.
      (event.name === 'tick.finished' && standing() !== before);
    let looks = 0;
    await waitFor(this.#parts, { ms, signal, untilRestart: true }, concerns, () =>
      looks++ > 0 ? true : null,
    );
  }

  /** A version tag of a task and its current lease. Cheap: many callers wait, and check after every tick. */
  #standing(key: TaskKey): () => string {
    // A run that begins later has events.
    const [live] = this.#runs.ofTask(key);
    return () => {
      const { made } = this.#parts.last;
      return JSON.stringify([made?.decision.verdicts.get(key), live?.lease]);
    };
  }

  /** The run when it has finished, or its state after `ms`. */
  async ended(id: string, ms: number, signal?: AbortSignal): Promise<RunReport> {
    const look = () => {
      const run = this.#parts.ledger.run(id);
      return run && (isOpenRun(run) || run.phase === 'finished') ? null : run;
    };
    const concerns = (event: Event) => 'run' in event && event.run === id;
    const run =
      (await waitFor(this.#parts, { ms, signal, untilRestart: true }, concerns, look)) ??
      this.#parts.ledger.run(id);
    if (!run) throw new SupervisorError('not-found', `there is no run ${id}`);
    return runReport(run, this.#runs.find(id)?.progress ?? null, this.#parts.ledger.lease(id));
  }

  /** The live run of a worker; null if it should stop. */
  #working(id: string) {
    const { ledger, graphs } = this.#parts;
    const run = ledger.run(id);
    if (!run) throw new SupervisorError('not-found', `there is no run ${id}`);
    const latest = newestRun(ledger, run);
    if (latest && latest.fence > run.fence) throw superseded(run, latest);
    const graph = graphs.get(run.graph);
    const known = graph?.store.snapshot();
    // While the run is open no one decided that: git may bring back what it removed.
    const isGone = graph && known && !known.problem && !known.tasks.has(run.task);
    if (isGone && !isOpenRun(run)) throw taskRemoved(run);
    const live = this.#runs.find(id);
    if (live && !live.signal.aborted && !live.declared) return live;
    if (run.phase === 'interrupted' && (run.outcome === null || isLeftByWorker(run))) throw notClaimed(run);
    return null;
  }

  /** Whether there is something to release. Throws if the run finished otherwise. */
  #mayRelease(run: Run): boolean {
    const { ledger, graphs } = this.#parts;
    const latest = newestRun(ledger, run);
    if (latest && latest.fence > run.fence) throw superseded(run, latest);
    if (isOpenRun(run) && run.phase !== 'finished') return true;
    const known = graphs.get(run.graph)?.store.snapshot();
    const task = known?.tasks.get(run.task);
    if (known && !known.problem && !task) throw taskRemoved(run);
    if (wasCancelled(run)) throw taskCancelled(run, task?.status ?? 'gone');
    if (run.phase === 'interrupted' && run.outcome === null) return false;
    throw contradiction(run);
  }
}

function lackOf({ code, delayMs }: NonNullable<ReleaseTerms['account']>, now: number): AccountLack {
  return { code, ...(delayMs === undefined ? {} : { until: now + delayMs }) };
}
