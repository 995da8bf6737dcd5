// Run by instance-lock.test.ts as a process of its own: takes the lock, says so, and holds it until it is killed.
// Arguments: scope, lock file, holder file, state folder.

import { writeSync } from 'node:fs';
import { createProcesses, linuxProcessTable } from '../../src/executors/process/lifecycle/process-table.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { createLocker } from '../../src/platform/flock.ts';
import { holdInstanceLock } from '../../src/platform/instance-lock.ts';

const [, , scope, lockFile = '', holderFile = '', stateDir = ''] = process.argv;
const clock = systemClock();
try {
  await holdInstanceLock({
    scope: scope === 'graph' ? 'graph' : 'machine',
    lockFile,
    holderFile,
    locker: createLocker(),
    processes: createProcesses(linuxProcessTable()),
    facts: { startedAt: clock.now(), stateDir, version: '9.9.9' },
    onCompromised: (because) => writeSync(1, `compromised ${because}\n`),
  });
  writeSync(1, 'held\n');
} catch (thrown) {
  writeSync(1, `refused ${(thrown as { message: string }).message}\n`);
  process.exit(4);
}
await clock.sleep(600_000);
