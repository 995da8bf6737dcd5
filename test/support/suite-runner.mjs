// Runs a test file with Jest's own runner, unless the time to begin one has passed: then it is not even loaded.

import { createEmptyTestResult } from '@jest/test-result';
import circus from 'jest-circus/runner';
import { isTimeUp } from './patience.mjs';

export default function runSuite(globalConfig, config, environment, runtime, path, send) {
  return isTimeUp() ? leftOut(path) : circus.default(globalConfig, config, environment, runtime, path, send);
}

/** A suite without any result would be a failure to Jest. */
function leftOut(testFilePath) {
  const title = 'was left out';
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
