// One campaign against the built supervisor: many tasks in several worktrees, a supervisor that is killed and started
// again until every task has ended, and the questions that must always be answered with yes.

import { type ChildProcess, spawn } from 'node:child_process';
import { appendFile, chmod, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createJournal, type Journal } from '../../src/cli/drill/journal.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { openLedger } from '../../src/runs/ledger.ts';
import { type Life, livesOf } from '../model/life.ts';
import { agentWords, recordedMoves, recordMoves } from '../model/recorder.ts';
import { personEnvironment } from '../support/actors.ts';
import { createPlayground, type Playground, type TaskLine } from '../support/playground.ts';
import { freePort, type OutsideAgent, startOutsideAgent } from './outside-agent.ts';

const UNDER_FIRE = fileURLToPath(new URL('./under-fire.mjs', import.meta.url));
/** Another build may be named, so that a long campaign is not disturbed by building again. */
const BUILD = process.env.CRASH_BUILD ?? fileURLToPath(new URL('../../dist', import.meta.url));

/** A step of the order of writes, and the side of it on which the supervisor dies. */
export interface Mine {
  readonly step: string;
  readonly side: 'before' | 'after';
  readonly nth: number;
}

/** Every step that can be mined, in the order in which a run passes them. */
export const STEPS = [
  'ledger-opened',
  'registry-allocated',
  'ledger-opened-noted',
  'graph-written',
  'ledger-claimed',
  'begun',
  'ledger-started',
  'registry-updated',
  'ledger-handed-off',
  'ledger-finished',
  'ledger-settled',
] as const;

export interface Campaign {
  readonly playground: Playground;
  readonly tasks: number;
  /** Starts the supervisor and kills it after a number of ms, or at the mine; resolves when it is dead. */
  round(
    how: { readonly killAfterMs: number } | { readonly mine: Mine; readonly atMostMs: number },
  ): Promise<void>;
  /** Lets the supervisor run until every task has ended, then stops it. */
  finish(withinMs: number): Promise<void>;
  /** Everything that is wrong; nothing is expected to be. `over`: every task must have ended. */
  violations(over: boolean): Promise<string[]>;
  /** What happened to each task, as the model's actions. */
  lives(): Promise<Life[]>;
  remove(): Promise<void>;
}

