// What is done for graphs besides dispatching: tasks of other repositories are looked up, wg's transitions applied,
// and the registry's heartbeats refreshed. Part of every tick; decides nothing about runs.

import { join } from 'node:path';
import { cameBackIn } from '../decide/reconcile/known-results.ts';
import { type LostAgent, mayBeLeft, orphanPatch, orphans } from '../decide/reconcile/orphans.ts';
import { messageOf } from '../domain/errors.ts';
import { unfinishedTasks } from '../domain/graph.ts';
import type { GraphPath } from '../domain/ids.ts';
import { isOpenRun, type Run } from '../domain/run.ts';
import type { Task } from '../domain/task.ts';
import type { Clock } from '../platform/clock.ts';
import type { Log } from '../platform/log.ts';
import type { LedgerView } from '../runs/ledger-view.ts';
import { diskRunFiles, type RunFiles } from '../runs/run-file.ts';
import type { WgHere } from '../wg/command.ts';
import type { AgentChange } from '../wg/registry.ts';
import type { Peers } from './peers.ts';
import { type SupervisedGraph, type SupervisedGraphs, viewOf } from './supervised-graphs.ts';
import { applyPatch } from './task-writes.ts';
import type { StandingRules } from './wg-transitions.ts';

export interface MaintenanceParts {
  readonly graphs: SupervisedGraphs;
  readonly peers: Peers;
  readonly rules: StandingRules;
  readonly clock: Clock;
  readonly log: Log;
  /** Whether a `wg` can be run, and what it can do. */
  wgHere(): Promise<WgHere>;
  /** Whether a process exists. */
  isLive(pid: number): boolean;
  /** Known runs and results; absent: none. */
  readonly ledger?: Pick<LedgerView, 'runs' | 'results'>;
  /** Absent: on the disk. */
  readonly runFiles?: RunFiles;
}

/** wg considers an agent dead after five minutes without a heartbeat, and wants one every two. */
const HEARTBEAT_MS = 90_000;
/** A claim that comes back belongs to a recent run. */
const RUNS_LOOKED_AT = 50;
/** How often agents started by other programs are checked, ms. */
const ORPHANS_MS = 10_000;

export class Maintenance {
  readonly #parts: MaintenanceParts;
  #beatAt = 0;
  #orphansAt = 0;

  constructor(parts: MaintenanceParts) {
    this.#parts = parts;
  }

  /** Reads what judging needs to know from outside the graphs. Writes nothing. */
  async look(): Promise<void> {
    await this.#parts.graphs.lookAround(this.#parts.peers, await this.#parts.wgHere());
  }

