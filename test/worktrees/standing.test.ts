import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { Worktree } from '../../src/domain/worktree.ts';
import { createGit, type Git } from '../../src/worktrees/git.ts';
import { standingOf } from '../../src/worktrees/standing.ts';

let box: string;
let repo: string;
let git: Git;

const run = (...args: string[]) => execFileSync('git', args, { cwd: repo, encoding: 'utf8' }).trim();
const commit = () => run('commit', '-q', '--allow-empty', '-m', 'x');
/** What a listing said a while ago. */
const listed = (path: string) => ({ path, head: 'old', branch: 'old' }) as Worktree;
const now = (path = repo) => standingOf(listed(path), git);
const truth = () => ({ head: run('rev-parse', 'HEAD'), branch: run('branch', '--show-current') || null });

beforeEach(() => {
  box = mkdtempSync(join(tmpdir(), 'standing-'));
  repo = join(box, 'repo');
  execFileSync('git', ['init', '-q', '-b', 'main', repo]);
  git = createGit({ variables: process.env, home: box, platform: process.platform });
});
afterEach(() => rmSync(box, { recursive: true, force: true }));

test('loose, packed, detached, unborn, in a linked worktree: what git says, without running it', async () => {
  expect(await now()).toEqual({ head: null, branch: 'main' });
  commit();
  expect(await now()).toEqual(truth());
  run('pack-refs', '--all');
  run('checkout', '-q', '-b', 'feature/a');
  expect(await now()).toEqual(truth());
  run('pack-refs', '--all');
  expect(await now()).toEqual(truth());
  commit();
  expect(await now()).toEqual(truth());
  run('checkout', '-q', '--detach', 'main');
  expect(await now()).toEqual(truth());
  run('worktree', 'add', '-q', '-b', 'other', join(box, 'other'));
  expect(await now(join(box, 'other'))).toEqual({ head: run('rev-parse', 'other'), branch: 'other' });
  expect(git.runs).toBe(0);
});

test('a symbolic branch is asked of git; what cannot be looked at is as it was listed', async () => {
  commit();
  run('symbolic-ref', 'refs/heads/alias', 'refs/heads/main');
  run('symbolic-ref', 'HEAD', 'refs/heads/alias');
  expect((await now()).head).toBe(run('rev-parse', 'main'));
  expect(git.runs).toBe(1);
  expect(await now(join(box, 'gone'))).toEqual({ head: 'old', branch: 'old' });
  // A HEAD that would lead out of the git dir is no branch of the supervisor.
  writeFileSync(join(repo, '.git', 'HEAD'), 'ref: refs/heads/../../../secret\n');
  expect(await now()).toEqual({ head: 'old', branch: 'old' });
});

test('refs in a reftable', async () => {
  rmSync(repo, { recursive: true });
  try {
    execFileSync('git', ['init', '-q', '-b', 'main', '--ref-format=reftable', repo], { stdio: 'pipe' });
  } catch {
    process.stderr.write('not run: this git has no reftable\n');
    return;
  }
  commit();
  run('checkout', '-q', '-b', 'feature');
  expect(await now()).toEqual(truth());
});
