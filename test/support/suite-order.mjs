// The order of the test files: first what is quick and says most about a change, last the walks and campaigns, which
// find one thing in many tries. Who has little time has seen most of it then.

import Sequencer from '@jest/test-sequencer';

/** Folders of test/, the first to run first; those that are not named come between, and a folder's longest files first. */
const FIRST = ['', 'decide', 'domain', 'config', 'graph', 'graphs', 'platform', 'run', 'supervisor'];
const LAST = ['page', 'simulation', 'model', 'machine', 'git', 'crash', 'soak'];

export default class SuiteOrder extends Sequencer {
  sort(tests) {
    const byLength = super.sort(tests);
    return [...byLength].sort((one, other) => rank(one) - rank(other));
  }
}

function rank({ path, context }) {
  const [, folder] =
    /^test[\\/](?:([^\\/]+)[\\/])?/.exec(path.slice(context.config.rootDir.length + 1)) ?? [];
  const first = FIRST.indexOf(folder ?? '');
  return first >= 0 ? first : FIRST.length + 1 + LAST.indexOf(folder);
}
