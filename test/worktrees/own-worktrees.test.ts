// Worktrees of single tasks, with real git.

import { execFileSync } from 'node:child_process';
import { existsSync, lstatSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createGit, type Git } from '../../src/worktrees/git.ts';
import { locateGraph } from '../../src/worktrees/locate.ts';
import { gitDirAt, ownEntries, ownMarkerOf, writeMarker } from '../../src/worktrees/own-marker.ts';
import { type OwnTask, OwnWorktrees } from '../../src/worktrees/own-worktrees.ts';
import { repoAt, Sandbox } from './sandbox.ts';

let sandbox: Sandbox;
let repo: string;
let git: Git;
let own: OwnWorktrees;

beforeEach(() => {
  sandbox = new Sandbox();
  repo = sandbox.repo('shop', { '.gitignore': '.env*\nsecrets/\nlink*\npipe\n', 'a.txt': 'one' });
  git = createGit(sandbox.environment);
  own = new OwnWorktrees(git);
});
afterEach(() => sandbox.remove());

const taskOf = (task: string, more: Partial<OwnTask> = {}): OwnTask => ({
  ...{ graph: join(repo, '.workgraph'), task, createdAt: '2027-01-01T00:00:00Z' },
  ...{ source: repo, repo: join(repo, '.git'), folder: sandbox.path('state/worktrees/shop') },
  ...more,
});
const g = (folder: string, ...args: string[]) => sandbox.git(folder, ...args).trim();
const commit = (folder: string, name: string) => {
  writeFileSync(join(folder, name), name);
  g(folder, 'add', '-A');
  g(folder, 'commit', '-q', '-m', name);
};
const entryOf = (task: string) => {
  const found = ownEntries(join(repo, '.git')).find(({ marker }) => marker.task === task);
  if (!found) throw new Error(`no worktree of ${task}`);
  return found;
};
const branches = () => g(repo, 'branch', '--format=%(refname:short)').split('\n').sort();

