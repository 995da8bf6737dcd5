// Lease and fencing fields (http-protocol 2.3), bullet by bullet, over a real supervisor whose clock is moved by hand. That an
// older worker is superseded, and what on_stale does, is in outside-work.test.ts.

import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { dispatchData } from '../../src/api/shapes/dispatch-schema.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { tokenHash } from '../../src/platform/identity.ts';
import { openLedger } from '../../src/runs/ledger.ts';
import { createFakeClock, type FakeClock } from '../support/fake-clock.ts';
import { createPlayground, type Playground, type TaskLine } from '../support/playground.ts';
import { type Supervised, supervise } from '../support/supervised.ts';

const MIN = 60_000;
const HOUR = 60 * MIN;

let playground: Playground;
let supervised: Supervised;
let clock: FakeClock;
let agent: Server | null;

beforeEach(async () => {
  playground = await createPlayground();
  clock = createFakeClock('2027-03-10T08:00:00Z');
  agent = null;
});
afterEach(async () => {
  await supervised.stop({ cancelAgents: true });
  agent?.close();
  await playground.remove();
});

async function begin(task: TaskLine, config = ''): Promise<void> {
  await playground.writeGraph(playground.repo, [task]);
  await playground.writeConfig(config);
  supervised = await supervise(playground, { clock });
  await supervised.event('run.handed-off', task.id);
  await supervised.supervisor.quiet();
}

const HELD = { id: 'job', tags: ['executor:external'] };

/** Lets time pass a little at a time, as it does, and everything that follows from it happen. */
async function pass(ms: number): Promise<void> {
  const step = Math.max(5 * MIN, ms / 12);
  for (let left = ms; left > 0; left -= step) {
    clock.advance(Math.min(left, step));
    await supervised.supervisor.quiet();
  }
}

async function latest() {
  const [run] = await supervised.control.runs({ task: 'job' });
  if (!run) throw new Error('there is no run');
  return run;
}

const status = async () => (await playground.readGraph(playground.repo)).get('job')?.status;
const at = (ms: number) => new Date(clock.now() + ms).toISOString();

test('lease.token: 32 random bytes, one for each attempt; the ledger has its SHA-256 and nothing else of it', async () => {
  await begin(HELD);
  const first = await supervised.control.claim({ task: 'job' }, 'w');
  await supervised.control.release({ task: 'job' }, { kind: 'operator' });
  await supervised.nth(2, 'run.handed-off', 'job');
  const second = await supervised.control.claim({ task: 'job' }, 'w');
  for (const { token } of [first, second]) {
    expect(token).toMatch(/^wgl_[A-Za-z0-9_-]{43}$/);
    expect(Buffer.from(token.slice(4), 'base64url').length).toBe(32);
  }
  expect(second.token).not.toBe(first.token);
  const ledger = await openLedger({
    file: `${playground.stateDir}/ledger.sqlite`,
    clock: systemClock(),
    readOnly: true,
  });
  expect(ledger?.runOfToken(tokenHash(second.token))?.id).toBe(second.run.run);
  expect(ledger?.runOfToken(second.token)).toBeNull();
  ledger?.close();
});

test('attempt.fence: one more with every holder, never used again, over a restart too', async () => {
  await begin(HELD);
  const fences: number[] = [];
  for (let n = 1; n <= 4; n++) {
    const { data } = await supervised.control.claim({ task: 'job' }, 'w');
    fences.push(dispatchData.parse(data).attempt.fence);
    await supervised.control.release({ task: 'job' }, { kind: 'operator' });
    if (n === 2) {
      await supervised.stop({ cancelAgents: false });
      supervised = await supervise(playground, { clock });
    }
    const again = supervised;
    for (;;) {
      const { run } = await again.control.runs({ task: 'job', open: true }).then(([one]) => ({ run: one }));
      if (run?.phase === 'handed-off') break;
      await again.bus.next('run.handed-off');
    }
  }
  for (const [n, fence] of fences.entries()) if (n > 0) expect(fence).toBeGreaterThan(fences[n - 1] ?? 0);
});

