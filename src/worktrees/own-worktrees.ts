// Worktrees of single tasks: made before a task's first run, kept for its next ones, and removed only when nothing in them
// is lost: clean, and their commits on another branch. Every step may be cut off; the next call continues from there.

import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, realpath, rm } from 'node:fs/promises';
import { join } from 'node:path';
import pLimit from 'p-limit';
import { SupervisorError } from '../domain/errors.ts';
import type { GraphPath, TaskId } from '../domain/ids.ts';
import { shellWord } from '../domain/shell-word.ts';
import type { Git } from './git.ts';
import { copyIncluded } from './include-files.ts';
import { gitDirAt, isInMiddle, type OwnEntry, ownEntries, writeMarker } from './own-marker.ts';

/** Which task, and where it belongs. */
export interface OwnTask {
  readonly graph: GraphPath;
  readonly task: TaskId;
  readonly createdAt: string | null;
  /** The worktree of its graph: the new one begins at its commit. */
  readonly source: string;
  /** Common git dir. */
  readonly repo: string;
  /** Where worktrees of tasks are put. */
  readonly folder: string;
}

export interface OwnWorktree {
  readonly path: string;
  readonly branch: string;
  /** Files of `.worktreeinclude` that were not copied. */
  readonly passedOver: readonly string[];
}

/** Whether a worktree of a task may go. */
export type OwnState =
  | { readonly kind: 'landed'; readonly tip: string; readonly isMerged: boolean }
  /** Something would be lost. `command` removes it all the same. */
  | { readonly kind: 'kept'; readonly because: string; readonly command: string };

const PREFIX = 'wg/';
const NAMES_TRIED = 50;
const SLUG_CHARS = 60;
/** In the section of its branch, which git removes with the branch. */
const BRANCH_KEY = 'workgraphtask';

export class OwnWorktrees {
  readonly #git: Git;
  /** git's own locks make others fail rather than wait. */
  readonly #inTurn = pLimit(1);

  constructor(git: Git) {
    this.#git = git;
  }

  /** The worktree of a task, made if there is none. Rejects with `graph`: one sentence of git. */
  ensure(task: OwnTask): Promise<OwnWorktree> {
    return this.#inTurn(() => this.#ensure(task));
  }

  /** Whether it may go: clean, nothing in the middle, its commits elsewhere too. `source`: the worktree of its graph. */
  state(entry: OwnEntry, source: string): Promise<OwnState> {
    return this.#inTurn(() => this.#state(entry, source));
  }

