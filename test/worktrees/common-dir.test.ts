import { mkdirSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { isListOf, likelyCommonDir } from '../../src/worktrees/common-dir.ts';
import { createGit } from '../../src/worktrees/git.ts';
import { repoAt, Sandbox } from './sandbox.ts';

let box: Sandbox;
beforeEach(() => {
  box = new Sandbox();
});
afterEach(() => box.remove());

/** Folder → how surely its git dir is known without asking git. */
const layouts: readonly [string, 'plain' | 'asked', (box: Sandbox) => string][] = [
  ['a repository', 'plain', (b) => b.repo('r')],
  ['a linked worktree', 'plain', (b) => b.worktree(b.repo('r'), 'linked')],
  ['a symlink to a repository', 'plain', (b) => link(b, b.repo('r'))],
  ['a folder inside of one', 'asked', (b) => inside(b.repo('r'))],
  ['a worktree of a bare repository', 'asked', (b) => b.worktree(bare(b), 'linked')],
  ['a bare repository itself', 'asked', bare],
  ['a git dir that lies elsewhere', 'asked', separate],
  ['a repository inside of one, its git dir emptied', 'asked', (b) => hollow(b, b.repo('r'))],
  ['a main worktree that says where it works', 'asked', movedWorktree],
];

function link(b: Sandbox, repo: string): string {
  symlinkSync(repo, b.path('link'));
  return b.path('link');
}
function inside(repo: string): string {
  mkdirSync(join(repo, 'deep'));
  return join(repo, 'deep');
}
function bare(b: Sandbox): string {
  b.git(b.folder, 'clone', '-q', '--bare', b.repo('r'), b.path('r.git'));
  return b.path('r.git');
}
function separate(b: Sandbox): string {
  b.git(b.folder, 'init', '-q', '--separate-git-dir', b.path('elsewhere'), b.path('r'));
  return b.path('r');
}
function hollow(b: Sandbox, repo: string): string {
  const inner = join(repo, 'inner');
  b.git(repo, 'init', '-q', inner);
  rmSync(join(inner, '.git', 'refs'), { recursive: true });
  return inner;
}
function movedWorktree(b: Sandbox): string {
  b.git(b.repo('r'), 'config', 'core.worktree', b.path());
  return b.path('r');
}

test.each(layouts)('%s is named by the git dir that git names', async (_what, how, make) => {
  const folder = make(box);
  const git = createGit(box.environment);
  const common = realpathSync(await git.commonDir(folder));
  const likely = await likelyCommonDir(folder);
  const confirmed = likely !== null && (await isListOf(await git.worktrees(folder, likely), likely));
  if (how === 'plain') expect([likely, confirmed]).toEqual([common, true]);
  else if (confirmed) expect(likely).toBe(common);
  const [found] = await box.discovery().list({ repos: [repoAt(folder)], roots: [] });
  expect(found?.repository).toMatchObject({ id: common, problem: null });
});

test('the worktrees of one repository take one question, also when two of them are named', async () => {
  const repo = box.repo('r');
  const linked = Array.from({ length: 5 }, (_, n) => box.worktree(repo, `w${n}`));
  const discovery = box.discovery();
  const [found] = await discovery.list({ repos: [repoAt(repo)], roots: [] });
  expect(found?.repository.worktrees).toHaveLength(6);
  expect(discovery.gitRuns).toBe(1);
  const both = await box.discovery().list({ repos: [repoAt(repo), repoAt(linked[2] ?? '')], roots: [] });
  expect(both).toHaveLength(1);
});

test('what looks like a repository and is none is told in the words of git', async () => {
  const folder = box.path('torn');
  mkdirSync(join(folder, '.git', 'objects'), { recursive: true });
  mkdirSync(join(folder, '.git', 'refs'));
  writeFileSync(join(folder, '.git', 'HEAD'), 'neither a ref nor a commit\n');
  expect(await likelyCommonDir(folder)).toBe(join(folder, '.git'));
  const [found] = await box.discovery().list({ repos: [repoAt(folder)], roots: [] });
  expect(found?.repository.problem).toBe(
    `${folder} is not in a git repository; correct the path, or run \`git init\` there`,
  );
  expect(await likelyCommonDir(box.path('nowhere'))).toBeNull();
});