test('two clocks: heartbeats move lease.expires_at and never attempt.deadline', async () => {
  await begin({ ...HELD, timeout: '2h' });
  const { run } = await supervised.control.claim({ task: 'job' }, 'w', { leaseMs: 300_000 });
  const first = await supervised.control.heartbeat(run.run);
  expect(first.lease.expires_at).toBe(at(300_000));
  await pass(4 * MIN);
  const second = await supervised.control.heartbeat(run.run);
  expect(second).toEqual({ ...first, lease: { expires_at: at(300_000) } });
  expect(Date.parse(second.deadline ?? '') - Date.parse('2027-03-10T08:00:00Z')).toBe(2 * HOUR);
  // However often it says that it lives: the deadline comes.
  for (let n = 0; n < 60 && (await latest()).phase === 'handed-off'; n++) {
    await supervised.control.heartbeat(run.run);
    await pass(4 * MIN);
  }
  expect((await latest()).outcome).toMatchObject({ kind: 'failed', failure: 'timeout' });
});

test('an external hold that no one claimed: no lease, no deadline; after 24 hours it is flagged, told, and left as it is', async () => {
  await begin(HELD);
  expect((await latest()).lease).toBeUndefined();
  await pass(24 * HOUR - 10 * MIN);
  expect(supervised.count('run.stale', 'job')).toBe(0);
  await pass(20 * MIN);
  expect(await supervised.event('run.stale', 'job')).toMatchObject({ action: 'flag' });
  expect((await latest()).lease).toMatchObject({ stale_since: expect.any(String) });
  expect(await status()).toBe('in-progress');
  await pass(24 * HOUR);
  expect(supervised.count('run.stale', 'job')).toBe(1);
  expect(
    (await supervised.control.complete({ task: 'job', caller: { kind: 'operator' }, result: 'succeeded' }))
      .status,
  ).toBe('done');
});

test('a question keeps a lease from ending however long it takes; the answer sets the clock going from then on', async () => {
  await begin(HELD);
  const { run } = await supervised.control.claim({ task: 'job' }, 'w', { leaseMs: 300_000 });
  await supervised.control.input(run.run, { question: 'Which?', options: [] });
  await pass(48 * HOUR);
  expect((await latest()).lease).toMatchObject({ question: 'Which?', expires_at: null, stale_since: null });
  await supervised.control.answer({ task: 'job' }, 'this');
  expect((await latest()).lease).toMatchObject({ expires_at: at(300_000), stale_since: null });
  await pass(6 * MIN);
  // It never came back for its answer: the next one may have the task.
  expect(supervised.count('run.stale', 'job')).toBe(1);
  const next = await supervised.control.claim({ task: 'job' }, 'v');
  expect(next.run.run).not.toBe(run.run);
});

test('an http agent: a deadline after 24 hours; only its first heartbeat sets the clock of 15 minutes going', async () => {
  const server = createServer((incoming, outgoing) => {
    incoming.resume().on('end', () => outgoing.writeHead(202).end());
  });
  agent = server;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await begin(
    { id: 'job', tags: ['executor:agent'] },
    `[executors.agent]\ntype = "http"\nendpoint = "http://127.0.0.1:${port}/"\n`,
  );
  await pass(3 * HOUR);
  const { run, phase } = await latest();
  expect(phase).toBe('handed-off');
  const beat = await supervised.control.heartbeat(run);
  expect(beat.lease.expires_at).toBe(at(15 * MIN));
  expect(Date.parse(beat.deadline ?? '') - Date.parse('2027-03-10T08:00:00Z')).toBeLessThanOrEqual(
    24 * HOUR + MIN,
  );
  await pass(14 * MIN);
  expect((await latest()).phase).toBe('handed-off');
  await pass(2 * MIN);
  await supervised.event('run.settled', 'job');
  expect((await latest()).outcome).toMatchObject({ kind: 'failed', failure: 'silent' });
});
