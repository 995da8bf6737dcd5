// Watches for worktrees that are added or removed: two watches per repository, on the common git dir and its
// `worktrees` folder. And for new graph folders: one watch for each worktree without one. Events are a hint to list
// again; lock, unlock, move and commits cause none and are found by listing.

import { statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { type FSWatcher, watch } from 'chokidar';
import { messageOf, systemCode } from '../domain/errors.ts';
import type { Repository } from '../domain/worktree.ts';
import type { Cancel, Clock } from '../platform/clock.ts';
import type { Service } from '../platform/service.ts';
import { GRAPH_FOLDER_NAMES } from './graph-folder.ts';

export interface RepositoryWatcher extends Service {
  /** Watches exactly these repositories from now on. */
  watch(repositories: readonly WatchedRepository[]): void;
  /** Resolves when every watch requested so far is in place, or has failed. */
  ready(): Promise<void>;
}

/** The inputs of watching; without worktrees, only added and removed ones are noticed. */
export type WatchedRepository = Pick<Repository, 'id'> & Partial<Pick<Repository, 'worktrees'>>;

export interface RepositoryWatcherParts {
  readonly clock: Clock;
  /**
   * Worktrees of this repository may have been added or removed. Called twice: soon, and once git has surely
   * finished.
   */
  onChanged(repository: string): void;
  /** Changes are no longer noticed because watches ran out; listing still finds them. Called once. */
  onDegraded(message: string): void;
}

/** git writes several files for one worktree; this long after the last is soon enough, ms. */
const SETTLE_MS = 100;

/** A checkout continues after git has registered the worktree; its graph may appear only then, ms. */
const SECOND_LOOK_MS = 2000;

/** A watcher that does nothing until it is started. Repositories may be named before. */
export function createRepositoryWatcher(parts: RepositoryWatcherParts): RepositoryWatcher {
  return new ChokidarRepositoryWatcher(parts);
}

interface Watched {
  /** Identity of the watched folder, '' if there was none. */
  readonly identity: string;
  readonly watcher: FSWatcher | null;
  readonly ready: Promise<void>;
}

class ChokidarRepositoryWatcher implements RepositoryWatcher {
  readonly name = 'repository-watcher';
  readonly #parts: RepositoryWatcherParts;
  readonly #watched = new Map<string, Watched>();
  readonly #timers = new Map<string, readonly Cancel[]>();
  readonly #closing = new Set<Promise<void>>();
  /** Worktrees without a graph, each with its repository. */
  #bare: ReadonlyMap<string, string> = new Map();
  #arrivals: FSWatcher | null = null;
  #running = false;
  #degraded = false;

  constructor(parts: RepositoryWatcherParts) {
    this.#parts = parts;
  }

  async start(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    for (const id of [...this.#watched.keys()]) this.#open(id, folderIdentity(id));
    const bare = this.#bare;
    this.#bare = new Map();
    this.#awaitGraphs(bare);
  }

  async stop(): Promise<void> {
    this.#running = false;
    for (const id of [...this.#watched.keys()]) {
      this.#close(id);
      this.#watched.set(id, { identity: '', watcher: null, ready: Promise.resolve() });
    }
    await this.#arrivals?.close();
    this.#arrivals = null;
    await Promise.all(this.#closing);
  }

  watch(repositories: readonly WatchedRepository[]): void {
    this.#awaitGraphs(graphless(repositories));
    const ids = new Set(repositories.map((repository) => repository.id));
    for (const id of [...this.#watched.keys()]) if (!ids.has(id)) this.#close(id);
    for (const id of ids) {
      const identity = folderIdentity(id);
      const known = this.#watched.get(id);
      if (known?.identity === identity) continue;
      // A repository recreated in its old place is another folder, and the old watch does not see it.
      if (known) this.#close(id);
      this.#open(id, identity);
    }
  }

  async ready(): Promise<void> {
    await Promise.all([...this.#watched.values()].map((watched) => watched.ready));
  }

  #open(id: string, identity: string): void {
    if (!this.#running || identity === '') {
      this.#watched.set(id, { identity: '', watcher: null, ready: Promise.resolve() });
      return;
    }
    const worktrees = join(id, 'worktrees');
    const watcher = watch(id, {
      ignoreInitial: true,
      depth: 1,
      persistent: true,
      // Everything else in a git dir may change as often as it likes.
      ignored: (path) => path !== id && path !== worktrees && dirname(path) !== worktrees,
    });
    watcher.on('all', () => this.#heard(id));
    watcher.on('error', (error) => this.#failed(error));
    // chokidar reports ready even if it ran out of watches.
    const ready = new Promise<void>((resolve) => watcher.once('ready', resolve));
    this.#watched.set(id, { identity, watcher, ready });
    // Changes between the last listing and this moment caused no event.
    void ready.then(() => this.#heard(id));
  }

  /** Notices a new graph folder in one of these worktrees, and nothing else in them. */
  #awaitGraphs(bare: ReadonlyMap<string, string>): void {
    const before = this.#bare;
    this.#bare = bare;
    if (!this.#running) return;
    const gone = [...before.keys()].filter((path) => !bare.has(path));
    const came = [...bare.keys()].filter((path) => !before.has(path));
    if (gone.length > 0) this.#arrivals?.unwatch(gone);
    if (came.length === 0) return;
    this.#arrivals ??= this.#openArrivals();
    this.#arrivals.add(came);
    // A graph that was created while the watch began is found by one more check.
    for (const repository of new Set(came.map((path) => bare.get(path) ?? ''))) this.#heard(repository);
  }

  #openArrivals(): FSWatcher {
    const watcher = watch([], {
      ignoreInitial: true,
      depth: 0,
      persistent: true,
      ignored: (path) => !this.#bare.has(path) && !isGraphFolderName(basename(path)),
    });
    watcher.on('all', (_event, path) => {
      const repository = this.#bare.get(dirname(path));
      if (repository !== undefined && isGraphFolderName(basename(path))) this.#heard(repository);
    });
    watcher.on('error', (error) => this.#failed(error));
    return watcher;
  }

  #close(id: string): void {
    for (const cancel of this.#timers.get(id) ?? []) cancel();
    this.#timers.delete(id);
    const watcher = this.#watched.get(id)?.watcher;
    this.#watched.delete(id);
    if (!watcher) return;
    const closing = watcher.close().finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }

  #heard(id: string): void {
    if (!this.#watched.get(id)?.watcher) return;
    for (const cancel of this.#timers.get(id) ?? []) cancel();
    const { clock } = this.#parts;
    this.#timers.set(id, [
      clock.after(SETTLE_MS, () => this.#parts.onChanged(id)),
      clock.after(SECOND_LOOK_MS, () => {
        this.#timers.delete(id);
        this.#parts.onChanged(id);
      }),
    ]);
  }

  #failed(error: unknown): void {
    if (this.#degraded) return;
    this.#degraded = true;
    const code = systemCode(error);
    const why =
      code === 'ENOSPC'
        ? 'no inotify watches are left; raise fs.inotify.max_user_watches with sysctl'
        : code === 'EMFILE'
          ? 'no inotify instances are left; raise fs.inotify.max_user_instances with sysctl'
          : messageOf(error);
    this.#parts.onDegraded(`new worktrees are noticed only when they are listed: ${why}`);
  }
}

function graphless(repositories: readonly WatchedRepository[]): Map<string, string> {
  const found = new Map<string, string>();
  for (const { id, worktrees } of repositories)
    for (const { path, graph, missing, bare } of worktrees ?? [])
      if (graph === null && !missing && !bare) found.set(path, id);
  return found;
}

function isGraphFolderName(name: string): boolean {
  return GRAPH_FOLDER_NAMES.some((known) => known === name);
}

/** Identifies a folder; '' if there is none to watch. */
function folderIdentity(path: string): string {
  try {
    const found = statSync(path, { bigint: true });
    return found.isDirectory() ? `${found.dev}:${found.ino}` : '';
  } catch {
    // Gone or out of reach: there is nothing to watch, and listing reports what is wrong.
    return '';
  }
}
