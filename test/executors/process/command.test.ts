import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import type { CommandProfile } from '../../../src/domain/profile.ts';
import type { TaskDetail } from '../../../src/domain/task.ts';
import type { Assignment } from '../../../src/executors/executor.ts';
import { createCommandExecutor } from '../../../src/executors/process/command.ts';
import { createSubprocesses } from '../../../src/executors/process/lifecycle/subprocess.ts';
import { AGENTS, commandProfile, makeAssignment, recordedControl } from '../bench.ts';
import { describeExecutorContract, handleOf } from '../contract.ts';
import { contentOf, eachInProcessWorld, openProcessBench, type ProcessWorld } from '../process-bench.ts';

const agent = (name: string) => join(AGENTS, name);

describeExecutorContract({
  name: 'command',
  behaviours: [
    'succeeds',
    'fails',
    'waits',
    'waits-fails',
    'deaf',
    'escapes',
    'leaves',
    'floods',
    'killed',
    'missing',
  ],
  stopWithinMs: 3_000,
  open: () =>
    openProcessBench({
      sign: 'output.log',
      ready: /^ready$/m,
      create: createCommandExecutor,
      flood: (output) =>
        output.length === 20_070_400 + 'flood over\n'.length && output.endsWith('flood over\n'),
      assignment(root, behaviour, goFile) {
        const command = {
          succeeds: [agent('writes-late')],
          fails: [agent('exits-7')],
          waits: [agent('waits-for'), goFile, '0'],
          'waits-fails': [agent('waits-for'), goFile, '3'],
          killed: [agent('waits-for'), goFile, '0'],
          deaf: [agent('ignores-term')],
          escapes: [agent('escapes-session.mjs')],
          leaves: [agent('escapes-session.mjs'), '--leave'],
          floods: [agent('floods')],
          missing: ['no-such-program-anywhere'],
        }[behaviour];
        return makeAssignment(root, commandProfile({ command }));
      },
    }),
});

