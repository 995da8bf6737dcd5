// Two supervisors with different state folders on one repository: each task is dispatched once, by the one that took the
// graph first; the other says so, and takes over when the first is gone, however it went.

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { eventually, type Started, startSupervisor, supervisor } from '../support/actors.ts';
import { createPlayground, type Playground } from '../support/playground.ts';
import { type Supervised, supervise } from '../support/supervised.ts';

let playground: Playground;
let both: Supervised[] = [];
let started: Started[] = [];

beforeEach(async () => {
  playground = await createPlayground();
});
afterEach(async () => {
  for (const one of both) await one.stop({ cancelAgents: true });
  for (const one of started) {
    await one.kill('SIGKILL');
  }
  both = [];
  started = [];
  await playground.remove();
});

const other = () => join(playground.folder, 'other-state');
const ran = async () => (await readFile(join(playground.folder, 'ran'), 'utf8')).trim().split('\n').sort();
const tell = (id: string) => `echo ${id} >> ${join(playground.folder, 'ran')}`;

test('started at the same moment over several worktrees, they share the graphs and run nothing twice', async () => {
  const worktrees = [playground.repo, await playground.worktree('one'), await playground.worktree('two')];
  const ids: string[] = [];
  for (const [index, worktree] of worktrees.entries()) {
    const tasks = [0, 1, 2, 3].map((task) => `t${index}-${task}`);
    ids.push(...tasks);
    await playground.writeGraph(
      worktree,
      tasks.map((id) => ({ id, exec: tell(id) })),
    );
  }
  await playground.writeConfig('');
  both = await Promise.all([supervise(playground), supervise(playground, { stateDir: other() })]);
  const [first, second] = both;
  if (!first || !second) throw new Error('two were started');
  await Promise.all(
    ids.map((id) => Promise.race([first.event('run.settled', id), second.event('run.settled', id)])),
  );
  expect(await ran()).toEqual(ids.sort());
  // Each graph has one master; the other names it, with its pid and state folder, and a task added later has one run.
  for (const worktree of worktrees) {
    const rows = await Promise.all(
      both.map(async (one) => (await one.control.status()).worktrees.find((row) => row.path === worktree)),
    );
    expect(rows.map((row) => row?.state).sort()).toEqual(['held', 'watched']);
    const held = rows.find((row) => row?.state === 'held');
    expect(held?.because).toContain(`pid ${process.pid}`);
    expect(held?.problems.map((problem) => problem.code)).toContain('other-supervisor');
  }
});

test('the one that came second takes over when the first stops', async () => {
  await playground.writeGraph(playground.repo, [
    { id: 'early', exec: tell('early') },
    { id: 'gate', executor: 'external' },
    { id: 'late', after: ['gate'], exec: tell('late') },
  ]);
  await playground.writeConfig('[limits]\nsafety_pass = "1s"\n');
  const first = await supervise(playground);
  both.push(first);
  await first.event('run.settled', 'early');
  await first.event('run.handed-off', 'gate');
  const second = await supervise(playground, { stateDir: other() });
  both.push(second);
  const why = await second.control.why({ task: 'late' });
  expect(why).toMatchObject({ state: 'held', code: 'other-supervisor' });
  expect(why.because).toContain(playground.stateDir);
  await first.stop({ cancelAgents: false });
  await eventually(async () => (await second.control.why({ task: 'late' })).state === 'waiting');
  // Handed off by the first, whose ledger the second does not know: it is someone's all the same.
  expect(await second.control.why({ task: 'gate' })).toMatchObject({ code: 'status-in-progress' });
  await second.control.complete({ task: 'gate', caller: { kind: 'operator' }, result: 'succeeded' });
  await second.event('run.settled', 'late');
  expect(await ran()).toEqual(['early', 'late']);
});

test('the built program: killed in the middle of its work, its graph passes on and its agent is left to it', async () => {
  const over = join(playground.folder, 'over');
  await playground.writeGraph(playground.repo, [
    { id: 'long', exec: `${tell('long')}; while [ ! -e ${over} ]; do sleep 0.02; done` },
  ]);
  await playground.writeConfig('[limits]\nsafety_pass = "1s"\n');
  const first = startSupervisor(playground, ['run']);
  started.push(first);
  await eventually(async () => (await ran().catch(() => [])).length === 1);
  const same = await supervisor(playground, ['run']);
  expect(same.status).toBe(4);
  expect(same.stderr).toContain(String(first.pid));
  const second = startSupervisor(playground, ['run'], { stateDir: other() });
  started.push(second);
  await eventually(async () => {
    const seen = await supervisor(playground, ['status', '--json'], { stateDir: other() });
    const { supervisor: who, worktrees } = JSON.parse(seen.stdout);
    return who.running && worktrees[0]?.state === 'held' && worktrees[0].because.includes(String(first.pid));
  });
  await first.kill('SIGKILL');
  await playground.writeGraph(playground.repo, [
    ...([...(await playground.readGraph(playground.repo)).values()] as { id: string }[]),
    { id: 'new', exec: tell('new') },
  ]);
  await eventually(async () => (await playground.readGraph(playground.repo)).get('new')?.status === 'done');
  // Somebody's agent is on `long`, as the graph says: the second leaves it alone.
  expect((await playground.readGraph(playground.repo)).get('long')).toMatchObject({ status: 'in-progress' });
  expect((await second.kill('SIGTERM')).status).toBe(0);

  // The first one's state comes back: the agent that outlived it is reattached, and its end is noticed.
  const third = startSupervisor(playground, ['run']);
  started.push(third);
  await writeFile(over, '');
  await eventually(async () => (await playground.readGraph(playground.repo)).get('long')?.status === 'done');
  expect(await ran()).toEqual(['long', 'new']);
}, 45_000);
