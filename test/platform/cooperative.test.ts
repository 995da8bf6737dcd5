import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { atOnce, type Steps } from '../../src/domain/steps.ts';
import { yielding } from '../../src/platform/cooperative.ts';

/** What the clock of the turns reads. Work moves it: how busy the machine is changes nothing. */
let now = 0;
beforeEach(() => {
  jest.spyOn(performance, 'now').mockImplementation(() => now);
});
afterEach(() => {
  jest.restoreAllMocks();
});

/** Keeps the processor busy for a number of ms in steps of one. */
function* busy(ms: number): Steps<number> {
  for (let n = 0; n < ms; n++) {
    now++;
    yield;
  }
  return ms;
}

test('long work lets others have their turn again and again, short work does not wait', async () => {
  let turns = 0;
  let isOver = false;
  const count = () => {
    turns++;
    if (!isOver) setImmediate(count);
  };
  setImmediate(count);
  expect(await yielding(busy(60))).toBe(60);
  expect(turns).toBeGreaterThan(3);
  isOver = true;
  let immediate = false;
  setImmediate(() => {
    immediate = true;
  });
  expect(await yielding(busy(1))).toBe(1);
  expect(immediate).toBe(false);
});

test('the result and what is thrown come through', async () => {
  function* failing(): Steps<never> {
    yield;
    throw new Error('broken');
  }
  expect(atOnce(busy(2))).toBe(2);
  await expect(yielding(failing())).rejects.toThrow('broken');
  expect(() => atOnce(failing())).toThrow('broken');
});
