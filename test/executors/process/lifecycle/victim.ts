// A supervisor that begins one command, says so, and is killed by the test: what it began must not notice.

import { createCommandExecutor } from '../../../../src/executors/process/command.ts';
import { createPoller } from '../../../../src/executors/process/lifecycle/poller.ts';
import { createProcesses } from '../../../../src/executors/process/lifecycle/process-table.ts';
import { processTable } from '../../../../src/executors/process/lifecycle/process-table-ps.ts';
import { createSubprocesses } from '../../../../src/executors/process/lifecycle/subprocess.ts';
import { systemClock } from '../../../../src/platform/clock.ts';

const { assignment, stateDir } = JSON.parse(process.argv[2] ?? '{}');
const clock = systemClock();
const means = {
  clock,
  processes: createProcesses(processTable(process.platform)),
  poller: createPoller(clock, 50),
  stateDir,
  graceMs: () => 500,
  variables: {},
};
const executor = createCommandExecutor(means, createSubprocesses(means));
const control = { signal: new AbortController().signal, progress() {}, note() {} };
const begun = await executor.begin(assignment, control);
process.stdout.write(`${JSON.stringify(begun)}\n`);
if (begun.kind === 'running')
  await executor.attend(assignment, { process: begun.process, reference: null, adopted: false }, control);
