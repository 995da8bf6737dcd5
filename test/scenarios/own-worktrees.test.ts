// Tasks with a worktree each, under a whole supervisor: work and checks happen there, limits do not count it, ports are no
// one else's, and what has landed is cleared away.

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { appendFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { eventually } from '../support/actors.ts';
import { createPlayground, type Playground } from '../support/playground.ts';
import { type Supervised, supervise } from '../support/supervised.ts';

let playground: Playground;
let supervised: Supervised | null = null;

beforeEach(async () => {
  playground = await createPlayground();
});
afterEach(async () => {
  await supervised?.stop({ cancelAgents: true });
  supervised = null;
  await playground.remove();
});

const at = (name: string) => join(playground.folder, name);
const lines = (name: string) =>
  existsSync(at(name)) ? readFileSync(at(name), 'utf8').trim().split('\n') : [];
const IDENTITY = '-c user.name=t -c user.email=t@localhost';
const own = (shell: string, settings = '') =>
  playground.writeConfig(
    `${settings}\n[executors.work]\ntype = "command"\nworktree = "own"\nshell = ${JSON.stringify(shell)}\n`,
  );
const graph = (...tasks: ({ id: string } & Record<string, unknown>)[]) =>
  playground.writeGraph(
    playground.repo,
    tasks.map((task) => ({ executor: 'work', ...task })),
  );

test('the agent, its hooks and its check are in a worktree of the task; it goes once its commits are merged', async () => {
  await graph({ id: 'a', verify: `test -e made-here && pwd >> ${at('notes')}` });
  await own(
    `pwd >> ${at('notes')}; touch made-here; git add -A; git ${IDENTITY} commit -qm done; ` +
      `echo "$WG_PORT_BASE $WG_PORT_COUNT" > ${at('ports')}`,
    `before_run = "pwd >> ${at('notes')}"`,
  );
  supervised = await supervise(playground);
  const { outcome } = await supervised.event('run.settled', 'a');
  expect(outcome).toMatchObject({ kind: 'succeeded' });
  const [place] = lines('notes');
  expect(place?.startsWith(realpathSync(join(playground.stateDir, 'worktrees')))).toBe(true);
  expect(lines('notes')).toEqual([place, place, place]);
  expect(lines('ports')).toEqual(['20000 10']);
  expect(existsSync(join(playground.repo, 'made-here'))).toBe(false);

  const row = async () =>
    (await supervised?.control.status())?.worktrees.find(({ state }) => state === 'own') ?? null;
  await eventually(async () => (await row())?.because.includes('kept') ?? false);
  expect(await row()).toMatchObject({
    path: place,
    branch: 'wg/a',
    because: expect.stringMatching(
      /^kept for a \(done\): it has commits of wg\/a that are on no other branch; remove it with: git -C .* worktree remove --force .* branch -D wg\/a$/,
    ),
  });
  await supervised.stop({ cancelAgents: false });

  await playground.git(playground.repo, 'merge', '-q', 'wg/a');
  supervised = await supervise(playground);
  supervised.supervisor.markEverything();
  await eventually(() => !existsSync(place ?? ''));
  expect(existsSync(join(playground.repo, 'made-here'))).toBe(true);
});

test('tasks of one graph work at once though a worktree takes one; their ports differ, and one that is in use is passed over', async () => {
  const { createServer } = await import('node:net');
  const server = createServer().listen(20_005, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  try {
    const ids = ['a', 'b', 'c'];
    await graph(...ids.map((id) => ({ id })));
    await own(
      `echo $WG_PORT_BASE >> ${at('ports')}; until [ $(wc -l < ${at('ports')}) -ge 3 ]; do sleep 0.05; done`,
      'max_concurrent_per_worktree = 1',
    );
    supervised = await supervise(playground);
    for (const id of ids) await supervised.event('run.settled', id);
    expect(lines('ports').sort()).toEqual(['20010', '20020', '20030']);
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
});

test('restart in the middle: the agent continues in its worktree, its ports stay its own', async () => {
  await graph({ id: 'a' });
  const wait = `until [ -e ${at('go')} ]; do sleep 0.05; done`;
  await own(`echo $WG_PORT_BASE >> ${at('ports')}; ${wait}; pwd > ${at('end')}`);
  supervised = await supervise(playground);
  await supervised.event('run.started', 'a');
  await supervised.stop({ cancelAgents: false });
  const line = { kind: 'task', id: 'b', title: 'b', status: 'open', executor: 'work' };
  await appendFile(join(playground.repo, '.workgraph/graph.jsonl'), `${JSON.stringify(line)}\n`);
  supervised = await supervise(playground);
  await supervised.event('run.started', 'b');
  await eventually(() => lines('ports').length === 2);
  expect(lines('ports')).toEqual(['20000', '20010']);
  await writeFile(at('go'), '');
  for (const id of ['a', 'b']) await supervised.event('run.settled', id);
});

test('its worktree is removed under the agent: the next attempt has it again', async () => {
  await graph({ id: 'a' });
  await playground.writeConfig(
    '[executors.work]\ntype = "command"\nworktree = "own"\nretry = { attempts = 2, backoff = "10ms" }\n' +
      `shell = "if [ -e ${at('place')} ]; then pwd >> ${at('place')}; exit; fi; pwd > ${at('place')}; while [ -e \\"$(cat ${at('place')})\\" ]; do sleep 0.05; done; exit 3"\n`,
  );
  supervised = await supervise(playground);
  await eventually(() => lines('place').length === 1);
  const [place = ''] = lines('place');
  rmSync(place, { recursive: true });
  await supervised.event('run.retrying', 'a');
  const { outcome } = await supervised.nth(2, 'run.finished', 'a');
  expect(outcome).toMatchObject({ kind: 'succeeded' });
  expect(lines('place')).toEqual([place, place]);
});

test('where it cannot be made the task is held with the reason, no attempt counted', async () => {
  await graph({ id: 'a' });
  await own('true');
  await mkdir(playground.stateDir, { recursive: true });
  await writeFile(join(playground.stateDir, 'worktrees'), 'in the way');
  supervised = await supervise(playground);
  const { because } = await supervised.event('run.released', 'a');
  expect(because).toMatch(/^its own worktree could not be made: /);
  expect(await supervised.control.why({ task: 'a' })).toMatchObject({ state: 'held', code: 'own-worktree' });
  expect((await supervised.control.runs({ task: 'a' }))[0]).toMatchObject({ attempt: 1, pid: null });
});

test('a committed graph stays one graph: its copy in the worktree is dispatched by no one', async () => {
  await graph({ id: 'a' });
  execFileSync('git', ['add', '-f', '.workgraph/graph.jsonl'], { cwd: playground.repo });
  await playground.git(playground.repo, 'commit', '-qm', 'graph');
  await own(`test -e .workgraph/graph.jsonl && echo ran >> ${at('notes')}`);
  supervised = await supervise(playground);
  await supervised.event('run.settled', 'a');
  await supervised.supervisor.quiet();
  expect(lines('notes')).toEqual(['ran']);
  const { worktrees } = await supervised.control.status();
  expect(worktrees.filter(({ counts }) => counts.done > 0)).toHaveLength(1);
});
