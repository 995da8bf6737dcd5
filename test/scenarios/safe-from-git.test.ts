// A graph that the first `add` made, and agents that tidy up with git: what is ignored is left alone. And what is not made:
// a graph where nothing would ever run.

import { readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { supervisor } from '../support/actors.ts';
import { createPlayground, type Playground } from '../support/playground.ts';
import { type Supervised, supervise } from '../support/supervised.ts';

let playground: Playground;
let supervised: Supervised | null = null;

beforeEach(async () => {
  playground = await createPlayground();
  // A repository that knows nothing of graphs.
  await playground.git(playground.repo, 'rm', '-q', '.gitignore');
  await playground.git(playground.repo, 'commit', '-q', '-m', 'Forget');
});
afterEach(async () => {
  await supervised?.stop({ cancelAgents: true });
  supervised = null;
  await playground.remove();
});

const cli = (...argv: string[]) => supervisor(playground, argv);

describe('what git does beside a graph that `add` made', () => {
  test.each<[string, string]>([
    ['clean', 'git clean -fdq'],
    ['clean of one folder', 'git clean -fdq . && git clean -fdq .workgraph'],
    ['a stash of everything', 'touch x && git stash -u -q && git stash drop -q'],
    ['a commit of everything', 'touch x && git add -A && git commit -qm all && git reset -q --hard HEAD~1'],
    [
      'a switch of branches',
      'touch x && git add -A && git switch -qc other && git commit -qm x && git switch -q main',
    ],
  ])('%s', async (_what, does) => {
    await cli('add', 'One', '--id', 'one', '--exec', does);
    await cli('add', 'Two', '--id', 'two', '--after', 'one', '--exec', 'true');
    expect(await playground.git(playground.repo, 'status', '--short')).toBe('');
    await playground.writeConfig('');
    supervised = await supervise(playground);
    expect(await supervised.event('run.settled', 'one')).toMatchObject({ status: 'done' });
    expect(await supervised.event('run.settled', 'two')).toMatchObject({ status: 'done' });
    expect([supervised.count('run.opened', 'one'), supervised.count('run.opened', 'two')]).toEqual([1, 1]);
    expect((await playground.readGraph(playground.repo)).get('two')).toMatchObject({ status: 'done' });
  });

  test('a linked worktree is looked after by the same line', async () => {
    const linked = await playground.worktree('linked');
    await supervisor(playground, ['add', 'One'], { cwd: linked });
    await supervisor(playground, ['add', 'Two']);
    await playground.git(linked, 'clean', '-fdq');
    expect((await playground.readGraph(linked)).has('one')).toBe(true);
    const excluded = await readFile(join(playground.repo, '.git/info/exclude'), 'utf8');
    expect(excluded.match(/workgraph/g)).toHaveLength(1);
  });

  test.each<[string, (exclude: string) => Promise<unknown>]>([
    ['is not there', (exclude) => rm(join(exclude, '..'), { recursive: true })],
    ['has no last line end', (exclude) => writeFile(exclude, 'mine')],
    ['leads elsewhere', (exclude) => rm(exclude).then(() => symlink('/dev/zero', exclude))],
  ])('where the exclude file %s', async (_what, make) => {
    const exclude = join(playground.repo, '.git/info/exclude');
    await make(exclude);
    expect(await cli('add', 'One')).toMatchObject({ status: 0, stdout: 'one\n' });
    expect(await playground.git(playground.repo, 'status', '--short')).toBe('');
    await playground.git(playground.repo, 'clean', '-fdq');
    expect((await playground.readGraph(playground.repo)).has('one')).toBe(true);
  });
});

describe('`supervisor init`', () => {
  test('makes an empty graph that git ignores, and says so of one that is there', async () => {
    const made = await cli('init', '--json');
    const graph = join(playground.repo, '.workgraph');
    expect(JSON.parse(made.stdout)).toEqual({
      graph,
      worktree: playground.repo,
      created: true,
      in_git: 'ignored',
    });
    expect(await readFile(join(graph, 'graph.jsonl'), 'utf8')).toBe('');
    await cli('add', 'One');
    const again = await cli('init');
    expect(again).toMatchObject({ status: 0, stderr: '' });
    expect(again.stdout).toContain('there is a graph already');
    expect((await playground.readGraph(playground.repo)).has('one')).toBe(true);
  });

  test('protects a graph that was made by hand, and leaves alone one that is committed', async () => {
    await playground.writeGraph(playground.repo, [{ id: 'one' }]);
    expect(await playground.git(playground.repo, 'status', '--short')).not.toBe('');
    expect((await cli('init')).stdout).toContain('git ignores it');
    expect(await playground.git(playground.repo, 'status', '--short')).toBe('');
    const linked = await playground.worktree('linked');
    await rm(join(playground.repo, '.git/info/exclude'));
    await playground.writeGraph(linked, [{ id: 'two' }]);
    await playground.git(linked, 'add', '.workgraph/graph.jsonl');
    await playground.git(linked, 'commit', '-qm', 'Plan');
    const { stdout } = await supervisor(playground, ['init', '--json'], { cwd: linked });
    expect(JSON.parse(stdout)).toMatchObject({ in_git: 'committed', created: false });
    await playground.git(linked, 'check-ignore', '.workgraph').then(
      () => Promise.reject(new Error('it is ignored')),
      () => undefined,
    );
  });
});
