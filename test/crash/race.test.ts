// Two supervisors with state folders of their own race for the same worktrees, and are killed in turn, while a third
// process rewrites the graphs all the time: every task runs once, every edit survives. RACE_TASKS=400 is the long form.

import { type ChildProcess, spawn } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from '@jest/globals';
import { createJournal } from '../../src/cli/drill/journal.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { livesOf } from '../model/life.ts';
import { agentWords, recordedMoves, recordMoves } from '../model/recorder.ts';
import { replay } from '../model/replay.ts';
import { personEnvironment } from '../support/actors.ts';
import { PATIENCE } from '../support/patience.mjs';
import { createPlayground, type Playground } from '../support/playground.ts';
import { markedProcesses } from './campaign.ts';

const BUILD = process.env.CRASH_BUILD ?? fileURLToPath(new URL('../../dist', import.meta.url));
const EDITS = fileURLToPath(new URL('./edits-all-the-time.mjs', import.meta.url));
const TASKS = Number(process.env.RACE_TASKS ?? 80);
const WORKTREES = TASKS >= 400 ? 8 : 2;

let playground: Playground;
const children = new Set<ChildProcess>();
afterEach(async () => {
  for (const child of children) child.kill('SIGKILL');
  children.clear();
  for (const state of ['one', 'two'])
    for (const pid of await markedProcesses(join(playground.folder, state))) process.kill(pid, 'SIGKILL');
  await playground.remove();
});

function launch(args: readonly string[]): ChildProcess {
  const child = spawn(process.execPath, args, {
    cwd: playground.folder,
    env: personEnvironment(playground.folder),
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  children.add(child);
  child.once('close', () => children.delete(child));
  return child;
}

const runSupervisor = (state: string) => {
  const child = launch([
    ...[join(BUILD, 'cli', 'main.js'), 'run', '--config', playground.configFile],
    ...['--state-dir', join(playground.folder, state)],
  ]);
  child.stdout?.resume();
  return child;
};

const ended = (child: ChildProcess) =>
  new Promise<void>((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve();
    child.once('close', () => resolve());
  });

test(`two supervisors, ${TASKS} tasks in ${WORKTREES} worktrees, killed in turn while the graphs are edited`, async () => {
  playground = await createPlayground();
  const ran = join(playground.folder, 'ran');
  await writeFile(ran, '');
  const journal = createJournal(join(playground.folder, 'journal'), systemClock());
  const note = (word: string) =>
    `echo "${word} $SUPERVISOR_RUN_ID $WG_TASK_ID 0 $(date +%s%N)" >> ${journal.file}`;
  const worktrees = [playground.repo];
  for (let n = 1; n < WORKTREES; n++) worktrees.push(await playground.worktree(`w${n}`));
  for (const [w, path] of worktrees.entries())
    await playground.writeGraph(
      path,
      Array.from({ length: TASKS / WORKTREES }, (_, n) => ({
        id: `w${w}-t${n}`,
        exec: `${note('start')}; echo "$WG_TASK_ID" >> ${ran}; sleep 0.1; ${note('end')}`,
      })),
    );
  await playground.writeConfig(
    '[supervisor]\nmax_concurrent = 6\n[limits]\nsafety_pass = "1s"\nrelist = "1s"\n',
  );
  const editor = launch([EDITS, BUILD, ...worktrees.map((path) => join(path, '.workgraph'))]);
  let told = '';
  editor.stdout?.on('data', (data: Buffer) => {
    told += data.toString();
  });

  const states = ['one', 'two'];
  for (const state of states) await recordMoves(join(playground.folder, state));
  const running = states.map(runSupervisor);
  const isOver = async () => {
    for (const path of worktrees)
      for (const task of (await playground.readGraph(path)).values())
        if (task.status !== 'done') return false;
    return true;
  };
  const until = Date.now() + (60_000 + TASKS * 500) * PATIENCE;
  let kills = 0;
  const begun = async () => (await readFile(ran, 'utf8')).split('\n').length;
  let before = 1;
  while (!(await isOver()) && Date.now() < until) {
    // Killed in the middle of work, not while it starts: a busy machine takes its time for that.
    const latest = Date.now() + 5000;
    while ((await begun()) < before + 12 && Date.now() < latest)
      await new Promise((resolve) => setTimeout(resolve, 50));
    before = await begun();
    const which = kills % 2;
    const victim = running[which];
    if (!victim) throw new Error('there are two');
    victim.kill('SIGKILL');
    await ended(victim);
    kills++;
    running[which] = runSupervisor(states[which] ?? '');
  }
  editor.stdin?.end();
  await ended(editor);
  for (const child of running) {
    child.kill('SIGTERM');
    await ended(child);
  }

  const times = new Map<string, number>();
  for (const id of (await readFile(ran, 'utf8')).split('\n').filter(Boolean))
    times.set(id, (times.get(id) ?? 0) + 1);
  expect([...times].filter(([, count]) => count !== 1)).toEqual([]);
  expect(times.size).toBe(TASKS);
  const lost: string[] = [];
  const tasks = new Map<string, Record<string, unknown>>();
  for (const path of worktrees)
    for (const [id, task] of await playground.readGraph(path)) tasks.set(id, task);
  for (const line of told.split('\n').filter(Boolean)) {
    const [edit = '', id = ''] = line.split(' ');
    if (!(tasks.get(id)?.tags as string[] | undefined)?.includes(edit)) lost.push(line);
  }
  expect(lost).toEqual([]);
  expect([...tasks.values()].filter((task) => task.status !== 'done')).toEqual([]);
  const moves = await Promise.all(
    states.map((state, n) => recordedMoves(join(playground.folder, state), n === 0 ? 'a' : 'b')),
  );
  const { refused } = await replay(livesOf([...moves.flat(), ...journal.entries().map(agentWords)]));
  expect(refused.slice(0, 3)).toEqual([]);
  const edits = told.split('\n').length - 1;
  expect(edits).toBeGreaterThan(20);
  process.stderr.write(`${TASKS} tasks, ${kills} kills, ${edits} edits\n`);
}, 600_000);
