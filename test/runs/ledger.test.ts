import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { taskKey } from '../../src/domain/ids.ts';
import type { Outcome } from '../../src/domain/outcome.ts';
import type { Clock } from '../../src/platform/clock.ts';
import { openDatabase } from '../../src/runs/database.ts';
import { type Ledger, openLedger } from '../../src/runs/ledger.ts';
import { LEDGER_VERSION } from '../../src/runs/migrations.ts';
import type { NewRun } from '../../src/runs/run-row.ts';
import { newRun } from './new-run.ts';

const SUCCESS: Outcome = {
  kind: 'succeeded',
  summary: 'made "it" \u0000 work',
  artifacts: { n: [1, true, null] },
};
const FAILURE: Outcome = { kind: 'failed', failure: 'exit', message: 'exit 3', retryable: true, exitCode: 3 };

let folder: string;
let file: string;
let now: number;
let ledgers: { close(): void }[];

const clock: Clock = {
  now: () => now,
  after: () => () => undefined,
  sleep: async () => undefined,
};

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ledger-'));
  file = join(folder, 'state', 'ledger.sqlite');
  now = 1_800_000_000_000;
  ledgers = [];
});

afterEach(() => {
  for (const ledger of ledgers) ledger.close();
  chmodSync(folder, 0o700);
  rmSync(folder, { recursive: true, force: true });
});

async function opened(): Promise<Ledger> {
  const ledger = await openLedger({ file, clock });
  ledgers.push(ledger);
  return ledger;
}

async function reading() {
  const view = await openLedger({ file, clock, readOnly: true });
  if (view !== null) ledgers.push(view);
  return view;
}

function fail(ledger: Ledger, id: string, outcome: Outcome = FAILURE, more: Partial<NewRun> = {}): void {
  ledger.open(newRun(id, more), `hash-${id}`);
  ledger.move(id, 'claimed', { agent: `agent-${id}` });
  ledger.move(id, 'started');
  ledger.move(id, 'finished', { outcome });
  ledger.move(id, 'settled');
}

const OF = { graph: '/g/.workgraph', task: 'build-api' };

