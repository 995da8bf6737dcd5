import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { graphFolderIn, isAgentWorktree } from '../../src/worktrees/graph-folder.ts';
import { nameGraphs } from '../../src/worktrees/graph-names.ts';
import { repoAt, Sandbox } from './sandbox.ts';

let box: Sandbox;
beforeEach(() => {
  box = new Sandbox();
});
afterEach(() => box.remove());

const folder = (...parts: string[]) => {
  mkdirSync(box.path(...parts), { recursive: true });
  return box.path(...parts);
};

describe('the graph folder of a worktree', () => {
  test('.wg wins over .workgraph, and needs no graph.jsonl', async () => {
    const wt = folder('wt');
    expect(await graphFolderIn(wt, box.home)).toBeNull();
    folder('wt', '.workgraph');
    expect(await graphFolderIn(wt, box.home)).toMatchObject({ path: join(wt, '.workgraph'), alias: false });
    folder('wt', '.wg');
    expect(await graphFolderIn(wt, box.home)).toMatchObject({ path: join(wt, '.wg'), alias: false });
  });

  test('a file, a broken link, a loop or a link to a file named .wg is passed over', async () => {
    const wt = folder('wt');
    folder('wt', '.workgraph');
    const wg = join(wt, '.wg');
    for (const make of [
      () => writeFileSync(wg, ''),
      () => symlinkSync('/nowhere', wg),
      () => symlinkSync('.wg', wg),
      () => symlinkSync('/etc/hostname', wg),
    ]) {
      make();
      expect((await graphFolderIn(wt, box.home))?.path).toBe(join(wt, '.workgraph'));
      rmSync(wg);
    }
  });

  test('a symlink leads to its target, which is an alias', async () => {
    const target = folder('shared', 'graph');
    const wt = folder('wt');
    symlinkSync(target, join(wt, '.workgraph'));
    expect(await graphFolderIn(wt, box.home)).toMatchObject({ path: target, alias: true });
  });

  test('a worktree reached through a symlink has its graph all the same, and it is no alias', async () => {
    const wt = folder('wt');
    folder('wt', '.workgraph');
    symlinkSync(wt, box.path('link'));
    expect(await graphFolderIn(box.path('link'), box.home)).toMatchObject({
      path: join(wt, '.workgraph'),
      alias: false,
    });
  });

  test("wg's global settings are never a project, directly or by a link", async () => {
    folder('home', '.wg');
    expect(await graphFolderIn(box.home, box.home)).toBeNull();
    folder('home', '.workgraph');
    expect(await graphFolderIn(box.home, box.home)).toBeNull();
    const wt = folder('wt');
    symlinkSync(join(box.home, '.wg'), join(wt, '.wg'));
    expect(await graphFolderIn(wt, box.home)).toBeNull();
    folder('wt', '.workgraph');
    expect((await graphFolderIn(wt, box.home))?.path).toBe(join(wt, '.workgraph'));
  });

  test("agents' worktrees lie below the main one in one of two places", () => {
    expect(isAgentWorktree('/r/.wg-worktrees/agent-1', '/r')).toBe(true);
    expect(isAgentWorktree('/r/.claude/worktrees/x', '/r')).toBe(true);
    expect(isAgentWorktree('/r/.wg-worktrees', '/r')).toBe(false);
    expect(isAgentWorktree('/r/.wg-worktrees-2/x', '/r')).toBe(false);
    expect(isAgentWorktree('/other/.wg-worktrees/agent-1', '/r')).toBe(false);
  });
});

