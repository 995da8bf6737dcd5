// Results of work whose graph is away or moved when they are reported: the ledger keeps them, they are answered
// truthfully, and written where the graph is found again, also by another supervisor than the one that was told.

import { readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { systemClock } from '../../src/platform/clock.ts';
import { openLedger } from '../../src/runs/ledger.ts';
import { CANCELLED } from '../../src/runs/old-runs.ts';
import { eventually } from '../support/actors.ts';
import { type Caller, callerOf } from '../support/api-calls.ts';
import { createPlayground, type Playground } from '../support/playground.ts';
import { type Supervised, supervise } from '../support/supervised.ts';

interface Given {
  readonly lease: { readonly token: string };
  readonly callback: { readonly complete_url: string; readonly signed_url: string };
}

let playground: Playground;
let supervised: Supervised;
let api: Caller;
let home: string;
let away: string;

beforeEach(async () => {
  playground = await createPlayground();
  home = await playground.worktree('home');
  away = join(playground.folder, 'away');
  await playground.writeGraph(home, [
    { id: 'job', tags: ['executor:external'], created_at: '2026-01-01T00:00:00Z' },
  ]);
  await playground.writeConfig('[api]\nlisten = "127.0.0.1:0"\n[limits]\nrewind_grace = "300ms"\n');
  await begin();
});
afterEach(async () => {
  await supervised.stop({ cancelAgents: true });
  await playground.remove();
});

async function begin(): Promise<void> {
  supervised = await supervise(playground);
  api = await callerOf(supervised);
}

async function restart(): Promise<void> {
  await supervised.stop({ cancelAgents: false });
  await begin();
}

async function claim(): Promise<Given> {
  await supervised.event('run.handed-off', 'job');
  const answer = await api.post('/api/tasks/claim', { worker_id: 'w', lease_s: 600 });
  const [given] = answer.json.tasks as unknown as Given[];
  if (!given) throw new Error('nothing was given');
  return given;
}

/** The path of a URL that a worker was given: a restart listens elsewhere. */
const pathOf = (url: string) => new URL(url).pathname + new URL(url).search;

const complete = ({ lease, callback }: Given, body: object = { summary: 'made' }) =>
  api.post(pathOf(callback.complete_url), body, lease.token);

const runsOf = async () => (await supervised.control.runs({ task: 'job' })).map(({ phase }) => phase);

async function settledIn(worktree: string): Promise<void> {
  await eventually(async () => (await playground.readGraph(worktree)).get('job')?.status === 'done' || null);
  await eventually(async () => (await runsOf()).every((phase) => phase === 'settled') || null);
  expect((await playground.readGraph(worktree)).get('job')).toMatchObject({ dispatch_count: 1 });
}

describe('reported while its graph is away', () => {
  test('202: kept, told again as a duplicate, and written when the worktree is back', async () => {
    const given = await claim();
    await rename(home, away);
    await supervised.control.reload();
    await eventually(async () => (await supervised.control.tasks({})).length === 0 || null);
    expect(await complete(given)).toMatchObject({
      status: 202,
      json: { kept: true, duplicate: false, because: expect.stringContaining('kept') },
    });
    expect(await complete(given)).toMatchObject({ status: 202, json: { kept: true, duplicate: true } });
    const contrary = await api.post(
      pathOf(given.callback.complete_url).replace('/complete', '/fail'),
      {},
      given.lease.token,
    );
    expect([contrary.status, contrary.json.code]).toEqual([409, 'already-terminal']);
    await rename(away, home);
    await supervised.control.reload();
    await settledIn(home);
    expect(await complete(given)).toMatchObject({ status: 200, json: { status: 'done', duplicate: true } });
  });

  test('a supervisor that was started meanwhile keeps it just as well, and the next one writes it', async () => {
    const given = await claim();
    await rename(home, away);
    await restart();
    expect((await complete(given)).status).toBe(202);
    await restart();
    await rename(away, home);
    await supervised.control.reload();
    await settledIn(home);
  });

  test('a graph file that is gone for a moment is no reason to stop', async () => {
    const given = await claim();
    const file = join(home, '.workgraph', 'graph.jsonl');
    await rename(file, `${file}.away`);
    await supervised.control.reload();
    const beat = await api.post(
      pathOf(given.callback.complete_url).replace('/complete', '/heartbeat'),
      {},
      given.lease.token,
    );
    expect([beat.status, beat.json.directive]).toEqual([200, 'continue']);
    expect((await complete(given)).status).toBe(202);
    await rename(`${file}.away`, file);
    await supervised.control.reload();
    await settledIn(home);
  });

  test.each([
    ['a verify command that refuses', 'echo seen >> seen; exit 3', 'failed'],
    ['a verify command that accepts', 'echo seen >> seen', 'done'],
  ])('%s is asked once the graph is back, and what is large goes into a file', async (_what, verify, status) => {
    await playground.writeGraph(home, [
      { id: 'checked', tags: ['executor:external'], created_at: '2026-01-01T00:00:00Z', verify },
    ]);
    await supervised.control.reload();
    await supervised.event('run.handed-off', 'checked');
    const answer = await api.post('/api/tasks/claim', { worker_id: 'w', lease_s: 600, max_tasks: 9 });
    const given = (answer.json.tasks as unknown as Given[]).find(({ callback }) =>
      callback.complete_url.includes('checked'),
    );
    if (!given) throw new Error('nothing was given');
    await rename(home, away);
    await restart();
    expect((await complete(given, { artifacts: { big: 'x'.repeat(100_000) } })).status).toBe(202);
    await restart();
    await rename(away, home);
    await supervised.control.reload();
    const task = await eventually(async () => {
      const found = (await playground.readGraph(home)).get('checked');
      return found?.status === 'in-progress' || found === undefined ? null : found;
    });
    expect(task).toMatchObject({ status });
    expect((await readFile(join(home, 'seen'), 'utf8')).trim()).toBe('seen');
    const isFile = JSON.stringify(task.artifacts ?? []).includes('.workgraph/results/');
    expect([isFile, JSON.stringify(task).length < 5000]).toEqual([status === 'done', true]);
  });

  test('stopping does not wait for a run whose task cannot be released', async () => {
    await claim();
    await rm(join(home, '.workgraph', 'graph.jsonl'));
    await supervised.control.reload();
    await supervised.stop({ cancelAgents: true });
    expect(supervised.count('run.adopted', 'job')).toBe(0);
    await begin();
    expect(await runsOf()).toEqual(['handed-off']);
  });

  test('a cancel that was answered is carried out by the next supervisor, where the first one was killed', async () => {
    await claim();
    const [run] = await supervised.control.runs({ task: 'job' });
    await supervised.stop({ cancelAgents: false });
    const ledger = await openLedger({
      file: join(playground.stateDir, 'ledger.sqlite'),
      clock: systemClock(),
    });
    try {
      ledger.setMeta(`${CANCELLED}${run?.run}`, 'enough');
    } finally {
      ledger.close();
    }
    await begin();
    await eventually(async () => (await runsOf())[0] === 'interrupted' || null);
    expect((await playground.readGraph(home)).get('job')).toMatchObject({ status: 'open', paused: true });
    const [over] = await supervised.control.runs({ task: 'job' });
    expect(over?.outcome).toMatchObject({ kind: 'stopped', reason: 'cancelled' });
  });

  test('cancel finds the run of a graph that is away', async () => {
    await claim();
    await rename(home, away);
    await supervised.control.reload();
    await eventually(async () => (await supervised.control.tasks({})).length === 0 || null);
    const cancelled = await supervised.control.cancel({ task: 'job' }, 'never mind');
    expect(cancelled).toMatchObject({ task: 'job' });
    await eventually(async () => (await runsOf())[0] === 'interrupted' || null);
  });
});

describe('reported after its worktree was moved', () => {
  const moves = [
    ['git worktree move', () => playground.git(playground.repo, 'worktree', 'move', home, away)],
    [
      'mv and git worktree repair',
      async () => {
        await rename(home, away);
        await playground.git(playground.repo, 'worktree', 'repair', away);
      },
    ],
  ] as const;

  test.each(
    moves,
  )('%s: the task continues there, under the addresses that its worker was given', async (_name, move) => {
    const given = await claim();
    await move();
    await supervised.control.reload();
    await eventually(
      async () => (await supervised.control.runs({ open: true }))[0]?.worktree === away || null,
    );
    const beat = await api.post(
      pathOf(given.callback.complete_url).replace('/complete', '/heartbeat'),
      {},
      given.lease.token,
    );
    expect([beat.status, beat.json.directive]).toEqual([200, 'continue']);
    expect(await complete(given)).toMatchObject({ status: 200, json: { status: 'done', worktree: away } });
    await settledIn(away);
  });

  test('a result that was kept before is written there, by a later supervisor', async () => {
    const given = await claim();
    await rename(home, away);
    await restart();
    expect((await api.post(pathOf(given.callback.signed_url), { summary: 'made' })).status).toBe(202);
    await restart();
    await playground.git(playground.repo, 'worktree', 'repair', away);
    await supervised.control.reload();
    await settledIn(away);
  });

  test('a task that is created again under the same id elsewhere gets no result of it', async () => {
    const given = await claim();
    await rm(home, { recursive: true });
    await playground.git(playground.repo, 'worktree', 'prune');
    await playground.writeGraph(playground.repo, [
      { id: 'job', tags: ['executor:nobody'], created_at: '2026-02-02T00:00:00Z' },
    ]);
    await supervised.control.reload();
    await eventually(async () => (await supervised.control.tasks({})).length === 1 || null);
    expect((await complete(given)).status).toBe(202);
    await supervised.control.reload();
    expect((await playground.readGraph(playground.repo)).get('job')?.status).toBe('open');
  });
});
