import { chmod, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createPlayground, type Playground } from '../../support/playground.ts';
import { type Supervised, supervise } from '../../support/supervised.ts';
import { command, type FakeOptions } from '../fake-surroundings.ts';

let ground: Playground;
let supervised: Supervised | null = null;
beforeEach(async () => {
  ground = await createPlayground();
  await ground.writeConfig('');
});
afterEach(async () => {
  await supervised?.stop({ cancelAgents: true });
  supervised = null;
  await ground.remove();
});

const cli = (...argv: string[]) => as({}, ...argv);
const as = (options: FakeOptions, ...argv: string[]) =>
  command(
    { cwd: ground.repo, home: ground.folder, ...options },
    ...['--config', ground.configFile, '--state-dir', ground.stateDir],
    ...argv,
  );
const task = async (id: string) => (await ground.readGraph(ground.repo)).get(id);

describe('while no supervisor runs', () => {
  test('done is written to the graph, with artifacts; twice is harmless', async () => {
    await ground.writeGraph(ground.repo, [{ id: 'research' }]);
    const first = await cli('done', 'research', '--agent', 'samantha', '--artifacts', '{"result": "three"}');
    expect(first).toEqual({
      status: 0,
      out: 'research is done (no supervisor is running: written to the graph)\n',
      err: '',
    });
    const line = await task('research');
    expect(line).toMatchObject({ status: 'done' });
    expect(JSON.stringify(line)).toContain('three');
    const second = await cli('done', 'research');
    expect(second).toMatchObject({ status: 0, out: 'research was done already\n' });
    const same = await cli('done', 'research', '--artifacts', '{"result": "three"}');
    expect(same.out).toBe('research was done already\n');
    const more = await cli('done', 'research', '--artifacts', '{"result": "four"}');
    expect(more).toMatchObject({
      status: 0,
      out: 'research was done already; these artifacts were not kept, put them into a new task\n',
    });
    expect(await task('research')).toEqual(line);
  });

  test('fail needs a reason that says something', async () => {
    await ground.writeGraph(ground.repo, [{ id: 'a' }]);
    expect(await cli('fail', 'a', '--reason', ' ')).toMatchObject({ status: 2 });
    expect(await cli('fail', 'a', '--reason', 'no cluster', '--json')).toMatchObject({ status: 0 });
    expect(await task('a')).toMatchObject({ status: 'failed', failure_reason: 'no cluster' });
  });

  test('broken artifacts change nothing', async () => {
    await ground.writeGraph(ground.repo, [{ id: 'a' }]);
    const { status, err } = await cli('done', 'a', '--artifacts', '{result: 1}');
    expect(status).toBe(2);
    expect(err).toContain('line 1, column 2');
    expect(await task('a')).toMatchObject({ status: 'open' });
  });

  test('an unknown task and one that still waits', async () => {
    await ground.writeGraph(ground.repo, [{ id: 'first' }, { id: 'second', after: ['first'] }]);
    const unknown = await cli('done', 'secnod');
    expect(unknown.status).toBe(8);
    expect(unknown.err).toContain('did you mean second?');
    const early = await cli('done', 'second');
    expect(early.status).toBe(1);
    expect(early.err).toContain('still waits for first');
  });

  test('an ambiguous id lists the candidates', async () => {
    const [one, two] = [await ground.worktree('one'), await ground.worktree('two')];
    await ground.writeGraph(one, [{ id: 'same' }]);
    await ground.writeGraph(two, [{ id: 'same' }]);
    const { status, err } = await cli('done', 'same');
    expect(status).toBe(8);
    expect(err).toContain(one);
    expect(err).toContain('--worktree');
    expect(await cli('done', 'same', '--worktree', '../two')).toMatchObject({ status: 0 });
    expect((await ground.readGraph(one)).get('same')?.status).toBe('open');
  });

  test('a graph that cannot be written just now keeps the completion for later', async () => {
    await ground.writeGraph(ground.repo, [{ id: 'a' }]);
    const graph = join(ground.repo, '.workgraph');
    await rename(join(graph, 'graph.jsonl'), join(graph, 'good'));
    await writeFile(join(graph, 'graph.jsonl'), 'half a li');
    const env = { WG_TASK_ID: 'a', WG_DIR: graph, SUPERVISOR_RUN_ID: 'run_1', SUPERVISOR_TOKEN: 'wgl_x' };
    const { status, out } = await as({ variables: env }, 'done', 'a', '--summary', 'ok');
    expect(status).toBe(0);
    expect(out).toContain('could not be written now');
    const [name = ''] = await readdir(join(ground.stateDir, 'spool'));
    expect(JSON.parse(await readFile(join(ground.stateDir, 'spool', name), 'utf8'))).toMatchObject({
      ...{ task: 'a', graph, run: 'run_1', result: 'succeeded', summary: 'ok' },
    });
    // And the next supervisor applies it.
    await rename(join(graph, 'good'), join(graph, 'graph.jsonl'));
    await ground.writeConfig('[limits]\nsafety_pass = "1s"\n');
    supervised = await supervise(ground);
    while ((await task('a'))?.status !== 'done') await supervised.bus.next('tick.finished');
  });

  test('where not even the spool can be written, it fails loudly', async () => {
    await ground.writeGraph(ground.repo, [{ id: 'a' }]);
    await writeFile(join(ground.repo, '.workgraph', 'graph.jsonl'), 'half a li');
    await writeFile(ground.stateDir, 'a file where a folder should be');
    const { status, err } = await cli('done', 'a', '--worktree', ground.repo);
    expect(status).not.toBe(0);
    expect(err).toMatch(/^supervisor: /);
    await chmod(ground.stateDir, 0o600);
  });
});

describe('with a supervisor', () => {
  test('it takes the completion, and dependents start', async () => {
    await ground.writeGraph(ground.repo, [
      { id: 'ask', tags: ['executor:external'] },
      { id: 'then', exec: 'true', after: ['ask'] },
    ]);
    supervised = await supervise(ground);
    await supervised.event('run.handed-off', 'ask');
    const { status, out } = await cli('done', 'ask', '--summary', 'yes');
    expect({ status, out }).toEqual({ status: 0, out: 'ask is done\n' });
    await supervised.event('run.settled', 'then');
    expect(await cli('done', 'ask')).toMatchObject({ status: 0, out: 'ask was done already\n' });
  });

  test('the agent of a superseded attempt is refused, that of the current one is not', async () => {
    await ground.writeGraph(ground.repo, [{ id: 'ask', paused: false, tags: ['manual'] }]);
    await ground.writeConfig('[supervisor]\nmode = "dispatch"\n[executors.default]\ntype = "external"\n');
    supervised = await supervise(ground);
    await supervised.event('run.handed-off', 'ask');
    await cli('release', 'ask');
    await supervised.bus.next('run.handed-off', (event) => event.task === 'ask');
    const [current, old] = await supervised.control.runs({ task: 'ask' });
    expect(current?.run).not.toBe(old?.run);
    const { status, err } = await as(
      {
        variables: {
          WG_TASK_ID: 'ask',
          SUPERVISOR_RUN_ID: old?.run,
          SUPERVISOR_TOKEN: 'wgl_of-an-older-attempt',
        },
      },
      ...['done', 'ask'],
    );
    expect(status).toBe(1);
    expect(err).toMatch(/^supervisor: /);
    expect(await task('ask')).toMatchObject({ status: 'in-progress' });
  });
});
