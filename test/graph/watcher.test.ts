import { renameSync } from 'node:fs';
import { mkdir, mkdtemp, realpath, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { WatchFunction } from '../../src/graph/folder-watch.ts';
import { createGraphWatcher, type GraphWatcher } from '../../src/graph/watcher.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { PATIENCE } from '../support/patience.mjs';

const clock = systemClock();
let folder: string;
let watcher: GraphWatcher | undefined;
let dirty: { graph: string; of: string; at: number }[];
let degraded: { message: string; graphs: readonly string[] }[];

beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'watcher-')));
  dirty = [];
  degraded = [];
});

afterEach(async () => {
  await watcher?.stop();
  watcher = undefined;
  await rm(folder, { recursive: true, force: true });
});

async function makeGraph(name: string): Promise<string> {
  const graph = join(folder, name, '.workgraph');
  await mkdir(join(graph, 'agents', 'agent-1'), { recursive: true });
  await mkdir(join(graph, 'log'));
  await mkdir(join(graph, 'service'));
  await writeFile(join(graph, 'graph.jsonl'), '');
  await writeFile(join(graph, 'config.toml'), '');
  return graph;
}

/** Replaces a file as wg does. */
async function replace(graph: string, text: string, name = 'graph.jsonl'): Promise<number> {
  await writeFile(join(graph, `.graph.tmp.${process.pid}`), text);
  const at = performance.now();
  await rename(join(graph, `.graph.tmp.${process.pid}`), join(graph, name));
  return at;
}

function make(watch?: WatchFunction): GraphWatcher {
  watcher = createGraphWatcher({
    clock,
    onDirty: (graph, of) => dirty.push({ graph, of, at: performance.now() }),
    onDegraded: (message, graphs) => degraded.push({ message, graphs }),
    ...(watch && { watch }),
  });
  return watcher;
}

async function until(what: string, holds: () => boolean, limitMs = 8000): Promise<void> {
  const end = performance.now() + limitMs * PATIENCE;
  while (!holds()) {
    if (performance.now() > end) throw new Error(`never came: ${what}`);
    await clock.sleep(5);
  }
}

/** Waits until nothing was heard for longer than any echo takes. */
async function quiet(): Promise<void> {
  for (;;) {
    const count = dirty.length;
    await clock.sleep(130);
    if (dirty.length === count) return;
  }
}

async function watching(...graphs: string[]): Promise<GraphWatcher> {
  const made = make();
  made.watch(graphs);
  await made.start();
  await until('a first hint for each', () => graphs.every((g) => dirty.some((d) => d.graph === g)));
  await quiet();
  dirty = [];
  return made;
}

describe('hearing of changes', () => {
  test('a replaced graph is told soon, and its graph alone', async () => {
    const [a, b] = [await makeGraph('a'), await makeGraph('b')];
    await watching(a, b);
    const at = await replace(a, 'one\n');
    await until('a hint', () => dirty.length > 0);
    expect((dirty[0]?.at ?? 0) - at).toBeLessThan(1000);
    await quiet();
    expect(new Set(dirty.map((d) => d.graph))).toEqual(new Set([a]));
  });

  test('the second of two renames 5 ms apart is told after it happened, at every gap', async () => {
    const graph = await makeGraph('a');
    await watching(graph);
    for (const gap of [0, 1, 5, 15, 30, 45]) {
      dirty = [];
      await replace(graph, 'one\n');
      await clock.sleep(gap);
      const second = await replace(graph, 'two\n');
      await until(`a hint after the second rename, gap ${gap}`, () => dirty.some((d) => d.at >= second));
      await quiet();
    }
  });

  test('a change is followed by a second look, in case an event was dropped', async () => {
    const graph = await makeGraph('a');
    await watching(graph);
    const at = await replace(graph, 'one\n');
    await until('a late hint', () => dirty.some((d) => d.at >= at + 55));
  });

  test('config.toml counts, and so do a file that appears, vanishes or is written in place', async () => {
    const graph = await makeGraph('a');
    await rm(join(graph, 'graph.jsonl'));
    await watching(graph);
    const steps: (() => Promise<unknown>)[] = [
      () => replace(graph, '[executors.x]\n', 'config.toml'),
      () => writeFile(join(graph, 'graph.jsonl'), 'new\n'),
      () => writeFile(join(graph, 'graph.jsonl'), 'new\nmore\n', { flag: 'a' }),
      () => rm(join(graph, 'graph.jsonl')),
      () => replace(graph, 'back\n'),
    ];
    for (const step of steps) {
      dirty = [];
      await step();
      await until(`a hint for ${step}`, () => dirty.length > 0);
      await quiet();
    }
  });

  test('busy folders and other files beside the graph are not heard', async () => {
    const graph = await makeGraph('a');
    await watching(graph);
    for (let i = 0; i < 60; i++) {
      await writeFile(join(graph, 'agents', 'agent-1', 'output.log'), `${i}\n`, { flag: 'a' });
      await mkdir(join(graph, 'agents', `agent-${i + 2}`));
      await writeFile(join(graph, 'log', 'operations.jsonl'), `${i}\n`, { flag: 'a' });
      await writeFile(join(graph, 'service', `file-${i}`), '');
      await writeFile(join(graph, 'usage.log'), `${i}\n`, { flag: 'a' });
      await utimes(join(graph, 'agents'), i, i);
    }
    await quiet();
    expect(dirty).toEqual([]);
  });

  test('changes made while the watch is being set up are not lost', async () => {
    const graph = await makeGraph('a');
    const made = make();
    await made.start();
    made.watch([graph]);
    const at = await replace(graph, 'early\n');
    await until('a hint after the early change', () => dirty.some((d) => d.at > at));
  });
});

