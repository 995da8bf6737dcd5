// Before every test file: git behaves the same on every machine, and nothing of an outer agent or supervisor leaks in.

import { afterAll, afterEach, beforeAll, beforeEach, jest } from '@jest/globals';
import { complaint, type LoopWatch, watchLoop } from './loop-watch.ts';

// Thousands of tests wait for real processes and file events. On a shared machine one of them may starve: there it is
// tried once more, and what went wrong the first time is printed.
if (process.env.CI) jest.retryTimes(1, { logErrorsBeforeRetry: true });

process.env.GIT_CONFIG_GLOBAL = '/dev/null';
process.env.GIT_CONFIG_NOSYSTEM = '1';
process.env.GIT_AUTHOR_NAME = 'test';
process.env.GIT_AUTHOR_EMAIL = 'test@localhost';
process.env.GIT_COMMITTER_NAME = 'test';
process.env.GIT_COMMITTER_EMAIL = 'test@localhost';
/** Read by the tests themselves: which real wg to try. */
const FOR_TESTS = 'WG_BIN';
for (const name of Object.keys(process.env)) {
  if (name === FOR_TESTS) continue;
  if (name.startsWith('SUPERVISOR_') || name.startsWith('WG_') || name === 'CLAUDECODE')
    delete process.env[name];
}

// A supervisor that does not come back to its event loop serves nobody: whatever holds it for a second fails the test.
// Not watched: loading what a file imports, and a test that is one single turn because it computes something itself.
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
