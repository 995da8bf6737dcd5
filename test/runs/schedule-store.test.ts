import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { taskKey } from '../../src/domain/ids.ts';
import { type Ledger, openLedger } from '../../src/runs/ledger.ts';
import { createFakeClock } from '../support/fake-clock.ts';

const task = { graph: '/g/.workgraph', task: 'nightly' };
const key = taskKey(task.graph, task.task);
const clock = createFakeClock('2027-03-10T12:00:00Z');
const memory = { expression: '@daily UTC -', baselineAt: 5, lastNominalAt: null };

let folder: string;
let ledger: Ledger;
const open = () => openLedger({ file: join(folder, 'ledger.sqlite'), clock });

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'book-'));
  ledger = await open();
});
afterEach(async () => {
  ledger.close();
  await rm(folder, { recursive: true });
});

test('what is owed survives a restart, and is owed no more once it was dispatched', async () => {
  ledger.noteSchedule(task, { ...memory, pendingRuns: [10, 20, 30] });
  ledger.close();
  ledger = await open();
  expect(ledger.scheduleMemory().get(key)).toEqual({ ...memory, pendingRuns: [10, 20, 30] });
  ledger.noteOccurrence(task, 20);
  expect(ledger.scheduleMemory().get(key)).toEqual({ ...memory, lastNominalAt: 20, pendingRuns: [30] });
  ledger.noteOccurrence(task, 30);
  expect(ledger.scheduleMemory().get(key)).toEqual({ ...memory, lastNominalAt: 30 });
});

test('what was given out does not change; asking again tells', () => {
  ledger.noteSchedule(task, memory);
  const before = ledger.scheduleMemory().get(key);
  expect(ledger.scheduleMemory().get(key)).toBe(before);
  ledger.noteOccurrence(task, 10);
  expect(before?.lastNominalAt).toBeNull();
  expect(ledger.scheduleMemory().get(key)?.lastNominalAt).toBe(10);
  ledger.forgetSchedule(task);
  expect(ledger.scheduleMemory().has(key)).toBe(false);
});

test('many at once are all written or none, and what was not written is not remembered', () => {
  const many = Array.from({ length: 1200 }, (_, n) => ({ graph: '/g/.workgraph', task: `t${n}`, memory }));
  ledger.noteSchedules(many);
  expect(ledger.scheduleMemory().size).toBe(1200);
  const bad = { ...memory, baselineAt: null as unknown as number };
  expect(() =>
    ledger.noteSchedules([
      { ...task, memory },
      { ...task, task: 'other', memory: bad },
    ]),
  ).toThrow();
  expect(ledger.scheduleMemory().size).toBe(1200);
  expect(() => ledger.noteSchedule({ ...task, task: 'a\u0000b' }, memory)).toThrow('NUL');
});

test('an occurrence has finished when its task was done, until the next is dispatched', async () => {
  ledger.noteSchedule(task, memory);
  ledger.noteOver(task);
  expect(ledger.scheduleMemory().get(key)).toEqual(memory);
  ledger.noteOccurrence(task, 10);
  ledger.noteOver(task);
  ledger.close();
  ledger = await open();
  expect(ledger.scheduleMemory().get(key)).toEqual({ ...memory, lastNominalAt: 10, lastIsOver: true });
  ledger.noteOccurrence(task, 20);
  expect(ledger.scheduleMemory().get(key)).toEqual({ ...memory, lastNominalAt: 20 });
});

test('an occurrence of a schedule that no one knows is no schedule', () => {
  ledger.noteOccurrence(task, 10);
  expect(ledger.scheduleMemory().size).toBe(0);
});

test('which graph changed is known by its revision', () => {
  const other = { graph: '/h/.workgraph', task: 'nightly' };
  ledger.noteSchedules([
    { ...task, memory },
    { ...other, memory },
  ]);
  const revisions = () => {
    const memories = ledger.scheduleMemory();
    return [memories.revisionOf?.(task.graph), memories.revisionOf?.(other.graph)];
  };
  const [g, h] = revisions();
  expect(revisions()).toEqual([g, h]);
  ledger.noteOccurrence(task, 10);
  expect(revisions()).toEqual([expect.any(Number), h]);
  expect(revisions()[0]).not.toBe(g);
  ledger.forgetSchedule(other);
  expect(revisions()[1]).not.toBe(h);
});
