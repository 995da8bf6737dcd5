// The worker's own copies of repositories: one bare clone for each remote, one worktree for each job, the branch that its
// commits are pushed to. Credentials are the worker's own: none comes with an order.

import { createHash } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { messageOf } from '../domain/errors.ts';
import type { Log } from '../platform/log.ts';

/** What could not be had of a repository. */
export class CheckoutTrouble extends Error {}

export interface Checkouts {
  /** Makes a worktree at the commit; one that is there already is made again. Rejects with CheckoutTrouble. */
  prepare(remote: string, commit: string, branch: string | null, tree: string): Promise<void>;
  /**
   * Commits what was left uncommitted and pushes what is not in `base`. Gives what was pushed, null when nothing was to be.
   * Rejects with CheckoutTrouble.
   */
  publish(job: Publication): Promise<{ readonly branch: string; readonly commit: string } | null>;
  /** Removes a worktree; nothing happens when there is none. Rejects never. */
  remove(remote: string, tree: string): Promise<void>;
}

/** What is to be pushed. */
export interface Publication {
  readonly remote: string;
  readonly tree: string;
  /** The commit that it was prepared at. */
  readonly base: string;
  readonly branch: string;
  /** Distinguishes it from a branch of that name that someone else has. */
  readonly run: string;
  /** The subject of a commit of what was left. */
  readonly leftovers: string;
}

/** Git says nothing for minutes while it counts a large repository. */
const GIT_TIMEOUT_MS = 30 * 60_000;
const SAID_CHARS = 600;
/** Git forgets worktrees that are gone when it is asked to, which is after this many. */
const PRUNED_AFTER = 20;