describe('one graph, several worktrees', () => {
  const list = async (...paths: string[]) => {
    const found = await box.discovery().list({ repos: paths.map((path) => repoAt(path)), roots: [] });
    return found.flatMap(({ repository }) =>
      repository.worktrees.map(({ path, graph, graphIsAlias, graphTracked }) => ({
        path: path.slice(box.folder.length),
        graph: graph?.slice(box.folder.length) ?? null,
        graphIsAlias,
        graphTracked,
      })),
    );
  };

  test('a symlinked .workgraph shared by two worktrees is one graph, owned by the one that holds it', async () => {
    const repo = box.repo('r', { '.workgraph/graph.jsonl': '' });
    const linked = box.worktree(repo, 'w');
    rmSync(join(linked, '.workgraph'), { recursive: true });
    symlinkSync(join(repo, '.workgraph'), join(linked, '.workgraph'));
    expect(await list(repo)).toEqual([
      { path: '/r', graph: '/r/.workgraph', graphIsAlias: false, graphTracked: true },
      { path: '/w', graph: '/r/.workgraph', graphIsAlias: true, graphTracked: true },
    ]);
  });

  test("wg's and Claude's agent worktrees belong to the main one, linked, bare of a graph, or with a copy of it", async () => {
    const repo = box.repo('r', { '.workgraph/graph.jsonl': '' });
    const one = box.worktree(repo, join(repo, '.wg-worktrees', 'agent-1'), '-b', 'wg/agent-1/t');
    symlinkSync(join(repo, '.workgraph'), join(one, '.wg'));
    const two = box.worktree(repo, join(repo, '.claude', 'worktrees', 'x'), '-b', 'x');
    rmSync(join(two, '.workgraph'), { recursive: true });
    box.worktree(repo, join(repo, '.claude', 'worktrees', 'copy'), '-b', 'copy');
    expect(new Set((await list(repo)).map(({ graph }) => graph))).toEqual(new Set(['/r/.workgraph']));
    expect((await list(repo)).filter(({ graphIsAlias }) => !graphIsAlias)).toHaveLength(1);
  });

  test("an agent's worktree keeps its own graph where the main one has none", async () => {
    const repo = box.repo('r');
    const own = box.worktree(repo, join(repo, '.wg-worktrees', 'agent-1'));
    box.write(own, { '.wg/graph.jsonl': '' });
    expect((await list(repo))[1]).toMatchObject({
      graph: '/r/.wg-worktrees/agent-1/.wg',
      graphIsAlias: false,
    });
  });

  test('a committed graph is its own in every worktree, and each says that it is tracked', async () => {
    const repo = box.repo('r', { '.wg/graph.jsonl': '' });
    box.worktree(repo, 'w');
    expect(await list(repo)).toEqual([
      { path: '/r', graph: '/r/.wg', graphIsAlias: false, graphTracked: true },
      { path: '/w', graph: '/w/.wg', graphIsAlias: false, graphTracked: true },
    ]);
  });

  test.each<[string, (repo: string) => void]>([
    ['version 4', (repo) => box.git(repo, 'update-index', '--index-version', '4')],
    ['split', (repo) => box.git(repo, 'update-index', '--split-index')],
    ['sparse', (repo) => box.git(repo, 'sparse-checkout', 'set', '--cone', '--sparse-index', 'other')],
  ])('a committed graph is found in an index that is %s', async (_kind, change) => {
    const repo = box.repo('r', { '.workgraph/graph.json': '', '.workgraph/graph.jsonl': '', 'other/x': '' });
    change(repo);
    box.write(repo, { '.workgraph/x': '' });
    expect(await list(repo)).toMatchObject([{ graph: '/r/.workgraph', graphTracked: true }]);
  });

  test('a graph that git ignores is not tracked', async () => {
    const repo = box.repo('r', { '.gitignore': '.workgraph\n' });
    box.write(repo, { '.workgraph/graph.jsonl': '' });
    expect(await list(repo)).toMatchObject([{ graph: '/r/.workgraph', graphTracked: false }]);
  });

  test('two repositories may share one graph', async () => {
    const first = box.repo('first');
    const second = box.repo('second');
    box.write(second, { '.workgraph/graph.jsonl': '' });
    symlinkSync(join(second, '.workgraph'), join(first, '.workgraph'));
    expect(await list(first, second)).toMatchObject([
      { path: '/first', graph: '/second/.workgraph', graphIsAlias: true },
      { path: '/second', graph: '/second/.workgraph', graphIsAlias: false },
    ]);
  });

  test('one folder under two real names, as a bind mount gives it, has one name', () => {
    const worktree = (path: string, graph: string | null, graphIsAlias: boolean) => ({
      path, repo: 'r', main: path === '/a', bare: false, detached: false, branch: 'b', head: null, locked: null,
      prunable: null, missing: false, graph, graphIsAlias, graphTracked: path === '/a',
    }); // biome-ignore format: fields of no interest
    const mounted = { worktree: worktree('/mnt', '/mnt/.wg', false), identity: '1:7' };
    const linked = { worktree: worktree('/l', '/mnt/.wg', true), identity: '1:7' };
    const owner = { worktree: worktree('/a', '/a/.wg', false), identity: '1:7' };
    const other = { worktree: worktree('/o', '/o/.wg', false), identity: '2:7' };
    const none = { worktree: worktree('/n', null, false), identity: null };
    const all = [linked, owner, mounted, other, none];
    const named = nameGraphs(all);
    expect(
      all.map(named).map(({ graph, graphIsAlias, graphTracked }) => [graph, graphIsAlias, graphTracked]),
    ).toEqual([
      ['/a/.wg', true, true],
      ['/a/.wg', false, true],
      ['/a/.wg', true, true],
      ['/o/.wg', false, false],
      [null, false, false],
    ]);
  });
});
