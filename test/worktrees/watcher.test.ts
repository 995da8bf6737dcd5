import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Cancel, Clock } from '../../src/platform/clock.ts';
import { createRepositoryWatcher, type RepositoryWatcher } from '../../src/worktrees/watcher.ts';
import { repoAt, Sandbox } from './sandbox.ts';

let box: Sandbox;
let watcher: RepositoryWatcher;
let clock: HandClock;
let changed: string[];

/** Timers go off when the test says so; every one that is set can be waited for. */
class HandClock implements Clock {
  readonly #timers = new Map<() => void, number>();
  #told: (() => void)[] = [];

  now(): number {
    return 0;
  }

  after(ms: number, act: () => void): Cancel {
    this.#timers.set(act, ms);
    for (const tell of this.#told.splice(0)) tell();
    return () => this.#timers.delete(act);
  }

  sleep(): Promise<void> {
    return Promise.resolve();
  }

  get pending(): number[] {
    return [...this.#timers.values()].sort((a, b) => a - b);
  }

  timerSet(): Promise<void> {
    return new Promise((resolve) => this.#told.push(resolve));
  }

  /** Lets everything happen that was waiting for its time. */
  ring(): void {
    const acts = [...this.#timers.keys()];
    this.#timers.clear();
    for (const act of acts) act();
  }
}

beforeEach(() => {
  box = new Sandbox();
  clock = new HandClock();
  changed = [];
  watcher = createRepositoryWatcher({
    clock,
    onChanged: (repository) => changed.push(repository),
    onDegraded(message) {
      throw new Error(message);
    },
  });
});
afterEach(async () => {
  await watcher.stop();
  expect(clock.pending).toEqual([]);
  box.remove();
});

/** Does something, waits until it is heard, and gives the repositories that were named then. */
async function heardAfter(act: () => void): Promise<string[]> {
  clock.ring();
  changed.length = 0;
  const set = clock.timerSet();
  act();
  await set;
  clock.ring();
  return [...new Set(changed)];
}

describe('hearing of worktrees', () => {
  test.each<[string, number, (repo: string) => void]>([
    ['the first one', 0, (repo) => box.worktree(repo, 'new')],
    ['another', 2, (repo) => box.worktree(repo, 'new')],
    ['a removal', 2, (repo) => box.git(repo, 'worktree', 'remove', box.path('w0'))],
    ['the removal of the last', 1, (repo) => box.git(repo, 'worktree', 'remove', box.path('w0'))],
    ['a prune', 1, (repo) => box.git(repo, 'worktree', 'prune')],
  ])('%s', async (what, before, act) => {
    const repo = box.repo('r');
    for (let index = 0; index < before; index++) box.worktree(repo, `w${index}`);
    if (what === 'a prune') rmSync(box.path('w0'), { recursive: true });
    watcher.watch([{ id: join(repo, '.git') }]);
    await watcher.start();
    await watcher.ready();
    expect(await heardAfter(() => act(repo))).toEqual([join(repo, '.git')]);
  });

  test('says it soon and once more when git has surely finished, however many files git writes', async () => {
    const repo = box.repo('r');
    watcher.watch([{ id: join(repo, '.git') }]);
    await watcher.start();
    await watcher.ready();
    const set = clock.timerSet();
    box.worktree(repo, 'a');
    await set;
    expect(clock.pending).toEqual([100, 2000]);
  });

  test('after hearing, listing shows the new worktree; move and lock make no sound and are listed all the same', async () => {
    const repo = box.repo('r');
    const discovery = box.discovery();
    const names = async () =>
      (await discovery.list({ repos: [repoAt(repo)], roots: [] }))[0]?.repository.worktrees.map(
        ({ path, locked }) => `${path.slice(box.folder.length)}${locked === null ? '' : ' locked'}`,
      );
    expect(await names()).toEqual(['/r']);
    await watcher.start();
    watcher.watch([{ id: join(repo, '.git') }]);
    await watcher.ready();
    await heardAfter(() => box.worktree(repo, 'a'));
    expect(await names()).toEqual(['/r', '/a']);
    box.git(repo, 'worktree', 'move', box.path('a'), box.path('b'));
    expect(await names()).toEqual(['/r', '/b']);
    box.git(repo, 'worktree', 'lock', box.path('b'));
    expect(await names()).toEqual(['/r', '/b locked']);
  });

  test('commits and busy files in the git dir say nothing', async () => {
    const busy = box.repo('busy');
    const other = box.repo('other');
    watcher.watch([{ id: join(busy, '.git') }, { id: join(other, '.git') }]);
    await watcher.start();
    await watcher.ready();
    for (let times = 0; times < 5; times++) {
      box.git(busy, 'commit', '-q', '--allow-empty', '-m', 'x');
      mkdirSync(join(busy, '.git', `folder-${times}`, 'deep'), { recursive: true });
    }
    // The kernel tells in order: what is heard of the other one comes after all of that.
    expect(await heardAfter(() => box.worktree(other, 'mark'))).toEqual([join(other, '.git')]);
  });

  test('a repository created again in its old place is heard once it is named again', async () => {
    const repo = box.repo('r');
    const watched = [{ id: join(repo, '.git') }];
    await watcher.start();
    watcher.watch(watched);
    await watcher.ready();
    rmSync(repo, { recursive: true });
    watcher.watch(watched);
    box.repo('r');
    watcher.watch(watched);
    await watcher.ready();
    expect(await heardAfter(() => box.worktree(repo, 'again'))).toEqual([join(repo, '.git')]);
  });
});

describe('a service', () => {
  test('starts and stops twice and out of order, with repositories that are not there', async () => {
    await watcher.stop();
    watcher.watch([{ id: box.path('nowhere') }]);
    await watcher.start();
    await watcher.start();
    await watcher.ready();
    await watcher.stop();
    await watcher.stop();
  });

  test('a repository that is no longer named is not heard, and after stop and start the others are', async () => {
    const one = box.repo('one');
    const two = box.repo('two');
    const both = [{ id: join(one, '.git') }, { id: join(two, '.git') }];
    await watcher.start();
    watcher.watch(both);
    await watcher.ready();
    watcher.watch(both.slice(1));
    box.worktree(one, 'unheard');
    expect(await heardAfter(() => box.worktree(two, 'heard'))).toEqual([join(two, '.git')]);
    await watcher.stop();
    box.worktree(two, 'while-stopped');
    await watcher.start();
    await watcher.ready();
    expect(await heardAfter(() => box.worktree(two, 'again'))).toEqual([join(two, '.git')]);
  });

  test('what was about to be said is not said after stop', async () => {
    const repo = box.repo('r');
    watcher.watch([{ id: join(repo, '.git') }]);
    await watcher.start();
    await watcher.ready();
    const set = clock.timerSet();
    box.worktree(repo, 'a');
    await set;
    await watcher.stop();
    clock.ring();
    expect(changed).toEqual([]);
  });
});