describe('a run in the ledger', () => {
  test('keeps every fact from opened to settled, across a restart', async () => {
    let ledger = await opened();
    const run = ledger.open(newRun('r1', { deadlineAt: now + 60_000 }), 'hash-1');
    expect(run).toMatchObject({
      phase: 'opened',
      fence: 1,
      agent: '',
      openedAt: now,
      process: null,
      outcome: null,
    });
    ledger.move('r1', 'claimed', { agent: 'agent-7', folder: '/g/.workgraph/agents/agent-7' });
    now += 5;
    const identity = { pid: 4242, startTime: '998877', bootId: 'b-1' };
    ledger.move('r1', 'started', { process: identity });
    ledger.note('r1', { session: 's-1' });
    ledger.note('r1', { model: 'sonnet', usage: { costUsd: 0.01, outputTokens: 7 } });
    ledger.close();

    ledger = await opened();
    expect(ledger.openRuns()).toEqual([
      {
        ...newRun('r1'),
        deadlineAt: now - 5 + 60_000,
        fence: 1,
        agent: 'agent-7',
        phase: 'started',
        process: identity,
        folder: '/g/.workgraph/agents/agent-7',
        reference: null,
        openedAt: now - 5,
        startedAt: now,
        finishedAt: null,
        outcome: null,
        session: 's-1',
        model: 'sonnet',
        usage: { costUsd: 0.01, outputTokens: 7 },
      },
    ]);
    expect(ledger.session('r1')).toBe('s-1');
    now += 10;
    expect(ledger.move('r1', 'finished', { outcome: SUCCESS })).toMatchObject({
      finishedAt: now,
      outcome: SUCCESS,
    });
    expect(ledger.openRuns()).toHaveLength(1);
    expect(ledger.move('r1', 'settled')).toEqual(ledger.run('r1'));
    expect(ledger.openRuns()).toEqual([]);
    expect(ledger.run('r1')).toMatchObject({ phase: 'settled', outcome: SUCCESS, finishedAt: now });
  });

  test('is refused while another run of the task is open, also by a second program', async () => {
    const one = await opened();
    const two = await opened();
    one.open(newRun('r1'), 'h1');
    expect(() => two.open(newRun('r2'), 'h2')).toThrow(/already has the open run r1 \(opened\)/);
    two.open(newRun('other', { task: 'docs' }), 'h3');
    two.open(newRun('elsewhere', { graph: '/h/.workgraph' }), 'h4');
    two.move('r1', 'abandoned');
    expect(one.open(newRun('r2'), 'h2').fence).toBe(2);
  });

  test('gets a fence above every earlier one, also after those were pruned', async () => {
    const ledger = await opened();
    expect(ledger.open(newRun('r1', { fenceAbove: 40 }), 'h1').fence).toBe(41);
    ledger.move('r1', 'abandoned');
    now += 1000;
    expect(ledger.prune({ runsOlderThanMs: 10 })).toBe(1);
    expect(ledger.runs()).toEqual([]);
    expect(ledger.open(newRun('r2'), 'h2').fence).toBe(42);
  });

  test('many are opened in one write: one that is refused keeps no one else back', async () => {
    const ledger = await opened();
    ledger.open(newRun('r0'), 'h0');
    const [first, again, odd, last] = ledger.openAll([
      [newRun('r1', { task: 'a' }), 'h1'],
      [newRun('r2'), 'h2'],
      [newRun('r3', { task: 'half \ud800' }), 'h3'],
      [newRun('r4', { task: 'b' }), 'h4'],
    ]);
    expect(first).toMatchObject({ id: 'r1', phase: 'opened', fence: 1 });
    expect(again).toMatchObject({ code: 'conflict', details: { run: 'r0' } });
    expect(odd).toMatchObject({ code: 'graph' });
    expect(last).toMatchObject({ id: 'r4', task: 'b' });
    expect(ledger.openRuns().map(({ id }) => id)).toEqual(['r0', 'r1', 'r4']);
    expect((await reading())?.openRuns().map(({ id }) => id)).toEqual(['r0', 'r1', 'r4']);
    // A token that is known already breaks the database's own rule: nothing of that write stays.
    expect(() =>
      ledger.openAll([
        [newRun('r5', { task: 'c' }), 'h5'],
        [newRun('r6', { task: 'd' }), 'h1'],
      ]),
    ).toThrow();
    expect(ledger.openRuns().map(({ id }) => id)).toEqual(['r0', 'r1', 'r4']);
    expect(ledger.run('r5')).toBeNull();
  });

  test('an advance is there for everyone when it resolves, and many share a sync', async () => {
    const ledger = await opened();
    const ids = Array.from({ length: 20 }, (_, n) => `r${n}`);
    ledger.openAll(ids.map((id) => [newRun(id, { task: id }), `h-${id}`] as const));
    const moved = await Promise.all(
      ids.map((id) => ledger.advance(id, 'opened', { agent: `agent-${id}`, folder: `/f/${id}` })),
    );
    expect(moved.map(({ agent }) => agent)).toEqual(ids.map((id) => `agent-${id}`));
    expect((await reading())?.runs().map(({ agent }) => agent)).toEqual(
      ids.map((id) => `agent-${id}`).reverse(),
    );
    await expect(ledger.advance('r0', 'settled')).rejects.toThrow('cannot go');
    await expect(ledger.advance('r99', 'claimed')).rejects.toThrow('not in the ledger');
    ledger.close();
    await expect(ledger.advance('r0', 'claimed')).rejects.toThrow('after it was closed');
  });

  test('a refused open leaves nothing behind, not even a used-up fence', async () => {
    const ledger = await opened();
    ledger.open(newRun('r1'), 'h1');
    expect(() => ledger.open(newRun('r1', { task: 'b' }), 'h2')).toThrow();
    expect(() => ledger.open(newRun('r3', { task: 'b' }), 'h1')).toThrow();
    expect(ledger.open(newRun('r3', { task: 'b' }), 'h3').fence).toBe(1);
  });

  test('illegal moves throw and change nothing; staying is harmless and may add facts', async () => {
    const ledger = await opened();
    ledger.open(newRun('r1'), 'h1');
    expect(() => ledger.move('r1', 'started')).toThrow('run r1 cannot go from opened to started');
    expect(() => ledger.move('run_none', 'claimed')).toThrow('run run_none is not in the ledger');
    ledger.move('r1', 'claimed', { agent: 'agent-1' });
    const process = { pid: 1, startTime: '2', bootId: '3' };
    expect(ledger.move('r1', 'claimed', { process })).toMatchObject({ agent: 'agent-1', process });
    expect(() => ledger.move('r1', 'finished')).toThrow(/without an outcome/);
    expect(ledger.run('r1')?.phase).toBe('claimed');
  });

  test('the first outcome stands', async () => {
    const ledger = await opened();
    fail(ledger, 'r1');
    expect(ledger.move('r1', 'settled', { outcome: SUCCESS }).outcome).toEqual(FAILURE);
    expect(() => ledger.move('r1', 'finished', { outcome: SUCCESS })).toThrow(/from settled to finished/);
    expect(ledger.run('r1')?.outcome).toEqual(FAILURE);
  });

  test('a task id that SQLite would shorten or change is refused', async () => {
    const ledger = await opened();
    for (const task of ['a\u0000b', '\ud800'])
      expect(() => ledger.open(newRun('r1', { task }), 'h')).toThrow(/NUL or half a character/);
    const odd = `${'x'.repeat(100_000)} '); DROP TABLE runs; -- \u{1f600} __proto__`;
    expect(ledger.open(newRun('r1', { task: odd }), 'h').task).toBe(odd);
    expect(ledger.latestRun('/g/.workgraph', odd)?.id).toBe('r1');
  });
});

