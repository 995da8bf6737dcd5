import { expect, test } from '@jest/globals';
import { atMost } from '../../src/worktrees/at-most.ts';

test('never more at once than allowed, in order, and a failure frees its place', async () => {
  const inTurn = atMost(3);
  const started: number[] = [];
  let running = 0;
  let most = 0;
  const gates: (() => void)[] = [];
  const all = Array.from({ length: 10 }, (_, index) =>
    inTurn(async () => {
      started.push(index);
      most = Math.max(most, ++running);
      await new Promise<void>((resolve) => gates.push(resolve));
      running--;
      if (index % 2) throw new Error(`no ${index}`);
      return index;
    }),
  );
  const settled = Promise.allSettled(all);
  while (started.length < 10 || gates.length > 0) {
    gates.shift()?.();
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(most).toBe(3);
  expect(started).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  expect((await settled).map((one) => one.status === 'fulfilled')).toEqual(
    Array.from({ length: 10 }, (_, index) => index % 2 === 0),
  );
});
