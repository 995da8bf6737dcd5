// A graph file that people, agents and accidents change in every way: what is kept from reading to reading and from
// decision to decision must never show.

import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { createMemo, decide } from '../../src/decide/decide.ts';
import { type ParsedGraph, parseGraph } from '../../src/graph/format.ts';
import { config, graphView, NOW, world } from '../support/tasks.ts';

const VIEW = graphView('g', []);
const CONFIG = config();
const OPTIONS = { revision: 'r', maxLineBytes: 300 };
const IDS = ['a', 'b', 'c', 'd', 'e', 'f', '.evaluate-a', 'é'];

const line = fc.oneof(
  {
    weight: 8,
    arbitrary: fc
      .record(
        {
          id: fc.constantFrom(...IDS),
          status: fc.constantFrom('open', 'open', 'done', 'done', 'in-progress', 'failed', 'blocked'),
          after: fc.array(fc.constantFrom(...IDS, 'gone', 'peer:x'), { maxLength: 2 }),
          paused: fc.boolean(),
          priority: fc.constantFrom(0, 10, 50),
          created_at: fc.constantFrom('2027-03-10T11:00:00Z', '2027-03-09T11:00:00Z'),
          not_before: fc.constantFrom(new Date(NOW + 20_000).toISOString(), 'nonsense'),
          schedule: fc.constantFrom('12:01', '* * * * *', 'nonsense'),
          cycle_config: fc.constant({ max_iterations: 3 }),
        },
        { requiredKeys: ['id', 'status'] },
      )
      .map((fields) => JSON.stringify({ kind: 'task', title: 'T', ...fields })),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      '',
      '  ',
      '# comment',
      '{"kind":"resource","id":"b"}',
      `{"kind":"task","id":"long","title":"${'x'.repeat(400)}"}`,
    ),
  },
);

type Change = (lines: readonly string[]) => readonly string[];

/** What may happen to a file's lines. */
const change: fc.Arbitrary<Change> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.tuple(fc.nat(), line).map(
      ([at, put]) =>
        (l: readonly string[]) =>
          l.with(at % l.length, put),
    ),
  },
  fc.tuple(fc.nat(), line).map(
    ([at, put]) =>
      (l: readonly string[]) =>
        l.toSpliced(at % (l.length + 1), 0, put),
  ),
  line.map((put) => (l: readonly string[]) => [...l, put]),
  fc.tuple(fc.nat(), fc.nat(3)).map(
    ([at, count]) =>
      (l: readonly string[]) =>
        l.toSpliced(at % l.length, count),
  ),
  fc.nat().map((by) => (l: readonly string[]) => [...l.slice(by % l.length), ...l.slice(0, by % l.length)]),
  fc.constant((l: readonly string[]) => l.toReversed()),
  fc.nat().map((at) => (l: readonly string[]) => [...l, l[at % l.length] ?? '']),
  fc.constant((l: readonly string[]) => l.map((one) => (one.endsWith('\r') ? one.slice(0, -1) : `${one}\r`))),
  fc.constant((l: readonly string[]) => l.map((one) => one.replace('"open"', '"done"'))),
);

const moment = fc.record({
  changes: fc.array(change, { maxLength: 3 }),
  ending: fc.constantFrom('\n', '\n', '\n', '', '\n\n'),
  /** This many bytes are missing at the end. */
  torn: fc.constantFrom(0, 0, 0, 0, 1, 7),
  elapsed: fc.constantFrom(0, 0, 1000, 30_000, -5000),
});

test('after any change, snapshot and decision are those of a first look', () => {
  let judged = 0;
  let stood = 0;
  fc.assert(
    fc.property(
      fc.array(line, { minLength: 1, maxLength: 10 }),
      fc.array(moment, { maxLength: 8 }),
      (first, moments) => {
        let lines: readonly string[] = first;
        let previous: ParsedGraph | undefined;
        let now = NOW;
        const memo = createMemo();
        let last = new Map<string, unknown>();
        for (const { changes, ending, torn, elapsed } of moments) {
          now += elapsed;
          for (const apply of changes) lines = lines.length === 0 ? first : apply(lines);
          const whole = Buffer.from(lines.join('\n') + ending);
          const bytes = whole.subarray(0, Math.max(0, whole.length - torn));
          const again = parseGraph('/g/.workgraph', Buffer.from(bytes), { ...OPTIONS, previous });
          const fresh = parseGraph('/g/.workgraph', Buffer.from(bytes), OPTIONS);
          expect({ ...again.snapshot, tasks: [...again.snapshot.tasks] }).toEqual({
            ...fresh.snapshot,
            tasks: [...fresh.snapshot.tasks],
          });
          const look = ({ snapshot }: ParsedGraph) => world([{ ...VIEW, snapshot }], { now, config: CONFIG });
          const kept = decide(look(again), memo);
          const scratch = decide(look(fresh));
          expect(kept.actions).toEqual(scratch.actions);
          expect([...kept.verdicts]).toEqual([...scratch.verdicts]);
          expect(kept.wakeAt).toBe(scratch.wakeAt);
          expect(kept.schedules).toEqual(scratch.schedules);
          previous = again;
          for (const [key, verdict] of kept.verdicts) {
            // What has finished is told again each time.
            if (verdict.state === 'finished') continue;
            judged++;
            if (last.get(key) === verdict) stood++;
          }
          last = new Map(kept.verdicts);
        }
      },
    ),
    { numRuns: 400 },
  );
  // It was not by judging everything again.
  expect(stood).toBeGreaterThan(judged / 40);
});
