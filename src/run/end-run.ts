// How an outcome ends its run: the same steps in the same order, from every source. The order of the writes survives a
// crash (ledger finished → graph settled → ledger settled). The first outcome counts.

import { isOurs, isSameTask } from '../decide/reconcile/reconcile.ts';
import { lastMark } from '../decide/reconcile/rewind.ts';
import { type RetryDecision, retryDecision } from '../decide/retry.ts';
import { profileNamed } from '../decide/routes/route.ts';
import type { Config } from '../domain/config.ts';
import { countedRun } from '../domain/counted-task.ts';
import { messageOf } from '../domain/errors.ts';
import type { Failed, Succeeded } from '../domain/outcome.ts';
import { asksService, isForWorkers, runsHere } from '../domain/profile.ts';
import { isOpenRun, type Run } from '../domain/run.ts';
import type { EditSession } from '../graph/store.ts';
import { type CompletionGate, refusal } from '../graphs/completion-gate.ts';
import { keepLargeOf } from '../graphs/large-results.ts';
import type { SupervisedGraph, SupervisedGraphs } from '../graphs/supervised-graphs.ts';
import { type GraphWrite, settleInGraph } from '../graphs/task-writes.ts';
import type { Clock } from '../platform/clock.ts';
import type { Identity } from '../platform/identity.ts';
import type { Log } from '../platform/log.ts';
import type { Ledger } from '../runs/ledger.ts';
import { resultKey } from '../runs/result-book.ts';
import type { Availability } from './availability.ts';
import type { LiveRun } from './live-run.ts';
import type { Parking } from './parking.ts';
import type { Releases } from './release.ts';
import type { RunEvents } from './run-events.ts';

/** Who brings an outcome. */
export type EndedBy =
  /** The executor: the work ended on its own. */
  | 'executor'
  /** A report by API or CLI. */
  | 'report'
  /** A report about a task that is missing now. */
  | 'lost-report'
  /** The same report again, while the first one is being written. */
  | 'repeated-report'
  /** The graph: its agent finished the task there. */
  | 'graph'
  /** A lease that ran out. */
  | 'lease'
  /** The clock: its executor has stopped the work. */
  | 'time'
  /** The ledger: it was recorded already, and not everything after that was written. */
  | 'recovery';

const REPORTED: readonly EndedBy[] = ['report', 'lost-report', 'repeated-report'];

/** The result of recording an outcome. */
export interface Ended {
  /** The task's status in the graph; null if the task or its graph is gone. */
  readonly status: string | null;
  /** False: the graph had moved on and takes precedence, or has only an older state of the task. */
  readonly written: boolean;
  /** Nothing was written, but the result is kept, and written once the graph is usable again. */
  readonly kept?: true;
}

/** An outcome on its way through the steps. */
interface End extends Ended {
  readonly by: EndedBy;
  readonly run: Run;
  readonly outcome: Succeeded | Failed;
  readonly graph: SupervisedGraph | undefined;
  /** wg has written it to the graph already, with this status. */
  readonly writtenByWg: string | null;
  readonly retry: RetryDecision | null;
  readonly write: GraphWrite | null;
}

/** What a step changes of it; a step that waits for nothing lets nothing else happen in between. */
type Changes = Partial<End> | undefined;

interface Step {
  readonly name: string;
  /** Absent: from every source. */
  readonly by?: readonly EndedBy[];
  readonly take: (end: End) => Changes | Promise<Changes>;
}

export interface EndingNeeds {
  readonly clock: Clock;
  readonly log: Log;
  readonly live: ReadonlyMap<string, LiveRun>;
  readonly identity: Pick<Identity, 'random'>;
  readonly ledger: Ledger;
  readonly graphs: Pick<SupervisedGraphs, 'get'>;
  readonly gate: CompletionGate;
  readonly availability: Availability;
  readonly parking: Parking;
  readonly releases: Releases;
  readonly events: RunEvents;
  config(): Pick<Config, 'retry' | 'shutdown'>;
  /** What a finished task means for others, in the same write. */
  afterEnd(graph: SupervisedGraph, draft: EditSession, task: string): void;
  /** Requests a tick: a run finished. */
  wake(why: string): void;
}

