// Says at the end which suites were left out and why: tests that did not run must not look like tests that passed.

import { relative } from 'node:path';
import process from 'node:process';
import { LEFT_OUT } from './suite-runner.mjs';

export default class LeftOut {
  onRunComplete(_contexts, { testResults }) {
    const left = testResults.flatMap(({ testFilePath, testResults: [only] }) =>
      only?.title.startsWith(LEFT_OUT)
        ? [`${relative(process.cwd(), testFilePath)}: ${only.title.slice(LEFT_OUT.length)}`]
        : [],
    );
    if (left.length > 0) console.error(`Left out: ${left.length} suites\n  ${left.sort().join('\n  ')}`);
  }
}
