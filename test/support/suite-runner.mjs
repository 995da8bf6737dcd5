// Runs a test file with Jest's own runner, unless it cannot be judged now: then it is not even loaded.

import { createEmptyTestResult } from '@jest/test-result';
import circus from 'jest-circus/runner';
import { isStalling, isTimeUp } from './patience.mjs';
import { isUnit } from './unit-suites.mjs';

/** How the only result of a suite that is left out begins. */
export const LEFT_OUT = 'left out: ';

export default function runSuite(globalConfig, config, environment, runtime, path, send) {
  if (isTimeUp()) return leftOut(path, 'the time was up');
  if (!isUnit(globalConfig.rootDir, path) && isStalling()) return leftOut(path, 'the machine stalled');
  return circus.default(globalConfig, config, environment, runtime, path, send);
}

/** A suite without any result would be a failure to Jest. */
function leftOut(testFilePath, because) {
  const title = `${LEFT_OUT}${because}`;
  const test = {
    title,
    fullName: title,
    ancestorTitles: [],
    status: 'pending',
    failureMessages: [],
    failureDetails: [],
  };
  return { ...createEmptyTestResult(), skipped: true, testFilePath, numPendingTests: 1, testResults: [test] };
}
