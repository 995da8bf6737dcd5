// Recovery after a crash beyond the ledger: runs that the ledger lost, known from their folders, and agents that were
// started but not yet recorded. Everything else is repaired by reconciling.

import { join } from 'node:path';
import { isOurs } from '../decide/reconcile/reconcile.ts';
import { messageOf } from '../domain/errors.ts';
import { unfinishedTasks } from '../domain/graph.ts';
import type { GraphPath } from '../domain/ids.ts';
import type { ExecutorType } from '../domain/profile.ts';
import type { Run } from '../domain/run.ts';
import type { Task } from '../domain/task.ts';
import type { Executor } from '../executors/executor.ts';
import type { SupervisedGraph } from '../graphs/supervised-graphs.ts';
import { releaseInGraph, settleInGraph } from '../graphs/task-writes.ts';
import type { Base } from '../platform/base.ts';
import { tokenHash } from '../platform/identity.ts';
import type { Ledger } from '../runs/ledger.ts';
import { diskRunFiles, type RunFiles } from '../runs/run-file.ts';
import { NO_PID, WITHOUT_PROCESS } from '../wg/registry.ts';
import type { LiveRun } from './live-run.ts';

export interface RecoveryNeeds extends Pick<Base, 'clock' | 'log'> {
  readonly ledger: Ledger;
  readonly executors: ReadonlyMap<ExecutorType, Pick<Executor, 'recover'>>;
  /** Distinguishes this supervisor's runs from another's. */
  readonly stateDir: string;
  /** Absent: on the disk. */
  readonly runFiles?: RunFiles;
}

export class Recovery {
  readonly #parts: RecoveryNeeds;
  readonly #runFiles: RunFiles;
  /** Graphs whose folders were searched. */
  readonly #looked = new Set<GraphPath>();

  constructor(parts: RecoveryNeeds) {
    this.#parts = parts;
    this.#runFiles = parts.runFiles ?? diskRunFiles;
  }

  /** Stores in the run's folder what a supervisor with an empty ledger would need. */
  async remember({ run, token }: LiveRun): Promise<void> {
    if (run.folder === null || token === null) return;
    try {
      const { stateDir } = this.#parts;
      await this.#runFiles.write(run.folder, { run, tokenHash: tokenHash(token), stateDir });
    } catch (thrown) {
      // The ledger has it; only a lost ledger would miss it.
      this.#parts.log.warn('run.unremembered', { run: run.id, because: messageOf(thrown) });
    }
  }

  /**
   * Restores what the ledger does not know of a graph that is served for the first time, or again: tasks in progress
   * whose agent is a run of this supervisor. Returns how many.
   */
  async takeUpUnknown(graphs: readonly SupervisedGraph[]): Promise<number> {
    const here = new Set(graphs.map((graph) => graph.path));
    for (const path of this.#looked) if (!here.has(path)) this.#looked.delete(path);
    let found = 0;
    for (const graph of graphs) {
      const snapshot = graph.store.snapshot();
      if (this.#looked.has(graph.path) || graph.hold || snapshot.problem) continue;
      this.#looked.add(graph.path);
      // A foreign folder may claim anything about a run, such as its process.
      if (!graph.profiles.repositoryUntrusted)
        for (const task of unfinishedTasks(snapshot.tasks))
          if (this.#takeUp(graph, task)) found++;
          else await this.#giveBack(graph, task);
      await this.#tidyRegistry(graph);
    }
    return found;
  }

  #takeUp(graph: SupervisedGraph, task: Task): boolean {
    const { ledger, log, stateDir } = this.#parts;
    if (task.status !== 'in-progress' || !task.assigned || !/^agent-\d+$/.test(task.assigned)) return false;
    const folder = join(graph.path, 'agents', task.assigned);
    const remembered = this.#runFiles.read(folder);
    if (remembered?.stateDir !== stateDir) return false;
    const { run } = remembered;
    const fits =
      run.graph === graph.path &&
      run.task === task.id &&
      run.agent === task.assigned &&
      (task.createdAt ?? null) === run.taskCreatedAt;
    if (!fits || !ledger.restore({ ...run, folder, outcome: null }, remembered.tokenHash)) return false;
    log.warn('run.restored', {
      run: run.id,
      task: task.id,
      because: 'the ledger did not know it; its folder did',
    });
    return true;
  }

  /**
   * A graph was away while its run was cancelled or given up, and comes back with the claim in it: no agent works on
   * the task. A known result is written, otherwise the task is released.
   */
  async #giveBack(graph: SupervisedGraph, task: Task): Promise<void> {
    const { ledger, clock, log, stateDir } = this.#parts;
    if (task.status !== 'in-progress' || !task.assigned || task.foreignKeys.length > 0) return;
    const remembered = this.#runFiles.read(join(graph.path, 'agents', task.assigned));
    const run = remembered?.stateDir === stateDir ? ledger.run(remembered.run.id) : null;
    if (!run || (run.phase !== 'overruled' && run.phase !== 'interrupted') || !isOurs(task, run)) return;
    const { outcome } = run;
    const now = clock.now();
    try {
      if (outcome?.kind === 'succeeded' || outcome?.kind === 'failed')
        await settleInGraph(graph.store, run, outcome, { now, retry: null });
      else {
        const paused = outcome?.kind === 'stopped' && outcome.reason === 'cancelled';
        const because = paused ? 'cancelled; it stays paused until it is resumed' : 'its run was closed';
        await releaseInGraph(graph.store, run, { now, because, paused });
      }
      log.info('task.released', { graph: graph.path, task: task.id, run: run.id });
    } catch (thrown) {
      // It cannot be written now; the graph is searched again when it is next served.
      log.warn('release.postponed', { graph: graph.path, task: task.id, because: messageOf(thrown) });
    }
  }

  /** Marks agents that never started or are long gone as dead, so that wg does not list them. */
  async #tidyRegistry(graph: SupervisedGraph): Promise<void> {
    const { tasks } = graph.store.snapshot();
    try {
      const held = new Set(this.#parts.ledger.openRuns().map((run) => `${run.graph} ${run.agent}`));
      const dead = [...graph.registry.entries().values()].filter(
        ({ id, status, pid, task_id }) =>
          pid === NO_PID &&
          (status === WITHOUT_PROCESS || status === 'parked') &&
          !held.has(`${graph.path} ${id}`) &&
          tasks.get(task_id)?.assigned !== id,
      );
      if (dead.length === 0) return;
      await graph.registry.update(dead.map(({ id }) => ({ agent: id, status: 'dead' })));
    } catch (thrown) {
      this.#parts.log.warn('registry.untidied', { graph: graph.path, because: messageOf(thrown) });
    }
  }

  /**
   * Looks for the agent of a run that was claimed when its supervisor died: it may have been started all the same.
   * `begun`: the run is `started` from now on, whether the agent still runs or has left its exit status. `away`: its folder
   * is out of reach, so it is unknown.
   */
  async findAgent(run: Run): Promise<'begun' | 'never' | 'away'> {
    const executor = this.#parts.executors.get(run.type);
    if (!executor?.recover || run.folder === null) return 'never';
    const found = await executor.recover({ id: run.id, folder: run.folder });
    if (found === 'never' || found === 'away') return found;
    this.#parts.ledger.move(run.id, 'started', { process: found });
    this.#parts.log.info('run.recovered', { run: run.id, task: run.task, pid: found?.pid ?? null });
    return 'begun';
  }
}
