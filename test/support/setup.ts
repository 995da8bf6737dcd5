// In the sandbox of every test file, before anything of it is loaded. What surrounds the sandbox is in environment.mjs.

import { afterAll, afterEach, beforeAll, beforeEach } from '@jest/globals';
import { complaint, type LoopWatch, watchLoop } from './loop-watch.ts';
import { offsetOf, shiftedDate } from './shifted-date.mjs';

const offset = offsetOf(process.env);
if (offset !== null) globalThis.Date = shiftedDate(Date, offset);

// A supervisor that does not come back to its event loop serves no one: whatever holds it for a second fails the test.
// Not watched: loading what is imported, and a test that is one single turn because it computes something itself.
let loop: LoopWatch | null = null;
let isOneTurn = false;
beforeAll(() => {
  loop = watchLoop();
});
beforeEach(() => {
  isOneTurn = true;
  setImmediate(() => {
    isOneTurn = false;
  });
});
afterEach(() => {
  const wrong = loop && complaint(loop);
  if (wrong && !isOneTurn) throw new Error(wrong);
});
afterAll(() => loop?.stop());
