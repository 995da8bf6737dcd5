// Finds every repository under supervision with all its worktrees and the graphs they reach. Runs git only if
// something changed; what cannot be read becomes a repository with a problem, never an exception.

import { statSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import pLimit from 'p-limit';
import type { Config, RepoSettings, RootSettings } from '../domain/config.ts';
import { messageOf, SupervisorError, systemCode } from '../domain/errors.ts';
import type { Repository, Worktree, WorktreeTrouble } from '../domain/worktree.ts';
import { nextTurn } from '../platform/cooperative.ts';
import type { Environment } from '../platform/environment.ts';
import { isFolderNow } from '../platform/real-path.ts';
import { isListOf, LinkedGitDirs, likelyCommonDir } from './common-dir.ts';
import { fileStamp, repositoryFingerprint } from './fingerprint.ts';
import { createGit, type Git } from './git.ts';
import { bareTrouble, brokenLink } from './git-standing.ts';
import {
  type GraphFolder,
  globalGraphFolders,
  graphFolderBeside,
  isAgentWorktree,
  realPath,
} from './graph-folder.ts';
import { HardLinks, nameGraphs, type Reached } from './graph-names.ts';
import { markerIn, type OwnMarker } from './own-marker.ts';
import type { ListedWorktree } from './porcelain.ts';
import { findRepositories } from './scan.ts';
import { leftOut, repositoryName, settingsBelow } from './settings.ts';
import { TrackedGraphs } from './tracked.ts';

/** A repository with the settings that apply to it. */
export interface DiscoveredRepository {
  readonly repository: Repository;
  readonly settings: RepoSettings;
  /** Paths of worktrees that include and exclude filter out. */
  readonly excluded: ReadonlySet<string>;
}

export interface Discovery {
  /** Lists everything again, each repository once. Never rejects because of the disk's state. */
  list(config: Pick<Config, 'repos' | 'roots'>): Promise<readonly DiscoveredRepository[]>;
  /** What the last listing skipped, one sentence each: unreadable folders below roots. */
  notes(): readonly string[];
  /** How many times git was run so far. */
  readonly gitRuns: number;
}

/** A discovery that remembers what it listed, so that listing again is cheap. */
export function createDiscovery(environment: Environment): Discovery {
  return new DiskDiscovery(environment);
}

/** Repositories checked in parallel; git itself is limited further. */
const AT_ONCE = 4;

/** Equal to no fingerprint. */
const UNKNOWN = '';

/** Worktrees checked before yielding to the event loop. */
const AT_A_TIME = 100;

interface Listing {
  readonly fingerprint: string;
  readonly listed: readonly ListedWorktree[];
}

interface Found extends DiscoveredRepository {
  readonly reached: readonly Reached[];
}

class DiskDiscovery implements Discovery {
  readonly #home: string;
  readonly #git: Git;
  readonly #tracked: TrackedGraphs;
  readonly #gitDirs = new LinkedGitDirs();
  /** Given path → common git dir, as long as the path is the same folder. */
  readonly #ids = new Map<string, { readonly stamp: string; readonly id: string }>();
  readonly #listings = new Map<string, Listing>();
  /** What git listed while a repository was identified, in the same pass. */
  readonly #listedNow = new Map<string, readonly ListedWorktree[]>();
  readonly #links = new HardLinks();
  #globals: ReadonlySet<string> = new Set();
  #notes: readonly string[] = [];

  constructor(environment: Environment) {
    this.#home = environment.home;
    this.#git = createGit(environment);
    this.#tracked = new TrackedGraphs(this.#git);
  }

  get gitRuns(): number {
    return this.#git.runs;
  }

  notes(): readonly string[] {
    return this.#notes;
  }

  async list(config: Pick<Config, 'repos' | 'roots'>): Promise<readonly DiscoveredRepository[]> {
    this.#globals = await globalGraphFolders(this.#home);
    this.#listedNow.clear();
    const wanted = [...config.repos, ...(await this.#belowRoots(config.roots))];
    const inTurn = pLimit(AT_ONCE);
    const identified = await Promise.all(
      wanted.map((settings) => inTurn(async () => ({ settings, id: await this.#identify(settings.path) }))),
    );
    // The first entry that names a repository decides: [[repos]] in their order, then roots.
    const byId = new Map<string, { readonly settings: RepoSettings; readonly problem: string | null }>();
    for (const { settings, id } of identified) {
      const key = 'id' in id ? id.id : settings.path;
      if (!byId.has(key)) byId.set(key, { settings, problem: 'id' in id ? null : id.problem });
    }
    const found = await Promise.all(
      [...byId].map(([id, { settings, problem }]) => inTurn(() => this.#read(id, settings, problem))),
    );
    this.#forgetAllBut(found);
    const all = found.flatMap((one) => one.reached);
    const united = this.#links.unite(all, (graph) => fileIdentity(join(graph, 'graph.jsonl')));
    const named = nameGraphs(united);
    const isNow = new Map(all.map((one, n) => [one, united[n] ?? one]));
    return found.map(({ repository, settings, excluded, reached }) => ({
      repository: { ...repository, worktrees: reached.map((one) => named(isNow.get(one) ?? one)) },
      settings,
      excluded,
    }));
  }

  async #belowRoots(roots: readonly RootSettings[]): Promise<RepoSettings[]> {
    const notes: string[] = [];
    const settings: RepoSettings[] = [];
    for (const root of roots) {
      const scan = await findRepositories(root.path, root.depth);
      notes.push(...scan.notes);
      settings.push(...scan.repositories.map((path) => settingsBelow(root, path)));
    }
    this.#notes = notes;
    return settings;
  }

  /** The common git dir of a path's repository, or why there is none. */
  async #identify(path: string): Promise<{ readonly id: string } | { readonly problem: string }> {
    try {
      const folder = await stat(path);
      if (!folder.isDirectory()) return { problem: `${path} is a file, not a folder; correct the path` };
      const stamp = `${folder.dev}:${folder.ino} ${fileStamp(join(path, '.git'))}`;
      const known = this.#ids.get(path);
      if (known?.stamp === stamp && (await realPath(known.id)) === known.id) return { id: known.id };
      const id = (await this.#seenAndListed(path)) ?? (await this.#asked(path));
      this.#ids.set(path, { stamp, id });
      return { id };
    } catch (thrown) {
      const known = this.#ids.get(path);
      // Its last known state stays visible; reading it reports what is wrong.
      return known && this.#listings.has(known.id) ? { id: known.id } : { problem: sentenceOf(path, thrown) };
    }
  }

  async #asked(path: string): Promise<string> {
    const common = await this.#git.commonDir(path);
    return (await realPath(common)) ?? common;
  }

  /**
   * The same with one git call less: git lists the worktrees, and the list confirms what the files say. Else null.
   */
  async #seenAndListed(path: string): Promise<string | null> {
    const likely = await likelyCommonDir(path);
    // Listed already, through another of its worktrees: the short question is cheaper.
    if (likely === null || this.#listedNow.has(likely)) return null;
    try {
      const listed = await this.#git.worktrees(path, likely);
      if (!(await isListOf(listed, likely))) return null;
      this.#listedNow.set(likely, listed);
      return likely;
    } catch {
      // Whatever is wrong, the plain question reports it.
      return null;
    }
  }

  async #read(id: string, settings: RepoSettings, problem: string | null): Promise<Found> {
    if (problem !== null) return nothingFound(settings, problem);
    const known = this.#listings.get(id);
    // The repository outlives the worktree that named it; people should know all the same.
    const there = await isFolder(settings.path);
    let trouble = there ? null : missing(settings.path);
    let listing: Listing;
    try {
      listing = await this.#list(id, there ? settings.path : id, known);
      this.#listings.set(id, listing);
    } catch (thrown) {
      trouble ??= sentenceOf(settings.path, thrown);
      if (!known) return nothingFound(settings, trouble);
      listing = known;
    }
    return this.#describe(id, settings, listing.listed, trouble);
  }

  async #list(id: string, folder: string, known: Listing | undefined): Promise<Listing> {
    const listedNow = this.#listedNow.get(id);
    // Without a list to compare with a fingerprint is useless, so the next check calls git once more.
    if (listedNow !== undefined) return { fingerprint: UNKNOWN, listed: listedNow };
    if (known === undefined) return { fingerprint: UNKNOWN, listed: await this.#git.worktrees(folder, id) };
    // Taken before git runs and based on the last known state: a change in between, and a list that turned out
    // different, make the next check call git again.
    const fingerprint = await repositoryFingerprint(id, known.listed);
    if (known.fingerprint === fingerprint) return known;
    return { fingerprint, listed: await this.#git.worktrees(folder, id) };
  }

  async #describe(
    id: string,
    settings: RepoSettings,
    listed: readonly ListedWorktree[],
    problem: string | null,
  ): Promise<Found> {
    const main = listed[0];
    const path = main?.path ?? settings.path;
    const [first, ...others] = listed;
    const owner = first ? await this.#reach(id, first, path, null, listed) : null;
    const reached = owner ? [owner] : [];
    for (let from = 0; from < others.length; from += AT_A_TIME) {
      const some = others.slice(from, from + AT_A_TIME);
      reached.push(...(await Promise.all(some.map((one) => this.#reach(id, one, path, owner, listed)))));
      if (from + AT_A_TIME < others.length) await nextTurn();
    }
    const worktrees = reached.map((one) => one.worktree);
    const repository: Repository = {
      id,
      name: repositoryName(path, main?.bare ?? false),
      path,
      worktrees,
      problem,
    };
    return { repository, settings, excluded: leftOut(worktrees, settings), reached };
  }

  async #reach(
    id: string,
    listed: ListedWorktree,
    main: string,
    owner: Reached | null,
    all: readonly ListedWorktree[],
  ): Promise<Reached> {
    const missing = !isFolderNow(listed.path);
    const none = { path: null, alias: false, identity: null, shared: null };
    let graph: Omit<GraphFolder, 'path' | 'identity'> & { path: string | null; identity: string | null } =
      none;
    const gitDir = missing ? null : this.#gitDirs.of(listed.path);
    const ownTask = gitDir === null || listed.main ? null : markerIn(gitDir);
    if (ownTask) graph = this.#graphOfTask(ownTask, all) ?? none;
    else if (!missing && owner !== null && owner.identity !== null && isAgentWorktree(listed.path, main))
      graph = { ...none, path: owner.worktree.graph, alias: true, identity: owner.identity };
    // Bare by mistake: if it contains its git dir, a folder is a worktree to everyone but git.
    else if (!missing && (!listed.bare || isFolderNow(join(listed.path, '.git'))))
      graph = graphFolderBeside(listed.path, this.#globals) ?? none;
    const own = graph.path !== null && !graph.alias ? graph.path : null;
    const trouble = graph.path === null || graph.alias ? null : this.#troubleOf(listed, main, gitDir);
    const worktree: Worktree = {
      ...listed,
      repo: id,
      missing,
      graph: graph.path,
      graphIsAlias: graph.alias,
      graphTracked:
        own !== null && trouble === null && (await this.#tracked.isTracked(listed.path, own, gitDir)),
      trouble,
      ...(ownTask ? { ownTask: ownTask.task } : {}),
    };
    return { worktree, identity: graph.identity, shared: graph.shared };
  }

  /** The graph of the task that a worktree was made for: of this repository, and never a copy that it checked out. */
  #graphOfTask({ graph }: OwnMarker, all: readonly ListedWorktree[]) {
    const place = all.find(({ path }) => path === dirname(graph));
    const found = place && graphFolderBeside(place.path, this.#globals);
    return found ? { ...found, alias: true, shared: null } : null;
  }

  /** What prevents work at its graph's place. */
  #troubleOf(
    { path, main: isMain, bare }: ListedWorktree,
    main: string,
    gitDir: string | null,
  ): WorktreeTrouble | null {
    if (bare) return bareTrouble(path);
    return isMain ? null : brokenLink(path, main, gitDir);
  }

  #forgetAllBut(found: readonly Found[]): void {
    const ids = new Set(found.map((one) => one.repository.id));
    for (const id of this.#listings.keys()) if (!ids.has(id)) this.#listings.delete(id);
    for (const [path, { id }] of this.#ids) if (!ids.has(id)) this.#ids.delete(path);
    const paths = new Set(found.flatMap((one) => one.repository.worktrees.map(({ path }) => path)));
    this.#tracked.keepOnly(paths);
    this.#gitDirs.keepOnly(paths);
  }
}

function nothingFound(settings: RepoSettings, problem: string): Found {
  const { path } = settings;
  const repository: Repository = { id: path, name: basename(path), path, worktrees: [], problem };
  return { repository, settings, excluded: new Set(), reached: [] };
}

function missing(path: string): string {
  if (/(?:^|\/)(?:https?|ssh|git|file):\/|(?:^|\/)[\w.-]+@[\w.-]+:/.test(path))
    return `${path} is an address, not a folder; clone it and name the clone`;
  if (/[*?{[]/.test(path))
    return `${path} does not exist, and patterns are not expanded in a path; name each repository, or their folder under [[roots]]`;
  return `${path} does not exist; correct the path or remove it from the configuration`;
}

function sentenceOf(path: string, thrown: unknown): string {
  if (thrown instanceof SupervisorError)
    return thrown.hint === undefined ? thrown.message : `${thrown.message}; ${thrown.hint}`;
  switch (systemCode(thrown)) {
    case 'ENOENT':
      return missing(path);
    case 'ENOTDIR':
      return `${path} is not a folder; correct the path`;
    case 'EACCES':
      return `${path} may not be read; give the user who runs the supervisor access to it`;
    default:
      return `${path} cannot be read: ${messageOf(thrown)}`;
  }
}

function fileIdentity(path: string): string | null {
  try {
    const found = statSync(path, { bigint: true, throwIfNoEntry: false });
    // The inode number of a deleted file is often reused, its birth time is not.
    return found === undefined ? null : `${found.dev}:${found.ino}:${found.birthtimeNs}`;
  } catch {
    // Inaccessible, so it is not known to be the same.
    return null;
  }
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    // Gone, or not accessible: nothing can run there either way.
    return false;
  }
}
