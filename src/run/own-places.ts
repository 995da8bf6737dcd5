// Worktrees and ports of single tasks: given to a run before its agent starts, shared with no other run that lives, and
// cleared away once the task has finished and nothing in them would be lost.

import { createHash } from 'node:crypto';
import { realpath } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { messageOf } from '../domain/errors.ts';
import type { Deferred } from '../domain/outcome.ts';
import { hasOwnWorktree, type Profile } from '../domain/profile.ts';
import type { Run } from '../domain/run.ts';
import { isTerminal } from '../domain/task.ts';
import type { Repository } from '../domain/worktree.ts';
import type { SupervisedGraph, SupervisedGraphs } from '../graphs/supervised-graphs.ts';
import type { Clock } from '../platform/clock.ts';
import type { Log } from '../platform/log.ts';
import type { Ledger } from '../runs/ledger.ts';
import { type OwnEntry, ownEntries } from '../worktrees/own-marker.ts';
import type { OwnWorktrees } from '../worktrees/own-worktrees.ts';
import type { LiveRun } from './live-run.ts';

/** Ports of one run: below those that systems hand out on their own, and above most services. */
export const PORTS_EACH = 10;
const FIRST_PORT = 20_000;
const LAST_PORT = 30_000;
/** How often a worktree that is kept is looked at again, ms: people merge whenever they like. */
const AGAIN_MS = 5 * 60_000;

interface PlaceNeeds {
  readonly clock: Clock;
  readonly log: Log;
  readonly live: ReadonlyMap<string, LiveRun>;
  readonly ledger: Pick<Ledger, 'openRuns' | 'note'>;
  readonly graphs: Pick<SupervisedGraphs, 'get' | 'repositories'>;
  readonly worktrees: Pick<OwnWorktrees, 'ensure' | 'state' | 'remove'>;
  readonly stateDir: string;
  /** Worktrees came or went. */
  changed(): void;
}

export class OwnPlaces {
  readonly #parts: PlaceNeeds;
  /** Why each is kept, and since when that is known, by its path. */
  readonly #kept = new Map<
    string,
    { readonly because: string; readonly status: string; readonly at: number }
  >();
  #tidying: Promise<void> | null = null;
  /** A run has ended since the last pass, or one that ended was still in use then. */
  #isDue = false;

  constructor(parts: PlaceNeeds) {
    this.#parts = parts;
  }

