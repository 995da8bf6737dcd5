// One task, several worktrees: graphs that are committed to git, shared through symlinks, or reached from wg's own agent
// worktrees; and worktrees that come, go, move and are locked while the supervisor runs.

import { readFileSync, rmSync } from 'node:fs';
import { mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { eventually, supervisor } from '../support/actors.ts';
import { createPlayground, type Playground, type TaskLine } from '../support/playground.ts';
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

/** Commits a graph, as several real projects do. */
async function commitGraph(tasks: readonly TaskLine[]): Promise<void> {
  await playground.writeGraph(playground.repo, tasks);
  await playground.git(playground.repo, 'add', '-f', '.workgraph/graph.jsonl');
  await playground.git(playground.repo, 'commit', '-q', '-m', 'Plan');
}

const rowOf = async (running: Supervised, path: string) => {
  const { worktrees } = await running.control.status();
  return worktrees.find((row) => row.path === path);
};

/** Appends the worktree that a task ran in to a file outside of them all. */
const told = () => join(playground.folder, 'ran');
const tell = (id: string) => `echo ${id} "$PWD" >> ${told()}`;
const ran = async () => (await readFile(told(), 'utf8')).trim().split('\n').sort();

describe('a graph that is committed', () => {
  test('while the graph it runs in is missing no copy starts, also where no one noted that its agent had begun', async () => {
    const go = join(playground.folder, 'go');
    await commitGraph([{ id: 'long', exec: `${tell('long')}; until [ -e ${go} ]; do sleep 0.02; done` }]);
    const one = await playground.worktree('one');
    const file = join(playground.repo, '.workgraph', 'graph.jsonl');
    let claimed: string | null = null;
    await playground.writeConfig('');
    const running = await supervise(playground, {
      wrap: {
        // As if it were killed just after the agent was started, and git had taken the file away meanwhile.
        ledger: (ledger) => ({
          ...ledger,
          move(id, to, facts) {
            if (to !== 'started' || claimed !== null) return ledger.move(id, to, facts);
            claimed = readFileSync(file, 'utf8');
            rmSync(file);
            throw new Error('killed');
          },
        }),
      },
    });
    supervised = running;
    await eventually(() => claimed !== null);
    await running.control.reload();
    await running.event('run.adopted', 'long');
    const held = { state: 'held', code: 'copy-elsewhere' };
    expect(await running.control.why({ task: 'long', worktree: one })).toMatchObject(held);
    await writeFile(go, '');
    expect(await running.event('run.finished', 'long')).toMatchObject({ outcome: { kind: 'succeeded' } });
    await running.supervisor.tick();
    expect(await running.control.why({ task: 'long', worktree: one })).toMatchObject({ state: 'held' });
    await writeFile(file, claimed ?? '');
    expect(await running.event('run.settled', 'long')).toMatchObject({ status: 'done' });
    expect(await ran()).toEqual([`long ${playground.repo}`]);
  });

  test('a task that failed in one worktree has an attempt less in every other, until `retry`', async () => {
    const flaky = { id: 'flaky', exec: `${tell('flaky')}; exit 3`, created_at: '2026-05-01T00:00:00Z' };
    await commitGraph([flaky]);
    const one = await playground.worktree('one');
    await playground.writeGraph(playground.repo, []);
    await playground.writeConfig('[retry]\nattempts = 2\nbackoff = "1h"\nmax_backoff = "1h"\n');
    const running = await supervise(playground);
    supervised = running;
    // Where the main worktree has no such task, the other dispatches it.
    expect(await running.event('run.settled', 'flaky', one)).toMatchObject({ attempt: 1, status: 'open' });
    await playground.writeGraph(playground.repo, [flaky]);
    await running.supervisor.markEverything();
    const settled = await running.event('run.settled', 'flaky', playground.repo);
    expect(settled).toMatchObject({ attempt: 2, status: 'failed' });
    await running.control.retry({ task: 'flaky', worktree: playground.repo });
    expect(await running.nth(3, 'run.settled', 'flaky')).toMatchObject({ attempt: 1, status: 'open' });
    expect(await ran()).toEqual([`flaky ${one}`, `flaky ${playground.repo}`, `flaky ${playground.repo}`]);
  });

  test('is dispatched once, from the main worktree; the copies say so, and what waits for a copy continues', async () => {
    await commitGraph([
      { id: 'shared', exec: tell('shared') },
      { id: 'after-shared', after: ['shared'], exec: tell('after-shared') },
      { id: 'approval', executor: 'external' },
    ]);
    const linked = await Promise.all(['one', 'two', 'three'].map((name) => playground.worktree(name)));
    const [one = ''] = linked;
    // A task of its own in a linked worktree waits for one that exists in all of them.
    const here = [...(await playground.readGraph(one)).values()] as TaskLine[];
    await playground.writeGraph(one, [
      ...here,
      { id: 'own', after: ['shared'], exec: tell('own') },
      { id: 'own-later', after: ['approval'], exec: tell('own-later') },
    ]);
    await playground.writeConfig('');
    supervised = await supervise(playground);
    await supervised.event('run.settled', 'own');
    await supervised.event('run.settled', 'after-shared');
    await supervised.event('run.handed-off', 'approval');
    await supervised.supervisor.tick();
    expect(await ran()).toEqual([
      `after-shared ${playground.repo}`,
      `own ${one}`,
      `shared ${playground.repo}`,
    ]);
    const status = await supervised.control.status();
    for (const worktree of linked) {
      const held = status.held.filter((row) => row.worktree === worktree && row.state === 'copy');
      expect(held.map((row) => row.task).sort()).toEqual(['after-shared', 'approval', 'shared']);
      for (const row of held) expect(row.because).toContain(playground.repo);
    }
    expect(await supervised.control.why({ task: 'own-later', worktree: one })).toMatchObject({
      state: 'waiting',
    });
    // Without --worktree the id means the one that is dispatched.
    await supervised.control.complete({
      task: 'approval',
      caller: { kind: 'operator' },
      result: 'succeeded',
    });
    await supervised.event('run.settled', 'own-later');
    expect((await playground.readGraph(one)).get('approval')).toMatchObject({ status: 'open' });
    expect((await playground.readGraph(one)).get('own-later')).toMatchObject({ status: 'done' });
  });

  test('with duplicates = "each" every worktree runs its own', async () => {
    await commitGraph([{ id: 'shared', exec: tell('shared') }]);
    const linked = await Promise.all(['one', 'two'].map((name) => playground.worktree(name)));
    await playground.writeConfig('duplicates = "each"\n');
    supervised = await supervise(playground);
    for (const worktree of [playground.repo, ...linked])
      await supervised.event('run.settled', 'shared', worktree);
    expect(await ran()).toEqual([playground.repo, ...linked].map((path) => `shared ${path}`).sort());
  });

  test('a worktree that is added later brings copies, not work', async () => {
    await commitGraph([
      { id: 'shared', exec: tell('shared') },
      { id: 'waiting', executor: 'external' },
    ]);
    await playground.writeConfig('');
    supervised = await supervise(playground);
    await supervised.event('run.settled', 'shared');
    await supervised.event('run.handed-off', 'waiting');
    const late = await playground.worktree('late');
    const running = supervised;
    const row = await eventually(async () => {
      const found = await rowOf(running, late);
      // While git still adds it, it is locked.
      return found?.graph && found.state === 'watched' && found.counts.held > 0 ? found : null;
    });
    expect(row).toMatchObject({ state: 'watched', counts: { held: 2, open: 2, running: 0 } });
    expect(supervised.count('run.opened', 'shared')).toBe(1);
    expect(supervised.count('run.opened', 'waiting')).toBe(1);
  });
});

describe('a graph that is shared', () => {
  test('through a symlink is one graph, whose work happens in the worktree that holds it', async () => {
    const linked = await playground.worktree('linked');
    await playground.writeGraph(playground.repo, [{ id: 'shared', exec: tell('shared') }]);
    await symlink(join(playground.repo, '.workgraph'), join(linked, '.workgraph'));
    await playground.writeConfig('');
    supervised = await supervise(playground);
    await supervised.event('run.settled', 'shared');
    await supervised.supervisor.tick();
    expect(await ran()).toEqual([`shared ${playground.repo}`]);
    expect(await rowOf(supervised, linked)).toMatchObject({
      state: 'alias',
      because: `it shares the graph of ${playground.repo}`,
      graph: join(playground.repo, '.workgraph'),
    });
    expect(await supervised.control.tasks({})).toHaveLength(1);
    // From the alias, too, the id means that one task.
    expect(await supervised.control.why({ task: 'shared', near: linked })).toMatchObject({
      state: 'finished',
    });
    expect(await supervised.control.why({ task: 'shared', worktree: linked })).toMatchObject({
      state: 'finished',
    });
  });

  test('through a symlink in the main worktree, the work happens in the linked one that holds it', async () => {
    const linked = await playground.worktree('linked');
    await playground.writeGraph(linked, [{ id: 'shared', exec: tell('shared') }]);
    await symlink(join(linked, '.workgraph'), join(playground.repo, '.workgraph'));
    await playground.writeConfig('');
    supervised = await supervise(playground);
    await supervised.event('run.settled', 'shared');
    expect(await ran()).toEqual([`shared ${linked}`]);
  });

  test('wg’s own agent worktrees belong to the main graph, even with a checked-out copy in them', async () => {
    await commitGraph([{ id: 'shared', exec: tell('shared') }]);
    const agent = join(playground.repo, '.wg-worktrees', 'agent-1');
    await playground.git(playground.repo, 'worktree', 'add', '-q', '-b', 'wg/agent-1/shared', agent);
    await symlink(join(playground.repo, '.workgraph'), join(agent, '.wg'));
    const plain = join(playground.repo, '.wg-worktrees', 'agent-2');
    await playground.git(playground.repo, 'worktree', 'add', '-q', '-b', 'wg/agent-2/shared', plain);
    await playground.writeConfig('');
    supervised = await supervise(playground);
    await supervised.event('run.settled', 'shared');
    await supervised.supervisor.tick();
    expect(await ran()).toEqual([`shared ${playground.repo}`]);
    expect(await supervised.control.tasks({})).toHaveLength(1);
    expect(await rowOf(supervised, agent)).toMatchObject({ state: 'alias' });
    expect(await rowOf(supervised, plain)).toMatchObject({ state: 'alias' });
  });
});

describe('worktrees while the supervisor runs', () => {
  test('detached and locked ones work like any other, and say what they are', async () => {
    const detached = join(playground.folder, 'detached');
    await playground.git(playground.repo, 'worktree', 'add', '-q', '--detach', detached);
    const locked = await playground.worktree('locked');
    await playground.git(playground.repo, 'worktree', 'lock', '--reason', 'on a stick', locked);
    await playground.writeGraph(detached, [{ id: 'in-detached', exec: tell('in-detached') }]);
    await playground.writeGraph(locked, [{ id: 'in-locked', exec: tell('in-locked') }]);
    await playground.writeConfig('');
    supervised = await supervise(playground);
    await supervised.event('run.settled', 'in-detached');
    await supervised.event('run.settled', 'in-locked');
    expect(await ran()).toEqual([`in-detached ${detached}`, `in-locked ${locked}`]);
    expect(await rowOf(supervised, detached)).toMatchObject({ state: 'watched', branch: null });
    expect(await rowOf(supervised, locked)).toMatchObject({ state: 'locked', because: 'on a stick' });
  });

  test('one that is removed in the middle of its work ends that work; a moved one continues where it is', async () => {
    const doomed = await playground.worktree('doomed');
    const mover = await playground.worktree('mover');
    await playground.writeGraph(doomed, [{ id: 'endless', exec: `echo $$ > ${told()}; exec sleep 1000` }]);
    await playground.writeGraph(mover, [{ id: 'before', exec: 'true' }]);
    await playground.writeConfig('');
    supervised = await supervise(playground);
    await supervised.event('run.started', 'endless');
    await supervised.event('run.settled', 'before');
    const pid = Number(await eventually(async () => (await readFile(told(), 'utf8').catch(() => '')).trim()));

    await playground.git(playground.repo, 'worktree', 'remove', '--force', doomed);
    const moved = join(playground.folder, 'moved');
    await playground.git(playground.repo, 'worktree', 'move', mover, moved);
    await supervised.control.reload();
    const running = supervised;
    await eventually(async () => (await rowOf(running, moved)) ?? null);
    expect(await rowOf(supervised, doomed)).toBeUndefined();
    expect(await rowOf(supervised, mover)).toBeUndefined();
    await playground.writeGraph(moved, [{ id: 'after', exec: 'pwd' }]);
    expect(await supervised.event('run.settled', 'after')).toMatchObject({ worktree: moved });
    // Its folder and its graph are gone: no one could ever be told the result.
    await eventually(() => !isAlive(pid));
    const open = await eventually(async () => {
      const runs = await running.control.runs({ open: true });
      return runs.length === 0 ? [runs] : null;
    });
    expect(open).toEqual([[]]);
    expect((await supervised.control.status()).runs).toEqual([]);
  });

  test('work in the middle of which its worktree moves continues, and its result is written where its graph is now', async () => {
    const mover = await playground.worktree('mover');
    const moved = join(playground.folder, 'moved');
    const go = join(playground.folder, 'go');
    await playground.writeGraph(mover, [
      { id: 'stays', exec: `echo $$ > ${told()}; until [ -e ${go} ]; do sleep 0.02; done` },
    ]);
    await playground.writeConfig('');
    supervised = await supervise(playground);
    await supervised.event('run.started', 'stays');
    const pid = Number(await eventually(async () => (await readFile(told(), 'utf8').catch(() => '')).trim()));
    await playground.git(playground.repo, 'worktree', 'move', mover, moved);
    await supervised.control.reload();
    const running = supervised;
    await eventually(async () => (await running.control.runs({ open: true }))[0]?.worktree === moved);
    expect(isAlive(pid)).toBe(true);
    await writeFile(go, '');
    expect(await supervised.event('run.settled', 'stays', moved)).toMatchObject({ status: 'done' });
    expect(await supervised.control.runs({ open: true })).toEqual([]);
    expect((await playground.readGraph(moved)).get('stays')).toMatchObject({
      status: 'done',
      dispatch_count: 1,
    });
  });

  test('a folder that vanished without git is missing, the others continue; it comes back as it was', async () => {
    const fleeting = await playground.worktree('fleeting');
    await playground.writeGraph(fleeting, [{ id: 'first', exec: 'true' }]);
    await playground.writeConfig('');
    supervised = await supervise(playground);
    await supervised.event('run.settled', 'first');
    // The registry may just be written there.
    await rm(fleeting, { recursive: true, maxRetries: 20 });
    await supervised.control.reload();
    const running = supervised;
    const row = await eventually(async () => {
      const found = await rowOf(running, fleeting);
      return found && ['missing', 'prunable'].includes(found.state) ? found : null;
    });
    expect(row.because).not.toBe('');
    await playground.writeGraph(playground.repo, [{ id: 'elsewhere', exec: 'true' }]);
    await supervised.control.reload();
    await supervised.event('run.settled', 'elsewhere');
    await mkdir(fleeting);
    await writeFile(join(fleeting, '.git'), `gitdir: ${join(playground.repo, '.git/worktrees/fleeting')}\n`);
    await playground.writeGraph(fleeting, [{ id: 'second', exec: 'true' }]);
    await supervised.control.reload();
    expect(await supervised.event('run.settled', 'second')).toMatchObject({ worktree: fleeting });
  });

  test('a graph folder that is made in a worktree that had none is heard of: by `supervisor add`, or any other way', async () => {
    const plain = await playground.worktree('plain');
    await playground.writeConfig('');
    supervised = await supervise(playground);
    expect(await rowOf(supervised, plain)).toMatchObject({ state: 'no-graph', graph: null });
    expect((await supervisor(playground, ['add', 'First', '--exec', 'true'], { cwd: plain })).status).toBe(0);
    expect(await supervised.event('run.settled', 'first')).toMatchObject({ worktree: plain });
    await playground.writeGraph(playground.repo, [{ id: 'second', exec: 'true' }]);
    expect(await supervised.event('run.settled', 'second')).toMatchObject({ worktree: playground.repo });
    // Its folder goes, and comes back with other work.
    await rm(join(plain, '.workgraph'), { recursive: true });
    const running = supervised;
    await eventually(async () => (await rowOf(running, plain))?.state === 'no-graph');
    await playground.writeGraph(plain, [{ id: 'third', exec: 'true' }]);
    expect(await supervised.event('run.settled', 'third')).toMatchObject({ worktree: plain });
  });
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
