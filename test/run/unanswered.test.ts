import { expect, test } from '@jest/globals';
import { Unanswered } from '../../src/run/unanswered.ts';

test('a run that gives no answer is asked again less and less often, and when a clock was set back', () => {
  const unanswered = new Unanswered();
  expect(unanswered.mayAsk('r', 0)).toBe(true);
  expect(unanswered.nextAt(0)).toBeNull();
  const waits: number[] = [];
  let now = 1_000_000;
  for (let n = 0; n < 8; n++) {
    unanswered.note('r', now);
    expect(unanswered.mayAsk('r', now)).toBe(false);
    expect(unanswered.mayAsk('another', now)).toBe(true);
    const next = unanswered.nextAt(now) ?? 0;
    expect(unanswered.mayAsk('r', next - 1)).toBe(false);
    expect(unanswered.mayAsk('r', next)).toBe(true);
    // No wake for what is due already: the next check sees it.
    expect(unanswered.nextAt(next)).toBeNull();
    waits.push(next - now);
    now = next;
  }
  expect(waits).toEqual([250, 500, 1000, 2000, 4000, 8000, 10_000, 10_000]);
  unanswered.note('r', now);
  expect(unanswered.mayAsk('r', now - 3_600_000)).toBe(true);
  unanswered.forget('r');
  expect(unanswered.mayAsk('r', now)).toBe(true);
});
