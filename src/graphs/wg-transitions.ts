// Carries out the transitions that wg's daemon would make (decide/transitions/ticker.ts): one change per graph, judged again
// under the lock on the fresh bytes. Leaves graphs alone that another dispatcher serves.

import { join } from 'node:path';
import { cycleMovesAfter } from '../decide/transitions/cycle-iteration.ts';
import { tickerMoves } from '../decide/transitions/ticker.ts';
import type { TickerMove, TickerView } from '../decide/transitions/ticker-view.ts';
import type { PeerStatuses } from '../decide/world.ts';
import { messageOf } from '../domain/errors.ts';
import { type Snapshot, unfinishedTasks } from '../domain/graph.ts';
import type { GraphPath, TaskId } from '../domain/ids.ts';
import type { TaskDetail } from '../domain/task.ts';
import type { EditSession } from '../graph/store.ts';
import type { Clock } from '../platform/clock.ts';
import type { Log } from '../platform/log.ts';
import type { WgSettings } from '../wg/settings.ts';
import type { SupervisedGraph } from './supervised-graphs.ts';
import { applyPatch } from './task-writes.ts';

export interface StandingRulesParts {
  readonly clock: Clock;
  readonly log: Log;
  settings(graph: GraphPath): WgSettings;
  addressed(graph: GraphPath): ReadonlySet<TaskId>;
  messages(graph: GraphPath, task: TaskId): ReturnType<TickerView['messages']>;
  score(graph: GraphPath, task: TaskId): number | null;
  /** When a file last changed, ms; null: it does not exist. */
  modifiedAt(path: string): number | null;
}

interface Looked {
  readonly snapshot: Snapshot;
  readonly peers: PeerStatuses;
  /** When to check again although the graph is the same, ms. */
  readonly until: number;
  /** When time alone requires a check, ms. */
  readonly next: number | null;
}

/** Files, messages and evaluations change without the graph: checked again after this, ms. */
const LOOK_AGAIN_MS = 10_000;
/** What one move makes possible is found by judging again, in the same write. */
const MAX_ROUNDS = 8;

export class StandingRules {
  readonly #parts: StandingRulesParts;
  readonly #looked = new Map<GraphPath, Looked>();

  constructor(parts: StandingRulesParts) {
    this.#parts = parts;
  }

  /**
   * Applies the rules to graphs that are ours. Resolves with when to check again at the latest, ms; never rejects.
   */
  async work(graphs: readonly SupervisedGraph[]): Promise<number | null> {
    this.#forgetOthers(graphs);
    const times = await Promise.all(graphs.map((graph) => this.#one(graph)));
    const known = times.filter((at) => at !== null);
    return known.length === 0 ? null : Math.min(...known);
  }

  /** The graph as the rules see it. */
  view(
    graph: SupervisedGraph,
    tasks: TickerView['tasks'],
    detail: (id: TaskId) => TaskDetail | null,
  ): TickerView {
    const { path } = graph;
    const parts = this.#parts;
    return {
      tasks,
      detail,
      now: parts.clock.now(),
      peers: graph.peers ?? new Map(),
      // Read from files, and only if a rule may apply.
      get settings() {
        return parts.settings(path);
      },
      addressed: parts.addressed(path),
      messages: (id) => parts.messages(path, id),
      score: (id) => parts.score(path, id),
      modifiedAt: (file) => parts.modifiedAt(file.startsWith('/') ? file : join(graph.worktree.path, file)),
    };
  }

  /**
   * What finishing one task means for its cycle, in the very write that finishes it, as in `wg done` and `wg fail`.
   */
  afterEnd(graph: SupervisedGraph, draft: EditSession, task: TaskId): void {
    const view = this.view(graph, draft.snapshot.tasks, (id) => draft.detail(id));
    for (const move of cycleMovesAfter(task, view)) applyMove(draft, move);
  }

  /** Forgets graphs that are gone. */
  #forgetOthers(graphs: readonly SupervisedGraph[]): void {
    if (this.#looked.size <= graphs.length) return;
    const here = new Set(graphs.map(({ path }) => path));
    for (const path of this.#looked.keys()) if (!here.has(path)) this.#looked.delete(path);
  }

  async #one(graph: SupervisedGraph): Promise<number | null> {
    const snapshot = graph.store.snapshot();
    if (graph.hold !== null || snapshot.problem !== null) return null;
    const now = this.#parts.clock.now();
    const peers = graph.peers ?? new Map();
    const last = this.#looked.get(graph.path);
    if (
      last?.snapshot === snapshot &&
      last.peers === peers &&
      now < last.until &&
      now > last.until - 2 * LOOK_AGAIN_MS
    )
      return last.next;
    const decision = tickerMoves(this.view(graph, snapshot.tasks, (id) => graph.store.detail(id)));
    if (decision.moves.length > 0) await this.#apply(graph);
    const until = Math.min(decision.nextAt ?? Number.POSITIVE_INFINITY, now + LOOK_AGAIN_MS);
    const next = hasWaiting(snapshot) ? until : decision.nextAt;
    this.#looked.set(graph.path, { snapshot: graph.store.snapshot(), peers, until, next });
    return next;
  }

  async #apply(graph: SupervisedGraph): Promise<void> {
    const { log } = this.#parts;
    try {
      const moves = await graph.store.change((draft) => {
        const made: TickerMove[] = [];
        for (let round = 0; round < MAX_ROUNDS; round++) {
          const view = this.view(graph, draft.snapshot.tasks, (id) => draft.detail(id));
          const { moves } = tickerMoves(view);
          for (const move of moves) applyMove(draft, move);
          made.push(...moves);
          if (moves.length === 0) break;
        }
        return made;
      });
      for (const { task, rule, patch } of moves)
        log.info('task.moved', { graph: graph.path, task, rule, because: patch.log?.message ?? rule });
    } catch (thrown) {
      // The graph cannot be written now: the next check tries again.
      log.warn('rules.postponed', { graph: graph.path, because: messageOf(thrown) });
    }
  }
}

function hasWaiting(snapshot: Snapshot): boolean {
  for (const task of unfinishedTasks(snapshot.tasks)) if (task.status === 'waiting') return true;
  return false;
}

function applyMove(draft: EditSession, move: TickerMove): void {
  applyPatch(draft, move.task, move.patch);
  if (!move.add || draft.snapshot.tasks.has(String(move.add.id))) return;
  draft.add(move.add);
  // Both ends of the edge (wg-rules 9.2).
  const before = draft.snapshot.tasks.get(move.task)?.before ?? [];
  draft.patch(move.task, { before: [...before, String(move.add.id)] });
}
