import { expect, test } from '@jest/globals';
import { whyView } from '../../../src/cli/render/why-view.ts';
import { fakeContext } from '../fake-surroundings.ts';
import { HOSTILE, NOW, runReport, taskReport } from './reports.ts';

const conditions = [
  { name: 'status', met: true, because: 'it is open' },
  { name: 'dependencies', met: false, because: 'waits for plan (open), review (open), and for a third one' },
];

test('every condition with its mark, long reasons under themselves', () => {
  const context = fakeContext({ now: NOW, isTTY: true, columns: 50, flags: { color: false } });
  const text = whyView({ ...taskReport(), conditions, runs: [] }, context);
  expect(text).toContain(
    [
      'Conditions',
      '  ✓ status        it is open',
      '  ✗ dependencies  waits for plan (open), review',
      '                  (open), and for a third one',
      '',
    ].join('\n'),
  );
});

test('what is met is folded around what is not, unless all is asked for', () => {
  const many = Array.from({ length: 20 }, (_, n) => ({
    name: `c${n}`,
    met: n !== 7,
    because: `reason ${n}`,
  }));
  const view = (all: boolean, list = many) =>
    whyView({ ...taskReport(), conditions: list, runs: [] }, fakeContext({ now: NOW }), { all });
  expect(view(false)).toContain('✗ c7  reason 7\n  ✓ 19 more are met; --all shows them\n');
  expect(view(true).match(/✓ c\d/g)).toHaveLength(19);
  const met = many.map((each) => ({ ...each, met: true }));
  expect(view(false, met).match(/✓ c\d/g)).toHaveLength(20);
});

test('the last runs are shown, and nothing plays with the terminal', () => {
  const hostile = [{ name: HOSTILE, met: false, because: HOSTILE }];
  const runs = Array.from({ length: 9 }, (_, n) => runReport({ run: `run_${n}` }));
  const text = whyView(
    { ...taskReport({ title: HOSTILE }), conditions: hostile, runs },
    fakeContext({ now: NOW }),
  );
  expect(text).toContain('run_4');
  expect(text).not.toContain('run_5');
  expect(text).not.toMatch(/[^\P{Control}\n]/u);
});
