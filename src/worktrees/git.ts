// The git queries of discovery. The only user of simple-git. Knows nothing of graphs.

import { existsSync } from 'node:fs';
import pLimit from 'p-limit';
import { simpleGit } from 'simple-git';
import { messageOf, SupervisorError } from '../domain/errors.ts';
import type { Environment } from '../platform/environment.ts';
import { gitObstacle } from './git-obstacles.ts';
import { type ListedWorktree, parseWorktreeList } from './porcelain.ts';

/** Queries to git. Each rejects with SupervisorError `graph`: one sentence, and git's own advice as the hint. */
export interface Git {
  /** The common git dir of the repository around `folder`, absolute. */
  commonDir(folder: string): Promise<string>;
  /** All worktrees of the repository that `folder` is in, whose common git dir is `commonDir`. */
  worktrees(folder: string, commonDir: string): Promise<ListedWorktree[]>;
  /** The commit and the branch of the worktree; rejects on an unborn branch. */
  standing(worktree: string): Promise<{ readonly head: string; readonly branch: string | null }>;
  /** Whether `file`, relative to the worktree, is in its index. */
  isTracked(worktree: string, file: string): Promise<boolean>;
  /** Runs a command that may change the repository, or a longer question; its output. Rejects with git's own words. */
  call(folder: string, ...args: string[]): Promise<string>;
  /** How many times git was run: the measure of how cheap listing again is. */
  readonly runs: number;
}

/** More at once gain nothing on small machines and starve others. */
const AT_ONCE = 4;

/** A git that prints nothing for this long hangs, for example on a dead network mount, ms. */
const SILENCE_MS = 10_000;

/** A checkout of a large repository prints nothing for long, ms. */
const CALL_SILENCE_MS = 10 * 60_000;

/** The part of our environment that git may see. An outer process's GIT_* would point it at another repository. */
const PASSED_ON = [
  'PATH',
  'HOME',
  'XDG_CONFIG_HOME',
  'TMPDIR',
  'SUDO_UID',
  'NIX_PROFILES',
  'DEVELOPER_DIR',
] as const;

/** git through simple-git. Every given folder must exist. */
export function createGit(environment: Environment): Git {
  const inTurn = pLimit(AT_ONCE);
  const variables: Record<string, string> = { HOME: environment.home, LC_ALL: 'C' };
  for (const name of PASSED_ON) {
    const value = environment.variables[name];
    if (value !== undefined) variables[name] = value;
  }
  let runs = 0;
  const run = async (folder: string, args: string[]): Promise<string> => {
    try {
      return await runPlain(folder, args);
    } catch (thrown) {
      // A user's setting may require bare repositories to be named explicitly. The configuration named it.
      if (!/safe\.bareRepository/i.test(messageOf(thrown))) throw thrown;
      return await runPlain(folder, [`--git-dir=${folder}`, ...args]);
    }
  };
  const runPlain = (folder: string, args: string[], silenceMs = SILENCE_MS, isCall = false) =>
    inTurn(async () => {
      const obstacle = gitObstacle(folder, args.includes('worktree'));
      if (obstacle !== null)
        throw new SupervisorError('graph', `git is not run in ${folder}: ${obstacle}`, {
          hint: 'move it away, or restore it',
        });
      runs++;
      try {
        return await simpleGit({
          baseDir: folder,
          trimmed: false,
          timeout: { block: silenceMs },
          // A repository may name a program of its own here, and reading the index would run it. The repository need
          // not be trusted yet.
          config: ['core.fsmonitor=false'],
          // Only we name a git dir.
          unsafe: { allowUnsafeFsMonitor: true, allowUnsafeConfigPaths: true },
        })
          .env(variables)
          .raw(args);
      } catch (thrown) {
        // A folder that vanished meanwhile looks as if git itself were missing.
        if (!existsSync(folder))
          throw new SupervisorError('graph', `${folder} does not exist`, {
            hint: 'correct the path',
            cause: thrown,
          });
        throw isCall ? callTrouble(messageOf(thrown), thrown) : gitTrouble(folder, messageOf(thrown), thrown);
      }
    });
  return {
    get runs() {
      return runs;
    },
    async commonDir(folder) {
      return withoutNewline(await run(folder, ['rev-parse', '--path-format=absolute', '--git-common-dir']));
    },
    async worktrees(folder, commonDir) {
      const listed = parseWorktreeList(await run(folder, ['worktree', 'list', '--porcelain', '-z']));
      const [main, ...others] = listed;
      if (!main) throw gitTrouble(folder, 'git listed no worktree at all', undefined);
      if (main.bare || main.path !== commonDir) return listed;
      return [{ ...main, path: await mainOf(run, folder, commonDir) }, ...others];
    },
    async standing(worktree) {
      const said = await run(worktree, ['rev-parse', 'HEAD', '--symbolic-full-name', 'HEAD']);
      const [head = '', ref = ''] = said.split('\n');
      return { head, branch: /^refs\/heads\/(.+)$/.exec(ref)?.[1] ?? null };
    },
    call: (folder, ...args) => runPlain(folder, args, CALL_SILENCE_MS, true),
    async isTracked(worktree, file) {
      return (await run(worktree, ['ls-files', '-z', '--', file])) !== '';
    },
  };
}