describe('asking', () => {
  test('runs come newest first, by the order of opening, whatever the clock did', async () => {
    const ledger = await opened();
    fail(ledger, 'r1');
    now -= 86_400_000;
    fail(ledger, 'r2');
    ledger.open(newRun('r3', { graph: '/h' }), 'h3');
    expect(ledger.runs().map((run) => run.id)).toEqual(['r3', 'r2', 'r1']);
    expect(ledger.runs({ limit: 1 }).map((run) => run.id)).toEqual(['r3']);
    expect(ledger.runs({ graph: '/g/.workgraph' }).map((run) => run.id)).toEqual(['r2', 'r1']);
    expect(ledger.runs({ graphs: ['/g/.workgraph'], limit: 1 }).map((run) => run.id)).toEqual(['r2']);
    expect(ledger.runs({ graphs: [] })).toEqual([]);
    expect(ledger.runs({ task: 'build-api', openOnly: true }).map((run) => run.id)).toEqual(['r3']);
    expect(ledger.latestRun('/g/.workgraph', 'build-api')?.id).toBe('r2');
    expect(ledger.latestRun('/nowhere', 'build-api')).toBeNull();
  });

  test('a token belongs to its run, also after the run has finished', async () => {
    const ledger = await opened();
    fail(ledger, 'r1');
    expect(ledger.runOfToken('hash-r1')?.id).toBe('r1');
    expect(ledger.runOfToken('')).toBeNull();
  });

  test('failures count as attempts until a person says retry; interruptions, quota and success never do', async () => {
    const ledger = await opened();
    const counted = (since?: boolean) =>
      ledger.countedAttempts({ ...OF, createdAt: '2027-01-01T00:00:00Z', repo: null }, since);
    fail(ledger, 'r1');
    fail(ledger, 'r2', { kind: 'failed', failure: 'interrupted', message: 'gone', retryable: true });
    fail(ledger, 'r3', { kind: 'failed', failure: 'rate-limited', message: 'quota', retryable: true });
    fail(ledger, 'r4', { kind: 'stopped', reason: 'shutdown' });
    fail(ledger, 'r5', { kind: 'deferred', code: 'quota', because: 'quota', scope: 'account' });
    fail(ledger, 'r6', SUCCESS);
    ledger.open(newRun('r7'), 'h7');
    ledger.move('r7', 'claimed');
    ledger.move('r7', 'interrupted', { outcome: FAILURE });
    expect(counted()).toBe(1);
    fail(ledger, 'r8');
    expect(counted()).toBe(2);
    ledger.resetAttempts({ ...OF, createdAt: '2027-01-01T00:00:00Z', repo: null });
    expect(counted()).toBe(0);
    fail(ledger, 'r9');
    expect(counted()).toBe(1);
    expect(counted(false)).toBe(3);
  });

  test('a task created again under the same id starts at 0, and one without a creation time is its own', async () => {
    const ledger = await opened();
    fail(ledger, 'r1');
    fail(ledger, 'r2', FAILURE, { taskCreatedAt: null });
    const anew = { ...OF, createdAt: '2027-02-02T00:00:00Z', repo: null };
    expect(ledger.countedAttempts(anew)).toBe(0);
    expect(ledger.countedAttempts({ ...anew, createdAt: null })).toBe(1);
  });

  test('attempts of the copies of a task are counted together, and released together, unless each is its own', async () => {
    const ledger = await opened();
    const copy = '/w/.workgraph';
    const createdAt = '2027-01-01T00:00:00Z';
    const at = (graph: string, repo: string | null = '/g/.git') =>
      ledger.countedAttempts({ graph, task: 'build-api', createdAt, repo });
    fail(ledger, 'r1');
    fail(ledger, 'r2', FAILURE, { graph: copy });
    fail(ledger, 'r3', FAILURE, { graph: copy, taskCreatedAt: '2027-02-02T00:00:00Z' });
    fail(ledger, 'r4', FAILURE, { graph: '/other/.workgraph', repo: '/other/.git' });
    for (const graph of [OF.graph, copy, '/third/.workgraph']) expect(at(graph)).toBe(2);
    expect([at(OF.graph, null), at(copy, null), at('/third/.workgraph', null)]).toEqual([1, 1, 0]);
    // Asked for in a copy that never ran.
    ledger.resetAttempts({ graph: '/third/.workgraph', task: 'build-api', createdAt, repo: '/g/.git' });
    for (const graph of [OF.graph, copy, '/third/.workgraph']) expect(at(graph)).toBe(0);
    expect(at('/other/.workgraph', '/other/.git')).toBe(1);
    fail(ledger, 'r5', FAILURE, { graph: '/third/.workgraph' });
    expect(at(OF.graph)).toBe(1);
    ledger.resetAttempts({ graph: copy, task: 'build-api', createdAt, repo: null });
    expect(at(OF.graph)).toBe(1);
  });
});

