// The outbox over a real ledger, real sockets and a clock that is moved by hand.

import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { Webhook } from 'standardwebhooks';
import { NOTIFY_EVENTS, type NotifySettings } from '../../src/domain/config.ts';
import type { Outcome } from '../../src/domain/outcome.ts';
import type { Verdict } from '../../src/domain/verdict.ts';
import { createOutbox, type OutboxParts } from '../../src/notify/outbox.ts';
import { KEPT_MS, LADDER_MS } from '../../src/notify/webhook-sender.ts';
import { createBus } from '../../src/platform/bus.ts';
import type { Clock } from '../../src/platform/clock.ts';
import { silentLog } from '../../src/platform/log.ts';
import type { Service } from '../../src/platform/service.ts';
import { newLease } from '../../src/runs/lease-row.ts';
import { type Ledger, openLedger } from '../../src/runs/ledger.ts';
import { listen, type Received, type TestServer } from '../executors/http/support.ts';
import { PATIENCE } from '../support/patience.mjs';

const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
const OLD_SECRET = `whsec_${Buffer.alloc(32, 8).toString('base64')}`;

function handClock(start: number): Clock & { advance(ms: number): void } {
  let now = start;
  let timers: { at: number; act: () => void }[] = [];
  return {
    now: () => now,
    after(ms, act) {
      const timer = { at: now + ms, act };
      timers.push(timer);
      return () => {
        timers = timers.filter((one) => one !== timer);
      };
    },
    sleep: () => Promise.reject(new Error('no one sleeps here')),
    advance(ms) {
      now += ms;
      const due = timers.filter((one) => one.at <= now);
      timers = timers.filter((one) => one.at > now);
      for (const { act } of due) act();
    },
  };
}

let folder: string;
let ledger: Ledger;
let clock: ReturnType<typeof handClock>;
let bus: ReturnType<typeof createBus>;
let outbox: Service | null;
let hook: TestServer;
let answers: (request: Received, before: number) => { status: number; headers?: Record<string, string> };
let webhooks: NotifySettings[];
let verdicts: Verdict[];
/** How often a delivery was put off: its answer is known then. */
let postponed: number;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'outbox-'));
  clock = handClock(Date.now());
  bus = createBus(clock);
  ledger = await openLedger({ file: join(folder, 'ledger.sqlite'), clock });
  answers = () => ({ status: 204 });
  hook = await listen((request, response, before) => {
    const { status, headers } = answers(request, before);
    response.writeHead(status, headers).end();
  });
  webhooks = [{ url: `${hook.url}/hook`, secrets: [], events: [...NOTIFY_EVENTS], heldAfterMs: 60_000 }];
  verdicts = [];
  postponed = 0;
  outbox = null;
});
afterEach(async () => {
  await outbox?.stop();
  await hook.close();
  ledger.close();
  rmSync(folder, { recursive: true, force: true });
});

async function begin(more: Partial<OutboxParts> = {}): Promise<void> {
  outbox = createOutbox({
    ledger,
    bus,
    clock,
    log: { ...silentLog, info: (name) => void (name === 'notify.postponed' && postponed++) },
    random: () => 0,
    version: '1',
    variables: { HOOK_SECRET: SECRET },
    timezone: () => 'Asia/Tokyo',
    webhooks: () => webhooks,
    verdicts: () => verdicts,
    worktreeOf: () => '/w1',
    statusOf: () => 'done',
    ...more,
  });
  await outbox.start();
}

const of = (run: string) => ({
  run,
  graph: '/g/.workgraph',
  task: 'build',
  worktree: '/w1',
  executor: 'agent',
  attempt: 1,
});
const SUCCEEDED: Outcome = { kind: 'succeeded', summary: 'built' };
const FAILED: Outcome = { kind: 'failed', failure: 'exit', message: 'no', retryable: false };