  /** Does what is due. `runs`: those under way. Resolves with when to check again at the latest, ms. */
  async work(runs: readonly Run[]): Promise<number | null> {
    const { graphs, rules, clock } = this.#parts;
    const due = await rules.work(graphs.all());
    const now = clock.now();
    const isTooSoon = now < this.#orphansAt && now >= this.#orphansAt - ORPHANS_MS;
    if (!isTooSoon) {
      this.#orphansAt = now + ORPHANS_MS;
      await Promise.all(graphs.all().map((graph) => this.#reopenOrphans(graph, runs)));
    }
    // Whatever this tick is about may have left a task: that is looked at as soon as it may be.
    const next = isTooSoon ? Math.min(due ?? Number.POSITIVE_INFINITY, this.#orphansAt) : due;
    if (runs.length === 0) {
      this.#beatAt = now + HEARTBEAT_MS;
      return next;
    }
    if (now >= this.#beatAt || now < this.#beatAt - HEARTBEAT_MS) {
      this.#beatAt = now + HEARTBEAT_MS;
      this.#beat(runs);
    }
    return Math.min(next ?? Number.POSITIVE_INFINITY, this.#beatAt);
  }

  /** Reopens tasks whose agents, started by a daemon that no longer runs, are gone. */
  async #reopenOrphans(graph: SupervisedGraph, runs: readonly Run[]): Promise<void> {
    const { clock, log, isLive } = this.#parts;
    const snapshot = graph.store.snapshot();
    if (graph.hold !== null || snapshot.problem !== null) return;
    const ours = new Set(runs.filter((run) => run.graph === graph.path).map((run) => run.task));
    const others = [...unfinishedTasks(snapshot.tasks)].some((task) => mayBeLeft(task) && !ours.has(task.id));
    if (!others) return;
    try {
      const agents = graph.registry.entries();
      const copies = this.#copiesOf(graph);
      // A supervisor's run is its own to judge: it may have a result that only the supervisor knows.
      const isOurs = (id: string) => {
        const { assigned = '', status } = snapshot.tasks.get(id) ?? {};
        if (ours.has(id) || status !== 'in-progress') return ours.has(id);
        if (this.#ended(graph, copies, id, assigned) !== null) return false;
        return (this.#parts.runFiles ?? diskRunFiles).read(join(graph.path, 'agents', assigned)) !== null;
      };
      const ended = (id: string, agent: string) => this.#ended(graph, copies, id, agent);
      const find = (tasks: typeof snapshot.tasks) =>
        orphans(unfinishedTasks(tasks), agents, { now: clock.now(), isOurs, isLive, ended });
      if (find(snapshot.tasks).length === 0) return;
      const found = await graph.store.change((draft) => {
        const fresh = find(draft.snapshot.tasks);
        for (const orphan of fresh) {
          const { lastInteractionAt } = draft.snapshot.tasks.get(orphan.task) ?? {};
          applyPatch(draft, orphan.task, orphanPatch(orphan, clock.now()));
          // With a newer time it would count as new work since its known result.
          if (orphan.isOlder) draft.patch(orphan.task, { last_interaction_at: lastInteractionAt });
        }
        return fresh;
      });
      for (const { task, agent, because } of found)
        log.info('task.reopened', { graph: graph.path, task, agent, because });
      await graph.registry.update(found.map(({ agent }) => ({ agent, status: 'dead' as const })));
    } catch (thrown) {
      // The registry or the graph cannot be read or written now: the next check tries again.
      log.warn('orphans.postponed', { graph: graph.path, because: messageOf(thrown) });
    }
  }

  /**
   * How the run finished that a task in progress still names: a claim that came back after it was given up would stay
   * for ever. Null if its result is going to be written.
   */
  #ended(graph: SupervisedGraph, copies: readonly GraphPath[], id: string, agent: string): LostAgent | null {
    const { ledger } = this.#parts;
    const task = graph.store.snapshot().tasks.get(id);
    const run = ledger
      ?.runs({ graphs: copies, task: id, limit: RUNS_LOOKED_AT })
      .find((one) => one.agent === agent && (one.graph === graph.path || isCopyOfClaim(task, one)));
    if (!ledger || !run || isOpenRun(run)) return null;
    const because = `its run ${run.id} has finished (${run.phase})`;
    const results = ledger.results();
    const isKnown = results.of(run.repo, id).some((known) => known.createdAt === run.taskCreatedAt);
    if (!isKnown) return run.outcome?.kind === 'succeeded' ? null : { because };
    if (graph.settings.onRewind === 'rerun') return { because };
    // A result of a later attempt elsewhere is not proven for this line: a person decides, and needs no dead claim for that.
    const back = cameBackIn(viewOf(graph), id, results);
    const isWritten = !back || (back.isProven && graph.settings.onRewind === 'restore');
    return isWritten ? null : { because, isOlder: true };
  }

  /** The graphs in which copies of its tasks may have been claimed: git merges claims into other worktrees. */
  #copiesOf(graph: SupervisedGraph): readonly GraphPath[] {
    if (!graph.worktree.graphTracked) return [graph.path];
    const repo = graph.worktree.repo;
    return this.#parts.graphs
      .all()
      .filter(({ worktree, path }) => path === graph.path || worktree.repo === repo)
      .map(({ path }) => path);
  }

  /** One write per graph, in the background: the registry's lock may be taken for seconds. */
  #beat(runs: readonly Run[]): void {
    const byGraph = new Map<GraphPath, AgentChange[]>();
    for (const run of runs) {
      const task = this.#parts.graphs.get(run.graph)?.store.snapshot().tasks.get(run.task);
      if (run.agent === '' || task?.status !== 'in-progress' || task.assigned !== run.agent) continue;
      const { pid } = run.process ?? {};
      const change: AgentChange = {
        agent: run.agent,
        heartbeat: true,
        // Without its entry wg would assign the task to another agent while this one works.
        restore: {
          task_id: run.task,
          executor: run.executor,
          worktree_path: run.worktree,
          ...(pid === undefined ? {} : { pid }),
        },
      };
      byGraph.set(run.graph, [...(byGraph.get(run.graph) ?? []), change]);
    }
    for (const [path, changes] of byGraph)
      this.#parts.graphs
        .get(path)
        ?.registry.update(changes)
        .catch((thrown: unknown) =>
          this.#parts.log.warn('heartbeat.unwritten', { graph: path, because: messageOf(thrown) }),
        );
  }
}

/** A line that has the claim which the run wrote into its own graph. */
function isCopyOfClaim(task: Task | undefined, run: Run): boolean {
  return (
    task?.startedAt !== undefined &&
    (task.createdAt ?? null) === run.taskCreatedAt &&
    Date.parse(task.startedAt) === run.startedAt
  );
}