describe('commands', () => {
  let root: ProcessWorld['root'];
  let means: ProcessWorld['means'];
  eachInProcessWorld((world) => {
    ({ root, means } = world);
  });

  async function run(
    profile: Partial<CommandProfile>,
    task: Partial<TaskDetail> = {},
    more: Partial<Assignment> = {},
  ) {
    const assignment = await makeAssignment(root.path, commandProfile(profile), task, more);
    const executor = createCommandExecutor(means, createSubprocesses(means));
    const control = recordedControl();
    const begun = await executor.begin(assignment, control);
    const outcome =
      begun.kind === 'ended'
        ? begun.outcome
        : await executor.attend(assignment, handleOf(begun, false), control);
    return { assignment, control, outcome, output: await contentOf(join(assignment.folder, 'output.log')) };
  }

  test('who printed its end_line and does not leave is ended, and has succeeded', async () => {
    const exec = `echo working; echo '{"type":"result","ok":true}'; exec sleep 1000`;
    const { outcome } = await run({ endLine: '"type":"result"', endGraceMs: 100 }, { exec });
    expect(outcome).toMatchObject({ kind: 'succeeded', summary: '{"type":"result","ok":true}' });
  });

  test('an end_line does not excuse a bad exit status', async () => {
    const { outcome } = await run({ endLine: 'END', endGraceMs: 100 }, { exec: 'echo END; exit 3' });
    expect(outcome).toMatchObject({ kind: 'failed', exitCode: 3 });
  });

  const HOSTILE = "$(touch pwned) `touch pwned` \"; touch pwned; ' touch pwned ' * \\ \n; touch pwned\n#";

  test('an argv template fills each element on its own and never splits it again', async () => {
    const { outcome, output, assignment } = await run(
      {
        command: [
          agent('tells-environment.mjs'),
          '{{task.title}}',
          'id={{ task.id }}!',
          '',
          '{{task.category}}',
        ],
      },
      { title: HOSTILE, tags: ['category:ops'] },
    );
    expect(outcome.kind).toBe('succeeded');
    expect(JSON.parse(output)).toMatchObject({
      argv: [HOSTILE, 'id=build-api!', '', 'ops'],
      cwd: assignment.worktree.path,
    });
  });

  test.each([
    ['outside of quotes', 'printf "%s|" {{task.title}} end'],
    ['in double quotes', 'printf "%s|" "{{task.title}}" end'],
    ['in single quotes', "printf '%s|' '{{task.title}}' end"],
    ['after an apostrophe in a comment', '# it\'s said\nprintf "%s|" {{task.title}} end'],
    ['inside a function with arguments of its own', 'f() { printf "%s|" {{task.title}} "$1"; }; f end'],
    ['inside a command substitution', 'printf "%s|" "$(printf %s. {{task.title}})" "{{task.id}}" end'],
    ['inside a subshell', '(printf "%s|" {{task.title}}; printf "%s|" "end")'],
  ])('a shell text gets a hostile title as one word, %s', async (where, shell) => {
    const { outcome, output, assignment } = await run({ shell }, { title: HOSTILE });
    expect(outcome.kind).toBe('succeeded');
    expect(output).toBe(where.includes('substitution') ? `${HOSTILE}.|build-api|end|` : `${HOSTILE}|end|`);
    await expect(stat(join(assignment.worktree.path, 'pwned'))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test("the task's own exec is run as it stands", async () => {
    const { outcome, output } = await run({}, { exec: 'echo "{{task.id}} $WG_TASK_ID" && false || exit 5' });
    expect(output).toBe('{{task.id}} build-api\n');
    expect(outcome).toMatchObject({ kind: 'failed', failure: 'exit', exitCode: 5 });
  });

  test('a task without any command is held on its own', async () => {
    const { outcome } = await run({}, { exec: '  ' });
    expect(outcome).toMatchObject({ kind: 'deferred', code: 'no-command', scope: 'task' });
  });

  test('the summary is the last line that says something, without colours and secrets', async () => {
    const token = `wgt_${'a'.repeat(43)}`;
    const { outcome } = await run({
      shell: `printf 'first\\n\\033[32mdone with ${token}\\033[0m\\n\\n  \\n'`,
    });
    expect(outcome).toEqual({ kind: 'succeeded', summary: 'done with wgt_[redacted]' });
  });

  test('a failure tells status and last lines, standard error included', async () => {
    const { outcome } = await run({ command: [agent('exits-7')] });
    expect(outcome).toEqual({
      kind: 'failed',
      failure: 'exit',
      exitCode: 7,
      retryable: true,
      message: 'exit status 7: looking around\nthe database is not there',
    });
  });

  test('a long last line is cut to its bounds', async () => {
    const { outcome } = await run({
      shell: "head -c 100000 /dev/zero | tr '\\0' x",
    });
    expect(outcome.kind === 'succeeded' && outcome.summary?.length).toBe(500);
  });

  test('no input is no hanging: standard input is empty', async () => {
    const { outcome } = await run({ command: [agent('needs-stdin')] });
    expect(outcome).toMatchObject({ kind: 'succeeded', summary: 'read 0 bytes' });
  });

  test('an orderly end on SIGTERM is still the stop that was asked for', async () => {
    const assignment = await makeAssignment(root.path, commandProfile({ command: [agent('tidies-up')] }));
    const executor = createCommandExecutor(means, createSubprocesses(means));
    const control = recordedControl();
    const outcome = executor.attend(
      assignment,
      handleOf(await executor.begin(assignment, control), false),
      control,
    );
    const log = join(assignment.folder, 'output.log');
    while (!(await contentOf(log)).includes('ready')) await new Promise((again) => setTimeout(again, 10));
    control.abort('completed');
    expect(await outcome).toEqual({ kind: 'stopped', reason: 'completed' });
    expect(await contentOf(log)).toContain('tidied');
    expect(JSON.parse(await readFile(join(assignment.folder, 'exit.json'), 'utf8'))).toEqual({ exit: 0 });
  });

  test('a grandchild that does the work is ended with the run', async () => {
    const assignment = await makeAssignment(
      root.path,
      commandProfile({ command: [agent('forks-grandchild')] }),
    );
    const executor = createCommandExecutor(means, createSubprocesses(means));
    const control = recordedControl();
    const outcome = executor.attend(
      assignment,
      handleOf(await executor.begin(assignment, control), false),
      control,
    );
    const log = join(assignment.folder, 'output.log');
    let pid = 0;
    while (pid === 0) {
      pid = Number(/grandchild (\d+)/.exec(await contentOf(log))?.[1] ?? 0);
      await new Promise((again) => setTimeout(again, 10));
    }
    control.abort('cancelled');
    expect(await outcome).toMatchObject({ kind: 'stopped' });
    expect(means.processes.identify(pid)).toBeNull();
  });

  test('cwd is relative to the worktree; a folder that is not there holds the task', async () => {
    const worktree = join(root.path, 'worktree');
    await mkdir(join(worktree, 'sub'), { recursive: true });
    const { output } = await run({ shell: 'pwd', cwd: 'sub' });
    expect(output).toBe(`${join(worktree, 'sub')}\n`);
    expect((await run({ shell: 'pwd', cwd: 'nowhere' })).outcome).toMatchObject({
      kind: 'deferred',
      code: 'folder-missing',
      scope: 'task',
    });
  });

  test('a deleted worktree holds the task instead of failing it', async () => {
    const assignment = await makeAssignment(root.path, commandProfile({ shell: 'pwd' }));
    await rm(assignment.worktree.path, { recursive: true });
    const executor = createCommandExecutor(means, createSubprocesses(means));
    expect(await executor.begin(assignment, recordedControl())).toMatchObject({
      kind: 'ended',
      outcome: { kind: 'deferred', code: 'worktree-missing', scope: 'task' },
    });
  });

  test('a graph folder that goes while an agent is started does not come back as an empty shell', async () => {
    const graph = join(root.path, 'gone', '.workgraph');
    const { outcome } = await run({ shell: 'pwd' }, {}, { folder: join(graph, 'agents', 'agent-1') });
    expect(outcome).toMatchObject({ kind: 'deferred', scope: 'task' });
    expect(existsSync(join(root.path, 'gone'))).toBe(false);
  });

  test('a file that may not be executed is a missing program, and the hold names it and PATH', async () => {
    await writeFile(join(root.path, 'not-executable'), '#!/bin/sh\n', { mode: 0o644 });
    const { outcome } = await run({ command: ['not-executable'] }, {}, { environment: { PATH: root.path } });
    expect(outcome).toMatchObject({ kind: 'deferred', code: 'executor-unavailable', scope: 'profile' });
    expect(outcome.kind === 'deferred' && outcome.because).toMatch(/"not-executable".*PATH.*install it/);
  });

  test('a command line longer than the system allows holds the task, with the reason', async () => {
    const { outcome } = await run(
      { command: ['echo', '{{task.description}}'] },
      { description: 'x'.repeat(3_000_000) },
    );
    expect(outcome).toMatchObject({ kind: 'deferred', code: 'too-large', scope: 'task' });
  });

  test('wg is told at once that the run has begun', async () => {
    const { assignment } = await run({ shell: 'true' });
    const stream = await readFile(join(assignment.folder, 'stream.jsonl'), 'utf8');
    expect(JSON.parse(stream)).toEqual({
      type: 'init',
      executor_type: 'command',
      timestamp_ms: expect.any(Number),
    });
  });

  test('a secret that the supervisor does not have defers the profile by name', async () => {
    const { outcome } = await run({ shell: 'true', env: { API_KEY: { env: 'NO_SUCH_SECRET' } } });
    expect(outcome).toMatchObject({ kind: 'deferred', code: 'executor-unavailable', scope: 'profile' });
    expect(outcome.kind === 'deferred' && outcome.because).toContain('NO_SUCH_SECRET');
  });
});
