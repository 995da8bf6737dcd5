import { chmodSync, chownSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { repoAt, rootAt, Sandbox } from './sandbox.ts';

let box: Sandbox;
beforeEach(() => {
  box = new Sandbox();
});
afterEach(() => box.remove());

/** The only repository found for these paths. */
async function one(...paths: string[]) {
  const found = await box.discovery().list({ repos: paths.map((path) => repoAt(path)), roots: [] });
  expect(found).toHaveLength(1);
  const [only] = found;
  if (!only) throw new Error('nothing found');
  return only.repository;
}

describe('what a worktree can be', () => {
  test('main and linked, with branch and commit', async () => {
    const repo = box.repo('shop');
    const head = box.git(repo, 'rev-parse', 'HEAD').trim();
    const linked = box.worktree(repo, 'shop-feature', '-b', 'feat/x');
    expect(await one(repo)).toEqual({
      id: join(repo, '.git'),
      name: 'shop',
      path: repo,
      problem: null,
      worktrees: [
        expect.objectContaining({
          path: repo,
          main: true,
          branch: 'main',
          head,
          detached: false,
          graph: null,
        }),
        expect.objectContaining({
          path: linked,
          main: false,
          branch: 'feat/x',
          head,
          repo: join(repo, '.git'),
        }),
      ],
    });
  });

  test('detached, locked with a reason over two lines, unborn', async () => {
    const repo = box.repo('r');
    box.worktree(repo, 'd', '--detach');
    box.git(repo, 'worktree', 'lock', '--reason', 'on a\nstick', box.path('d'));
    const { worktrees } = await one(repo);
    expect(worktrees[1]).toMatchObject({ detached: true, branch: null, locked: 'on a\nstick' });
    const unborn = box.path('unborn');
    mkdirSync(unborn);
    box.git(unborn, 'init', '-q');
    expect((await one(unborn)).worktrees).toMatchObject([{ branch: 'main', head: null, main: true }]);
  });

  test('missing and prunable once its folder is gone; locked and missing is not prunable', async () => {
    const repo = box.repo('r');
    const gone = box.worktree(repo, 'gone');
    const stick = box.worktree(repo, 'stick');
    box.git(repo, 'worktree', 'lock', stick);
    rmSync(gone, { recursive: true });
    rmSync(stick, { recursive: true });
    const { worktrees } = await one(repo);
    expect(worktrees.map(({ path, missing, locked }) => ({ path, missing, locked }))).toEqual([
      { path: repo, missing: false, locked: null },
      { path: gone, missing: true, locked: null },
      { path: stick, missing: true, locked: '' },
    ]);
    expect(worktrees[1]?.prunable).toMatch(/non-existent/);
    expect(worktrees[2]?.prunable).toBeNull();
  });

  test('moved by hand: missing under its old name, and git keeps saying so until it is repaired', async () => {
    const repo = box.repo('r');
    const old = box.worktree(repo, 'old');
    renameSync(old, box.path('new'));
    const discovery = box.discovery();
    const wanted = { repos: [repoAt(repo)], roots: [] };
    const paths = async () =>
      (await discovery.list(wanted))[0]?.repository.worktrees.map(({ path, missing }) => [path, missing]);
    expect(await paths()).toEqual([
      [repo, false],
      [old, true],
    ]);
    box.git(box.path('new'), 'worktree', 'repair');
    expect(await paths()).toEqual([
      [repo, false],
      [box.path('new'), false],
    ]);
  });

  test.each([
    'with blank',
    'two\nlines',
    'größe 世界 🦉',
    'quote\'d "name"',
    '-dash',
    'end ',
  ])('a path like %j', async (name) => {
    const repo = box.repo(`repo ${name}`);
    const linked = box.worktree(repo, box.path(`tree ${name}`), '-b', 'b');
    box.write(linked, { '.workgraph/graph.jsonl': '' });
    const found = await one(repo);
    expect(found.path).toBe(repo);
    expect(found.worktrees[1]).toMatchObject({
      path: linked,
      missing: false,
      graph: join(linked, '.workgraph'),
      graphTracked: false,
    });
  });

  test('a bare repository with worktrees: its own entry has no graph', async () => {
    const source = box.repo('src');
    const bare = box.path('shop.git');
    box.git(box.folder, 'clone', '-q', '--bare', source, bare);
    const linked = box.worktree(bare, 'wt', '-b', 'w');
    box.write(linked, { '.workgraph/graph.jsonl': '' });
    mkdirSync(join(bare, '.workgraph'));
    const found = await one(bare);
    expect(found).toMatchObject({ id: bare, name: 'shop', path: bare, problem: null });
    expect(found.worktrees).toMatchObject([
      { path: bare, bare: true, main: true, branch: null, head: null, graph: null, missing: false },
      { path: linked, bare: false, main: false, graph: join(linked, '.workgraph') },
    ]);
    expect((await one(linked)).id).toBe(bare);
  });

  test('a git dir kept elsewhere: the main worktree is where the files are', async () => {
    const work = box.path('work');
    mkdirSync(work);
    box.git(work, 'init', '-q', `--separate-git-dir=${box.path('store')}`);
    box.git(work, 'commit', '-q', '--allow-empty', '-m', 'x');
    box.worktree(work, 'linked');
    const found = await one(work);
    expect(found).toMatchObject({ id: box.path('store'), name: 'work', path: work });
    expect(found.worktrees.map(({ path, main }) => [path, main])).toEqual([
      [work, true],
      [box.path('linked'), false],
    ]);
  });
});

describe('which repository a path means', () => {
  test('main, linked worktree, subfolder and symlink are all the same one, once', async () => {
    const repo = box.repo('r', { 'a/b/c.txt': '' });
    const linked = box.worktree(repo, 'w');
    symlinkSync(repo, box.path('link'));
    const found = await one(join(repo, 'a', 'b'), linked, box.path('link'), repo);
    expect(found).toMatchObject({ id: join(repo, '.git'), path: repo, name: 'r', problem: null });
  });

  test('the first that names it gives the settings; [[repos]] come before roots', async () => {
    const repo = box.repo('src/r');
    const found = await box.discovery().list({
      repos: [repoAt(join(repo), { weight: 2 }), repoAt(repo, { weight: 3 })],
      roots: [rootAt(box.path('src'))],
    });
    expect(found.map(({ settings }) => [settings.weight, settings.trust])).toEqual([[2, true]]);
  });

  test('it outlives the worktree that it was named by, and says so', async () => {
    const repo = box.repo('r');
    const linked = box.worktree(repo, 'w');
    const discovery = box.discovery();
    const wanted = { repos: [repoAt(linked)], roots: [] };
    await discovery.list(wanted);
    rmSync(linked, { recursive: true });
    box.worktree(repo, 'later');
    const [found] = await discovery.list(wanted);
    expect(found?.repository.problem).toMatch(/w does not exist; correct the path/);
    expect(found?.repository.worktrees.map(({ path, missing }) => [path, missing])).toEqual([
      [repo, false],
      [box.path('later'), false],
      [linked, true],
    ]);
  });

  test('when all of it goes, what was known stays on show with the problem; when it comes back, it is well', async () => {
    const repo = box.repo('r');
    const discovery = box.discovery();
    const wanted = { repos: [repoAt(repo)], roots: [] };
    await discovery.list(wanted);
    renameSync(repo, box.path('away'));
    const [gone] = await discovery.list(wanted);
    expect(gone?.repository).toMatchObject({
      id: join(repo, '.git'),
      problem: expect.stringMatching(/does not exist/),
      worktrees: [{ path: repo, missing: true, graph: null }],
    });
    renameSync(box.path('away'), repo);
    const [back] = await discovery.list(wanted);
    expect(back?.repository).toMatchObject({ problem: null, worktrees: [{ missing: false }] });
  });
});

describe('what is no repository', () => {
  test('each has one sentence and a next step, and the others continue', async () => {
    const repo = box.repo('good');
    box.write(box.folder, { 'file.txt': '', 'plain/x': '', 'orphan/.git': 'gitdir: /nowhere/worktrees/x\n' });
    const paths = ['file.txt', 'plain', 'none', 'orphan', 'file.txt/below'].map((path) => box.path(path));
    const found = await box
      .discovery()
      .list({ repos: [...paths, repo].map((path) => repoAt(path)), roots: [] });
    expect(found.map(({ repository }) => repository.problem?.replaceAll(box.folder, ''))).toEqual([
      '/file.txt is a file, not a folder; correct the path',
      '/plain is not in a git repository; correct the path, or run `git init` there',
      '/none does not exist; correct the path or remove it from the configuration',
      expect.stringMatching(/^\/orphan was a worktree of a repository that is gone/),
      '/file.txt/below is not a folder; correct the path',
      undefined,
    ]);
    expect(found[1]?.repository).toMatchObject({ id: box.path('plain'), name: 'plain', worktrees: [] });
  });

  const root = process.getuid?.() === 0;
  (root ? test : test.skip)(
    "another's repository is refused by git, with git's own advice (needs root)",
    async () => {
      const repo = box.repo('theirs');
      chownSync(repo, 12345, 12345);
      chownSync(join(repo, '.git'), 12345, 12345);
      const found = await one(repo);
      expect(found.problem).toMatch(/dubious ownership.*git config --global --add safe\.directory/);
      expect(found.worktrees).toEqual([]);
    },
  );

  test('git that is not there', async () => {
    const repo = box.repo('r');
    const { createDiscovery } = await import('../../src/worktrees/discover.ts');
    const discovery = createDiscovery({ ...box.environment, variables: { PATH: box.folder } });
    const [found] = await discovery.list({ repos: [repoAt(repo)], roots: [] });
    expect(found?.repository.problem).toBe('git was not found; install git, or put it into PATH');
  });

  test('a repository of random bytes', async () => {
    const repo = box.repo('r');
    writeFileSync(join(repo, '.git', 'HEAD'), Buffer.from([0, 255, 1, 254]));
    expect((await one(repo)).problem).toMatch(/r is not in a git repository|git cannot read/);
  });
});

describe('include and exclude', () => {
  test('leave worktrees out by folder name or whole path', async () => {
    const repo = box.repo('r');
    for (const name of ['keep-1', 'keep-2', 'tmp-1']) box.worktree(repo, name);
    const excluded = async (more: object) => {
      const [found] = await box.discovery().list({ repos: [repoAt(repo, more)], roots: [] });
      return [...(found?.excluded ?? [])].map((path) => path.slice(box.folder.length + 1));
    };
    expect(await excluded({})).toEqual([]);
    expect(await excluded({ include: ['keep-*'] })).toEqual(['r', 'tmp-1']);
    expect(await excluded({ exclude: ['tmp-*', `${box.folder}/keep-2`] })).toEqual(['keep-2', 'tmp-1']);
    expect(await excluded({ include: ['**/keep-*', 'r'], exclude: ['*-1'] })).toEqual(['keep-1', 'tmp-1']);
  });
});

describe('roots', () => {
  test('repositories below, to a depth, without hidden folders, node_modules and the inside of repositories', async () => {
    const a = box.repo('src/a');
    box.repo('src/a/vendor/inner');
    const b = box.repo('src/x/y/b');
    box.repo('src/x/y/z/deep');
    box.repo('src/.hidden/h');
    box.repo('src/node_modules/n');
    box.git(box.folder, 'clone', '-q', '--bare', a, box.path('src', 'bare.git'));
    box.worktree(a, 'src/a-linked');
    symlinkSync(box.folder, box.path('src', 'loop'));
    const list = async (depth: number) => {
      const found = await box.discovery().list({ repos: [], roots: [rootAt(box.path('src'), { depth })] });
      return found.map(({ repository }) => repository.path.slice(box.folder.length));
    };
    expect((await list(3)).sort()).toEqual(['/src/a', '/src/bare.git', '/src/x/y/b']);
    expect((await list(1)).sort()).toEqual(['/src/a', '/src/bare.git']);
    expect(await list(0)).toEqual([]);
    expect(b).toBe(box.path('src/x/y/b'));
  });

  test('are not trusted unless they say so', async () => {
    box.repo('src/a');
    const trust = async (more: object) =>
      (await box.discovery().list({ repos: [], roots: [rootAt(box.path('src'), more)] }))[0]?.settings.trust;
    expect(await trust({})).toBe(false);
    expect(await trust({ trust: true })).toBe(true);
  });

  test('a root that is a repository itself, and hidden: it counts, and so do those below', async () => {
    box.repo('.dot');
    box.repo('.dot/below');
    const found = await box.discovery().list({ repos: [], roots: [rootAt(box.path('.dot'))] });
    expect(found.map(({ repository }) => repository.name)).toEqual(['.dot', 'below']);
  });

  test('a submodule is no project of its own', async () => {
    const library = box.repo('library');
    const app = box.repo('src/app');
    box.git(app, '-c', 'protocol.file.allow=always', 'submodule', '--quiet', 'add', library, 'lib');
    const found = await box.discovery().list({ repos: [], roots: [rootAt(app)] });
    expect(found.map(({ repository }) => repository.path)).toEqual([app]);
  });

  test('what cannot be looked at is noted; a root that is not there too', async () => {
    box.repo('src/a');
    const discovery = box.discovery();
    mkdirSync(box.path('src', 'shut'));
    chmodSync(box.path('src', 'shut'), 0);
    await discovery.list({ repos: [], roots: [rootAt(box.path('src')), rootAt(box.path('nowhere'))] });
    const notes = discovery.notes().map((note) => note.replaceAll(box.folder, ''));
    // root may look into every folder
    const shut = process.getuid?.() === 0 ? [] : ['/src/shut was passed over: it may not be read'];
    expect(notes).toEqual([...shut, '/nowhere was passed over: it does not exist']);
    chmodSync(box.path('src', 'shut'), 0o700);
  });

  test('a repository below a root runs none of its own programs by being listed', async () => {
    const repo = box.repo('src/evil', { '.workgraph/graph.jsonl': '' });
    box.write(box.folder, { 'evil.sh': `#!/bin/sh\ntouch ${box.path('ran')}\n` });
    chmodSync(box.path('evil.sh'), 0o755);
    for (const key of ['core.fsmonitor', 'core.pager', 'core.sshCommand', 'core.editor'])
      box.git(repo, 'config', key, box.path('evil.sh'));
    for (const hook of ['post-checkout', 'post-index-change', 'fsmonitor-watchman'])
      box.write(join(repo, '.git', 'hooks'), { [hook]: `#!/bin/sh\ntouch ${box.path('ran')}\n` });
    const found = await box.discovery().list({ repos: [], roots: [rootAt(box.path('src'))] });
    expect(found[0]?.repository.worktrees[0]).toMatchObject({ graphTracked: true });
    const { existsSync } = await import('node:fs');
    expect(existsSync(box.path('ran'))).toBe(false);
  });
});

describe('listing again', () => {
  const wanted = (repo: string) => ({ repos: [repoAt(repo)], roots: [] });

  test('asks git nothing while nothing changed', async () => {
    const repo = box.repo('r', { '.workgraph/graph.jsonl': '' });
    for (const name of ['a', 'b', 'c']) box.worktree(repo, name);
    const discovery = box.discovery();
    await discovery.list(wanted(repo));
    const second = await discovery.list(wanted(repo));
    const runs = discovery.gitRuns;
    expect(runs).toBeGreaterThan(0);
    for (let times = 0; times < 3; times++) expect(await discovery.list(wanted(repo))).toEqual(second);
    expect(discovery.gitRuns).toBe(runs);
  });

  test.each<[string, (repo: string) => void]>([
    ['add', (repo) => box.worktree(repo, 'new')],
    ['remove', (repo) => box.git(repo, 'worktree', 'remove', box.path('a'))],
    ['removal by hand', () => rmSync(box.path('a'), { recursive: true })],
    ['move', (repo) => box.git(repo, 'worktree', 'move', box.path('a'), box.path('moved'))],
    ['lock', (repo) => box.git(repo, 'worktree', 'lock', box.path('a'))],
    [
      'a commit in a linked worktree',
      () => box.git(box.path('a'), 'commit', '-q', '--allow-empty', '-m', 'x'),
    ],
    ['a commit in the main one', (repo) => box.git(repo, 'commit', '-q', '--allow-empty', '-m', 'x')],
    ['another branch', () => box.git(box.path('a'), 'switch', '-q', '-c', 'other')],
    ['detaching', () => box.git(box.path('a'), 'switch', '-q', '--detach')],
    ['a branch renamed', (repo) => box.git(repo, 'branch', '-m', 'a', 'renamed')],
  ])('sees %s', async (_what, change) => {
    const repo = box.repo('r');
    box.worktree(repo, 'a');
    const discovery = box.discovery();
    await discovery.list(wanted(repo));
    await discovery.list(wanted(repo));
    const before = await discovery.list(wanted(repo));
    change(repo);
    const after = await discovery.list(wanted(repo));
    expect(after).not.toEqual(before);
    expect(after).toEqual(await box.discovery().list(wanted(repo)));
  });

  test('sees a commit where git keeps no reflogs', async () => {
    const repo = box.repo('r');
    box.git(repo, 'config', 'core.logAllRefUpdates', 'false');
    rmSync(join(repo, '.git', 'logs'), { recursive: true });
    const linked = box.worktree(repo, 'a');
    rmSync(join(repo, '.git', 'worktrees', 'a', 'logs'), { recursive: true, force: true });
    const discovery = box.discovery();
    const heads = async () =>
      (await discovery.list(wanted(repo)))[0]?.repository.worktrees.map((w) => w.head);
    await heads();
    await heads();
    for (const worktree of [repo, linked]) {
      box.git(worktree, 'commit', '-q', '--allow-empty', '-m', worktree);
      expect(await heads()).toContain(box.git(worktree, 'rev-parse', 'HEAD').trim());
    }
  });

  test('sees unlock, and pruning', async () => {
    const repo = box.repo('r');
    box.worktree(repo, 'a');
    box.git(repo, 'worktree', 'lock', box.path('a'));
    const discovery = box.discovery();
    const locks = async () =>
      (await discovery.list(wanted(repo)))[0]?.repository.worktrees.map((w) => w.locked);
    expect(await locks()).toEqual([null, '']);
    box.git(repo, 'worktree', 'unlock', box.path('a'));
    expect(await locks()).toEqual([null, null]);
    rmSync(box.path('a'), { recursive: true });
    await discovery.list(wanted(repo));
    box.git(repo, 'worktree', 'prune');
    expect(await locks()).toEqual([null]);
  });

  test('a graph that appears, becomes tracked, and goes again is seen at once', async () => {
    const repo = box.repo('r');
    const discovery = box.discovery();
    const main = async () => (await discovery.list(wanted(repo)))[0]?.repository.worktrees[0];
    expect(await main()).toMatchObject({ graph: null, graphTracked: false });
    box.write(repo, { '.workgraph/graph.jsonl': '' });
    expect(await main()).toMatchObject({ graph: join(repo, '.workgraph'), graphTracked: false });
    box.git(repo, 'add', '-f', '.workgraph/graph.jsonl');
    expect(await main()).toMatchObject({ graphTracked: true });
    box.git(repo, 'rm', '-q', '--cached', '.workgraph/graph.jsonl');
    expect(await main()).toMatchObject({ graphTracked: false });
    rmSync(join(repo, '.workgraph'), { recursive: true });
    expect(await main()).toMatchObject({ graph: null });
  });

  test('two listings at once agree', async () => {
    const repo = box.repo('r', { '.workgraph/graph.jsonl': '' });
    box.worktree(repo, 'a');
    const discovery = box.discovery();
    const [first, second] = await Promise.all([discovery.list(wanted(repo)), discovery.list(wanted(repo))]);
    expect(first).toEqual(second);
    expect(first?.[0]?.repository.worktrees).toHaveLength(2);
  });
});