/** Copies below `folder`. `environment`: what git may see, the worker's credentials among it. */
export function createCheckouts(
  folder: string,
  environment: Readonly<Record<string, string>>,
  log: Log,
): Checkouts {
  const turns = new Map<string, Promise<unknown>>();
  const removed = new Map<string, number>();
  const env = {
    ...environment,
    LC_ALL: 'C',
    GIT_TERMINAL_PROMPT: '0',
    // An address may name a program of its own to be run (ext::).
    GIT_ALLOW_PROTOCOL: 'https:http:ssh:git:file',
  };
  const git = async (cwd: string, ...args: string[]): Promise<string> => {
    const done = await execa('git', args, {
      cwd,
      env,
      extendEnv: false,
      reject: false,
      stdin: 'ignore',
      timeout: GIT_TIMEOUT_MS,
      maxBuffer: 8 * 1024 * 1024,
    });
    if (done.exitCode === 0) return done.stdout;
    const said = (done.stderr || done.shortMessage || '').trim().slice(-SAID_CHARS);
    throw new CheckoutTrouble(`git ${args[0] === '-c' ? args[2] : args[0]} failed: ${said}`);
  };
  const cloneOf = (remote: string) =>
    join(folder, `${createHash('sha256').update(remote).digest('hex').slice(0, 16)}.git`);
  /** Two fetches, or two worktrees, at once trip over each other's locks. */
  const inTurn = <T>(clone: string, act: () => Promise<T>): Promise<T> => {
    const turn = (turns.get(clone) ?? Promise.resolve()).then(act, act);
    const quiet = turn.catch(() => undefined);
    turns.set(clone, quiet);
    return turn;
  };
  const has = async (clone: string, commit: string): Promise<boolean> => {
    try {
      await git(clone, 'cat-file', '-e', `${commit}^{commit}`);
      return true;
    } catch {
      return false;
    }
  };
  const opened = async (remote: string): Promise<string> => {
    if (remote.startsWith('-')) throw new CheckoutTrouble(`${remote} is no address of a repository`);
    const clone = cloneOf(remote);
    await mkdir(clone, { recursive: true, mode: 0o700 });
    // Harmless where it is there, and completes one that was killed in the middle.
    await git(clone, 'init', '-q', '--bare', clone);
    await git(clone, 'config', 'remote.origin.url', remote);
    await git(clone, 'config', 'gc.auto', '0');
    await git(clone, 'worktree', 'prune');
    return clone;
  };
  const fetched = async (clone: string, remote: string, commit: string, branch: string | null) => {
    if (await has(clone, commit)) return;
    const fetch = (...refs: string[]) => git(clone, 'fetch', '-q', '--no-tags', '--force', 'origin', ...refs);
    // Not every server gives a commit by its name.
    const byName = await fetch(commit).catch((thrown: unknown) => thrown);
    if (await has(clone, commit)) return;
    await fetch('+refs/heads/*:refs/remotes/origin/*').catch((thrown: unknown) => {
      throw new CheckoutTrouble(`${shown(remote)} cannot be fetched here: ${messageOf(thrown)}`);
    });
    if (await has(clone, commit)) return;
    log.info('worker.commit-missing', { because: messageOf(byName) });
    const at = branch === null ? 'HEAD' : `branch ${branch}`;
    throw new CheckoutTrouble(
      `commit ${commit.slice(0, 12)} (${at}) is not at ${shown(remote)}: push it, then it continues`,
    );
  };
  return {
    async prepare(remote, commit, branch, tree) {
      const clone = cloneOf(remote);
      await inTurn(clone, async () => {
        // Mostly everything is there: starting git is most of what a worktree costs, and the next job waits for it.
        if (
          await added(clone, tree, commit).then(
            () => true,
            () => false,
          )
        )
          return;
        await opened(remote);
        await fetched(clone, remote, commit, branch);
        await added(clone, tree, commit);
      });
    },
    async publish({ remote, tree, base, branch, run, leftovers }) {
      const status = await git(tree, 'status', '--porcelain=v2', '--branch', '--untracked-files=normal');
      const isClean = status.split('\n').every((line) => line === '' || line.startsWith('#'));
      if (isClean && status.includes(`# branch.oid ${base}\n`)) return null;
      if (!isClean) {
        await git(tree, 'add', '-A');
        await git(tree, ...(await author(tree)), 'commit', '-q', '--no-verify', '-m', leftovers);
      }
      const commit = (await git(tree, 'rev-parse', 'HEAD')).trim();
      if (commit === base) return null;
      await git(tree, 'check-ref-format', '--branch', branch);
      const clone = cloneOf(remote);
      const push = (name: string) =>
        inTurn(clone, () => git(tree, 'push', '-q', '--no-verify', 'origin', `${commit}:refs/heads/${name}`));
      try {
        await push(branch);
        return { branch, commit };
      } catch (thrown) {
        if (!/rejected|non-fast-forward|fetch first|cannot lock ref/i.test(messageOf(thrown)))
          throw new CheckoutTrouble(`its commits cannot be pushed to ${shown(remote)}: ${messageOf(thrown)}`);
        // Someone has a branch of this name. Nothing is overwritten, and nothing is thrown away.
        const other = `${branch}-${run.slice(-8).toLowerCase()}`;
        await push(other);
        return { branch: other, commit };
      }
    },
    async remove(remote, tree) {
      const clone = cloneOf(remote);
      const count = (removed.get(clone) ?? 0) + 1;
      removed.set(clone, count % PRUNED_AFTER);
      try {
        await rm(tree, { recursive: true, force: true });
        if (count === PRUNED_AFTER) await inTurn(clone, () => git(clone, 'worktree', 'prune'));
      } catch (thrown) {
        log.warn('worker.not-removed', { file: tree, because: messageOf(thrown) });
      }
    },
  };

  /** Also over what an earlier start of this worker left there. */
  async function added(clone: string, tree: string, commit: string): Promise<void> {
    await rm(tree, { recursive: true, force: true });
    await git(clone, 'worktree', 'add', '-q', '--detach', '--force', tree, commit);
  }

  /** Who commits what an agent left, on a machine where no one has said who commits. */
  async function author(tree: string): Promise<string[]> {
    const known = await git(tree, 'var', 'GIT_COMMITTER_IDENT').catch(() => null);
    return known === null ? ['-c', 'user.name=supervisor worker', '-c', 'user.email=worker@localhost'] : [];
  }
}

/** An address without what may be secret in it. */
function shown(remote: string): string {
  return remote.replace(/\/\/[^/@]*@/, '//');
}