  /** Gives a run its worktree and ports, where its profile or repository wants that. Not null: it cannot be. */
  async enter(live: LiveRun, graph: SupervisedGraph, profile: Profile): Promise<Deferred | null> {
    if (!hasOwnWorktree(profile, graph.settings)) return null;
    const hold = (code: string, because: string): Deferred => ({
      kind: 'deferred',
      code,
      because,
      scope: 'task',
    });
    // git runs programs that its configuration names when it checks out.
    if (graph.profiles.repositoryUntrusted)
      return hold('untrusted', 'worktree = "own" needs a repository that is trusted: `supervisor trust` it');
    const { run } = live;
    try {
      const { path, passedOver } = await this.#parts.worktrees.ensure({
        graph: run.graph,
        task: run.task,
        createdAt: run.taskCreatedAt,
        source: graph.worktree.path,
        repo: graph.repository.id,
        folder: this.#folderOf(graph.repository),
      });
      if (passedOver.length > 0)
        this.#parts.log.warn('worktree.not-included', { run: run.id, files: passedOver.slice(0, 20) });
      this.#kept.delete(path);
      const portBase = await this.#ports(live);
      live.run = { ...live.run, place: path, ...(portBase === null ? {} : { portBase }) };
      this.#parts.ledger.note(run.id, { place: path, ...(portBase === null ? {} : { portBase }) });
      this.#parts.changed();
      return null;
    } catch (thrown) {
      return hold('own-worktree', `its own worktree could not be made: ${messageOf(thrown)}`);
    }
  }

  /** Why worktrees of tasks are kept, by path: one sentence each, with the command that removes it. */
  kept(): ReadonlyMap<string, string> {
    return new Map([...this.#kept].map(([path, { because }]) => [path, because]));
  }

  /** A run has ended: its worktree may not be needed any more. */
  noteEnd({ place }: Run): void {
    if (place !== undefined) this.#isDue = true;
  }

  /** As `tidy`, if a run has ended since. */
  async tidyIfDue(): Promise<void> {
    if (this.#isDue) await this.tidy();
  }

  /** Removes what is no longer needed and would lose nothing. One pass at a time; never rejects. */
  tidy(): Promise<void> {
    this.#tidying ??= this.#tidy().finally(() => {
      this.#tidying = null;
    });
    return this.#tidying;
  }

  async #tidy(): Promise<void> {
    this.#isDue = false;
    const folder = join(this.#parts.stateDir, 'worktrees');
    const root = await realpath(folder).catch(() => folder);
    const seen = new Set<string>();
    for (const { repository } of this.#parts.graphs.repositories()) {
      if (repository.problem !== null) continue;
      for (const entry of ownEntries(repository.id)) {
        // Those of another supervisor are its own.
        if (!entry.path.startsWith(`${root}/`)) continue;
        seen.add(entry.path);
        await this.#judge(entry).catch((thrown: unknown) => {
          this.#parts.log.warn('worktree.kept', { path: entry.path, because: messageOf(thrown) });
        });
      }
    }
    for (const path of this.#kept.keys()) if (!seen.has(path)) this.#kept.delete(path);
  }

  async #judge(entry: OwnEntry): Promise<void> {
    const { clock, graphs, worktrees, log, changed } = this.#parts;
    const { path, marker } = entry;
    const graph = graphs.get(marker.graph);
    const snapshot = graph?.store.snapshot();
    if (!graph || !snapshot || snapshot.problem !== null || !marker.made) return;
    const task = snapshot.tasks.get(marker.task);
    const isSame = task !== undefined && (task.createdAt ?? null) === marker.createdAt;
    const status = isSame ? task.status : 'gone';
    // Its next run continues here.
    if (status !== 'gone' && !isTerminal(status)) return;
    if (this.#isInUse(path)) {
      // Its process is still ending.
      this.#isDue = true;
      return;
    }
    const known = this.#kept.get(path);
    const now = clock.now();
    if (known && known.status === status && now >= known.at && now < known.at + AGAIN_MS) return;
    const state = await worktrees.state(entry, graph.worktree.path);
    // It may have been given to a run meanwhile.
    if (this.#isInUse(path)) return;
    if (state.kind === 'kept') {
      const because = `kept for ${marker.task} (${status}): ${state.because}; remove it with: ${state.command}`;
      this.#kept.set(path, { because, status, at: now });
      return;
    }
    await worktrees.remove(entry, graph.worktree.path, state);
    this.#kept.delete(path);
    log.info('worktree.removed', { path, task: marker.task });
    changed();
  }

  #isInUse(path: string): boolean {
    const { live, ledger } = this.#parts;
    const runs = [...ledger.openRuns(), ...[...live.values()].map(({ run }) => run)];
    return runs.some(({ place }) => place === path);
  }

  /** The first of a block that no living run has and nothing listens on; null: all are taken. */
  async #ports(live: LiveRun): Promise<number | null> {
    for (let base = FIRST_PORT; base < LAST_PORT; base += PORTS_EACH) {
      if (this.#isTaken(base, live)) continue;
      const before = live.run;
      // Taken before anything is awaited, so that no other run gets it.
      live.run = { ...before, portBase: base };
      const ports = Array.from({ length: PORTS_EACH }, (_, n) => base + n);
      if ((await Promise.all(ports.map(isFree))).every((free) => free)) return base;
      live.run = before;
    }
    return null;
  }

  #isTaken(base: number, { run: own }: LiveRun): boolean {
    const { live, ledger } = this.#parts;
    const runs = [...ledger.openRuns(), ...[...live.values()].map(({ run }) => run)];
    return runs.some(({ id, portBase }) => id !== own.id && portBase === base);
  }

  #folderOf({ name, id }: Repository): string {
    const digest = createHash('sha256').update(id).digest('hex').slice(0, 8);
    return join(this.#parts.stateDir, 'worktrees', `${name.replace(/[^A-Za-z0-9._-]+/g, '-')}-${digest}`);
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)));
  });
}
