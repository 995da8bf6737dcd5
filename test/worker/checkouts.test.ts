// A worker's copies of repositories, with a real git: worktrees come and go, whatever an earlier worker left.

import { existsSync } from 'node:fs';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { silentLog } from '../../src/platform/log.ts';
import { type Checkouts, CheckoutTrouble, createCheckouts } from '../../src/worker/checkouts.ts';
import { withRemote } from '../support/farm.ts';
import { createPlayground, type Playground } from '../support/playground.ts';

let playground: Playground;
let remote: string;
let commit: string;
let copies: string;
let checkouts: Checkouts;

beforeEach(async () => {
  playground = await createPlayground();
  remote = await withRemote(playground);
  commit = await head(playground.repo);
  copies = join(playground.folder, 'copies');
  checkouts = fresh();
});
afterEach(async () => {
  await playground.remove();
});

const head = async (at: string) => (await playground.git(at, 'rev-parse', 'HEAD')).trim();
const treeOf = (n: number) => join(playground.folder, 'jobs', `job${n}`, 'tree');
const fresh = () =>
  createCheckouts(copies, { PATH: process.env.PATH ?? '', HOME: playground.folder }, silentLog);
const prepare = (n: number) => checkouts.prepare(remote, commit, 'main', treeOf(n));
const publish = (n: number) =>
  checkouts.publish({
    remote,
    tree: treeOf(n),
    base: commit,
    branch: `b${n}`,
    run: 'run_1',
    leftovers: 'Left',
  });

test('a worktree at the commit; nothing new is not pushed, what was left is', async () => {
  await Promise.all([prepare(1), prepare(2)]);
  expect(await head(treeOf(1))).toBe(commit);
  expect(await publish(1)).toBeNull();
  await writeFile(join(treeOf(2), 'new'), 'x');
  expect(await publish(2)).toEqual({ branch: 'b2', commit: await head(treeOf(2)) });
  expect((await playground.git(remote, 'log', '-1', '--format=%s', 'b2')).trim()).toBe('Left');
});

test('over what an earlier start left: a torn copy, a worktree of the same name, one whose folder is gone', async () => {
  await prepare(1);
  await writeFile(join(treeOf(1), 'old'), 'x');
  await prepare(2);
  await rm(treeOf(2), { recursive: true });
  const [copy = ''] = await readdir(copies);
  await rm(join(copies, copy, 'HEAD'));
  checkouts = fresh();
  await Promise.all([prepare(1), prepare(2)]);
  expect(existsSync(join(treeOf(1), 'old'))).toBe(false);
  expect(await head(treeOf(2))).toBe(commit);
});

test('a new commit is fetched, one that was not pushed is named; a copy that vanished is made again', async () => {
  await prepare(1);
  const earlier = commit;
  await playground.git(playground.repo, 'commit', '-q', '--allow-empty', '-m', 'New');
  commit = await head(playground.repo);
  await expect(prepare(2)).rejects.toThrow(CheckoutTrouble);
  await expect(prepare(2)).rejects.toThrow(`commit ${commit.slice(0, 12)} (branch main) is not at`);
  await playground.git(playground.repo, 'push', '-q', 'origin', 'main');
  await prepare(2);
  expect([await head(treeOf(1)), await head(treeOf(2))]).toEqual([earlier, commit]);
  await rm(copies, { recursive: true });
  await mkdir(copies);
  await prepare(3);
  expect(await head(treeOf(3))).toBe(commit);
});

test('what is removed is forgotten by git in time', async () => {
  for (let n = 0; n < 25; n++) {
    await prepare(n);
    await checkouts.remove(remote, treeOf(n));
    expect(existsSync(treeOf(n))).toBe(false);
  }
  const [copy = ''] = await readdir(copies);
  expect((await readdir(join(copies, copy, 'worktrees'))).length).toBeLessThan(20);
});
