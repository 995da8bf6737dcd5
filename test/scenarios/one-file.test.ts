// One file, one graph: however many repositories reach a graph.jsonl, its tasks run once, and everyone who writes it waits
// for the same lock.

import { link, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { composeStore } from '../../src/compose/offline.ts';
import { createGraphStore } from '../../src/graph/store.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { createLocker } from '../../src/platform/flock.ts';
import { eventually, supervisor } from '../support/actors.ts';
import { createPlayground, type Playground } from '../support/playground.ts';
import { type Supervised, supervise } from '../support/supervised.ts';

let playground: Playground;
let other: string;
let supervised: Supervised | null = null;

beforeEach(async () => {
  playground = await createPlayground();
  other = join(playground.folder, 'other');
  await playground.git(playground.folder, 'init', '-q', other);
  await playground.git(other, 'commit', '-q', '--allow-empty', '-m', 'Begin');
  await mkdir(join(other, '.workgraph'));
  await writeFile(
    playground.configFile,
    [playground.repo, other].map((path) => `[[repos]]\npath = ${JSON.stringify(path)}\n`).join(''),
  );
});
afterEach(async () => {
  await supervised?.stop({ cancelAgents: true });
  supervised = null;
  await playground.remove();
});

const told = () => join(playground.folder, 'ran');
const tell = (id: string) => `echo ${id} "$PWD" >> ${told()}`;
const ran = async () => (await readFile(told(), 'utf8')).trim().split('\n').sort();
const fileOf = (repo: string) => join(repo, '.workgraph', 'graph.jsonl');

describe.each<[string, (file: string, path: string) => Promise<void>]>([
  ['a symbolic link', symlink],
  ['a hard link', link],
])('a graph.jsonl that another repository reaches by %s', (_what, makeLink) => {
  test('is one graph: each task runs once, where the file is, and the other one shows as its alias', async () => {
    await playground.writeGraph(playground.repo, [
      { id: 'one', exec: tell('one') },
      { id: 'two', exec: tell('two'), after: ['one'] },
    ]);
    await makeLink(fileOf(playground.repo), fileOf(other));
    supervised = await supervise(playground);
    await supervised.event('run.settled', 'two');
    // The first write gave the file another inode: that makes no new graph of the other path.
    for (let listing = 1; listing <= 3; listing++) {
      await supervised.control.reload();
      await supervised.supervisor.tick();
    }
    expect(await ran()).toEqual([`one ${playground.repo}`, `two ${playground.repo}`]);
    expect(await supervised.control.tasks({})).toHaveLength(2);
    const { worktrees } = await supervised.control.status();
    expect(worktrees.find((row) => row.path === other)).toMatchObject({
      state: 'alias',
      graph: join(playground.repo, '.workgraph'),
    });
  });

  test('is two again when it has a file of its own', async () => {
    await playground.writeGraph(playground.repo, [{ id: 'one', exec: tell('one') }]);
    await makeLink(fileOf(playground.repo), fileOf(other));
    supervised = await supervise(playground);
    await supervised.event('run.settled', 'one');
    await rm(fileOf(other));
    await playground.writeGraph(other, [{ id: 'own', exec: tell('own') }]);
    await supervised.control.reload();
    expect(await supervised.event('run.settled', 'own')).toMatchObject({ worktree: other });
    expect(await ran()).toEqual([`one ${playground.repo}`, `own ${other}`]);
  });
});

test('two repositories that link to a file outside of both are one graph', async () => {
  const shared = join(playground.folder, 'shared.jsonl');
  await writeFile(shared, '');
  await mkdir(join(playground.repo, '.workgraph'));
  for (const repo of [playground.repo, other]) await symlink(shared, fileOf(repo));
  await supervisor(playground, ['add', 'One', '--exec', tell('one')], { cwd: other });
  await supervisor(playground, ['add', 'Two', '--exec', tell('two')]);
  supervised = await supervise(playground);
  await supervised.event('run.settled', 'one');
  await supervised.event('run.settled', 'two');
  expect(await ran()).toHaveLength(2);
  expect(await supervised.control.tasks({})).toHaveLength(2);
  expect((await readFile(shared, 'utf8')).match(/"status":"done"/g)).toHaveLength(2);
});

test('a writer through a link waits for the lock that wg takes here, and for the one it takes where the file is', async () => {
  await playground.writeGraph(playground.repo, [{ id: 'one', paused: true }]);
  await symlink(fileOf(playground.repo), fileOf(other));
  const locker = createLocker();
  const store = createGraphStore({
    graph: join(other, '.workgraph'),
    locker,
    limits: { maxLineBytes: 1024 ** 2, maxGraphBytes: 1024 ** 2 },
    clock: systemClock(),
    lockTimeoutMs: 50,
  });
  const rename = (title: string) => store.change((draft) => draft.patch('one', { title }));
  try {
    for (const repo of [other, playground.repo]) {
      const lock = await locker.acquire(join(repo, '.workgraph', 'graph.lock'), { timeoutMs: 1000 });
      try {
        await expect(rename('Too soon')).rejects.toMatchObject({ code: 'graph' });
      } finally {
        lock.release();
      }
      await rename(`Behind ${repo}`);
      expect((await playground.readGraph(playground.repo)).get('one')).toMatchObject({
        title: `Behind ${repo}`,
      });
    }
  } finally {
    await store.close();
  }
});

test('many who write through both paths at once lose nothing', async () => {
  await playground.writeGraph(playground.repo, [{ id: 'first', paused: true }]);
  await symlink(fileOf(playground.repo), fileOf(other));
  const stores = [other, playground.repo].map((repo) => composeStore({ graph: join(repo, '.workgraph') }));
  try {
    await Promise.all(
      Array.from({ length: 40 }, (_, n) =>
        stores[n % 2]?.change((draft) =>
          draft.add({ kind: 'task', id: `t${n}`, title: 't', status: 'open', paused: true }),
        ),
      ),
    );
    expect((await playground.readGraph(playground.repo)).size).toBe(41);
    await eventually(async () => (await readFile(fileOf(other), 'utf8')).trim().split('\n').length === 41);
  } finally {
    await Promise.all(stores.map((store) => store.close()));
  }
});