describe('schedules and pauses', () => {
  const task = { graph: '/g/.workgraph', task: 'build-api' };
  const key = taskKey(task.graph, task.task);

  test('an occurrence is noted by the run that starts with it, not by one that never started', async () => {
    const ledger = await opened();
    ledger.noteSchedule(task, { expression: '09:00 UTC', baselineAt: 5, lastNominalAt: null });
    ledger.open(newRun('r1', { occurrence: 900 }), 'h1');
    ledger.move('r1', 'abandoned');
    expect(ledger.scheduleMemory().get(key)?.lastNominalAt).toBeNull();
    ledger.open(newRun('r2', { occurrence: 900 }), 'h2');
    ledger.move('r2', 'claimed');
    expect(ledger.scheduleMemory().get(key)?.lastNominalAt).toBeNull();
    ledger.move('r2', 'started');
    expect(ledger.scheduleMemory().get(key)).toEqual({
      expression: '09:00 UTC',
      baselineAt: 5,
      lastNominalAt: 900,
    });
  });

  test('the last occurrence never goes back, except when the schedule is edited', async () => {
    const ledger = await opened();
    ledger.noteSchedule(task, { expression: 'a', baselineAt: 5, lastNominalAt: null });
    ledger.noteOccurrence(task, 900);
    ledger.noteOccurrence(task, 800);
    ledger.noteSchedule(task, { expression: 'a', baselineAt: 7, lastNominalAt: null });
    expect(ledger.scheduleMemory().get(key)).toEqual({ expression: 'a', baselineAt: 7, lastNominalAt: 900 });
    ledger.noteSchedule(task, { expression: 'b', baselineAt: 8, lastNominalAt: null });
    expect(ledger.scheduleMemory().get(key)).toEqual({ expression: 'b', baselineAt: 8, lastNominalAt: null });
    ledger.forgetSchedule(task);
    expect(ledger.scheduleMemory().size).toBe(0);
  });

  test('a pause is replaced, cleared, and pruned when its time is long over', async () => {
    const ledger = await opened();
    ledger.setPause({ scope: 'account', name: 'a', code: 'quota', because: 'until noon', until: now + 10 });
    ledger.setPause({ scope: 'account', name: 'a', code: 'quota', because: 'until one', until: now + 20 });
    ledger.setPause({ scope: 'machine', name: '', code: 'paused', because: 'by hand', until: null });
    expect(ledger.pauses()).toEqual([
      { scope: 'account', name: 'a', code: 'quota', because: 'until one', until: now + 20 },
      { scope: 'machine', name: '', code: 'paused', because: 'by hand', until: null },
    ]);
    now += 1000;
    ledger.prune({ runsOlderThanMs: 500 });
    expect(ledger.pauses().map((pause) => pause.scope)).toEqual(['machine']);
    ledger.clearPause('machine', '');
    expect(ledger.pauses()).toEqual([]);
  });

  test('starts are counted and a reboot is told from a restart', async () => {
    const ledger = await opened();
    expect(ledger.noteStart('b1')).toEqual({ starts: 1, rebooted: false });
    expect(ledger.noteStart('b1')).toEqual({ starts: 2, rebooted: false });
    expect(ledger.noteStart('b2')).toEqual({ starts: 3, rebooted: true });
  });
});

