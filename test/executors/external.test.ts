import { expect, test } from '@jest/globals';
import type { ExternalProfile } from '../../src/domain/profile.ts';
import { createExternalExecutor } from '../../src/executors/external.ts';
import { commandProfile, makeAssignment, recordedControl, temporaryFolder } from './bench.ts';
import { handleOf } from './contract.ts';

const { command: _c, shell: _s, cwd: _w, ...base } = commandProfile();
const profile: ExternalProfile = { ...base, name: 'n8n', type: 'external', staleAfterMs: 0, onStale: 'flag' };

test.each([
  'cancelled',
  'detached',
  'completed',
  'shutdown',
] as const)('waits until it is aborted: %s', async (reason) => {
  const root = await temporaryFolder();
  try {
    const assignment = await makeAssignment(root.path, profile);
    const executor = createExternalExecutor();
    const control = recordedControl();
    const begun = await executor.begin(assignment, control);
    expect(begun).toEqual({ kind: 'handed-off', reference: null, deadlineAt: null });
    let over = false;
    const outcome = executor.attend(assignment, handleOf(begun, false), control).finally(() => {
      over = true;
    });
    await Promise.resolve();
    expect(over).toBe(false);
    control.abort(reason);
    control.abort('timeout');
    expect(await outcome).toEqual({ kind: 'stopped', reason });
  } finally {
    await root.remove();
  }
});

test('past its time it has failed', async () => {
  const root = await temporaryFolder();
  try {
    const control = recordedControl();
    control.abort('timeout');
    const handle = { process: null, reference: null, adopted: true };
    const outcome = await createExternalExecutor().attend(
      await makeAssignment(root.path, profile),
      handle,
      control,
    );
    expect(outcome).toMatchObject({ kind: 'failed', failure: 'timeout' });
  } finally {
    await root.remove();
  }
});
