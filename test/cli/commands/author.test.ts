import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createPlayground, type Playground } from '../../support/playground.ts';
import { command } from '../fake-surroundings.ts';

let ground: Playground;
beforeEach(async () => {
  ground = await createPlayground();
});
afterEach(() => ground.remove());

const cli = (...argv: string[]) =>
  command({ cwd: ground.repo, home: ground.folder }, '--state-dir', ground.stateDir, ...argv);

describe('add', () => {
  test('makes the graph where there is none, and prints the id alone', async () => {
    const { status, out, err } = await cli('add', 'Fix auth bug');
    expect({ status, out }).toEqual({ status: 0, out: 'fix-auth-bug\n' });
    expect(err).toContain('created the graph');
    const again = await cli('add', 'Fix auth bug');
    expect(again).toMatchObject({ out: 'fix-auth-bug-2\n', err: '' });
    expect((await ground.readGraph(ground.repo)).get('fix-auth-bug')).toMatchObject({
      ...{ kind: 'task', status: 'open', title: 'Fix auth bug' },
    });
  });

  test('edge 5: both ends of a dependency are kept, for wg reads the other one too', async () => {
    await ground.writeGraph(ground.repo, [{ id: 'a' }, { id: 'b' }]);
    await cli('add', 'Last', '--id', 'last', '--after', 'a');
    expect((await ground.readGraph(ground.repo)).get('a')).toMatchObject({ before: ['last'] });
    await cli('edit', 'last', '--after', 'b');
    const tasks = await ground.readGraph(ground.repo);
    expect([tasks.get('a')?.before, tasks.get('b')?.before]).toEqual([undefined, ['last']]);
  });

  test('--worktree by the name of a folder or by a branch, which wins; what is neither is told with those that are', async () => {
    const there = await ground.worktree('feature');
    await ground.git(there, 'switch', '-q', '-c', 'work');
    await ground.worktree('work-too');
    for (const name of ['feature', 'work']) await cli('add', `By ${name}`, '--worktree', name);
    expect([...(await ground.readGraph(there)).keys()]).toEqual(['by-feature', 'by-work']);
    expect((await cli('init', 'work-too')).status).toBe(0);
    const { status, err } = await cli('add', 'Nowhere', '--worktree', 'gone');
    expect(status).toBe(6);
    expect(err).toContain('no folder, worktree or branch gone here');
    expect(err).toContain('main, work, work-too');
  });

  test('what closes a cycle is written, as wg would, and said; what only leads into one is not', async () => {
    await ground.writeGraph(ground.repo, [
      { id: 'a', after: ['b'] },
      { id: 'b', after: ['c'] },
    ]);
    const { status, out, err } = await cli('add', 'Last', '--id', 'c', '--after', 'a');
    expect([status, out]).toEqual([0, 'c\n']);
    expect(err).toMatch(/c and a, b wait for each other: a cycle/);
    expect((await cli('add', 'Behind', '--id', 'd', '--after', 'c')).err).not.toContain('cycle');
    expect(JSON.parse((await cli('edit', 'b', '--after', 'c', '--json')).out)).toMatchObject({
      cycle: ['a', 'b', 'c'],
    });
    // As the hint says.
    expect((await cli('edit', 'c', '--after', '')).status).toBe(0);
    expect((await ground.readGraph(ground.repo)).get('c')?.after).toBeUndefined();
  });

  test('a task that would wait for itself is refused, and nothing is written', async () => {
    await ground.writeGraph(ground.repo, [{ id: 'a' }]);
    for (const words of [
      ['add', 'Loop', '--id', 'x', '--after', 'a,x'],
      ['edit', 'a', '--after', 'a'],
    ]) {
      const { status, err } = await cli(...words);
      expect(status).toBe(2);
      expect(err).toContain('cannot wait for itself');
    }
    const tasks = await ground.readGraph(ground.repo);
    expect([...tasks.keys()]).toEqual(['a']);
    expect(tasks.get('a')).not.toHaveProperty('after');
  });

  test('every flag, executor and schedule as key and as tag', async () => {
    await ground.writeGraph(ground.repo, [{ id: 'a' }, { id: 'b' }, { id: 'c' }]);
    const { status } = await cli(
      ...[
        'add',
        'Weekly report',
        '--id',
        'weekly',
        '--description',
        'All of it',
        '--after',
        'a,b',
        '--after',
        'c',
      ],
      ...[
        '--executor',
        'scheduled',
        '--schedule',
        '0 9 * * 1',
        '--tag',
        'team:ops',
        '-t',
        'x,y',
        '--priority',
        'high',
      ],
      ...['--exec', 'make report', '--verify', 'true', '--timeout', '30m', '--model', 'opus', '--paused'],
    );
    expect(status).toBe(0);
    expect((await ground.readGraph(ground.repo)).get('weekly')).toMatchObject({
      ...{ description: 'All of it', after: ['a', 'b', 'c'], executor: 'scheduled', schedule: '0 9 * * 1' },
      tags: expect.arrayContaining(['executor:scheduled', 'schedule:0 9 * * 1', 'team:ops', 'x,y']),
      ...{ priority: 50, exec: 'make report', verify: 'true', timeout: '30m', model: 'opus', paused: true },
    });
  });

  test('--json, and --worktree by a relative path', async () => {
    const feature = await ground.worktree('feature');
    const { out } = await cli('add', 'There', '--worktree', '../feature', '--json');
    expect(JSON.parse(out)).toEqual({ id: 'there', worktree: feature, graph: join(feature, '.workgraph') });
  });

  test.each([
    [['add', ' '], 2, 'the title is empty'],
    [['add', 'x', '--timeout', '1d'], 2, '--timeout 1d is not a duration wg accepts'],
    [['add', 'x', '--schedule', 'at noon'], 2, '--schedule:'],
    [['add', 'x', '--schedule', '09:00', '--timezone', 'Mars/Base'], 2, 'no time zone "Mars/Base"'],
    [['add', 'x', '--priority', 'huge'], 2, 'huge is not a priority'],
    [['add', 'x', '--after', 'nothing-there'], 8, 'there is no task nothing-there'],
    [['add', 'x', '--id', 'taken'], 2, 'there is a task taken already'],
    [['add', 'x', '--tag', ''], 2, 'a tag is empty'],
  ])('%j is refused and nothing is written', async (argv, exit, words) => {
    await ground.writeGraph(ground.repo, [{ id: 'taken' }]);
    const { status, out, err } = await cli(...argv);
    expect({ status, out }).toEqual({ status: exit, out: '' });
    expect(err).toContain(words);
    expect((await ground.readGraph(ground.repo)).size).toBe(1);
  });

  test('outside of a repository: exit 6 and what to do', async () => {
    const nowhere = join(ground.folder, 'nowhere');
    await mkdir(nowhere);
    const { status, err } = await command({ cwd: nowhere, home: ground.folder }, 'add', 'x');
    expect(status).toBe(6);
    expect(err).toMatch(/^supervisor: .+; .+\n$/);
  });

  test('a graph that wg could not load is not touched', async () => {
    await ground.writeGraph(ground.repo, [{ id: 'a' }]);
    const file = join(ground.repo, '.workgraph', 'graph.jsonl');
    await writeFile(file, '{"kind":"task","id":"a"\n');
    const { status, err } = await cli('add', 'x');
    expect(status).toBe(6);
    expect(err).toContain('line 1');
  });
});