describe('making one', () => {
  test('at the commit of its graph’s worktree, on a branch of its own; the same one again for the next run', async () => {
    const made = await own.ensure(taskOf('build-api'));
    expect(made).toMatchObject({
      path: sandbox.path('state/worktrees/shop/build-api'),
      branch: 'wg/build-api',
    });
    expect(readFileSync(join(made.path, 'a.txt'), 'utf8')).toBe('one');
    expect(g(made.path, 'rev-parse', 'HEAD')).toBe(g(repo, 'rev-parse', 'HEAD'));
    expect(g(made.path, 'status', '--porcelain')).toBe('');
    commit(made.path, 'b.txt');
    expect(await own.ensure(taskOf('build-api'))).toEqual(made);
    expect(existsSync(join(made.path, 'b.txt'))).toBe(true);
  });

  test('many at once, each its own', async () => {
    const made = await Promise.all(['a', 'b', 'c', 'd'].map((id) => own.ensure(taskOf(id))));
    expect(new Set(made.map(({ path }) => path)).size).toBe(4);
    expect(branches()).toEqual(['main', 'wg/a', 'wg/b', 'wg/c', 'wg/d']);
  });

  test.each([
    ['a b/c', /^wg\/a-b-c-[0-9a-f]{6}$/],
    ['../../etc', /^wg\/etc-[0-9a-f]{6}$/],
    ['-f', /^wg\/f-[0-9a-f]{6}$/],
    ['x.lock', /^wg\/x-lock-[0-9a-f]{6}$/],
    ['日本', /^wg\/task-[0-9a-f]{6}$/],
    ['x'.repeat(300), /^wg\/x{60}-[0-9a-f]{6}$/],
  ])('the id %j stays within its folder', async (id, branch) => {
    const made = await own.ensure(taskOf(id));
    expect(made.branch).toMatch(branch);
    expect(made.path.startsWith(sandbox.path('state/worktrees/shop/'))).toBe(true);
    expect(made.path.slice(sandbox.path('state/worktrees/shop/').length)).not.toContain('/');
  });

  test('names that are taken: a branch, a folder, a branch `wg`, and the same id in another graph', async () => {
    g(repo, 'branch', 'wg/a');
    expect(await own.ensure(taskOf('a'))).toMatchObject({ branch: 'wg/a-2' });
    mkdirSync(sandbox.path('state/worktrees/shop/b'), { recursive: true });
    expect(await own.ensure(taskOf('b'))).toMatchObject({ path: sandbox.path('state/worktrees/shop/b-2') });
    const other = await own.ensure(taskOf('b', { createdAt: '2028-01-01T00:00:00Z' }));
    expect(other).toMatchObject({ branch: 'wg/b-2', path: sandbox.path('state/worktrees/shop/b-3') });
    const second = sandbox.repo('second');
    g(second, 'branch', 'wg');
    const task = { graph: join(second, '.workgraph'), source: second, repo: join(second, '.git') };
    expect(await own.ensure(taskOf('a', { ...task, folder: sandbox.path('other') }))).toMatchObject({
      branch: 'wg-a',
    });
  });

  test('a repository without a commit is refused in a sentence, and nothing is left', async () => {
    const empty = sandbox.path('empty');
    mkdirSync(empty);
    g(empty, 'init', '-q');
    const task = taskOf('a', { source: empty, repo: join(empty, '.git') });
    await expect(own.ensure(task)).rejects.toMatchObject({ code: 'graph' });
    expect(ownEntries(join(empty, '.git'))).toEqual([]);
  });

  test('a full disk: refused with git’s words, cleared away, and made once there is room', async () => {
    const disk = sandbox.path('disk');
    mkdirSync(disk);
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', disk], { stdio: 'pipe' });
    } catch (thrown) {
      process.stderr.write(`skipped: no small disk can be mounted here (${String(thrown).split('\n')[0]})\n`);
      return;
    }
    try {
      commit(repo, 'big');
      writeFileSync(join(repo, 'big'), Buffer.alloc(512 * 1024, 'x'));
      g(repo, 'commit', '-qam', 'big');
      const task = taskOf('a', { folder: join(disk, 'w') });
      await expect(own.ensure(task)).rejects.toThrow(/git: /);
      expect(existsSync(join(disk, 'w/a'))).toBe(false);
      execFileSync('mount', ['-o', 'remount,size=8m', disk]);
      expect(await own.ensure(task)).toMatchObject({ path: join(disk, 'w/a') });
    } finally {
      execFileSync('umount', ['-l', disk]);
    }
  });
});

describe('cut off', () => {
  test('its folder is removed under the agent: made again on its branch, with what was committed', async () => {
    const made = await own.ensure(taskOf('a'));
    commit(made.path, 'b.txt');
    rmSync(made.path, { recursive: true });
    expect(await own.ensure(taskOf('a'))).toEqual(made);
    expect(existsSync(join(made.path, 'b.txt'))).toBe(true);
  });

  test('the same after `git worktree prune`, when nothing but the branch is left', async () => {
    const made = await own.ensure(taskOf('a'));
    commit(made.path, 'b.txt');
    rmSync(made.path, { recursive: true });
    g(repo, 'worktree', 'prune');
    expect(await own.ensure(taskOf('a'))).toEqual(made);
    expect(existsSync(join(made.path, 'b.txt'))).toBe(true);
  });

  test('killed before its checkout ended: begun again, no second branch', async () => {
    const made = await own.ensure(taskOf('a'));
    const { gitDir, marker } = entryOf('a');
    writeMarker(gitDir, { ...marker, made: false });
    rmSync(join(made.path, 'a.txt'));
    expect(await own.ensure(taskOf('a'))).toEqual(made);
    expect(existsSync(join(made.path, 'a.txt'))).toBe(true);
    expect(branches()).toEqual(['main', 'wg/a']);
  });

  test('killed before it was marked: what git left is cleared away', async () => {
    const made = await own.ensure(taskOf('a'));
    rmSync(join(entryOf('a').gitDir, 'workgraph-task.json'));
    expect(await own.ensure(taskOf('a'))).toEqual(made);
    expect(branches()).toEqual(['main', 'wg/a']);
  });

  test('a marker that is torn is none', async () => {
    const made = await own.ensure(taskOf('a'));
    writeFileSync(join(entryOf('a').gitDir, 'workgraph-task.json'), '{"graph":"/x","ta');
    expect(ownMarkerOf(made.path)).toBeNull();
    expect(await own.ensure(taskOf('a'))).toEqual(made);
  });
});

