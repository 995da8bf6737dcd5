import { existsSync, readFileSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { Assignment } from '../../../../src/executors/executor.ts';
import { createHookRunner, type HookCall, hookMarks } from '../../../../src/executors/process/hooks/hook.ts';
import { HOOK_LIMIT_MS, hookLog } from '../../../../src/executors/process/hooks/hook-files.ts';
import { remainsOf } from '../../../../src/executors/process/lifecycle/terminate.ts';
import { createFakeClock } from '../../../support/fake-clock.ts';
import { commandProfile, eventually, makeAssignment, processMeans, temporaryFolder } from '../../bench.ts';

let home: Awaited<ReturnType<typeof temporaryFolder>>;
let assignment: Assignment;
beforeEach(async () => {
  home = await temporaryFolder();
  assignment = await makeAssignment(home.path, commandProfile({ env: { STAGE: 'test' } }));
});
afterEach(async () => {
  await createHookRunner(processMeans(home.path)).endLeftovers(assignment.run);
  await home.remove();
});

const call = (command: string, more: Partial<HookCall> = {}): HookCall => ({
  ...{ name: 'before_run', command, again: null, signal: new AbortController().signal },
  ...more,
});
const runner = () => createHookRunner(processMeans(home.path));
const log = () => readFileSync(hookLog(assignment.folder, 'before_run'), 'utf8');

test('runs where the agent will, with its environment and a mark of its own; output is kept', async () => {
  const command = 'pwd; echo "$STAGE $SUPERVISOR_HOOK $SUPERVISOR_HOOK_RUN $WG_TASK_ID"; echo bad >&2';
  expect(await runner().run(assignment, call(command))).toEqual({ kind: 'ok' });
  expect(log()).toBe(
    `${assignment.worktree.path}\ntest before_run ${assignment.run} ${assignment.task.id}\nbad\n`,
  );
  expect(await runner().state(assignment.folder, 'before_run')).toBe('ended');
  expect(await runner().state(assignment.folder, 'after_run')).toBe('none');
});

test('a failure says the status and the last line; secrets are left out', async () => {
  const command = 'echo one; printf "\\033[31mno such key sk-ant-REDACTED\\033[0m\\n\\n"; exit 3';
  const end = await runner().run(assignment, call(command));
  expect(end).toMatchObject({
    kind: 'failed',
    because: expect.stringMatching(/^before_run failed \(exit 3\): no such key /),
  });
  expect(JSON.stringify(end)).not.toContain('sk-ant-api03-AAAA');
  expect(await runner().run(assignment, call('kill -9 $$'))).toMatchObject({
    because: expect.stringContaining('failed (SIGKILL)'),
  });
});

test('after 60 seconds it is ended with all its processes', async () => {
  const clock = createFakeClock('2027-01-01T00:00:00Z');
  const means = processMeans(home.path);
  const slow = createHookRunner({ ...means, clock: { ...means.clock, after: clock.after } });
  const running = slow.run(assignment, call(`touch ${home.path}/begun; sleep 60 & sleep 60`));
  await eventually('it begins', () => existsSync(`${home.path}/begun`));
  clock.advance(HOOK_LIMIT_MS);
  expect(await running).toMatchObject({
    kind: 'failed',
    because: expect.stringMatching(/^before_run did not end within 60 s/),
  });
  for (const mark of hookMarks(assignment.run))
    expect(await remainsOf(mark, null, means)).toMatchObject({ group: [], escaped: [] });
});

test('stopped in the middle it is known to have begun, and no more', async () => {
  const stop = new AbortController();
  const running = runner().run(
    assignment,
    call(`touch ${home.path}/begun; sleep 60`, { signal: stop.signal }),
  );
  await eventually('it begins', () => existsSync(`${home.path}/begun`));
  stop.abort('detached');
  expect(await running).toEqual({ kind: 'stopped' });
  expect(await runner().state(assignment.folder, 'before_run')).toBe('begun');
});

test('what it leaves behind lives until it is ended', async () => {
  expect(await runner().run(assignment, call('sleep 60 & echo $!'))).toEqual({ kind: 'ok' });
  const means = processMeans(home.path);
  const left = async () => (await remainsOf(`${assignment.run}.before_run`, null, means)).escaped.length;
  expect(await left()).toBe(1);
  await runner().endLeftovers(assignment.run);
  expect(await left()).toBe(0);
});

test('a flood of output ends it', async () => {
  expect(await runner().run(assignment, call('cat /dev/zero'))).toMatchObject({
    because: expect.stringContaining('printed more than 16 MiB'),
  });
});

test('a record that is torn or no file is a beginning; one that cannot be written runs nothing', async () => {
  const record = join(assignment.folder, 'before_run.json');
  await writeFile(record, '{"hook":"before_run","ended_');
  expect(await runner().state(assignment.folder, 'before_run')).toBe('begun');
  await rm(record);
  await mkdir(record);
  expect(await runner().state(assignment.folder, 'before_run')).toBe('begun');
  expect(await runner().run(assignment, call(`touch ${home.path}/ran`))).toMatchObject({
    kind: 'failed',
    because: expect.stringMatching(/^before_run could not be run: /),
  });
  expect(existsSync(`${home.path}/ran`)).toBe(false);
});

test('without its worktree, or a variable that the profile takes, nothing is run', async () => {
  const missing = { ...assignment, worktree: { ...assignment.worktree, path: `${home.path}/gone` } };
  expect(await runner().run(missing, call('true'))).toMatchObject({
    kind: 'failed',
    because: `before_run was not run: ${home.path}/gone is not there`,
  });
  const wanting = await makeAssignment(home.path, commandProfile({ env: { X: { env: 'NOT_THERE' } } }));
  expect(await runner().run(wanting, call('true'))).toMatchObject({
    because: expect.stringContaining('NOT_THERE'),
  });
});
