// The order of the test files: first what is quick and says most about a change, last the walks and campaigns, which
// find one thing in many tries. Who has little time has seen most of it then.

import Sequencer from '@jest/test-sequencer';

/** What is in test/, the first to run first. What is not named comes between; within one, the largest files first. */
const FIRST = [
  'architecture.test.ts',
  'words.test.ts',
  'decide',
  'domain',
  'config',
  'graph',
  'graphs',
  'run',
];
const LAST = ['page', 'simulation', 'model', 'machine', 'git', 'crash', 'soak'];

export default class SuiteOrder extends Sequencer {
  sort(tests) {
    const byLength = super.sort(tests);
    return [...byLength].sort((one, other) => rank(one) - rank(other));
  }
}

function rank({ path, context }) {
  const [, first = '', second = ''] = path.slice(context.config.rootDir.length).split(/[\\/]/);
  const name = first === 'test' ? second : first;
  const early = FIRST.indexOf(name);
  return early >= 0 ? early : FIRST.length + 1 + LAST.indexOf(name);
}