type Run = (folder: string, args: string[]) => Promise<string>;

/**
 * git names a main worktree after its git dir without `/.git`. If the git dir is elsewhere (--separate-git-dir,
 * submodules) that names the git dir itself; from inside the worktree the real path is known.
 */
async function mainOf(run: Run, folder: string, commonDir: string): Promise<string> {
  try {
    const own = await run(folder, ['rev-parse', '--path-format=absolute', '--git-dir']);
    if (withoutNewline(own) !== commonDir) return commonDir;
    return withoutNewline(await run(folder, ['rev-parse', '--show-toplevel']));
  } catch {
    // Inside the git dir itself there is no top level; git's own answer is then the best there is.
    return commonDir;
  }
}

/** git ends a path with one newline of its own; a path may end with further ones. */
function withoutNewline(output: string): string {
  return output.replace(/\n$/, '');
}

/** git's own last words: progress and hints come before. */
function callTrouble(message: string, cause: unknown): SupervisorError {
  const lines = message.split('\n').filter((line) => /^(?:fatal|error): /.test(line));
  const said = lines.at(-1)?.replace(/^(?:fatal|error): /, '') ?? message.trim().split('\n').at(-1) ?? '';
  return new SupervisorError('graph', `git: ${said.trim() || 'it failed'}`, { cause });
}

function gitTrouble(folder: string, message: string, cause: unknown): SupervisorError {
  const trouble = (sentence: string, hint: string) => new SupervisorError('graph', sentence, { hint, cause });
  if (/not a git repository/.test(message))
    return trouble(
      /not a git repository: /.test(message)
        ? `${folder} was a worktree of a repository that is gone`
        : `${folder} is not in a git repository`,
      'correct the path, or run `git init` there',
    );
  if (/dubious ownership/.test(message)) {
    const command = /^\s*(git config .*)$/m.exec(message)?.[1];
    return trouble(
      `git refuses ${folder}: it belongs to another user (dubious ownership)`,
      `if that is as it should be, run: ${command ?? `git config --global --add safe.directory '${folder}'`}`,
    );
  }
  if (/ENOENT/.test(message)) return trouble('git was not found', 'install git, or put it into PATH');
  if (/block timeout/i.test(message))
    return trouble(
      `git did not answer in ${folder} within ${SILENCE_MS / 1000} s`,
      'is it on a network mount?',
    );
  if (/unknown switch `z'|usage: git worktree/.test(message))
    return trouble('this git is too old to list worktrees safely', 'install git 2.36 or newer');
  const line = message.split('\n').find((one) => one.trim() !== '') ?? 'git failed';
  return trouble(
    `git cannot read ${folder}: ${line.replace(/^fatal: /, '').trim()}`,
    'run `git status` there',
  );
}
