import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Clock } from '../../src/platform/clock.ts';
import { newLease } from '../../src/runs/lease-row.ts';
import { type Ledger, openLedger } from '../../src/runs/ledger.ts';
import { newRun } from './new-run.ts';

let folder: string;
let ledger: Ledger;
let now: number;
const clock: Clock = { now: () => now, after: () => () => {}, sleep: () => Promise.resolve() };
const reopen = async () => {
  ledger?.close();
  ledger = await openLedger({ file: join(folder, 'ledger.sqlite'), clock });
};

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'deliveries-'));
  now = 1000;
  await reopen();
});
afterEach(() => {
  ledger.close();
  rmSync(folder, { recursive: true, force: true });
});

describe('dispatches', () => {
  test('their number rises, over a restart too, and the result is kept', async () => {
    const book = () => ledger.deliveries;
    expect(book().beginDispatch('msg_1', 'run_1', 'http://a')).toBe(1);
    book().noteDispatch('msg_1', 'retrying', 'HTTP 503');
    await reopen();
    expect(book().dispatch('msg_1')).toMatchObject({ attempts: 1, state: 'retrying', lastError: 'HTTP 503' });
    expect(book().beginDispatch('msg_1', 'run_1', 'http://a')).toBe(2);
    expect(book().dispatch('msg_1')).toMatchObject({ attempts: 2, state: 'sending' });
    expect(book().dispatch('msg_2')).toBeNull();
    expect(book().dueEvents(now, 10)).toEqual([]);
  });
});

describe('events', () => {
  test('are queued once, due until they end, and their bytes go with them', async () => {
    const { deliveries: book } = ledger;
    const event = { id: 'evt_1', target: 'http://h', payload: '{"a":"\u00e9\u2028"}' };
    expect([book.queueEvent(event), book.queueEvent(event)]).toEqual([true, false]);
    expect(book.dueEvents(now, 10)).toMatchObject([{ ...event, attempts: 0, createdAt: 1000 }]);
    book.beginEvent('evt_1', 5000);
    expect([book.dueEvents(now, 10), book.nextEventAt()]).toEqual([[], 5000]);
    await reopen();
    now = 5000;
    expect(ledger.deliveries.dueEvents(now, 10)).toMatchObject([{ payload: event.payload, attempts: 1 }]);
    ledger.deliveries.endEvent('evt_1', 'delivered', null);
    expect([ledger.deliveries.nextEventAt(), ledger.deliveries.queueEvent(event)]).toEqual([null, false]);
    expect(ledger.deliveries.eventCounts()).toEqual(new Map([['delivered', 1]]));
  });

  test('held ones keep their bytes and are released by their webhook', () => {
    const { deliveries: book } = ledger;
    book.queueEvent({ id: 'evt_1', target: 'http://h', payload: 'p' });
    book.queueEvent({ id: 'evt_2', target: 'http://i', payload: 'q' });
    for (const id of ['evt_1', 'evt_2']) book.endEvent(id, 'held', 'HTTP 410');
    book.unholdEvents('http://h');
    expect(book.dueEvents(now, 10)).toMatchObject([{ id: 'evt_1', payload: 'p' }]);
  });
});

describe('leases and further tokens', () => {
  test('are kept with their run and dropped with it', async () => {
    ledger.open(newRun('run_1'), 'hash-1');
    ledger.addToken('run_1', 'hash-2');
    const lease = newLease('hold', {
      worker: 'w',
      externalRef: 'r',
      leaseMs: 5,
      expiresAt: 9,
      question: '{}',
    });
    ledger.setLease('run_1', lease);
    ledger.deliveries.beginDispatch('msg_1', 'run_1', 'http://a');
    // Of this one no one ever noted the result: its run was ended in the middle.
    ledger.deliveries.beginDispatch('msg_2', 'run_1', 'http://a');
    await reopen();
    expect(ledger.lease('run_1')).toEqual(lease);
    expect([ledger.runOfToken('hash-1')?.id, ledger.runOfToken('hash-2')?.id]).toEqual(['run_1', 'run_1']);
    expect(ledger.runOfToken('hash-3')).toBeNull();
    ledger.move('run_1', 'abandoned');
    ledger.deliveries.noteDispatch('msg_1', 'refused', null);
    now = 1_000_000;
    expect(ledger.prune({ runsOlderThanMs: 10 })).toBe(1);
    expect([ledger.lease('run_1'), ledger.runOfToken('hash-2')]).toEqual([null, null]);
    for (const id of ['msg_1', 'msg_2']) expect(ledger.deliveries.dispatch(id)).toBeNull();
  });
});