describe('.worktreeinclude', () => {
  test('names what git ignores, by the patterns of gitignore; nothing tracked, no graph, nothing outside', async () => {
    sandbox.write(repo, {
      '.worktreeinclude': '.env*\n!.env.secret\nsecrets/\nlink*\npipe\n.workgraph/\na.txt\nuntracked\n',
      '.env': 'KEY=1',
      '.env.secret': 'no',
      'secrets/deep/key': 'k',
      untracked: 'would make it unclean',
      '.workgraph/graph.jsonl': '{"kind":"task","id":"a"}\n',
    });
    g(repo, 'add', '.worktreeinclude');
    g(repo, 'commit', '-qm', 'include');
    sandbox.write(repo, { '.git/info/exclude': '.workgraph/\n' });
    sandbox.write(sandbox.folder, { 'outside/key': 'secret' });
    symlinkSync(sandbox.path('outside/key'), join(repo, 'link-out'));
    symlinkSync('../outside', join(repo, 'link-up'));
    symlinkSync('.env', join(repo, 'link-in'));
    execFileSync('mkfifo', [join(repo, 'pipe')]);
    const { path, passedOver } = await own.ensure(taskOf('a'));
    expect(readFileSync(join(path, '.env'), 'utf8')).toBe('KEY=1');
    expect(readFileSync(join(path, 'secrets/deep/key'), 'utf8')).toBe('k');
    expect(lstatSync(join(path, 'link-in')).isSymbolicLink()).toBe(true);
    for (const name of ['.env.secret', 'untracked', 'link-out', 'link-up', 'pipe', '.workgraph'])
      expect([name, lstatSync(join(path, name), { throwIfNoEntry: false })]).toEqual([name, undefined]);
    expect([...passedOver].sort()).toEqual(['.workgraph/graph.jsonl', 'link-out', 'link-up']);
    expect(g(path, 'status', '--porcelain')).toBe('');
  });

  test('a pipe in its place, or none: nothing is copied and nothing hangs', async () => {
    execFileSync('mkfifo', [join(repo, '.worktreeinclude')]);
    await expect(own.ensure(taskOf('a'))).rejects.toThrow();
    rmSync(join(repo, '.worktreeinclude'));
    expect(await own.ensure(taskOf('a'))).toMatchObject({ passedOver: [] });
  });
});