/** Plants the tasks. Nothing runs yet. */
export async function beginCampaign(options: {
  readonly worktrees: number;
  readonly tasksEach: number;
}): Promise<Campaign> {
  const playground = await createPlayground();
  const journal = createJournal(join(playground.folder, 'journal'), systemClock());
  const note = join(playground.folder, 'note');
  await writeFile(
    note,
    `#!/bin/sh\necho "$1 $SUPERVISOR_RUN_ID $WG_TASK_ID 0 $(date +%s%N)" >> ${journal.file}\n`,
  );
  await chmod(note, 0o755);
  await recordMoves(playground.stateDir);
  const outside = await startOutsideAgent(journal);
  const port = await freePort();
  const worktrees = [playground.repo];
  for (let n = 1; n < options.worktrees; n++) worktrees.push(await playground.worktree(`w${n}`));
  for (const [n, path] of worktrees.entries())
    await playground.writeGraph(path, tasksOf(n, options.tasksEach, note));
  await playground.writeConfig(`
[supervisor]
max_concurrent = 12
[retry]
attempts = 2
backoff = "1s"
[limits]
safety_pass = "1s"
[shutdown]
grace = "1s"
linger = "1s"
[api]
listen = "127.0.0.1:${port}"
[executors.outside]
type = "http"
endpoint = "${outside.url}"
`);
  let child: ChildProcess | null = null;
  const start = (mine: Mine | null): Promise<void> => {
    const place = ['--config', playground.configFile, '--state-dir', playground.stateDir];
    const args = mine
      ? [
          UNDER_FIRE,
          BUILD,
          playground.configFile,
          playground.stateDir,
          mine.step,
          mine.side,
          String(mine.nth),
        ]
      : [join(BUILD, 'cli', 'main.js'), 'run', ...place];
    const started = spawn(process.execPath, args, {
      cwd: playground.folder,
      env: personEnvironment(playground.folder),
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    child = started;
    started.stderr?.on('data', (data: Buffer) => {
      void appendFile(join(playground.folder, 'supervisor.log'), data);
    });
    return new Promise((resolve) => started.once('close', () => resolve()));
  };
  return {
    playground,
    tasks: options.worktrees * options.tasksEach,
    async round(how) {
      const mine = 'mine' in how ? how.mine : null;
      const dead = start(mine);
      const timer = setTimeout(() => child?.kill('SIGKILL'), 'mine' in how ? how.atMostMs : how.killAfterMs);
      await dead;
      clearTimeout(timer);
    },
    async finish(withinMs) {
      const dead = start(null);
      const until = Date.now() + withinMs;
      while (Date.now() < until && child?.exitCode === null && !(await allEnded(playground, worktrees)))
        await pause(100);
      // Those that the tasks left behind are ended a moment after their task.
      await pause(300);
      child?.kill('SIGTERM');
      await dead;
    },
    violations: (over) => violationsOf(playground, worktrees, journal, outside, over),
    lives: async () =>
      livesOf([...(await recordedMoves(playground.stateDir)), ...journal.entries().map(agentWords)]),
    async remove() {
      child?.kill('SIGKILL');
      for (const pid of await markedProcesses(playground.stateDir)) kill(pid);
      outside.stop();
      await playground.remove();
    },
  };
}

/** Tasks of every kind: quick and slow, in chains, failing once, leaving children behind, done by an agent outside. */
function tasksOf(worktree: number, count: number, note: string): TaskLine[] {
  const [start, end] = [`${note} start`, `${note} end`];
  return Array.from({ length: count }, (_, n) => {
    const id = `w${worktree}-t${n}`;
    switch (n % 6) {
      case 0:
        return { id, exec: `${start}; ${end}` };
      case 1:
        return { id, exec: `${start}; sleep 0.4; ${end}` };
      case 2:
        return { id, exec: `${start}; sleep 0.1; ${end}`, after: [`w${worktree}-t${n - 1}`] };
      case 3:
        return { id, exec: `${start}; [ "$SUPERVISOR_ATTEMPT" = 2 ] || { ${note} fail; exit 3; }; ${end}` };
      case 4:
        return { id, exec: `${start}; setsid sleep 300 >/dev/null 2>&1 & sleep 0.2; ${end}` };
      default:
        return { id, tags: ['executor:outside'] };
    }
  });
}

/** How many different runs each task has when nothing is done twice. */
const runsExpected = (id: string) => (Number(id.split('-t')[1]) % 6 === 3 ? 2 : 1);

async function violationsOf(
  playground: Playground,
  worktrees: readonly string[],
  journal: Journal,
  outside: OutsideAgent,
  over: boolean,
): Promise<string[]> {
  const wrong: string[] = [...outside.refusals];
  const runs = new Map<string, string[]>();
  for (const { word, run, task } of journal.entries())
    if (word === 'start') runs.set(task, [...(runs.get(task) ?? []), run]);
  for (const [task, ids] of outside.deliveries) runs.set(task, [...new Set(ids)]);
  for (const [task, ids] of runs) {
    if (new Set(ids).size !== ids.length)
      wrong.push(`${task}: one attempt was started twice: ${ids.join(' ')}`);
    if (ids.length > runsExpected(task)) wrong.push(`${task}: done ${ids.length} times: ${ids.join(' ')}`);
  }
  for (const path of worktrees) {
    let tasks: Map<string, Record<string, unknown>>;
    try {
      tasks = await playground.readGraph(path);
    } catch (thrown) {
      wrong.push(`the graph of ${path} does not load: ${String(thrown)}`);
      continue;
    }
    for (const [id, task] of tasks) {
      if (task.status === 'done' && runs.get(id)?.length !== runsExpected(id))
        wrong.push(`${id} is done after ${runs.get(id)?.length ?? 0} runs`);
      if (over && task.status !== 'done') wrong.push(`${id} has not ended: ${JSON.stringify(task)}`);
      if (task.status === 'failed') wrong.push(`${id} failed: ${JSON.stringify(task.log)}`);
    }
  }
  if (!over) return wrong;
  for (const pid of await markedProcesses(playground.stateDir))
    wrong.push(`process ${pid} belongs to no run`);
  const ledger = await openLedger({
    file: join(playground.stateDir, 'ledger.sqlite'),
    clock: systemClock(),
    readOnly: true,
  });
  for (const run of ledger?.openRuns() ?? []) wrong.push(`${run.task}: run ${run.id} is still ${run.phase}`);
  for (const run of ledger?.runs() ?? [])
    if (run.outcome?.kind === 'failed' && run.outcome.failure === 'interrupted')
      wrong.push(`the agent was not killed, but its result was lost: ${JSON.stringify(run)}`);
  ledger?.close();
  return wrong;
}

async function allEnded(playground: Playground, worktrees: readonly string[]): Promise<boolean> {
  for (const path of worktrees)
    for (const task of (await playground.readGraph(path)).values())
      if (task.status !== 'done' && task.status !== 'failed') return false;
  return true;
}

/** Every live process that carries the mark of this supervisor's agents. */
export async function markedProcesses(stateDir: string): Promise<number[]> {
  const found: number[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name)))
    try {
      const environment = `\0${await readFile(`/proc/${pid}/environ`, 'latin1')}`;
      if (
        environment.includes('\0SUPERVISOR_RUN_ID=') &&
        environment.includes(`\0SUPERVISOR_STATE_DIR=${stateDir}\0`)
      )
        found.push(Number(pid));
    } catch {
      // Gone in between, or another user's.
    }
  return found;
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It ended on its own meanwhile.
  }
}

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