describe('folders that come and go', () => {
  test('a folder deleted and created again back to back is watched again', async () => {
    const graph = await makeGraph('a');
    await watching(graph);
    for (let round = 0; round < 5; round++) {
      await rm(graph, { recursive: true });
      await makeGraph('a');
      await quiet();
      dirty = [];
      const at = await replace(graph, `round ${round}\n`);
      await until(`a hint in round ${round}`, () => dirty.some((d) => d.at >= at));
    }
  });

  test('a folder that is gone is told, and found again when it is back', async () => {
    const graph = await makeGraph('a');
    const made = await watching(graph);
    await rm(join(folder, 'a'), { recursive: true });
    await until('a hint that it went', () => dirty.length > 0);
    await quiet();
    dirty = [];
    await makeGraph('a');
    await made.recheck();
    expect(dirty.map((d) => d.graph)).toContain(graph);
    await quiet();
    dirty = [];
    await replace(graph, 'alive\n');
    await until('a hint from the new folder', () => dirty.length > 0);
  });

  test('a folder that appears later is found by looking now and then', async () => {
    const graph = join(folder, 'late', '.workgraph');
    const made = make();
    made.watch([graph]);
    await made.start();
    await quiet();
    dirty = [];
    await makeGraph('late');
    await until('a hint for the new folder', () => dirty.length > 0);
  });

  test('a folder replaced by another under the same name is noticed by recheck alone', async () => {
    const graph = await makeGraph('a');
    const other = await makeGraph('b');
    const made = make(silentWatch());
    made.watch([graph]);
    await made.start();
    await quiet();
    dirty = [];
    await rename(graph, join(folder, 'old'));
    await rename(other, graph);
    await made.recheck();
    expect(dirty.map((d) => d.graph)).toContain(graph);
    dirty = [];
    await made.recheck();
    expect(dirty).toEqual([]);
  });

  test('a symlinked folder is heard under the name that was given', async () => {
    const graph = await makeGraph('a');
    const link = join(folder, 'link');
    await symlink(graph, link);
    await watching(link);
    await replace(graph, 'one\n');
    await until('a hint', () => dirty.length > 0);
    expect(dirty[0]?.graph).toBe(link);
  });

  test('a symlinked graph.jsonl is looked at now and then', async () => {
    const graph = await makeGraph('a');
    await rm(join(graph, 'graph.jsonl'));
    await writeFile(join(folder, 'elsewhere.jsonl'), '');
    await symlink(join(folder, 'elsewhere.jsonl'), join(graph, 'graph.jsonl'));
    const made = await watching(graph);
    expect(made.pollingGraphs()).toEqual([graph]);
    for (const text of ['one\n', 'two\n']) {
      dirty = [];
      await writeFile(join(folder, 'next'), text);
      await rename(join(folder, 'next'), join(folder, 'elsewhere.jsonl'));
      await until(`a hint for ${text}`, () => dirty.length > 0);
    }
  });
});

/** Watches nothing and says that it does. */
function silentWatch(): WatchFunction {
  return () => ({ close() {} });
}

test('only the files that matter are heard of, and what is of the graph file alone is distinguished', async () => {
  const graph = await makeGraph('a');
  let say: (name: string | null) => void = () => {};
  const made = make((_folder, hear) => {
    say = hear.changed;
    return { close() {} };
  });
  made.watch([graph]);
  await made.start();
  await quiet();
  const cases: [string | null, readonly string[]][] = [
    // At once, and once more when things have settled.
    ['graph.jsonl', ['graph', 'graph']],
    ['config.toml', ['any', 'graph']],
    [null, ['any', 'graph']],
    ['.workgraph', ['any', 'graph']],
    ['.graph.tmp.77', []],
    ['graph.lock', []],
    ['agents', []],
  ];
  for (const [name, heard] of cases) {
    dirty = [];
    say(name);
    await quiet();
    expect([name, dirty.map(({ of }) => of)]).toEqual([name, heard]);
  }
  dirty = [];
  say('config.toml');
  say('graph.jsonl');
  await until('both in one', () => dirty.length > 0);
  expect(dirty[0]?.of).toBe('any');
});

