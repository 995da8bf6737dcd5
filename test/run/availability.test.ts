// With a real ledger; what profiles there are is what a test says.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { profileKey } from '../../src/decide/capacity/room.ts';
import type { Deferred } from '../../src/domain/outcome.ts';
import type { CommandProfile, Profile } from '../../src/domain/profile.ts';
import { Availability } from '../../src/run/availability.ts';
import { liftOutdatedHolds } from '../../src/run/endpoint-holds.ts';
import { type Ledger, openLedger } from '../../src/runs/ledger.ts';
import { claude, command, NOW, profiles, run } from '../support/tasks.ts';

const MISSING = 'executor-unavailable';
let folder: string;
let ledger: Ledger;
let parts: ConstructorParameters<typeof Availability>[0];
let availability: Availability;
/** The profiles of each graph. */
let served: Map<string, readonly Profile[]>;

const ownOf = (graph: string, more: Partial<CommandProfile> = {}) =>
  command('agent', { command: ['agent'], origin: { file: `${graph}/config.toml` }, ...more });
const runOf = (graph: string, executor = 'agent', task = 't') =>
  run('w', task, {
    graph,
    executor,
    type: 'command',
    openedAt: NOW - 2000,
    startedAt: NOW - 1000,
    finishedAt: NOW,
  });
const lacks = (code: string, scope: Deferred['scope'] = 'profile'): Deferred => ({
  ...{ kind: 'deferred', code, because: 'not there', scope },
});
const pauses = () => ledger.pauses().map(({ scope, name, code }) => `${scope} ${name} ${code}`);
const keyIn = (graph: string) => profileKey(ownOf(graph), graph);

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'availability-'));
  const clock = { now: () => NOW, after: () => () => {}, sleep: async () => {} };
  ledger = await openLedger({ file: join(folder, 'ledger.sqlite'), clock });
  served = new Map([
    ['/a', [ownOf('/a')]],
    ['/b', [ownOf('/b')]],
  ]);
  const graphOf = (path: string) => ({ path, profiles: profiles(served.get(path) ?? []) });
  parts = {
    ...{ ledger, clock, identity: { random: () => 0 }, wake: () => {} },
    graphs: {
      get: (path: string) => (served.has(path) ? graphOf(path) : null),
      all: () => [...served.keys()].map(graphOf),
    },
  } as unknown as typeof parts;
  availability = new Availability(parts);
});
afterEach(() => {
  ledger.close();
  rmSync(folder, { recursive: true, force: true });
});

test('another configuration lifts the hold of that profile, and its pauses begin short again', () => {
  for (const graph of ['/a', '/b']) availability.reportUnavailable(runOf(graph), lacks(MISSING));
  availability.reportUnavailable(runOf('/a'), lacks(MISSING));
  const untilOf = (graph: string) => ledger.pauses().find(({ name }) => name === keyIn(graph))?.until;
  expect([untilOf('/a'), untilOf('/b')]).toEqual([NOW + 60_000, NOW + 30_000]);
  expect(liftOutdatedHolds(parts)).toEqual([]);
  served.set('/a', [ownOf('/a', { command: ['other'] })]);
  expect(liftOutdatedHolds(parts)).toEqual(['agent']);
  expect(pauses()).toEqual([`profile ${keyIn('/b')} ${MISSING}`]);
  availability.reportUnavailable(runOf('/a'), lacks(MISSING));
  expect(untilOf('/a')).toBe(NOW + 30_000);
});

test('a graph that is not served says nothing of its profiles; a profile that is gone is not held', () => {
  availability.reportUnavailable(runOf('/a'), lacks(MISSING));
  const before = served.get('/a') ?? [];
  served.delete('/a');
  expect(liftOutdatedHolds(parts)).toEqual([]);
  served.set('/a', before);
  expect(liftOutdatedHolds(parts)).toEqual([]);
  served.set('/a', []);
  expect(liftOutdatedHolds(parts)).toEqual(['agent']);
});

test('what was missing is tried again; quotas, endpoints, breakers and what a person paused stay', () => {
  served.set('/b', [claude('model', { account: 'team' }), command('machine')]);
  availability.reportUnavailable(runOf('/a'), lacks(MISSING));
  availability.reportUnavailable(runOf('/b', 'machine'), lacks('endpoint-gone'));
  availability.reportUnavailable(runOf('/b', 'model'), lacks('quota', 'account'));
  ledger.setPause({ scope: 'profile', name: 'agent', code: 'paused', because: 'by hand', until: null });
  availability.retryMissing();
  expect(pauses()).toEqual(['account team quota', 'profile agent paused', 'profile machine endpoint-gone']);
});

test('instant failures are counted for each worktree’s own profile; a changed one begins again; a name resumes all', () => {
  const fail = (graph: string, n: number) =>
    availability.failed(runOf(graph, 'agent', `t-${n}`), {
      ...{ kind: 'failed', failure: 'exit', message: 'exit status 9', retryable: true },
    });
  for (let n = 0; n < 4; n++) for (const graph of ['/a', '/b']) fail(graph, n);
  expect(pauses()).toEqual([]);
  fail('/a', 4);
  expect(pauses()).toEqual([`profile ${keyIn('/a')} instant-failures`]);
  served.set('/a', [ownOf('/a', { command: ['other'] })]);
  expect(liftOutdatedHolds(parts)).toEqual(['agent']);
  fail('/a', 5);
  expect(pauses()).toEqual([]);
  fail('/b', 4);
  availability.reportUnavailable(runOf('/a'), lacks(MISSING));
  expect(pauses()).toHaveLength(2);
  availability.resume('agent');
  expect(pauses()).toEqual([]);
});