export class RunEnds {
  readonly #parts: EndingNeeds;
  /** Runs whose outcome is being written; further calls join that. */
  readonly #writing = new Map<string, Promise<Ended>>();
  /** Runs whose outcome passed the gate and is not written yet. */
  readonly #passed = new Set<string>();

  /** Before anything is recorded: what the outcome is, and whether it may be. */
  readonly #hearing: readonly Step[] = [
    { name: 'own word', by: ['executor'], take: (end) => this.#ownWord(end) },
    { name: 'killer', by: ['executor'], take: (end) => this.#awaitKiller(end) },
    { name: 'declared', by: ['executor', 'report'], take: (end) => this.#declare(end) },
    { name: 'large results', by: ['executor', 'report', 'lost-report'], take: (end) => this.#keepLarge(end) },
    { name: 'gate', by: ['executor', 'report'], take: (end) => this.#passGate(end) },
    { name: 'stop', by: [...REPORTED, 'graph', 'lease'], take: (end) => this.#stopWork(end) },
  ];

  /** The writes. After a crash between two of them reconcile requests them all again. */
  readonly #writes: readonly Step[] = [
    { name: 'ledger', take: (end) => this.#record(end) },
    { name: 'late gate', take: (end) => this.#passLate(end) },
    { name: 'retry', take: (end) => this.#decideRetry(end) },
    { name: 'graph', take: (end) => this.#writeGraph(end) },
    { name: 'close', take: (end) => this.#close(end) },
    { name: 'registry', take: (end) => this.#tellRegistry(end) },
  ];

  constructor(parts: EndingNeeds) {
    this.#parts = parts;
  }

  /** Ends a run with an outcome. Throws `failed` for a report that the gate refuses, and what cannot be written. */
  async end(run: Run, outcome: Succeeded | Failed, by: EndedBy): Promise<Ended> {
    const live = this.#parts.live.get(run.id);
    const declared = live?.declared ?? null;
    const graph = this.#parts.graphs.get(run.graph);
    let end: End = {
      ...{ by, run, outcome, graph, writtenByWg: null, retry: null, write: null },
      ...{ status: null, written: false },
    };
    try {
      const heard = take(this.#hearing, end);
      end = heard instanceof Promise ? await heard : heard;
    } catch (thrown) {
      if (live) live.declared = declared;
      throw thrown;
    }
    try {
      return await this.#joined(end);
    } catch (thrown) {
      // A graph that cannot be written now does not keep a report out of the ledger.
      if (!REPORTED.includes(by) || this.#parts.ledger.run(run.id)?.phase !== 'finished') throw thrown;
      return { status: 'in-progress', written: false, kept: true };
    }
  }

  /** Whether the outcome of this run is being written now. */
  isWriting(run: string): boolean {
    return this.#writing.has(run);
  }

  /** The graph's outcome of a task that its own agent finished directly (`wg done`); null if another one did. */
  saidInGraph(run: Run): Succeeded | Failed | null {
    const task = this.#parts.graphs.get(run.graph)?.store.snapshot().tasks.get(run.task);
    if (!task || task.assigned !== run.agent) return null;
    switch (task.status) {
      case 'done':
      case 'pending-eval':
      case 'pending-validation':
        return { kind: 'succeeded', ...this.#summaryIn(run) };
      case 'failed':
      case 'failed-pending-eval':
        return {
          kind: 'failed',
          failure: 'reported',
          message: task.failureReason ?? 'reported as failed',
          retryable: false,
        };
      default:
        return null;
    }
  }

  /** The summary of a task that was marked as done in the graph. */
  #summaryIn(run: Run): { readonly summary?: string } {
    const message = this.#parts.graphs.get(run.graph)?.store.detail(run.task)?.log.at(-1)?.message ?? '';
    const summary = /^Task marked as done(?:, pending validation)?: (.+)$/s.exec(message)?.[1];
    return summary === undefined ? {} : { summary };
  }

  #joined(end: End): Promise<Ended> {
    const underWay = this.#writing.get(end.run.id);
    if (underWay) return underWay;
    const { run, graph } = end;
    // While this outcome was being heard, another one was recorded and written.
    if (!isOpenRun(this.#parts.ledger.run(run.id) ?? run))
      return Promise.resolve({ status: graph?.store.detail(run.task)?.status ?? null, written: false });
    const writing = this.#write(end).finally(() => this.#writing.delete(end.run.id));
    this.#writing.set(end.run.id, writing);
    return writing;
  }

  async #write(end: End): Promise<Ended> {
    const { ledger, log, wake } = this.#parts;
    const { id, task } = end.run;
    try {
      return await take(this.#writes, end);
    } catch (thrown) {
      // The outcome is safe in the ledger; the next tick's reconcile requests the rest again.
      if (ledger.run(id)?.phase === 'finished')
        log.warn('settle.postponed', { run: id, task, because: messageOf(thrown) });
      throw thrown;
    } finally {
      const { phase } = ledger.run(id) ?? end.run;
      if (end.graph && !isAtWork(phase)) wake('run');
    }
  }

  /** What an agent wrote to the graph just before it exited counts more than its exit status. */
  async #ownWord({ run, outcome, graph }: End): Promise<Changes> {
    await graph?.store.refresh();
    const said = this.saidInGraph(run);
    if (!said || said.kind === outcome.kind) return;
    return { outcome: outcome.usage ? { ...said, usage: outcome.usage } : said };
  }

  /**
   * A killed agent may have been killed by `wg kill`, which says so in the graph only afterwards, holding the
   * registry's lock all the while: waits for it, so that the kill is not mistaken for a failure of the work.
   */
  async #awaitKiller({ run, outcome, graph }: End): Promise<Changes> {
    if (!graph || outcome.kind !== 'failed' || run.agent === '') return;
    const killed = outcome.failure === 'interrupted' || (outcome.exitCode ?? 0) > 128;
    if (!killed) return;
    await graph.registry.update([{ agent: run.agent }]).catch(() => {
      // The registry cannot be locked or read: then the exit status is all there is.
    });
    return;
  }

  /** While it is checked the run counts as declared, so that no one else finishes it. */
  #declare({ by, run, outcome, graph }: End): Changes {
    const live = this.#parts.live.get(run.id);
    if (live && (graph || by !== 'executor')) live.declared = outcome;
    return;
  }

  async #keepLarge({ by, outcome, graph }: End): Promise<Changes> {
    if (!graph || (by === 'lost-report' && graph.store.snapshot().problem !== null)) return;
    return { outcome: await keepLargeOf(outcome, graph.path) };
  }

  /** A refusal makes an executor's outcome a failure, and a reported success an error for its reporter. */
  async #passGate({ by, run, outcome, graph }: End): Promise<Changes> {
    // The gate of a graph that cannot be read now is passed later.
    if (!graph || graph.store.snapshot().problem !== null) return;
    const passed = await this.#ask(graph, run, outcome);
    if (passed.kind === 'by-wg') return { writtenByWg: passed.status };
    if (passed.kind === 'native') return;
    if (by === 'executor') return { outcome: refused(passed.because, outcome) };
    if (outcome.kind === 'succeeded') throw refusal(run.task, passed);
    return;
  }

  async #ask({ store }: SupervisedGraph, run: Run, outcome: Succeeded | Failed) {
    const verifiedBy = isForWorkers(run.type) ? 'worker' : 'us';
    const passed = await this.#parts.gate.take(store, run.task, outcome, {
      ...{ agent: run.agent, verifiedBy },
      ...(run.place === undefined ? {} : { place: run.place }),
    });
    if (passed.kind !== 'refused') this.#passed.add(run.id);
    return passed;
  }

  /**
   * A success that was recorded while its graph was away has passed no gate, and its large results are in no file. No one
   * waits for an answer any more: a refusal is a failed attempt.
   */
  #passLate({ run, outcome, graph }: End): Changes | Promise<Changes> {
    if (!graph || outcome.kind !== 'succeeded' || this.#passed.has(run.id)) return;
    const task = graph.store.snapshot().problem === null ? graph.store.detail(run.task) : null;
    if (!task || !isOurs(task, run)) return;
    return (async () => {
      const kept = await keepLargeOf(outcome, graph.path);
      const passed = await this.#ask(graph, run, kept);
      if (passed.kind === 'refused') {
        this.#parts.ledger.forgetResult(resultKey(run));
        return { outcome: refused(passed.because, outcome) };
      }
      if (kept !== outcome) this.#remember(run, kept, graph);
      return { outcome: kept, ...(passed.kind === 'by-wg' ? { writtenByWg: passed.status } : {}) };
    })();
  }

  /** A process that still runs may live on for `lingerMs` and is stopped then. */
  #stopWork({ run, outcome }: End): Changes {
    this.letEnd(run, outcome);
    return;
  }

  /** The same for a run whose outcome an earlier supervisor recorded. */
  letEnd(run: Run, outcome: Succeeded | Failed): void {
    const live = this.#parts.live.get(run.id);
    if (!live) return;
    live.declared = outcome;
    // A failed agent has nothing left to clean up, and the next attempt must not wait for it.
    if (live.run.phase === 'handed-off' || asksService(live.run.type) || outcome.kind === 'failed')
      live.stop('completed');
    else live.lingerUntil = this.#parts.clock.now() + this.#parts.config().shutdown.lingerMs;
  }

  async #record({ run, outcome: reported, graph }: End): Promise<Changes> {
    const { ledger, clock, availability, events } = this.#parts;
    const again = ledger.run(run.id)?.phase === 'finished';
    const finishedAt = clock.now();
    // Signs of life had only said what it used until then.
    if (reported.usage && !runsHere(run.type)) ledger.note(run.id, { usage: reported.usage });
    const finished = await ledger.advance(run.id, 'finished', { outcome: reported, finishedAt });
    // The ledger keeps the first outcome it got.
    const first = finished.outcome;
    const outcome = first?.kind === 'succeeded' || first?.kind === 'failed' ? first : reported;
    if (!again) {
      events.emit('run.finished', finished, { outcome });
      if (outcome.kind === 'succeeded') availability.works(finished);
      else availability.failed(finished, outcome);
    }
    if (outcome.kind === 'succeeded') this.#remember(finished, outcome, graph);
    return { run: finished, outcome };
  }

  #decideRetry({ run, outcome, graph }: End): Changes {
    if (outcome.kind === 'succeeded' || !graph) return;
    const { ledger, clock, identity, config, parking } = this.#parts;
    const policy = profileNamed(run.executor, graph.profiles)?.retry ?? config().retry;
    const counted = ledger.countedAttempts(countedRun(run, graph.settings));
    const retry = retryDecision(run, outcome, policy, counted, clock.now(), identity.random());
    // Before the graph says open again: nothing may start it in between.
    const because = parking.judge(run, policy.attempts);
    if (because === null) return { retry };
    // The missing profile is not to blame for a task that vanished: it stays open, and backs off.
    return outcome.failure === 'interrupted'
      ? { retry: { again: true, at: clock.now(), counted: false, because } }
      : { retry: { again: false, because } };
  }

  async #writeGraph({ run, outcome, graph, retry }: End): Promise<Changes> {
    if (!graph) return;
    const facts = { now: this.#parts.clock.now(), retry };
    const write = await settleInGraph(graph.store, run, outcome, facts, (draft) =>
      this.#parts.afterEnd(graph, draft, run.task),
    );
    return { write };
  }

  #close({ run, outcome, graph, retry, write, writtenByWg }: End): Changes {
    if (!graph || !write) return;
    const { ledger, log, events, releases } = this.#parts;
    const { status } = write;
    if (write.kind === 'kept' && writtenByWg === null && !isSettledBy(status, outcome)) {
      if (write.loss === 'gone' || (write.loss === 'rewound' && graph.settings.onRewind !== 'rerun')) {
        // No one decided that: the open run keeps the result, and reconcile checks again.
        const because = `its claim is missing (${write.loss})`;
        log.warn('settle.rewound', { run: run.id, task: run.task, because });
        return { status, written: false, kept: true };
      }
      releases.overrule(run, 'overruled', `the graph says ${status ?? 'that the task is gone'}`);
      return { status, written: false };
    }
    this.#passed.delete(run.id);
    if (outcome.kind === 'failed' && status === 'failed') this.#remember(run, outcome, graph);
    ledger.markResult(resultKey(run), run.id, write.mark);
    const settled = ledger.move(run.id, 'settled');
    events.emit('run.settled', settled, { outcome, status: status ?? 'gone' });
    if (retry?.again) events.emit('run.retrying', settled, { againAt: retry.at, because: retry.because });
    return { status, written: write.kind === 'written' };
  }

  #tellRegistry({ run, outcome, graph, kept }: End): Changes {
    if (graph && !kept)
      this.#parts.events.leaveRegistry(graph, run, outcome.kind === 'succeeded' ? 'done' : 'failed');
    return;
  }