describe('edit', () => {
  test('changes what is given, takes away what is empty', async () => {
    await ground.writeGraph(ground.repo, [
      { id: 'a', tags: ['old', 'executor:x', 'keep'], executor: 'x', paused: true, custom: 1 },
    ]);
    const { status, out } = await cli(
      'edit',
      'a',
      '--untag',
      'old',
      '--tag',
      'new',
      '--executor',
      '',
      '--no-paused',
    );
    expect({ status, out }).toEqual({ status: 0, out: 'a\n' });
    const task = (await ground.readGraph(ground.repo)).get('a');
    expect(task).toMatchObject({ tags: ['keep', 'new'], custom: 1 });
    expect(task).not.toHaveProperty('executor');
    expect(task?.paused ?? false).toBe(false);
  });

  test('nothing to change is wrong usage, an unknown task gets a neighbour', async () => {
    await ground.writeGraph(ground.repo, [{ id: 'deploy' }]);
    expect(await cli('edit', 'deploy')).toMatchObject({ status: 2 });
    const { status, err } = await cli('edit', 'deploi', '--title', 'x');
    expect(status).toBe(8);
    expect(err).toContain('did you mean deploy?');
  });

  test('an id that two worktrees have means the one of the current folder', async () => {
    const feature = await ground.worktree('feature');
    await ground.writeGraph(ground.repo, [{ id: 'same' }]);
    await ground.writeGraph(feature, [{ id: 'same' }]);
    await cli('edit', 'same', '--title', 'here');
    await cli('edit', 'same', '--title', 'there', '--worktree', '../feature');
    expect((await ground.readGraph(ground.repo)).get('same')?.title).toBe('here');
    expect((await ground.readGraph(feature)).get('same')?.title).toBe('there');
  });
});
