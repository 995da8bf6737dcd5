// What machines and people do to a supervisor besides killing it: its ledger or its state folder is lost, it is stopped
// for long, the clock is set, the disk is full, a folder is read-only or gone. A clear state each, and nothing twice.

import { execFileSync } from 'node:child_process';
import { chmod, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { systemClock } from '../../src/platform/clock.ts';
import { openDatabase } from '../../src/runs/database.ts';
import { eventually, type Started, startSupervisor } from '../support/actors.ts';
import { createPlayground, type Playground } from '../support/playground.ts';
import { type Supervised, supervise } from '../support/supervised.ts';
import { markedProcesses } from './campaign.ts';

let playground: Playground;
let supervised: Supervised | null = null;
let started: Started | null = null;

beforeEach(async () => {
  playground = await createPlayground();
});
afterEach(async () => {
  await supervised?.stop({ cancelAgents: true });
  started?.kill('SIGCONT');
  await started?.kill('SIGKILL');
  supervised = null;
  started = null;
  for (const pid of await markedProcesses(playground.stateDir)) process.kill(pid, 'SIGKILL');
  await playground.remove();
});

const go = () => join(playground.folder, 'go');
/** Tells that it began, waits for a file, tells that it ended. */
const waits = (id: string) =>
  `echo ${id} >> ${join(playground.folder, 'began')}; until [ -e ${go()} ]; do sleep 0.05; done; ` +
  `echo ${id} >> ${join(playground.folder, 'ended')}`;
const lines = async (name: string) =>
  (await readFile(join(playground.folder, name), 'utf8').catch(() => '')).split('\n').filter(Boolean).sort();
const statusOf = async (id: string) => (await playground.readGraph(playground.repo)).get(id)?.status;

describe('the ledger is lost', () => {
  test.each([
    'removed',
    'garbage',
  ])('%s between two starts: what runs is reattached, nothing runs twice, its result counts', async (how) => {
    await playground.writeGraph(playground.repo, [
      { id: 'a', exec: waits('a') },
      { id: 'b', exec: waits('b') },
    ]);
    await playground.writeConfig('');
    supervised = await supervise(playground);
    await eventually(async () => (await lines('began')).length === 2);
    // Its process is noted a moment after it has begun.
    for (const task of ['a', 'b']) await supervised.event('run.started', task);
    const before = await supervised.control.runs({ open: true });
    await supervised.stop({ cancelAgents: false });
    const ledger = join(playground.stateDir, 'ledger.sqlite');
    for (const suffix of ['-wal', '-shm']) await rm(`${ledger}${suffix}`, { force: true });
    if (how === 'removed') await rm(ledger);
    else
      await writeFile(
        ledger,
        'not a database at all, but long enough to be taken for one at first sight'.repeat(50),
      );
    supervised = await supervise(playground);
    await supervised.event('run.adopted', 'a');
    await supervised.event('run.adopted', 'b');
    const after = await supervised.control.runs({ open: true });
    expect(after.map((run) => [run.run, run.agent, run.pid]).sort()).toEqual(
      before.map((run) => [run.run, run.agent, run.pid]).sort(),
    );
    if (how === 'garbage')
      expect((await supervised.control.status()).problems.map((problem) => problem.code)).toContain('ledger');
    await writeFile(go(), '');
    await supervised.event('run.settled', 'a');
    await supervised.event('run.settled', 'b');
    expect([await lines('began'), await lines('ended')]).toEqual([
      ['a', 'b'],
      ['a', 'b'],
    ]);
    expect([await statusOf('a'), await statusOf('b')]).toEqual(['done', 'done']);
  });

  test('what ended meanwhile is settled from its exit status, another supervisor’s runs are left alone', async () => {
    await playground.writeGraph(playground.repo, [
      { id: 'mine', exec: waits('mine') },
      { id: 'theirs', status: 'in-progress', assigned: 'agent-77' },
    ]);
    await playground.writeConfig('');
    supervised = await supervise(playground);
    await eventually(async () => (await lines('began')).length === 1);
    const [run] = await supervised.control.runs({ open: true });
    await supervised.stop({ cancelAgents: false });
    const agents = join(playground.repo, '.workgraph', 'agents');
    const text = await readFile(join(agents, run?.agent ?? '', 'run.json'), 'utf8');
    await mkdir(join(agents, 'agent-77'));
    await writeFile(
      join(agents, 'agent-77', 'run.json'),
      text
        .replace(playground.stateDir, '/somewhere/else')
        .replaceAll('"mine"', '"theirs"')
        .replaceAll(run?.agent ?? '', 'agent-77'),
    );
    await writeFile(go(), '');
    await eventually(async () => (await markedProcesses(playground.stateDir)).length === 0);
    await rm(playground.stateDir, { recursive: true });
    supervised = await supervise(playground);
    expect(await supervised.event('run.settled', 'mine')).toMatchObject({
      run: run?.run,
      outcome: { kind: 'succeeded' },
    });
    expect(await lines('began')).toEqual(['mine']);
    expect(await statusOf('theirs')).toBe('in-progress');
  });

  test('the state folder is deleted under a running supervisor: it starts nothing more, says why, and ends what runs', async () => {
    await playground.writeGraph(playground.repo, [{ id: 'a', exec: waits('a') }]);
    await playground.writeConfig('');
    supervised = await supervise(playground);
    await eventually(async () => (await lines('began')).length === 1);
    await rm(playground.stateDir, { recursive: true });
    await playground.writeGraph(playground.repo, [
      ...[...(await playground.readGraph(playground.repo)).values()].map((task) => ({ id: '', ...task })),
      { id: 'late', exec: waits('late') },
    ]);
    const status = await eventually(async () => {
      const report = await supervised?.control.status();
      return report?.held.some(({ task, code }) => task === 'late' && code === 'ledger-gone') && report;
    });
    expect(status.problems.map((problem) => problem.code)).toContain('ledger-gone');
    await writeFile(go(), '');
    await supervised.event('run.settled', 'a');
    expect(await statusOf('a')).toBe('done');
    await supervised.stop({ cancelAgents: false });
    supervised = await supervise(playground);
    await supervised.event('run.settled', 'late');
    expect(await lines('began')).toEqual(['a', 'late']);
  });
});

test('the machine was started again: every run of before is void, its attempt not counted, its pid no one’s', async () => {
  await playground.writeGraph(playground.repo, [{ id: 'a', exec: waits('a') }]);
  await playground.writeConfig('[retry]\nbackoff = "1s"\n[limits]\nsafety_pass = "1s"\n');
  supervised = await supervise(playground);
  await eventually(async () => (await lines('began')).length === 1);
  const [before] = await supervised.control.runs({ open: true });
  await supervised.stop({ cancelAgents: false });
  // The pid is alive with the same start time, as by chance after a reboot; only the boot tells that it is another's.
  const database = await openDatabase(join(playground.stateDir, 'ledger.sqlite'), false);
  database.exec("UPDATE runs SET boot_id = 'the boot before'");
  database.close();
  supervised = await supervise(playground);
  expect(await supervised.event('run.finished', 'a')).toMatchObject({
    run: before?.run,
    outcome: { kind: 'failed', failure: 'interrupted' },
  });
  await eventually(async () => (await lines('began')).length === 2);
  await writeFile(go(), '');
  await eventually(async () => (await statusOf('a')) === 'done');
  expect((await supervised.control.runs({ task: 'a' })).map((run) => run.attempt)).toEqual([1, 1]);
  expect(await lines('ended')).toEqual(['a']);
});

describe('time', () => {
  test('stopped for longer than every stale time, then continued: no second dispatch, by it or by another', async () => {
    await playground.writeGraph(playground.repo, [
      { id: 'a', exec: waits('a') },
      { id: 'next', after: ['a'], exec: waits('next') },
    ]);
    await playground.writeConfig('[limits]\nsafety_pass = "1s"\nrelist = "1s"\n');
    started = startSupervisor(playground, ['run']);
    await eventually(async () => (await lines('began')).length === 1);
    started.kill('SIGSTOP');
    // As if it had slept for hours: everything that others may judge it by is as old as can be.
    const long = new Date(Date.now() - 6 * 3_600_000);
    const { utimes } = await import('node:fs/promises');
    for (const lock of [
      join(playground.stateDir, 'run', 'supervisor.lock.lock'),
      join(playground.stateDir, 'run', 'supervisor.lock'),
      join(playground.repo, '.workgraph', 'service', '.supervisor.lock'),
    ])
      await utimes(lock, long, long).catch(() => {});
    await expect(supervise(playground)).rejects.toMatchObject({ code: 'already-running' });
    supervised = await supervise(playground, { stateDir: join(playground.folder, 'other') });
    const row = (await supervised.control.status()).worktrees.find(({ path }) => path === playground.repo);
    expect(row?.state).toBe('held');
    started.kill('SIGCONT');
    await writeFile(go(), '');
    await eventually(async () => (await statusOf('next')) === 'done');
    expect(await lines('began')).toEqual(['a', 'next']);
  });

  test.each([
    ['forward', 86_400_000],
    ['back', -86_400_000],
  ])('the clock is set %s by a day: running work continues, nothing is dispatched twice', async (_how, jump) => {
    let offset = 0;
    const system = systemClock();
    const clock = { ...system, now: () => system.now() + offset };
    await playground.writeGraph(playground.repo, [
      { id: 'a', exec: waits('a') },
      { id: 'next', after: ['a'], exec: waits('next') },
    ]);
    await playground.writeConfig('[executors.command]\ntype = "command"\ntimeout = "1h"\n');
    supervised = await supervise(playground, { clock });
    await eventually(async () => (await lines('began')).length === 1);
    offset = jump;
    for (let n = 0; n < 3; n++) await supervised.supervisor.tick();
    expect(await statusOf('a')).toBe('in-progress');
    expect(supervised.count('run.stopping', 'a') + supervised.count('run.finished', 'a')).toBe(0);
    const [run] = await supervised.control.runs({ open: true });
    expect(run).toMatchObject({ task: 'a', phase: 'started' });
    await writeFile(go(), '');
    await supervised.event('run.settled', 'next');
    expect(await lines('began')).toEqual(['a', 'next']);
    // The other way again, with everything done.
    offset = 0;
    for (let n = 0; n < 3; n++) await supervised.supervisor.tick();
    expect(await lines('began')).toEqual(['a', 'next']);
  });

  test('silence is told, at five minutes and at fifteen, and ends nothing', async () => {
    let offset = 0;
    const { now, after, sleep } = systemClock();
    await playground.writeGraph(playground.repo, [{ id: 'quiet', exec: waits('quiet') }]);
    await playground.writeConfig('');
    // Without a clock that tells sleep from work, so that time only seems to pass.
    supervised = await supervise(playground, { clock: { after, sleep, now: () => now() + offset } });
    await eventually(async () => (await lines('began')).length === 1);
    await supervised.event('run.started', 'quiet');
    offset = 6 * 60_000;
    await supervised.supervisor.tick();
    expect(await supervised.event('run.silent', 'quiet')).toMatchObject({ level: 'warning' });
    expect((await supervised.control.runs({ open: true }))[0]?.progress).toContain(
      'no sign of life for 6 min',
    );
    offset = 16 * 60_000;
    await supervised.supervisor.tick();
    const problem = (await supervised.control.status()).problems.find(({ code }) => code === 'silent-run');
    expect(problem?.message).toContain('16 min');
    expect(supervised.count('run.silent', 'quiet')).toBe(2);
    expect(await statusOf('quiet')).toBe('in-progress');
    await writeFile(go(), '');
    await supervised.event('run.settled', 'quiet');
  });
});

/** Makes a folder read-only, also for root; gives how to undo it, or null where that cannot be done. */
async function makeReadOnly(folder: string): Promise<(() => Promise<void>) | null> {
  if (process.getuid?.() !== 0) {
    await chmod(folder, 0o500);
    return () => chmod(folder, 0o700);
  }
  try {
    execFileSync('mount', ['--bind', folder, folder], { stdio: 'pipe' });
    execFileSync('mount', ['-o', 'remount,ro,bind', folder], { stdio: 'pipe' });
  } catch (thrown) {
    process.stderr.write(
      `skipped: nothing can be made read-only for root here (${String(thrown).split('\n')[0]})\n`,
    );
    return null;
  }
  return async () => void execFileSync('umount', ['-l', folder]);
}

describe('disks and folders', () => {
  test('the state folder is on a full disk: nothing new is begun, what runs is settled once there is room', async () => {
    const disk = join(playground.folder, 'disk');
    await mkdir(disk);
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', disk], { stdio: 'pipe' });
    } catch (thrown) {
      process.stderr.write(`skipped: no small disk can be mounted here (${String(thrown).split('\n')[0]})\n`);
      return;
    }
    try {
      const stateDir = join(disk, 'state');
      await playground.writeGraph(playground.repo, [{ id: 'a', exec: waits('a') }]);
      await playground.writeConfig('[limits]\nsafety_pass = "1s"\n');
      supervised = await supervise(playground, { stateDir });
      await eventually(async () => (await lines('began')).length === 1);
      await supervised.event('run.started', 'a');
      execFileSync('sh', ['-c', `cat /dev/zero > ${join(disk, 'fill')} 2>/dev/null || true`]);
      await playground.writeGraph(playground.repo, [
        ...[...(await playground.readGraph(playground.repo)).values()].map((task) => ({ id: '', ...task })),
        { id: 'late', exec: waits('late') },
      ]);
      await writeFile(go(), '');
      await eventually(async () => (await lines('ended')).length === 1);
      for (let n = 0; n < 3; n++) await supervised.supervisor.tick();
      const status = await eventually(async () => {
        const report = await supervised?.control.status();
        return (
          report?.held.some(({ task, code }) => task === 'late' && code === 'ledger-unwritable') && report
        );
      });
      expect(status.problems).toContainEqual(
        expect.objectContaining({
          code: 'ledger-unwritable',
          message: expect.stringMatching(/the disk is full\. Make room/),
        }),
      );
      expect(await lines('began')).toEqual(['a']);
      await rm(join(disk, 'fill'));
      await supervised.event('run.settled', 'a');
      await supervised.event('run.settled', 'late');
      expect(await lines('began')).toEqual(['a', 'late']);
      expect([await statusOf('a'), await statusOf('late')]).toEqual(['done', 'done']);
    } finally {
      await supervised?.stop({ cancelAgents: true });
      supervised = null;
      execFileSync('umount', ['-l', disk]);
    }
  });

  test('the graph is on a full disk: an outcome is kept and written once there is room, without a restart', async () => {
    const disk = join(playground.folder, 'disk');
    await mkdir(disk);
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', disk], { stdio: 'pipe' });
    } catch (thrown) {
      process.stderr.write(`skipped: no small disk can be mounted here (${String(thrown).split('\n')[0]})\n`);
      return;
    }
    try {
      const worktree = join(disk, 'w');
      await playground.git(playground.repo, 'worktree', 'add', '-q', '--detach', worktree);
      await playground.writeGraph(worktree, [{ id: 'a', exec: waits('a') }]);
      await playground.writeConfig('[limits]\nsafety_pass = "1s"\n');
      supervised = await supervise(playground);
      await eventually(async () => (await lines('began')).length === 1);
      await supervised.event('run.started', 'a');
      execFileSync('sh', ['-c', `cat /dev/zero > ${join(disk, 'fill')} 2>/dev/null || true`]);
      await writeFile(go(), '');
      await supervised.event('run.finished', 'a');
      expect((await playground.readGraph(worktree)).get('a')?.status).toBe('in-progress');
      await rm(join(disk, 'fill'));
      await supervised.event('run.settled', 'a');
      expect((await playground.readGraph(worktree)).get('a')?.status).toBe('done');
    } finally {
      await supervised?.stop({ cancelAgents: true });
      supervised = null;
      execFileSync('umount', ['-l', disk]);
    }
  });

  test('a graph folder that may not be written: nothing is lost, and its outcome is written once it may', async () => {
    const graph = join(playground.repo, '.workgraph');
    await playground.writeGraph(playground.repo, [{ id: 'a', exec: waits('a') }]);
    await playground.writeConfig('[limits]\nsafety_pass = "1s"\n');
    supervised = await supervise(playground);
    await supervised.event('run.started', 'a');
    await eventually(async () => (await lines('began')).length === 1);
    const undo = await makeReadOnly(graph);
    if (!undo) return;
    try {
      await writeFile(go(), '');
      await supervised.event('run.finished', 'a');
      expect(await statusOf('a')).toBe('in-progress');
    } finally {
      await undo();
    }
    await supervised.event('run.settled', 'a');
    expect(await statusOf('a')).toBe('done');
    expect(await lines('began')).toEqual(['a']);
  });

  test('a graph file that is deleted and comes back: the run continues and its result is written', async () => {
    await playground.writeGraph(playground.repo, [{ id: 'a', exec: waits('a') }]);
    await playground.writeConfig('[limits]\nsafety_pass = "1s"\n');
    supervised = await supervise(playground);
    await eventually(async () => (await lines('began')).length === 1);
    const file = join(playground.repo, '.workgraph', 'graph.jsonl');
    await rename(file, join(playground.folder, 'aside'));
    await eventually(async () => {
      const row = (await supervised?.control.status())?.worktrees.find(
        ({ path }) => path === playground.repo,
      );
      return row?.state === 'graph-gone' && row.because.includes('(a)');
    });
    await writeFile(go(), '');
    await supervised.event('run.finished', 'a');
    await rename(join(playground.folder, 'aside'), file);
    await supervised.event('run.settled', 'a');
    expect(await statusOf('a')).toBe('done');
    expect(await lines('began')).toEqual(['a']);
  });
});
