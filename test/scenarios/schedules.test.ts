// Schedules through the whole supervisor: real graphs, real ledger, time moved by hand.

import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Outcome } from '../../src/domain/outcome.ts';
import type { ExecutorType } from '../../src/domain/profile.ts';
import type { Assignment, Executor, RunControl } from '../../src/executors/executor.ts';
import { createExternalExecutor } from '../../src/executors/external.ts';
import { aborted, stoppedOutcome } from '../../src/executors/stopped.ts';
import { openLedger } from '../../src/runs/ledger.ts';
import { createFakeClock, type FakeClock } from '../support/fake-clock.ts';
import { createPlayground, type Playground, type TaskLine } from '../support/playground.ts';
import { type Supervised, supervise } from '../support/supervised.ts';

/** Does at once what its task's exec says: `ok`, `fail`, or `wait` until it is asked to end. */
class Agent implements Executor {
  readonly type = 'command';
  readonly begun: string[] = [];
  readonly #clock: FakeClock;
  readonly #ends = new Map<string, () => void>();

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  async begin({ task }: Assignment) {
    this.begun.push(`${task.id} ${new Date(this.#clock.now()).toISOString().slice(5, 16)}`);
    if (task.exec === 'wait') return { kind: 'running', process: null } as const;
    const outcome: Outcome =
      task.exec === 'fail'
        ? { kind: 'failed', failure: 'exit', message: 'no', retryable: false }
        : { kind: 'succeeded' };
    return { kind: 'ended', outcome } as const;
  }

  async attend({ task }: Assignment, _handle: unknown, { signal }: RunControl): Promise<Outcome> {
    const end = new Promise<Outcome>((resolve) => {
      this.#ends.set(task.id, () => resolve({ kind: 'succeeded' }));
    });
    return await Promise.race([end, aborted(signal).then(() => stoppedOutcome(signal.reason))]);
  }

  end(task: string): void {
    this.#ends.get(task)?.();
  }
}

let playground: Playground;
let supervised: Supervised;
let clock: FakeClock;
let agent: Agent;
let zone: string;
let executors: Map<ExecutorType, Executor>;

beforeEach(async () => {
  playground = await createPlayground();
  zone = 'UTC';
  clock = createFakeClock('2027-03-10T08:00:00Z');
  agent = new Agent(clock);
  executors = new Map<ExecutorType, Executor>([
    ['command', agent],
    ['external', createExternalExecutor()],
  ]);
});
afterEach(async () => {
  await supervised?.stop({ cancelAgents: true });
  await playground.remove();
});

async function start(tasks: readonly TaskLine[], toml = ''): Promise<void> {
  await playground.writeGraph(
    playground.repo,
    tasks.map((line) => ({ exec: 'ok', created_at: '2027-03-10T08:00:00Z', ...line })),
  );
  await playground.writeConfig(toml);
  await restart();
}

async function restart(): Promise<void> {
  const machineZone = () => zone;
  supervised = await supervise(playground, { clock, executors, machineZone });
}

/** Lets time pass up to an instant; the supervisor has looked when this resolves. */
async function at(instant: string): Promise<void> {
  clock.advanceTo(instant);
  await supervised.supervisor.tick();
}

const taskOf = async (id: string) => (await playground.readGraph(playground.repo)).get(id);

const scheduleOf = async (id: string) => {
  const { schedules } = await supervised.control.status();
  return schedules.find((one) => one.task === id);
};