test('a folder that is replaced while its watch begins is noticed by the next look', async () => {
  const graph = await makeGraph('a');
  const other = await makeGraph('b');
  let begun = 0;
  const made = make(() => {
    if (++begun === 1) {
      renameSync(graph, join(folder, 'old'));
      renameSync(other, graph);
    }
    return { close() {} };
  });
  made.watch([graph]);
  await made.start();
  expect(begun).toBe(1);
  await made.recheck();
  expect(begun).toBe(2);
  await made.recheck();
  expect(begun).toBe(2);
});

/** Fails with a code while `full` says so, as inotify does. */
function failingWatch(code: string, full: () => boolean): WatchFunction {
  return () => {
    if (full()) throw Object.assign(new Error(`${code}: no more`), { code });
    return { close() {} };
  };
}

describe('when watching fails', () => {
  test.each([
    ['ENOSPC', 'fs.inotify.max_user_watches'],
    ['EMFILE', 'fs.inotify.max_user_instances'],
    ['EACCES', 'permissions'],
  ])('%s: one message, the graphs are looked at instead, and watched again when it works', async (code, says) => {
    const graphs = [await makeGraph('a'), await makeGraph('b'), await makeGraph('c')];
    let full = true;
    const made = make(failingWatch(code, () => full));
    made.watch(graphs);
    await made.start();
    await until('a message', () => degraded.length > 0);
    expect(degraded).toHaveLength(1);
    expect(degraded[0]?.message).toContain(says);
    expect(new Set(degraded[0]?.graphs)).toEqual(new Set(graphs));
    expect(new Set(made.pollingGraphs())).toEqual(new Set(graphs));

    await quiet();
    dirty = [];
    await replace(graphs[1] ?? '', 'changed\n');
    await until('a hint by looking', () => dirty.length > 0);
    expect(new Set(dirty.map((d) => d.graph))).toEqual(new Set([graphs[1]]));

    await made.recheck();
    expect(made.pollingGraphs()).toHaveLength(3);
    full = false;
    await made.recheck();
    expect(made.pollingGraphs()).toEqual([]);
    expect(degraded).toHaveLength(1);
  });

  test('a watch that fails later is told, its graph looked at instead, and watched again by the next look', async () => {
    const graph = await makeGraph('a');
    let fail: (thrown: unknown) => void = () => {};
    let closed = 0;
    const made = make((_folder, hear) => {
      fail = hear.failed;
      return { close: () => void closed++ };
    });
    made.watch([graph]);
    await made.start();
    expect(made.pollingGraphs()).toEqual([]);
    const old = fail;
    old(Object.assign(new Error('gone'), { code: 'EIO' }));
    expect(made.pollingGraphs()).toEqual([graph]);
    await until('a message', () => degraded.length > 0);
    expect(closed).toBe(1);
    await made.recheck();
    expect(made.pollingGraphs()).toEqual([]);
    // What is heard of a watch that was given up says nothing of the new one.
    old(new Error('late'));
    expect(made.pollingGraphs()).toEqual([]);
  });
});

describe('as a service', () => {
  test('start and stop in any order and often; stopped, it is silent', async () => {
    const graph = await makeGraph('a');
    const made = make();
    await made.stop();
    made.watch([graph]);
    await Promise.all([made.start(), made.start(), made.stop(), made.start(), made.stop()]);
    await made.start();
    await until('a hint', () => dirty.length > 0);
    await made.stop();
    await made.stop();
    dirty = [];
    await replace(graph, 'unheard\n');
    await clock.sleep(150);
    expect(dirty).toEqual([]);
  });

  test('a graph that is no longer named is not heard, a new one is', async () => {
    const [a, b] = [await makeGraph('a'), await makeGraph('b')];
    const made = await watching(a);
    made.watch([b]);
    await until('the new one', () => dirty.some((d) => d.graph === b));
    await quiet();
    dirty = [];
    await replace(a, 'unheard\n');
    await replace(b, 'heard\n');
    await until('a hint', () => dirty.length > 0);
    await quiet();
    expect(new Set(dirty.map((d) => basename(join(d.graph, '..'))))).toEqual(new Set(['b']));
  });
});
