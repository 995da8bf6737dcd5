import { execFileSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { gitObstacle } from '../../src/worktrees/git-obstacles.ts';
import { HOSTILE, put } from '../support/hostile-files.ts';

let folder: string;
let repo: string;
let linked: string;

beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'git-obstacles-')));
  repo = join(folder, 'repo');
  linked = join(folder, 'linked');
  const git = (...args: string[]) => execFileSync('git', args, { cwd: folder });
  git('init', '-q', '-b', 'main', repo);
  git('-C', repo, 'commit', '-q', '--allow-empty', '-m', 'Begin');
  git('-C', repo, 'worktree', 'add', '-q', '-b', 'other', linked);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('there is none in a plain repository, its worktrees, a folder within, a bare one, and where there is no git', () => {
  mkdirSync(join(repo, 'src'));
  const bare = join(folder, 'bare.git');
  execFileSync('git', ['init', '-q', '--bare', bare]);
  for (const place of [
    repo,
    linked,
    join(repo, 'src'),
    bare,
    folder,
    join(repo, '.git'),
    join(folder, 'none'),
  ])
    for (const all of [true, false]) expect([place, gitObstacle(place, all)]).toEqual([place, null]);
});

const KINDS = Object.entries(HOSTILE).filter(([kind]) => !/random|link out/.test(kind));
const FILES = ['HEAD', 'config', 'commondir', 'refs/heads/main'];

describe.each(KINDS)('%s', (_kind, how) => {
  test.each(FILES)('in place of %s', (name) => {
    const path = join(repo, '.git', name);
    put(path, folder, how);
    expect(gitObstacle(repo, true)).toContain(path);
  });

  test.each([
    'HEAD',
    'commondir',
    'gitdir',
  ])('in place of %s of a linked worktree, where they are listed', (name) => {
    const path = join(repo, '.git', 'worktrees', 'linked', name);
    put(path, folder, how);
    expect(gitObstacle(repo, true)).toContain(path);
    expect(gitObstacle(repo, false)).toBeNull();
    expect(gitObstacle(linked, false)).toContain(path);
  });

  test('in place of the file that names the git dir', () => {
    put(join(linked, '.git'), folder, how);
    // A folder is one without anything of git's in it.
    if (how === HOSTILE['a folder']) expect(gitObstacle(linked, true)).toBeNull();
    else expect(gitObstacle(linked, true)).toContain(join(linked, '.git'));
  });
});

test('a git dir that is linked to is looked at, one that leads in a circle is named or left to git', () => {
  const moved = join(folder, 'moved.git');
  execFileSync('mv', [join(repo, '.git'), moved]);
  symlinkSync(moved, join(repo, '.git'));
  expect(gitObstacle(repo, true)).toBeNull();
  unlinkSync(join(repo, '.git'));
  writeFileSync(join(repo, '.git'), 'gitdir: .git\n');
  expect(() => gitObstacle(repo, true)).not.toThrow();
});