describe('a daily task', () => {
  const daily = { id: 'nightly', schedule: '0 9 * * *' };

  test('runs once a day, is open again in between, and everyone can see when it comes next', async () => {
    await start([daily]);
    expect(await supervised.control.why({ task: 'nightly' })).toMatchObject({
      state: 'scheduled',
      code: 'schedule',
      next_at: '2027-03-10T09:00:00.000Z',
    });
    await at('2027-03-10T08:59:59.999Z');
    expect(agent.begun).toEqual([]);
    await at('2027-03-10T09:00:00Z');
    await supervised.nth(1, 'schedule.reopened', 'nightly');
    await supervised.supervisor.tick();
    expect(agent.begun).toEqual(['nightly 03-10T09:00']);
    const line = await taskOf('nightly');
    expect(line).toMatchObject({ status: 'open', started_at: '2027-03-10T09:00:00.000Z' });
    expect(line).not.toHaveProperty('assigned');
    expect(line).not.toHaveProperty('completed_at');
    const log = line?.log as { message: string }[] | undefined;
    expect(log?.at(-1)?.message).toBe('Opened again by its schedule; next run at 2027-03-11T09:00:00Z');
    expect(await scheduleOf('nightly')).toMatchObject({
      schedule: '0 9 * * *',
      next_at: '2027-03-11T09:00:00.000Z',
    });
    await at('2027-03-10T23:00:00Z');
    await at('2027-03-11T09:00:00.100Z');
    await supervised.nth(2, 'schedule.reopened', 'nightly');
    expect(agent.begun).toEqual(['nightly 03-10T09:00', 'nightly 03-11T09:00']);
    const [run] = await supervised.control.runs({ task: 'nightly' });
    expect(run?.because).toContain('nightly@2027-03-11T09:00:00Z');
  });

  test('asleep for three days: one run makes up for all, and it is told how many were missed', async () => {
    await start([daily]);
    clock.jump(3 * 86_400_000 + 2 * 3_600_000);
    // Within a minute of waking the supervisor looks on its own: no hint comes from anywhere.
    clock.advance(60_000);
    const missed = await supervised.event('schedule.missed', 'nightly');
    expect(missed).toMatchObject({ count: 3, nominalAt: Date.parse('2027-03-12T09:00:00Z') });
    await supervised.nth(1, 'schedule.reopened', 'nightly');
    await supervised.supervisor.tick();
    expect(agent.begun).toHaveLength(1);
    expect((await scheduleOf('nightly'))?.next_at).toBe('2027-03-14T09:00:00.000Z');
  });

  test('off for three days with catchup = "skip": none; with "all": each, one after the other', async () => {
    await start(
      [daily, { ...daily, id: 'each', executor: 'each' }],
      '[schedule]\ncatchup = "skip"\n[executors.each]\ntype = "schedule"\nvia = "command"\ncatchup = "all"\n',
    );
    await supervised.stop({ cancelAgents: false });
    clock.jump(3 * 86_400_000 + 2 * 3_600_000);
    await restart();
    await supervised.nth(4, 'schedule.reopened', 'each');
    await supervised.supervisor.tick();
    expect(agent.begun).toHaveLength(4);
    expect(agent.begun.every((one) => one.startsWith('each'))).toBe(true);
    const runs = await supervised.control.runs({ task: 'each' });
    expect(runs.map((run) => /@(\S+)/.exec(run.because)?.[1]).reverse()).toEqual([
      '2027-03-10T09:00:00Z',
      '2027-03-11T09:00:00Z',
      '2027-03-12T09:00:00Z',
      '2027-03-13T09:00:00Z',
    ]);
    expect(await supervised.event('schedule.missed', 'nightly')).toMatchObject({ count: 4 });
    expect((await taskOf('nightly'))?.status).toBe('open');
  });

  test('a clock that is set back an hour runs nothing again', async () => {
    await start([daily]);
    await at('2027-03-10T09:00:00Z');
    await supervised.nth(1, 'schedule.reopened', 'nightly');
    clock.jump(-3_600_000);
    await at('2027-03-10T08:30:00Z');
    await at('2027-03-10T09:00:30Z');
    await at('2027-03-10T10:00:00Z');
    expect(agent.begun).toHaveLength(1);
    await at('2027-03-11T09:00:00Z');
    await supervised.nth(2, 'run.settled', 'nightly');
  });

  test.each([
    'opened',
    'claimed',
  ] as const)('killed between due and dispatch (%s): the next supervisor runs it, once', async (phase) => {
    await start([daily]);
    await supervised.stop({ cancelAgents: false });
    clock.advanceTo('2027-03-10T09:00:00Z');
    const graph = join(playground.repo, '.workgraph');
    const ledger = await openLedger({ file: join(playground.stateDir, 'ledger.sqlite'), clock });
    const nine = Date.parse('2027-03-10T09:00:00Z');
    ledger.noteSchedule(
      { graph, task: 'nightly' },
      {
        expression: '0 9 * * * UTC 2027-03-10T08:00:00Z',
        baselineAt: nine,
        lastNominalAt: null,
        pendingRuns: [nine],
      },
    );
    ledger.open(
      {
        id: 'run_killed',
        graph,
        task: 'nightly',
        taskCreatedAt: '2027-03-10T08:00:00Z',
        worktree: playground.repo,
        repo: playground.repo,
        executor: 'command',
        type: 'command',
        because: 'a test',
        attempt: 1,
        occurrence: nine,
      },
      'a-hash',
    );
    if (phase === 'claimed') {
      ledger.move('run_killed', 'opened', { agent: 'agent-1' });
      ledger.move('run_killed', 'claimed');
      await playground.writeGraph(playground.repo, [
        {
          ...daily,
          exec: 'ok',
          status: 'in-progress',
          assigned: 'agent-1',
          started_at: '2027-03-10T09:00:00Z',
          created_at: '2027-03-10T08:00:00Z',
        },
      ]);
    }
    ledger.close();
    await restart();
    await supervised.nth(1, 'schedule.reopened', 'nightly');
    await at('2027-03-10T12:00:00Z');
    expect(agent.begun).toEqual(['nightly 03-10T09:00']);
    expect(supervised.count('schedule.skipped_overlap', 'nightly')).toBe(0);
  });

  test('killed after it ran: the next supervisor does not run it again', async () => {
    await start([{ ...daily, exec: 'wait' }]);
    await at('2027-03-10T09:00:00Z');
    await supervised.event('run.started', 'nightly');
    await supervised.stop({ cancelAgents: false });
    clock.advance(60_000);
    await restart();
    await supervised.event('run.adopted', 'nightly');
    agent.end('nightly');
    await supervised.nth(1, 'schedule.reopened', 'nightly');
    await at('2027-03-10T12:00:00Z');
    expect(agent.begun).toHaveLength(1);
  });

  test('an edited expression starts afresh and makes up for nothing', async () => {
    await start([{ ...daily, schedule: '0 18 * * *' }]);
    await at('2027-03-10T12:00:00Z');
    const line = await taskOf('nightly');
    await playground.writeGraph(playground.repo, [{ ...line, id: 'nightly', schedule: '0 9 * * *' }]);
    supervised.supervisor.markDirty(join(playground.repo, '.workgraph'));
    await supervised.supervisor.tick();
    expect((await scheduleOf('nightly'))?.next_at).toBe('2027-03-11T09:00:00.000Z');
    await at('2027-03-10T18:00:00Z');
    expect(agent.begun).toEqual([]);
  });

  test('the machine moves to another zone while the supervisor runs', async () => {
    await start([daily]);
    zone = 'America/New_York';
    await at('2027-03-10T08:00:20Z');
    expect((await scheduleOf('nightly'))?.next_at).toBe('2027-03-10T14:00:00.000Z');
    await at('2027-03-10T09:00:00Z');
    expect(agent.begun).toEqual([]);
    await at('2027-03-10T14:00:00Z');
    await supervised.event('run.settled', 'nightly');
  });

  test('one that fails stays failed and says so; a retry runs it now, and its schedule continues', async () => {
    await start([{ ...daily, exec: 'fail' }]);
    await at('2027-03-10T09:00:00Z');
    await supervised.event('run.settled', 'nightly');
    await at('2027-03-11T09:30:00Z');
    expect(agent.begun).toHaveLength(1);
    const why = await supervised.control.why({ task: 'nightly' });
    expect(why.because).toBe(
      'it failed: no; its schedule is paused until `supervisor retry nightly` reopens it',
    );
    expect(await scheduleOf('nightly')).toMatchObject({ next_at: null });
    await supervised.control.retry({ task: 'nightly' });
    await supervised.nth(2, 'run.settled', 'nightly');
    expect(agent.begun).toHaveLength(2);
  });
});

