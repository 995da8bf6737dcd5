// The order of the test files: first what is quick and says most about a change, last the walks and campaigns, which
// find one thing in many tries. Who has little time has seen most of it then.

import { relative, sep } from 'node:path';
import Sequencer from '@jest/test-sequencer';
import { isUnit } from './unit-suites.mjs';

/** Folders of test/, the last to run last. What is not named comes between; within one, the largest files first. */
const LAST = ['page', 'simulation', 'model', 'machine', 'git', 'crash', 'soak'];

export default class SuiteOrder extends Sequencer {
  sort(tests) {
    const byLength = super.sort(tests);
    return [...byLength].sort((one, other) => rank(one) - rank(other));
  }
}

function rank({ path, context }) {
  const { rootDir } = context.config;
  return isUnit(rootDir, path) ? -2 : LAST.indexOf(relative(rootDir, path).split(sep)[1]);
}
