// Says at the end what there was no time for: tests that do not run must not look like tests that passed.

import { relative } from 'node:path';
import process from 'node:process';

export default class LeftOut {
  onRunComplete(_contexts, { testResults }) {
    const { TEST_UNTIL } = process.env;
    if (TEST_UNTIL === undefined) return;
    const suites = testResults.filter(({ skipped }) => skipped).map(({ testFilePath }) => testFilePath);
    if (suites.length === 0) return;
    const names = suites.map((path) => relative(process.cwd(), path)).sort();
    console.error(
      `Left out, because the time was up (TEST_UNTIL): ${names.length} suites\n  ${names.join('\n  ')}`,
    );
  }
}