  /** Removes one that has landed, by git's own refusal to lose anything; its branch too, if that was merged here. */
  remove(
    entry: OwnEntry,
    source: string,
    { tip, isMerged }: OwnState & { readonly kind: 'landed' },
  ): Promise<void> {
    return this.#inTurn(async () => {
      const { branch } = entry.marker;
      await this.#git.call(source, 'worktree', 'remove', '--', entry.path);
      if (!isMerged) return;
      // Only if it is still where it was judged.
      await this.#git.call(source, 'update-ref', '-d', `refs/heads/${branch}`, tip);
      await this.#git.call(source, 'config', '--remove-section', `branch.${branch}`).catch(() => undefined);
    });
  }

  async #ensure(task: OwnTask): Promise<OwnWorktree> {
    const { source, folder, repo } = task;
    const known = ownEntries(repo).find(({ marker }) => isOf(marker, task));
    if (known?.marker.made && existsSync(join(known.path, '.git')))
      return { path: known.path, branch: known.marker.branch, passedOver: [] };
    // Its folder was removed, or its making was cut off: nothing has worked in it.
    if (known) await this.#forget(source, known.path);
    else await this.#forgetUnfinished(task);
    const base = (await this.#git.standing(source)).head;
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const real = await realpath(folder);
    const { branch, isNew } = known ? await this.#branchAgain(task, known) : await this.#newBranch(task);
    const path = await this.#freePath(task, real);
    if (isNew) await this.#git.call(source, 'config', `branch.${branch}.${BRANCH_KEY}`, keyOf(task));
    try {
      const made = isNew ? ['--no-track', '-b', branch, '--', path, base] : ['--', path, branch];
      // Without files at first: a committed graph must not be seen before it is known whose worktree this is.
      await this.#git.call(source, 'worktree', 'add', '--no-checkout', ...made);
      const gitDir = gitDirAt(repo, path);
      if (gitDir === null) throw new SupervisorError('graph', `git made no worktree at ${path}`);
      const { graph, createdAt } = task;
      const marker = { graph, task: task.task, createdAt, branch };
      writeMarker(gitDir, { ...marker, made: false });
      await this.#git.call(path, 'checkout', '--force', '--quiet', branch, '--');
      const passedOver = await copyIncluded(this.#git, source, path);
      writeMarker(gitDir, { ...marker, made: true });
      return { path, branch, passedOver };
    } catch (thrown) {
      await this.#forget(source, path);
      throw thrown;
    }
  }

  /** Removes a worktree in which nothing has worked, and what is left of it. */
  async #forget(source: string, path: string): Promise<void> {
    // Twice forced: also one that git locked while it made it.
    await this.#git
      .call(source, 'worktree', 'remove', '--force', '--force', '--', path)
      .catch(() => undefined);
    // git leaves a folder that it did not finish. It is below our own folder, and new.
    await rm(path, { recursive: true, force: true });
  }

  /** git was killed before the marker was there. Whatever is in our own folder without one is such a rest. */
  async #forgetUnfinished({ source, folder, repo, task }: OwnTask): Promise<void> {
    if (!existsSync(folder)) return;
    const path = join(await realpath(folder), slugOf(task));
    const isMarked = ownEntries(repo).some((entry) => entry.path === path);
    if (!isMarked && gitDirAt(repo, path) !== null) await this.#forget(source, path);
  }

  /** The branch of a worktree whose folder is gone: what was committed in it is there still. */
  async #branchAgain(task: OwnTask, { marker }: OwnEntry): Promise<{ branch: string; isNew: boolean }> {
    const { branch } = marker;
    return { branch, isNew: !(await this.#exists(task.source, branch)) };
  }

  async #newBranch(task: OwnTask): Promise<{ branch: string; isNew: boolean }> {
    const slug = slugOf(task.task);
    // A branch `wg` leaves no room for `wg/…`.
    const prefix = (await this.#exists(task.source, PREFIX.slice(0, -1))) ? 'wg-' : PREFIX;
    for (let n = 1; n <= NAMES_TRIED; n++) {
      const branch = `${prefix}${slug}${n === 1 ? '' : `-${n}`}`;
      if (!(await this.#exists(task.source, branch))) return { branch, isNew: true };
      if (await this.#isFree(task, branch)) return { branch, isNew: false };
    }
    throw new SupervisorError('graph', `all of ${NAMES_TRIED} branches ${prefix}${slug}… are taken`);
  }

  /** Ours from an earlier worktree that was removed, and checked out nowhere. */
  async #isFree({ source, ...task }: OwnTask, branch: string): Promise<boolean> {
    const key = await this.#git
      .call(source, 'config', '--get', `branch.${branch}.${BRANCH_KEY}`)
      .catch(() => '');
    if (key.trim() !== keyOf(task)) return false;
    const listing = await this.#git.worktrees(source, task.repo);
    return !listing.some((one) => one.branch === branch);
  }

  async #exists(source: string, branch: string): Promise<boolean> {
    return (await this.#git.call(source, 'for-each-ref', '--format=%(refname)', `refs/heads/${branch}`))
      .split('\n')
      .includes(`refs/heads/${branch}`);
  }

  async #freePath({ task, repo }: OwnTask, folder: string): Promise<string> {
    for (let n = 1; n <= NAMES_TRIED; n++) {
      const path = join(folder, `${slugOf(task)}${n === 1 ? '' : `-${n}`}`);
      if (!existsSync(path) && gitDirAt(repo, path) === null) return path;
    }
    throw new SupervisorError('graph', `${folder} has ${NAMES_TRIED} folders of this name: remove some`);
  }

  async #state({ path, gitDir, marker }: OwnEntry, source: string): Promise<OwnState> {
    const { branch } = marker;
    const kept = (because: string): OwnState => ({
      ...{ kind: 'kept', because },
      command: `git -C ${shellWord(source)} worktree remove --force ${shellWord(path)} && git -C ${shellWord(source)} branch -D ${shellWord(branch)}`,
    });
    if (!existsSync(join(path, '.git'))) return kept('its folder is gone');
    if (isInMiddle(gitDir)) return kept('git is in the middle of a merge or rebase there');
    const changes = await this.#git.call(path, 'status', '--porcelain', '--untracked-files=normal');
    if (changes !== '') {
      const count = changes.trimEnd().split('\n').length;
      return kept(`${count} ${count === 1 ? 'file is' : 'files are'} changed and not committed`);
    }
    const tips = new Set<string>();
    // The branch is removed only where it was judged: what is committed to it meanwhile stays.
    let tip = '';
    for (const ref of ['HEAD', `refs/heads/${branch}`]) {
      const found = await this.#git.call(path, 'rev-parse', '--verify', '--quiet', ref).catch(() => '');
      if (found !== '') tips.add(found.trim());
      if (ref !== 'HEAD') tip = found.trim();
    }
    let isMerged = true;
    for (const commit of tips) {
      const landed = await this.#landed(source, branch, commit);
      if (landed === null) return kept(`it has commits of ${branch} that are on no other branch`);
      isMerged &&= landed === 'merged';
    }
    return { kind: 'landed', tip, isMerged: isMerged && tip !== '' };
  }

  /** Whether a commit is on a branch that is no task's own; null: it is not. */
  async #landed(source: string, branch: string, tip: string): Promise<'merged' | 'pushed' | null> {
    const refs = await this.#git.call(
      ...([source, 'for-each-ref', '--format=%(refname)', '--contains', tip] as const),
      ...['refs/heads', 'refs/remotes'],
    );
    const others = refs.split('\n').filter((ref) => ref !== '' && ref !== `refs/heads/${branch}`);
    if (others.some((ref) => ref.startsWith('refs/heads/') && !/^refs\/heads\/wg[-/]/.test(ref)))
      return 'merged';
    if (others.some((ref) => ref.startsWith('refs/remotes/'))) return 'pushed';
    // Rebased or picked: each of its changes is there under another name.
    const missing = await this.#git.call(source, 'cherry', 'HEAD', tip).catch(() => '+');
    return missing.split('\n').every((line) => !line.startsWith('+')) ? 'merged' : null;
  }
}

function isOf(marker: OwnEntry['marker'], { graph, task, createdAt }: OwnTask): boolean {
  return marker.graph === graph && marker.task === task && marker.createdAt === createdAt;
}

function keyOf({ graph, task, createdAt }: Pick<OwnTask, 'graph' | 'task' | 'createdAt'>): string {
  return digest(`${graph}\n${task}\n${createdAt ?? ''}`);
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

/** A name for branch and folder; ids that it cannot hold whole have a number of their own. */
function slugOf(task: TaskId): string {
  const plain = task
    .replace(/[^A-Za-z0-9_-]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, SLUG_CHARS);
  return plain === task ? plain : `${plain === '' ? 'task' : plain}-${digest(task).slice(0, 6)}`;
}