describe('removing one', () => {
  const state = (task: string) => own.state(entryOf(task), repo);

  test('clean and without commits of its own it goes, with its branch', async () => {
    const { path } = await own.ensure(taskOf('a'));
    const landed = await state('a');
    expect(landed).toMatchObject({ kind: 'landed', isMerged: true });
    if (landed.kind === 'landed') await own.remove(entryOf('a'), repo, landed);
    expect(existsSync(path)).toBe(false);
    expect(branches()).toEqual(['main']);
    expect(g(repo, 'config', '--list')).not.toContain('branch.wg');
  });

  test.each<[string, (path: string) => void, string]>([
    ['a changed file', (path) => writeFileSync(join(path, 'a.txt'), 'two'), '1 file is changed'],
    ['a new file', (path) => writeFileSync(join(path, 'new'), ''), '1 file is changed'],
    ['a commit', (path) => commit(path, 'b.txt'), 'commits of wg/a that are on no other branch'],
    [
      'a commit on a detached head',
      (path) => {
        g(path, 'checkout', '-q', '--detach');
        commit(path, 'b.txt');
      },
      'commits of wg/a that are on no other branch',
    ],
  ])('%s keeps it, with the command that removes it all the same', async (_name, change, because) => {
    const { path } = await own.ensure(taskOf('a'));
    change(path);
    const kept = await state('a');
    expect(kept).toMatchObject({ kind: 'kept', because: expect.stringContaining(because) });
    if (kept.kind !== 'kept') return;
    execFileSync('sh', ['-c', kept.command], {
      stdio: 'pipe',
      env: { PATH: process.env.PATH, HOME: sandbox.home },
    });
    expect(existsSync(path)).toBe(false);
  });

  test('merged, picked and pushed commits have landed; a pushed branch stays', async () => {
    const { path } = await own.ensure(taskOf('a'));
    commit(path, 'b.txt');
    g(repo, 'merge', '-q', '--no-ff', '-m', 'merge', 'wg/a');
    expect(await state('a')).toMatchObject({ kind: 'landed', isMerged: true });

    const picked = await own.ensure(taskOf('p'));
    commit(picked.path, 'p.txt');
    commit(repo, 'between.txt');
    g(repo, 'cherry-pick', 'wg/p');
    expect(await state('p')).toMatchObject({ kind: 'landed', isMerged: true });

    const pushed = await own.ensure(taskOf('q'));
    commit(pushed.path, 'q.txt');
    g(repo, 'init', '-q', '--bare', sandbox.path('origin.git'));
    g(repo, 'remote', 'add', 'origin', sandbox.path('origin.git'));
    g(pushed.path, 'push', '-q', 'origin', 'wg/q');
    const landed = await state('q');
    expect(landed).toMatchObject({ kind: 'landed', isMerged: false });
    if (landed.kind === 'landed') await own.remove(entryOf('q'), repo, landed);
    expect(existsSync(pushed.path)).toBe(false);
    expect(branches()).toContain('wg/q');
  });

  test('another task’s branch is no landing', async () => {
    const { path } = await own.ensure(taskOf('a'));
    commit(path, 'b.txt');
    const other = await own.ensure(taskOf('b'));
    g(other.path, 'merge', '-q', 'wg/a');
    expect(await state('a')).toMatchObject({ kind: 'kept' });
  });

  test('what changed after it was judged is not lost', async () => {
    const { path } = await own.ensure(taskOf('a'));
    const landed = await state('a');
    writeFileSync(join(path, 'late'), '');
    if (landed.kind !== 'landed') throw new Error('it should have landed');
    await expect(own.remove(entryOf('a'), repo, landed)).rejects.toThrow(/git: /);
    expect(existsSync(join(path, 'late'))).toBe(true);
  });
});

describe('one graph, one identity', () => {
  beforeEach(() => {
    sandbox.write(repo, { '.workgraph/graph.jsonl': '{"kind":"task","id":"a"}\n' });
    g(repo, 'add', '-A', '-f');
    g(repo, 'commit', '-qm', 'graph');
  });

  test('the copy of a committed graph in it is no graph; it reaches the one of its task', async () => {
    const { path } = await own.ensure(taskOf('a'));
    expect(existsSync(join(path, '.workgraph/graph.jsonl'))).toBe(true);
    const [found] = await sandbox.discovery().list({ repos: [repoAt(repo)], roots: [] });
    const worktrees = found?.repository.worktrees ?? [];
    expect(worktrees.map((one) => [one.path, one.graph, one.graphIsAlias, one.ownTask])).toEqual([
      [repo, join(repo, '.workgraph'), false, undefined],
      [path, join(repo, '.workgraph'), true, 'a'],
    ]);
    const located = await locateGraph(join(path), { home: sandbox.home, create: true });
    expect(located).toMatchObject({ graph: join(repo, '.workgraph'), worktree: repo, created: false });
  });

  test('also when it was moved; a marker that names a graph of another repository reaches none', async () => {
    const { path } = await own.ensure(taskOf('a'));
    const moved = sandbox.path('moved');
    g(repo, 'worktree', 'move', path, moved);
    const graphs = async () => {
      const [found] = await sandbox.discovery().list({ repos: [repoAt(repo)], roots: [] });
      return found?.repository.worktrees.find((one) => one.path === moved)?.graph ?? null;
    };
    expect(await graphs()).toBe(join(repo, '.workgraph'));
    const other = sandbox.repo('other', { '.workgraph/graph.jsonl': '' });
    const gitDir = gitDirAt(join(repo, '.git'), moved) ?? '';
    const { marker } = entryOf('a');
    writeMarker(gitDir, { ...marker, graph: join(other, '.workgraph') });
    expect(await graphs()).toBeNull();
  });
});