describe('opening', () => {
  test('makes a private file in a private folder', async () => {
    const ledger = await opened();
    ledger.open(newRun('r1'), 'h1');
    expect(statSync(join(folder, 'state')).mode & 0o777).toBe(0o700);
    for (const name of readdirSync(join(folder, 'state')))
      expect([name, statSync(join(folder, 'state', name)).mode & 0o777]).toEqual([name, 0o600]);
  });

  test('a world-readable ledger is made private again', async () => {
    (await opened()).close();
    chmodSync(file, 0o644);
    await opened();
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  test('a ledger of a newer program is refused with both versions and left alone', async () => {
    (await opened()).open(newRun('r1'), 'h1');
    ledgers.pop()?.close();
    const database = await openDatabase(file, false);
    database.exec(`PRAGMA user_version = ${LEDGER_VERSION + 3}`);
    database.close();
    for (const readOnly of [true, false] as const) {
      const refusal: Promise<unknown> = readOnly
        ? openLedger({ file, clock, readOnly })
        : openLedger({ file, clock });
      await expect(refusal).rejects.toMatchObject({
        code: 'config',
        details: { found: LEDGER_VERSION + 3, supported: LEDGER_VERSION },
        hint: expect.stringContaining('--state-dir'),
      });
    }
    expect(readdirSync(join(folder, 'state')).filter((name) => name.includes('corrupt'))).toEqual([]);
  });

  test.each([
    ['text', () => writeFileSync(file, 'this is no database, just text\n'.repeat(200))],
    ['a folder', () => mkdirSync(file)],
  ])('%s in its place is moved aside with a warning, and a new one begun', async (_what, put) => {
    mkdirSync(join(folder, 'state'));
    put();
    const ledger = await opened();
    expect(ledger.warnings).toEqual([expect.stringContaining('.corrupt-2027-01-15T080000Z')]);
    expect(existsSync(`${file}.corrupt-2027-01-15T080000Z`)).toBe(true);
    expect(ledger.open(newRun('r1'), 'h1').fence).toBe(1);
  });

  test('a ledger with damaged pages is moved aside whole, its log too', async () => {
    const ledger = await opened();
    for (let n = 0; n < 200; n++) fail(ledger, `r${n}`, FAILURE, { because: 'x'.repeat(500) });
    ledger.close();
    const bytes = readFileSync(file);
    bytes.fill(0xa5, 4096, bytes.length);
    writeFileSync(file, bytes);
    writeFileSync(`${file}-wal`, 'a left-over log');
    await expect(
      openLedger({ file, clock, readOnly: true }).then((view) => view?.runs()),
    ).rejects.toMatchObject({
      code: 'failed',
    });
    const next = await opened();
    expect(next.warnings).toHaveLength(1);
    expect(next.runs()).toEqual([]);
    expect(readdirSync(join(folder, 'state')).some((name) => /corrupt-.*Z$/.test(name))).toBe(true);
  });

  test('an empty file, as a full disk leaves it, is simply begun', async () => {
    mkdirSync(join(folder, 'state'));
    writeFileSync(file, '');
    const ledger = await opened();
    expect(ledger.warnings).toEqual([]);
    expect(ledger.runs()).toEqual([]);
  });

  test('reading: null when there is none, and nothing is created', async () => {
    expect(await reading()).toBeNull();
    expect(readdirSync(folder)).toEqual([]);
    mkdirSync(join(folder, 'state'));
    writeFileSync(file, '');
    expect(await reading()).toBeNull();
  });

  test('reading sees what a running supervisor just wrote, in a path with odd characters', async () => {
    file = join(folder, 'a b?#%41é', 'ledger.sqlite');
    const ledger = await opened();
    ledger.open(newRun('r1'), 'h1');
    const view = await reading();
    expect(view?.runs().map((run) => run.phase)).toEqual(['opened']);
    ledger.move('r1', 'claimed');
    expect(view?.run('r1')?.phase).toBe('claimed');
  });

  test('a closed ledger refuses stragglers', async () => {
    const ledger = await opened();
    ledger.close();
    ledger.close();
    expect(() => ledger.open(newRun('r1'), 'h1')).toThrow(/used after it was closed/);
  });
});

describe('killed', () => {
  test('every move that returned before a SIGKILL is there, for a reader and for the next supervisor', async () => {
    const loader = join(import.meta.dirname, '../support/run-typescript.mjs');
    const victim = join(import.meta.dirname, 'ledger-victim.ts');
    const child = spawn(process.execPath, ['--import', loader, victim, file], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = once(child, 'close');
    let told = '';
    child.stdout.on('data', (chunk: Buffer) => {
      told += chunk.toString();
      if (told.split('\n').length > 40) child.kill('SIGKILL');
    });
    expect((await ended)[1]).toBe('SIGKILL');
    const order = ['opened', 'claimed', 'started'];
    const confirmed = told.split('\n').slice(0, -1);
    const last = new Map(confirmed.map((line) => line.split(' ') as [string, string]));
    expect(last.size).toBeGreaterThan(10);
    for (const ledger of [await reading(), await opened()])
      for (const [id, phase] of last)
        expect(order.indexOf(ledger?.run(id)?.phase ?? '')).toBeGreaterThanOrEqual(order.indexOf(phase));
  });
});
