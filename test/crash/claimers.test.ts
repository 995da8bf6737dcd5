// Twenty workers claim tasks of several worktrees over HTTP, through a built supervisor that is killed in the middle and
// started again: each task is completed exactly once. EXTERNAL_TASKS=1000 makes it the long form.

import { type ChildProcess, spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from '@jest/globals';
import { systemClock } from '../../src/platform/clock.ts';
import { openLedger } from '../../src/runs/ledger.ts';
import { personEnvironment } from '../support/actors.ts';
import { PATIENCE } from '../support/patience.mjs';
import { createPlayground, type Playground } from '../support/playground.ts';
import { freePort } from './outside-agent.ts';

const TASKS = Number(process.env.EXTERNAL_TASKS ?? 99);
const WORKTREES = TASKS >= 1000 ? 10 : 3;
const CLAIMERS = 20;
const DEATHS = TASKS >= 1000 ? 2 : 1;
const BUILD = process.env.CRASH_BUILD ?? fileURLToPath(new URL('../../dist', import.meta.url));

let playground: Playground | null = null;
let child: ChildProcess | null = null;
afterEach(async () => {
  child?.kill('SIGKILL');
  await playground?.remove();
});

interface Given {
  readonly task: { readonly id: string };
  readonly lease: { readonly token: string };
  readonly callback: { readonly complete_url: string };
}

test(
  `${TASKS} tasks of ${WORKTREES} worktrees, ${CLAIMERS} claimers, a supervisor killed in the middle: each completed exactly once`,
  async () => {
    playground = await createPlayground();
    const { folder, configFile, stateDir } = playground;
    const port = await freePort();
    const worktrees = [playground.repo];
    for (let n = 1; n < WORKTREES; n++) worktrees.push(await playground.worktree(`w${n}`));
    const each = TASKS / WORKTREES;
    for (const [n, path] of worktrees.entries())
      await playground.writeGraph(
        path,
        Array.from({ length: each }, (_, m) => ({ id: `t${n}-${m}`, tags: ['executor:external'] })),
      );
    await playground.writeConfig(`[api]\nlisten = "127.0.0.1:${port}"\n`);
    const log: string[] = [];
    const start = () => {
      const args = [join(BUILD, 'cli', 'main.js'), 'run', '--config', configFile, '--state-dir', stateDir];
      child = spawn(process.execPath, args, {
        cwd: folder,
        env: personEnvironment(folder),
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      child.stderr?.on('data', (data: Buffer) => log.push(data.toString()));
    };
    const die = (signal: NodeJS.Signals) =>
      new Promise<void>((resolve) => {
        child?.once('close', () => resolve());
        child?.kill(signal);
      });

    const done = new Set<string>();
    const firsts = new Map<string, number>();
    const refusals: string[] = [];
    const late = new Set<string>();
    let deaths = 0;
    let dying = Promise.resolve();
    start();

    const report = async ({ task, lease, callback }: Given, worker: number): Promise<void> => {
      for (;;) {
        const answer = await post(callback.complete_url, lease.token, { result: { task: task.id, worker } });
        if (answer === null || answer.status === 503) {
          await soon();
          continue;
        }
        if (answer.status === 200) {
          done.add(task.id);
          if (answer.json.late === true) late.add(task.id.split('~')[1] ?? '');
          if (answer.json.duplicate === false) firsts.set(task.id, (firsts.get(task.id) ?? 0) + 1);
        } else refusals.push(`${task.id}: ${answer.status} ${String(answer.json.code)}`);
        return;
      }
    };
    const claimer = async (worker: number): Promise<void> => {
      const until = Date.now() + (60_000 + TASKS * 300) * PATIENCE;
      while (done.size < TASKS) {
        if (Date.now() > until)
          throw new Error(`${done.size} of ${TASKS} done\n${log.join('').slice(-3000)}`);
        const token = await operatorToken(stateDir);
        const wish = { worker_id: `w${worker}`, max_tasks: 3, wait_s: 1, lease_s: 3 };
        const answer =
          token === null ? null : await post(`http://127.0.0.1:${port}/api/tasks/claim`, token, wish);
        if (answer?.status !== 200) {
          await soon();
          continue;
        }
        for (const given of answer.json.tasks as Given[]) await report(given, worker);
        // In the middle: the supervisor dies without a word.
        if (deaths < DEATHS && done.size > ((deaths + 1) * TASKS) / (DEATHS + 1)) {
          deaths++;
          dying = die('SIGKILL').then(start);
        }
      }
    };
    await Promise.all(Array.from({ length: CLAIMERS }, (_, n) => claimer(n)));
    await dying;
    await die('SIGTERM');

    expect(deaths).toBe(DEATHS);
    // An answer may be lost with its supervisor, then the repeated report is a duplicate; never are there two firsts.
    expect([...firsts.values()].filter((times) => times > 1)).toEqual([]);
    for (const refusal of refusals) expect(refusal).toMatch(/409 lease-superseded$/);
    const ledger = await openLedger({
      file: join(stateDir, 'ledger.sqlite'),
      clock: systemClock(),
      readOnly: true,
    });
    const counted = new Map<string, number>();
    const phases = new Map<string, string[]>();
    for (const run of ledger?.runs() ?? []) {
      phases.set(run.task, [...(phases.get(run.task) ?? []), `${run.phase} ${run.outcome?.kind ?? ''}`]);
      if (run.phase === 'settled' && run.outcome?.kind === 'succeeded')
        counted.set(run.task, (counted.get(run.task) ?? 0) + 1);
    }
    ledger?.close();
    expect([...counted].filter(([, times]) => times !== 1)).toEqual([]);
    // A worker whose lease had finished, and whose task was just being given to the next one, may still have been quicker:
    // its result counts, as a late one of a run that was released. Nothing else is without a settled run.
    const others = [...phases].filter(([task]) => !counted.has(task) && !late.has(task));
    expect(others).toEqual([]);
    expect(phases.size).toBe(TASKS);
    for (const path of worktrees)
      for (const [id, task] of await playground.readGraph(path)) {
        expect([id, task.status, (task.artifacts as unknown[]).length]).toEqual([id, 'done', 1]);
        expect(task.tags).toEqual(['executor:external']);
      }
  },
  120_000 + TASKS * 600,
);

async function operatorToken(stateDir: string): Promise<string | null> {
  try {
    return (JSON.parse(await readFile(join(stateDir, 'api.json'), 'utf8')) as { token: string }).token;
  } catch {
    // It is just being started, or was just killed.
    return null;
  }
}

/** null: no one answered. */
async function post(
  url: string,
  token: string,
  body: unknown,
): Promise<{ readonly status: number; readonly json: Readonly<Record<string, unknown>> } | null> {
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: JSON.stringify(body),
    });
    return { status: response.status, json: (await response.json()) as Record<string, unknown> };
  } catch {
    // Killed before or while it answered: the client does not know which.
    return null;
  }
}

function soon(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 50));
}
