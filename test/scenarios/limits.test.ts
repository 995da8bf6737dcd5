// Room: for the machine, a repository, a worktree, a profile. A full one holds back its own and no one else's, and a busy
// repository cannot starve the rest.

import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { eventually } from '../support/actors.ts';
import { createPlayground, type Playground, type TaskLine } from '../support/playground.ts';
import { type Supervised, supervise } from '../support/supervised.ts';

let playground: Playground;
let second: Playground | null = null;
let supervised: Supervised | null = null;

beforeEach(async () => {
  playground = await createPlayground();
});
afterEach(async () => {
  await supervised?.stop({ cancelAgents: true });
  supervised = null;
  await playground.remove();
  await second?.remove();
  second = null;
});

const gates = () => join(playground.folder, 'gates');

/** A command that works until its gate is opened. */
const gated = (id: string) =>
  `mkdir -p ${gates()}; touch ${gates()}/${id}; while [ -e ${gates()}/${id} ]; do sleep 0.02; done`;
const working = async () => (await readdir(gates()).catch((): string[] => [])).sort();
const open = (id: string) => rm(join(gates(), id));
const some = (prefix: string, count: number, more: Partial<TaskLine> = {}): TaskLine[] =>
  Array.from({ length: count }, (_, index) => ({
    id: `${prefix}${index}`,
    exec: gated(`${prefix}${index}`),
    ...more,
  }));

/** Waits until exactly these work and everything else that is ready says why it does not. */
async function settlesAt(wanted: readonly string[]): Promise<void> {
  const sorted = [...wanted].sort().join();
  await eventually(async () => (await working()).join() === sorted).catch(async () => {
    const { held, limits } = (await supervised?.control.status()) ?? { held: [], limits: null };
    expect({ working: await working(), limits, held }).toEqual({ working: [...wanted].sort() });
  });
}

async function heldCodes(): Promise<Map<string, string>> {
  await supervised?.supervisor.tick();
  const { held } = (await supervised?.control.status()) ?? { held: [] };
  return new Map(held.map((row) => [row.task, row.code]));
}

test('the machine has this many places; who waits for one says so, and gets the next that is free', async () => {
  await playground.writeConfig('[supervisor]\nmax_concurrent = 2\n');
  await playground.writeGraph(playground.repo, [
    // Made just now: wg raises the priority of what waits for days.
    ...some('t', 3).map((task, index) => ({
      ...task,
      created_at: new Date(Date.now() + index).toISOString(),
    })),
    { id: 'urgent', priority: 100, exec: gated('urgent') },
    { id: 'outside', executor: 'external' },
  ]);
  supervised = await supervise(playground);
  await settlesAt(['t0', 'urgent']);
  // Work that continues elsewhere takes no place.
  await supervised.event('run.handed-off', 'outside');
  const status = await supervised.control.status();
  expect(status.limits).toMatchObject({ max_concurrent: 2, running: 2, queued: 2 });
  const codes = await heldCodes();
  expect([codes.get('t1'), codes.get('t2')]).toEqual(['machine-limit', 'machine-limit']);
  expect((await supervised.control.why({ task: 't1' })).because).toContain('2 of 2');
  await open('urgent');
  await settlesAt(['t0', 't1']);
  await open('t0');
  await open('t1');
  await settlesAt(['t2']);
});

test('a full profile blocks no one else', async () => {
  await playground.writeConfig(
    `[supervisor]\nmax_concurrent = 3\n[executors.narrow]\ntype = "command"\nmax_concurrent = 1\n`,
  );
  await playground.writeGraph(playground.repo, [
    ...some('n', 4, { executor: 'narrow', priority: 50 }),
    ...some('wide', 2),
  ]);
  supervised = await supervise(playground);
  await settlesAt(['n0', 'wide0', 'wide1']);
  expect((await heldCodes()).get('n3')).toBe('profile-limit');
  expect((await supervised.control.why({ task: 'n3' })).because).toContain('narrow has 1 of 1');
  await open('n0');
  await settlesAt(['n1', 'wide0', 'wide1']);
});

test('a repository and a worktree have limits of their own', async () => {
  const one = await playground.worktree('one');
  const two = await playground.worktree('two');
  await playground.writeConfig('max_concurrent = 3\nmax_concurrent_per_worktree = 2\n');
  await playground.writeGraph(one, some('a', 4));
  await playground.writeGraph(two, some('b', 4));
  supervised = await supervise(playground);
  await eventually(async () => (await working()).length === 3);
  const codes = [...(await heldCodes()).values()].sort();
  expect(codes.filter((code) => code === 'repo-limit' || code === 'worktree-limit')).toHaveLength(5);
  expect(codes).toContain('repo-limit');
  const byWorktree = (await supervised.control.status()).runs.map((run) => run.worktree);
  expect(Math.max(...[one, two].map((path) => byWorktree.filter((other) => other === path).length))).toBe(2);
});

test('weights share the machine between repositories, and a busy one starves no one', async () => {
  second = await createPlayground();
  await writeFile(
    playground.configFile,
    `[supervisor]\nmax_concurrent = 4\n[[repos]]\npath = "${playground.repo}"\nweight = 3\n[[repos]]\npath = "${second.repo}"\n`,
  );
  await playground.writeGraph(playground.repo, some('busy', 12, { priority: 100 }));
  await second.writeGraph(second.repo, some('quiet', 4, { priority: 5 }));
  supervised = await supervise(playground);
  await settlesAt(['busy0', 'busy1', 'busy2', 'quiet0']);
  await open('quiet0');
  await settlesAt(['busy0', 'busy1', 'busy2', 'quiet1']);
  await open('busy0');
  await settlesAt(['busy1', 'busy2', 'busy3', 'quiet1']);
});

test('a limit that is raised while running counts at once', async () => {
  await playground.writeConfig('[supervisor]\nmax_concurrent = 1\n');
  await playground.writeGraph(playground.repo, some('t', 3));
  supervised = await supervise(playground);
  await settlesAt(['t0']);
  await playground.writeConfig('[supervisor]\nmax_concurrent = 3\n');
  await supervised.control.reload();
  await settlesAt(['t0', 't1', 't2']);
  expect((await supervised.control.status()).limits).toMatchObject({
    max_concurrent: 3,
    running: 3,
    queued: 0,
  });
});