async function until(look: () => boolean): Promise<void> {
  const end = Date.now() + 10_000 * PATIENCE;
  while (!look()) {
    if (Date.now() > end) throw new Error('it did not come to be');
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const states = () => Object.fromEntries(ledger.deliveries.eventCounts());
const types = () => hook.received.map(({ body }) => JSON.parse(body).type as string);

describe('what is told', () => {
  test('started, completed, failed, retrying, stale, asked: each once, however often it is heard', async () => {
    await begin();
    for (let n = 0; n < 2; n++) {
      bus.emit('run.started', { ...of('run_1'), agent: 'agent-1', pid: 1 });
      bus.emit('run.handed-off', { ...of('run_1'), reference: null });
      bus.emit('run.settled', { ...of('run_1'), outcome: SUCCEEDED, status: 'done' });
      bus.emit('run.settled', { ...of('run_2'), outcome: FAILED, status: 'failed' });
      bus.emit('run.settled', { ...of('run_3'), outcome: FAILED, status: 'open' });
      bus.emit('run.stale', { ...of('run_4'), because: 'no sign of life', action: 'flag' });
      bus.emit('run.input', { ...of('run_5'), question: 'Red?', options: ['yes'] });
      bus.emit('run.answered', { ...of('run_5'), question: 'Red?', answer: 'yes' });
      bus.emit('graph.problem', { graph: '/g', message: 'line 3' });
    }
    await until(() => (states().delivered ?? 0) === 8);
    expect(types().sort()).toEqual([
      'supervisor.problem',
      'task.completed',
      'task.failed',
      'task.input_answered',
      'task.input_required',
      'task.retrying',
      'task.stale',
      'task.started',
    ]);
    const completed = hook.received.find(({ body }) => body.includes('task.completed'));
    expect(JSON.parse(completed?.body ?? '')).toMatchObject({
      data: { local_id: 'build', run: 'run_1', outcome: SUCCEEDED, status: 'done', external_ref: null },
    });
    // Healed and broken again is another problem.
    bus.emit('graph.healed', { graph: '/g' });
    clock.advance(1);
    bus.emit('graph.problem', { graph: '/g', message: 'line 3' });
    await until(() => (states().delivered ?? 0) === 9);
    const answered = hook.received.find(({ body }) => body.includes('task.input_answered'));
    expect(JSON.parse(answered?.body ?? '')).toMatchObject({ data: { question: 'Red?', answer: 'yes' } });
  });

  test('only what a webhook asked for', async () => {
    webhooks = [{ ...(webhooks[0] as NotifySettings), events: ['task.failed'] }];
    await begin();
    bus.emit('run.settled', { ...of('run_1'), outcome: SUCCEEDED, status: 'done' });
    bus.emit('run.settled', { ...of('run_2'), outcome: FAILED, status: 'failed' });
    await until(() => (states().delivered ?? 0) === 1);
    expect(types()).toEqual(['task.failed']);
  });

  test('held for too long: once for each reason, not for those that wait for others', async () => {
    const verdict = {
      graph: '/g',
      task: 'a',
      code: 'no-profile',
      because: 'no such',
      nextAt: null,
      executor: null,
    };
    verdicts = [
      { ...verdict, state: 'held' },
      { ...verdict, task: 'b', state: 'waiting' },
    ];
    await begin();
    const tick = () => bus.emit('tick.finished', { dispatched: 0, wakeAt: null });
    tick();
    clock.advance(30_000);
    tick();
    expect(states()).toEqual({});
    clock.advance(31_000);
    tick();
    clock.advance(61_000);
    tick();
    await until(() => (states().delivered ?? 0) === 1);
    expect(JSON.parse(hook.received[0]?.body ?? '')).toMatchObject({
      type: 'task.held',
      data: { local_id: 'a', worktree: '/w1', code: 'no-profile', because: 'no such' },
    });
    verdicts = [{ ...verdict, state: 'held', code: 'other' }];
    clock.advance(16_000);
    tick();
    clock.advance(61_000);
    tick();
    await until(() => (states().delivered ?? 0) === 2);
  });
});

describe('how it is sent', () => {
  test('signed with every secret while one is rotated; the standard library agrees; the id stays', async () => {
    webhooks = [{ ...(webhooks[0] as NotifySettings), secrets: [{ env: 'HOOK_SECRET' }, OLD_SECRET] }];
    answers = (_request, before) => ({ status: before === 0 ? 500 : 200 });
    await begin();
    bus.emit('run.settled', { ...of('run_1'), outcome: SUCCEEDED, status: 'done' });
    await until(() => postponed === 1);
    expect(ledger.deliveries.nextEventAt()).toBe(clock.now() + 30_000);
    clock.advance(30_000);
    await until(() => (states().delivered ?? 0) === 1);
    const [first, second] = hook.received as [Received, Received];
    expect(second.headers['webhook-id']).toBe(first.headers['webhook-id']);
    expect(second.body).toBe(first.body);
    for (const secret of [SECRET, OLD_SECRET])
      expect(new Webhook(secret).verify(second.body, second.headers as Record<string, string>)).toBeTruthy();
    expect(() =>
      new Webhook(SECRET).verify(`${second.body} `, second.headers as Record<string, string>),
    ).toThrow();
  });

  test('the ladder, and three days', async () => {
    answers = () => ({ status: 503 });
    await begin();
    bus.emit('run.settled', { ...of('run_1'), outcome: SUCCEEDED, status: 'done' });
    const begun = clock.now();
    const waits: number[] = [];
    for (;;) {
      const tries = waits.length + 1;
      await until(() => postponed === tries || states().expired === 1);
      if (states().expired) break;
      waits.push((ledger.deliveries.nextEventAt() ?? 0) - clock.now());
      clock.advance(waits.at(-1) ?? 0);
    }
    expect(waits.slice(0, LADDER_MS.length)).toEqual(LADDER_MS);
    expect(clock.now() - begun).toBeGreaterThan(KEPT_MS);
    expect(clock.now() - begun).toBeLessThan(KEPT_MS + 25 * 3_600_000);
  });

  test('a webhook that wants no more is left alone until it is configured otherwise', async () => {
    answers = () => ({ status: 410 });
    await begin();
    bus.emit('run.settled', { ...of('run_1'), outcome: SUCCEEDED, status: 'done' });
    await until(() => states().held === 1);
    bus.emit('run.settled', { ...of('run_2'), outcome: SUCCEEDED, status: 'done' });
    await until(() => states().held === 2);
    expect(hook.received.length).toBe(1);
    bus.emit('config.loaded', { file: null });
    expect(states().held).toBe(2);
    webhooks = [{ ...(webhooks[0] as NotifySettings), secrets: [SECRET] }];
    answers = () => ({ status: 200 });
    bus.emit('config.loaded', { file: null });
    await until(() => states().delivered === 2);
  });

  test('an address that is never dispatched to is not told either; the secret that is missing is named', async () => {
    webhooks = [
      { ...(webhooks[0] as NotifySettings), url: 'http://169.254.169.254/latest' },
      { ...(webhooks[0] as NotifySettings), secrets: [{ env: 'NOT_SET' }] },
    ];
    await begin();
    bus.emit('run.settled', { ...of('run_1'), outcome: SUCCEEDED, status: 'done' });
    await until(() => postponed === 2);
    expect(hook.received).toEqual([]);
  });
});

describe('what survives', () => {
  test('what was queued and not sent is sent by the next one; what ended while no one listened is told too', async () => {
    answers = () => ({ status: 500 });
    await begin();
    bus.emit('run.settled', { ...of('run_1'), outcome: SUCCEEDED, status: 'done' });
    await until(() => hook.received.length === 1);
    await outbox?.stop();
    const open = ledger.open(
      {
        id: 'run_9',
        graph: '/g/.workgraph',
        task: 'late',
        taskCreatedAt: null,
        worktree: '/w1',
        repo: '/r',
        executor: 'agent',
        type: 'http',
        because: 'x',
        attempt: 1,
        occurrence: null,
      },
      'hash',
    );
    clock.advance(5);
    ledger.move(open.id, 'claimed');
    ledger.move(open.id, 'finished', { outcome: SUCCEEDED });
    ledger.move(open.id, 'settled');
    answers = () => ({ status: 200 });
    clock.advance(60_000);
    await begin();
    bus.emit('supervisor.started', { pid: 1, mode: 'dispatch' });
    await until(() => states().delivered === 2);
    const told = hook.received.slice(1).map(({ body }) => JSON.parse(body).data.local_id);
    expect(told.sort()).toEqual(['build', 'late']);
  });

  test('a page that is never there is given up after three more tries', async () => {
    webhooks = [];
    ledger.setLease('run_1', newLease('http', { notifyUrl: `${hook.url}/webhook-waiting/7` }));
    answers = () => ({ status: 404 });
    await begin();
    bus.emit('run.settled', { ...of('run_1'), outcome: SUCCEEDED, status: 'done' });
    for (let tries = 1; tries <= 3; tries++) {
      await until(() => postponed === tries);
      clock.advance(10_000);
    }
    await until(() => states().refused === 1);
    expect(hook.received.length).toBe(4);
  });

  test('the requester of one run is notified of its end: not yet there is retried, called already is fine', async () => {
    webhooks = [];
    ledger.setLease('run_1', newLease('http', { notifyUrl: `${hook.url}/webhook-waiting/7?x=1` }));
    answers = (_request, before) => ({ status: before === 0 ? 404 : 409 });
    await begin();
    bus.emit('run.settled', { ...of('run_1'), outcome: FAILED, status: 'open' });
    bus.emit('run.settled', { ...of('run_1'), outcome: SUCCEEDED, status: 'done' });
    for (let tries = 1; tries <= 3; tries++) {
      await until(() => postponed === tries);
      expect(ledger.deliveries.nextEventAt()).toBe(clock.now() + 10_000);
      clock.advance(10_000);
    }
    await until(() => states().delivered === 1);
    expect(hook.received.map(({ path }) => path)).toEqual(Array(4).fill('/webhook-waiting/7?x=1'));
  });
});

describe('formats', () => {
  const asked = {
    ...of('r1'),
    question: 'Blue or <red>?',
    options: ['blue', 'red'],
  };
  const sent = async (
    format: NonNullable<NotifySettings['format']>,
    path: string,
    more: Partial<NotifySettings> = {},
  ) => {
    webhooks = [{ ...(webhooks[0] as NotifySettings), format, url: hook.url + path, ...more }];
    await begin({ repoOf: () => 'shop' });
    bus.emit('run.input', asked);
    await until(() => hook.received.length === 1);
    const [request] = hook.received;
    return { request, body: JSON.parse(request?.body ?? '') };
  };

  test('ntfy: published to the topic of its url, urgent, with the token', async () => {
    const { request, body } = await sent('ntfy', '/push/mine', { token: { env: 'HOOK_SECRET' } });
    expect(request?.path).toBe('/push');
    expect(request?.headers.authorization).toBe(`Bearer ${SECRET}`);
    expect(body).toEqual({
      topic: 'mine',
      title: 'build asks (shop, w1)',
      message: 'Blue or <red>?\nblue | red\n→ supervisor answer build TEXT',
      priority: 4,
    });
  });

  test('slack: its own markup stays text', async () => {
    const { request, body } = await sent('slack', '/hook');
    expect(request?.path).toBe('/hook');
    expect(body).toEqual({
      text: 'build asks (shop, w1)\nBlue or &lt;red&gt;?\nblue | red\n→ supervisor answer build TEXT',
    });
  });

  test('discord: no one is mentioned, and it fits', async () => {
    webhooks = [{ ...(webhooks[0] as NotifySettings), format: 'discord' }];
    await begin();
    const message = `@everyone ${'x'.repeat(5_000)}`;
    bus.emit('run.settled', { ...of('r1'), outcome: { ...FAILED, message } as Outcome, status: 'failed' });
    await until(() => hook.received.length === 1);
    const body = JSON.parse(hook.received[0]?.body ?? '');
    expect(body.allowed_mentions).toEqual({ parse: [] });
    expect([...body.content].length).toBeLessThanOrEqual(2_000);
    expect(body.content).toMatch(/^build failed \(w1\)\n@everyone/);
  });

  test('desktop: one message per transition by notify-send; one that fails is tried again', async () => {
    const log = join(folder, 'shown');
    const program = join(folder, 'notify-send');
    // One line per call, one argument after the other; the first call fails.
    writeFileSync(
      program,
      `#!/bin/sh\nfor each; do printf '%s|' "$each" >> '${log}'; done\n[ -e '${log}.once' ] || { touch '${log}.once'; exit 1; }\n`,
    );
    chmodSync(program, 0o755);
    webhooks = [{ ...(webhooks[0] as NotifySettings), format: 'desktop', url: 'desktop:' }];
    await begin({
      variables: { PATH: `${folder}:${process.env.PATH}` },
      repoOf: () => 'shop',
      platform: 'linux',
    });
    bus.emit('run.settled', { ...of('$(touch pwned)'), outcome: FAILED, status: 'failed' });
    await until(() => postponed === 1);
    clock.advance(LADDER_MS[0] ?? 0);
    bus.emit('run.settled', { ...of('$(touch pwned)'), outcome: FAILED, status: 'failed' });
    await until(() => ledger.deliveries.nextEventAt() === null);
    const call =
      '--app-name=supervisor|--urgency=critical|--|build failed (shop, w1)|no\n→ supervisor logs build\n→ supervisor retry build|';
    expect(readFileSync(log, 'utf8')).toBe(call + call);
  });

  test('a digest at its time of day, once, also when the machine was off then', async () => {
    const start = new Date(clock.now());
    // 17:00 in Tokyo, whatever this machine's own clock shows.
    start.setUTCHours(8, 0, 0, 0);
    clock.advance(start.getTime() - clock.now() + 86_400_000);
    webhooks = [{ ...(webhooks[0] as NotifySettings), digestAt: '18:00' }];
    const asked: number[] = [];
    const digest: OutboxParts['digest'] = async (since) => {
      asked.push(since);
      return {
        ...{ since: new Date(since).toISOString(), until: '', done: 2, failed: 0, runs: 3 },
        ...{ cost_usd: 0, input_tokens: 0, output_tokens: 0, items: [] },
      };
    };
    await begin({ digest });
    expect(hook.received).toHaveLength(0);
    clock.advance(3_600_000 - 60_000);
    expect(asked).toEqual([]);
    clock.advance(3_600_000);
    await until(() => hook.received.length === 1);
    expect(JSON.parse(hook.received[0]?.body ?? '')).toMatchObject({ type: 'digest', data: { done: 2 } });
    clock.advance(60_000);
    await outbox?.stop();
    // Two days later: one digest of both, from where the last one ended.
    clock.advance(2 * 86_400_000);
    await begin({ digest });
    await until(() => hook.received.length === 2);
    expect(asked).toHaveLength(2);
    expect((asked[1] ?? 0) - (asked[0] ?? 0)).toBeGreaterThan(22 * 3_600_000);
  });
});