describe('while the previous run is not over', () => {
  const hourly = { id: 'sync', schedule: '0 * * * *', exec: 'wait' };
  const overlap = (how: string) => `[schedule]\noverlap = "${how}"\n`;

  test('skip: the instant is released, and that is told', async () => {
    await start([hourly]);
    await at('2027-03-10T09:00:00Z');
    await supervised.event('run.started', 'sync');
    await at('2027-03-10T10:00:00Z');
    expect(await supervised.event('schedule.skipped_overlap', 'sync')).toMatchObject({
      count: 1,
      nominalAt: Date.parse('2027-03-10T10:00:00Z'),
    });
    expect((await scheduleOf('sync'))?.next_at).toBe('2027-03-10T11:00:00.000Z');
    await at('2027-03-10T10:30:00Z');
    agent.end('sync');
    await supervised.nth(1, 'schedule.reopened', 'sync');
    await at('2027-03-10T10:59:00Z');
    expect(agent.begun).toHaveLength(1);
    await at('2027-03-10T11:00:00Z');
    await supervised.nth(2, 'run.started', 'sync');
  });

  test('queue_one: one runs afterwards, however many came', async () => {
    await start([{ ...hourly, schedule: '*/20 9 * * *' }], overlap('queue_one'));
    await at('2027-03-10T09:00:00Z');
    await supervised.event('run.started', 'sync');
    await at('2027-03-10T09:20:00Z');
    await at('2027-03-10T09:40:00Z');
    await at('2027-03-10T09:50:00Z');
    agent.end('sync');
    await supervised.nth(2, 'run.started', 'sync');
    expect(agent.begun).toEqual(['sync 03-10T09:00', 'sync 03-10T09:50']);
    expect((await supervised.control.runs({ task: 'sync' }))[0]?.because).toContain(
      'sync@2027-03-10T09:40:00Z',
    );
    agent.end('sync');
    await supervised.nth(2, 'schedule.reopened', 'sync');
    await at('2027-03-10T09:59:00Z');
    expect(agent.begun).toHaveLength(2);
  });

  test('replace: what runs is ended, and the new instant is run', async () => {
    await start([hourly], overlap('replace'));
    await at('2027-03-10T09:00:00Z');
    await supervised.event('run.started', 'sync');
    await at('2027-03-10T10:00:00Z');
    await supervised.nth(2, 'run.started', 'sync');
    expect(agent.begun).toEqual(['sync 03-10T09:00', 'sync 03-10T10:00']);
    const [second, first] = await supervised.control.runs({ task: 'sync' });
    expect(first?.phase).toBe('interrupted');
    expect(second?.because).toContain('sync@2027-03-10T10:00:00Z');
  });
});