  /**
   * Records the result of a run whose outcome is in its graph already. It was recorded before that, but a power cut undoes
   * what the ledger was told after the outcome.
   */
  recallWritten(run: Run): void {
    const { ledger, graphs } = this.#parts;
    const { outcome } = run;
    const graph = graphs.get(run.graph);
    const task = graph?.store.detail(run.task);
    if (!graph || !task || (outcome?.kind !== 'succeeded' && outcome?.kind !== 'failed')) return;
    if (!isSameTask(task, run) || !isSettledBy(task.status, outcome)) return;
    const key = resultKey(run);
    if (
      ledger
        .results()
        .of(key.repo, key.task)
        .some((known) => known.run === run.id)
    )
      return;
    this.#remember(run, outcome, graph);
    ledger.markResult(key, run.id, lastMark(task));
  }

  /** Records a result beside the graph, which may be rewound. */
  #remember(run: Run, outcome: Succeeded | Failed, graph: SupervisedGraph | undefined): void {
    const { ledger, clock } = this.#parts;
    const task = graph?.store.detail(run.task) ?? null;
    const of = task && isSameTask(task, run) ? task : null;
    const { graph: path, agent, id, finishedAt } = run;
    const at = finishedAt ?? clock.now();
    ledger.noteResult({ ...resultKey(run), graph: path, run: id, agent, outcome, of, at });
  }
}

/** Takes the steps for its source. Waits only if a step does. */
function take(steps: readonly Step[], from: End, first = 0): End | Promise<End> {
  let end = from;
  for (const [n, { by, take: step }] of steps.entries()) {
    if (n < first || (by && !by.includes(end.by))) continue;
    const changes = step(end);
    if (changes instanceof Promise) return changes.then((more) => take(steps, { ...end, ...more }, n + 1));
    end = { ...end, ...changes };
  }
  return end;
}

function refused(because: string, outcome: Succeeded | Failed): Failed {
  const { summary, usage } = outcome;
  return {
    ...{ kind: 'failed', failure: 'reported', message: because, retryable: true },
    ...(summary ? { summary } : {}),
    ...(usage ? { usage } : {}),
  };
}

/** The graph already says what the outcome would write. */
function isSettledBy(status: string | null, outcome: Succeeded | Failed): boolean {
  if (outcome.kind === 'succeeded')
    return status === 'done' || status === 'pending-eval' || status === 'pending-validation';
  return status === 'failed' || status === 'failed-pending-eval';
}

function isAtWork(phase: Run['phase']): boolean {
  return phase === 'opened' || phase === 'claimed' || phase === 'started' || phase === 'handed-off';
}