test('one that someone takes between its instants and releases waits for the next', async () => {
  await start([{ id: 'sync', schedule: '0 * * * *' }]);
  await at('2027-03-10T09:00:00Z');
  await supervised.nth(1, 'schedule.reopened', 'sync');
  await at('2027-03-10T09:20:00Z');
  await supervised.control.claim({ task: 'sync' }, 'somebody');
  await supervised.control.release({ task: 'sync' }, { kind: 'operator' });
  expect(await taskOf('sync')).not.toHaveProperty('started_at');
  await at('2027-03-10T09:59:00Z');
  expect(agent.begun).toHaveLength(1);
  await at('2027-03-10T10:00:00Z');
  await supervised.nth(2, 'schedule.reopened', 'sync');
});

test('a task keeps its executor: held until nine, then sent to the deploy agent', async () => {
  const bodies: string[] = [];
  const server = createServer((request, response) => {
    request.on('data', (data) => bodies.push(String(data)));
    request.on('end', () =>
      response.writeHead(200, { 'content-type': 'application/json' }).end('{"result": "deployed"}'),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const { port } = server.address() as AddressInfo;
    const toml = `[executors.deploy-agent]\ntype = "http"\nendpoint = "http://127.0.0.1:${port}/api/task"\ncompletion = "response"\n`;
    executors = new Map();
    await playground.writeGraph(playground.repo, [
      { id: 'deploy', tags: ['executor:deploy-agent', 'schedule:09:00'], created_at: '2027-03-10T07:00:00Z' },
    ]);
    await playground.writeConfig(toml);
    supervised = await supervise(playground, { clock, machineZone: () => 'UTC' });
    expect(await supervised.control.why({ task: 'deploy' })).toMatchObject({
      state: 'scheduled',
      executor: 'deploy-agent',
    });
    await at('2027-03-10T08:59:00Z');
    expect(bodies).toEqual([]);
    await at('2027-03-10T09:00:00Z');
    await supervised.event('run.settled', 'deploy');
    expect(bodies.join('')).toContain('"deploy"');
    expect((await taskOf('deploy'))?.status).toBe('done');
    await at('2027-03-11T09:00:00Z');
    expect((await taskOf('deploy'))?.status).toBe('done');
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

test('zones: of the task before that of its worktree before that of the machine; an odd one holds that task alone', async () => {
  await mkdir(join(playground.repo, '.workgraph'), { recursive: true });
  await writeFile(
    join(playground.repo, '.workgraph', 'config.toml'),
    '[executors.scheduled]\ntype = "schedule"\ntimezone = "Asia/Kolkata"\n',
  );
  const nine = '0 9 * * *';
  await start(
    [
      { id: 'own', schedule: nine, timezone: 'America/New_York' },
      { id: 'tagged', tags: [`schedule:${nine}`, 'timezone:Europe/Berlin'] },
      { id: 'worktree', schedule: nine },
      { id: 'odd', schedule: nine, timezone: 'Mars/Olympus' },
      { id: 'wrong', schedule: '9am' },
      { id: 'free' },
    ],
    '[supervisor]\ntimezone = "Australia/Lord_Howe"\n',
  );
  await supervised.event('run.settled', 'free');
  const { schedules, held } = await supervised.control.status();
  expect(Object.fromEntries(schedules.map((one) => [one.task, one.next_at]))).toEqual({
    own: '2027-03-10T14:00:00.000Z',
    tagged: '2027-03-11T08:00:00.000Z',
    worktree: '2027-03-11T03:30:00.000Z',
    odd: null,
    wrong: null,
  });
  const reason = (id: string) => held.find((one) => one.task === id);
  expect(reason('odd')).toMatchObject({
    code: 'bad-schedule',
    because: expect.stringContaining('Europe/Paris'),
  });
  expect(reason('wrong')).toMatchObject({ code: 'bad-schedule', because: expect.stringContaining('HH:MM') });
});

test('an instant makes a task ready; it starts when what it waits for is done, and its dependents see it done', async () => {
  await start([
    { id: 'fetch', exec: 'wait' },
    { id: 'report', schedule: '0 9 * * *', after: ['fetch'] },
    { id: 'mail', after: ['report'] },
  ]);
  await supervised.event('run.started', 'fetch');
  await at('2027-03-10T09:00:00Z');
  expect(agent.begun).toEqual(['fetch 03-10T08:00']);
  await at('2027-03-10T09:30:00Z');
  agent.end('fetch');
  await supervised.event('run.settled', 'mail');
  expect(agent.begun).toEqual(['fetch 03-10T08:00', 'report 03-10T09:30', 'mail 03-10T09:30']);
  await supervised.nth(1, 'schedule.reopened', 'report');
  await supervised.supervisor.tick();
  expect((await scheduleOf('report'))?.next_at).toBe('2027-03-11T09:00:00.000Z');
  expect((await taskOf('mail'))?.status).toBe('done');
});

test("wg's own cron task is opened again with its next fire, and not for the slot that it just ran", async () => {
  // This id has a jitter of -856 seconds: it fires before its slot, and wg itself would then find the same slot again.
  const id = 'report';
  await start([
    {
      id,
      cron_schedule: '0 9 * * *',
      cron_enabled: true,
      next_cron_fire: '2027-03-10T08:45:44Z',
    },
  ]);
  await at('2027-03-10T08:45:44Z');
  await supervised.nth(1, 'schedule.reopened', id);
  await supervised.supervisor.tick();
  const line = await taskOf(id);
  expect(line).toMatchObject({ status: 'open', last_cron_fire: '2027-03-10T08:45:44.000Z' });
  expect(line?.next_cron_fire).toBe('2027-03-11T08:45:44.000Z');
  await at('2027-03-10T09:30:00Z');
  expect(agent.begun).toHaveLength(1);
  await at('2027-03-11T08:45:44Z');
  await supervised.nth(2, 'schedule.reopened', id);
});
