import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import type { AgentProfile } from '../../../../src/domain/profile.ts';
import type { TaskDetail } from '../../../../src/domain/task.ts';
import type { Assignment } from '../../../../src/executors/executor.ts';
import { createAgentExecutor, sessionOf } from '../../../../src/executors/process/agent.ts';
import { claude, claudeCommandLine } from '../../../../src/executors/process/clis/claude.ts';
import { createSubprocesses } from '../../../../src/executors/process/lifecycle/subprocess.ts';
import { remainsOf } from '../../../../src/executors/process/lifecycle/terminate.ts';
import { claudeProfile, eventually, makeAssignment, recordedControl, taskDetail } from '../../bench.ts';
import { describeExecutorContract, handleOf } from '../../contract.ts';
import { contentOf, eachInProcessWorld, openProcessBench, type ProcessWorld } from '../../process-bench.ts';

/** A description with directives for the fake. */
const say = (...directives: string[]) => directives.map((one) => `fake-claude: ${one}`).join('\n');

describeExecutorContract({
  name: 'claude',
  behaviours: ['succeeds', 'fails', 'waits', 'waits-fails', 'deaf', 'escapes', 'leaves', 'killed', 'missing'],
  stopWithinMs: 4_000,
  open: () =>
    openProcessBench({
      sign: 'raw_stream.jsonl',
      ready: /"subtype":"init"/,
      create: (means, subprocesses) => createAgentExecutor(claude, means, subprocesses),
      flood: () => false,
      assignment(root, behaviour, goFile) {
        const description = {
          succeeds: say('play tool-use'),
          fails: say('play bad-resume'),
          waits: say(`until ${goFile}`),
          killed: say(`until ${goFile}`),
          'waits-fails': say(`until ${goFile}`, 'exit 2'),
          deaf: say('hang', 'deaf'),
          escapes: say('hang', 'tool', 'deaf'),
          leaves: say('tool'),
          floods: '',
          missing: '',
        }[behaviour];
        const broken = behaviour === 'missing' ? { command: 'no-such-claude' } : {};
        return makeAssignment(root, claudeProfile(broken), { description });
      },
    }),
});

describe('claude', () => {
  let root: ProcessWorld['root'];
  let means: ProcessWorld['means'];
  eachInProcessWorld((world) => {
    ({ root, means } = world);
  });

  async function begin(
    description: string,
    profile: Partial<AgentProfile> = {},
    task: Partial<TaskDetail> = {},
    more: Partial<Assignment> = {},
  ) {
    const assignment = await makeAssignment(
      root.path,
      claudeProfile(profile),
      { ...task, description },
      more,
    );
    const executor = createAgentExecutor(claude, means, createSubprocesses(means));
    const control = recordedControl();
    const handle = handleOf(await executor.begin(assignment, control), false);
    return { assignment, control, outcome: executor.attend(assignment, handle, control) };
  }

  test('the CLI gets its options as arguments, the prompt on standard input, and the worktree to work in', async () => {
    const note = join(root.path, 'note');
    const { assignment, control, outcome } = await begin(say(`note ${note}`), {
      args: ['--max-budget-usd', '5'],
    });
    expect(await outcome).toMatchObject({
      kind: 'succeeded',
      summary: 'The file is written. The task is complete.',
    });
    const call = JSON.parse(await readFile(note, 'utf8'));
    expect(call.argv).toEqual([
      ...['--print', '--verbose', '--permission-mode', 'bypassPermissions', '--output-format', 'stream-json'],
      ...['--disallowedTools', 'Agent,EnterWorktree,ExitWorktree', '--disable-slash-commands'],
      ...['--session-id', sessionOf(assignment.run), '--max-budget-usd', '5'],
    ]);
    expect(call.prompt).toBe(await readFile(join(assignment.folder, 'prompt.txt'), 'utf8'));
    expect(call.cwd).toBe(assignment.worktree.path);
    expect((await stat(join(assignment.folder, 'prompt.txt'))).mode & 0o777).toBe(0o600);
    expect(control.noted).toContainEqual({ session: sessionOf(assignment.run) });
    expect(control.said).toContain('The file is written. The task is complete.');
  });

  test('every run has a session of its own, in the form of a UUID', () => {
    expect(sessionOf('run_a')).toMatch(
      /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
    );
    expect(sessionOf('run_a')).not.toBe(sessionOf('run_b'));
  });

  test.each<[object, { model?: string }, string | null, string[]]>([
    [{ model: 'claude:opus' }, { model: 'sonnet' }, 'haiku', ['--model', 'opus']],
    [{}, { model: 'claude:sonnet' }, 'haiku', ['--model', 'sonnet']],
    [{}, {}, 'haiku', ['--model', 'haiku']],
    [{}, {}, null, ['--disable-slash-commands', '--session-id']],
  ])('the model is the task’s, else the profile’s, else the project’s, without wg’s prefix', (task, profile, projectModel, words) => {
    expect(
      claudeCommandLine({
        task: taskDetail(task),
        projectModel,
        profile: claudeProfile(profile),
        session: 's',
        resumed: false,
      }).join(' '),
    ).toContain(words.join(' '));
  });

  test('a light task may not edit, a bare one may only report', () => {
    const line = (execMode: string) =>
      claudeCommandLine({
        task: taskDetail({ execMode }),
        profile: claudeProfile(),
        session: 's',
        resumed: false,
      }).join(' ');
    expect(line('light')).toContain('--disallowedTools Edit,Write,NotebookEdit,Agent');
    expect(line('bare')).toContain('--tools Bash --allowedTools Bash(wg:*),Bash(supervisor:*)');
    expect(line('full')).toContain('--disallowedTools Agent,');
  });

  test('for strangers: no settings or tool servers of the repository, whatever the task says, and reporting alone', () => {
    const line = (execMode: string) =>
      claudeCommandLine({
        task: taskDetail({ execMode }),
        profile: claudeProfile({ permissionMode: 'default', untrusted: true }),
        session: 's',
        resumed: false,
      }).join(' ');
    for (const mode of ['full', 'light', 'bare']) {
      expect(line(mode)).toContain('--setting-sources user --strict-mcp-config');
      expect(line(mode)).toContain('--allowedTools Bash(supervisor done:*),Bash(supervisor fail:*) ');
      expect(line(mode)).not.toContain('Bash(supervisor:*)');
    }
  });

  test('a stranger’s task does not choose whose conversation continues', async () => {
    const note = join(root.path, 'note');
    const resumeSession = '11111111-2222-3333-4444-555555555555';
    const begun = await begin(
      say(`note ${note}`),
      { permissionMode: 'default', untrusted: true },
      {},
      { resumeSession },
    );
    await begun.outcome;
    expect(JSON.parse(await readFile(note, 'utf8')).argv).not.toContain('--resume');
  });

  test('whatever else it may do, it may report', () => {
    const line = (permissionMode: string) =>
      claudeCommandLine({
        task: taskDetail(),
        profile: claudeProfile({ permissionMode }),
        session: 's',
        resumed: false,
      }).join(' ');
    expect(line('acceptEdits')).toContain('--allowedTools Bash(wg:*),Bash(supervisor:*) --disallowedTools');
    expect(line('bypassPermissions')).not.toContain('--allowedTools');
  });

  test('a session is resumed, except when the last attempt found out that it is unknown', async () => {
    const note = join(root.path, 'note');
    const resumeSession = '11111111-2222-3333-4444-555555555555';
    const first = await begin(say(`note ${note}`, 'play bad-resume'), {}, {}, { resumeSession });
    const outcome = await first.outcome;
    expect(JSON.parse(await readFile(note, 'utf8')).argv).toEqual(
      expect.arrayContaining(['--resume', resumeSession]),
    );
    if (outcome.kind !== 'failed') throw new Error('should have failed');
    const second = await begin(
      say(`note ${note}2`),
      {},
      {},
      { resumeSession, previousFailure: outcome.message },
    );
    await second.outcome;
    expect(JSON.parse(await readFile(`${note}2`, 'utf8')).argv).toContain('--session-id');
  });

  test('a refused key is not waited for: the run is ended and the profile held', async () => {
    const { assignment, outcome } = await begin(say('play api-key-401-first-48s'));
    expect(await outcome).toMatchObject({ kind: 'deferred', code: 'executor-unavailable', scope: 'profile' });
    expect((await remainsOf(assignment.run, null, means)).escaped).toEqual([]);
  });

  test('an overloaded provider is waited for', async () => {
    const { control, outcome } = await begin(say('play overloaded-529-first-60s'));
    await eventually('it is seen waiting', () =>
      control.said.some((line) => line.includes('529 overloaded')),
    );
    control.abort('cancelled');
    expect(await outcome).toMatchObject({ kind: 'stopped', reason: 'cancelled' });
  });

  test('a polite stop lets the CLI end its own tools and say what it used', async () => {
    const { assignment, control, outcome } = await begin(say('hang', 'tool', 'play sigTERM'));
    const stream = join(assignment.folder, 'raw_stream.jsonl');
    await eventually('the tool runs', async () => (await contentOf(stream)).includes('tool_use'));
    control.abort('timeout');
    expect(await outcome).toMatchObject({ kind: 'failed', failure: 'timeout', usage: { costUsd: 0.01 } });
    expect(await contentOf(stream)).toContain('aborted_tools');
    expect((await remainsOf(assignment.run, null, means)).escaped).toEqual([]);
  });

  test('silence beyond the limit of the profile ends the run; a waiting one that talks continues', async () => {
    const { outcome } = await begin(say('hang', 'play nothing'), { silenceTimeoutMs: 150 });
    expect(await outcome).toMatchObject({ kind: 'failed', failure: 'silent' });
  });

  test('refused as root: held, with the way out', async () => {
    const words =
      'stderr --dangerously-skip-permissions cannot be used with root/sudo privileges for security reasons';
    const { outcome } = await begin(say('play nothing', 'exit 1', words));
    expect(await outcome).toMatchObject({
      kind: 'deferred',
      because: expect.stringContaining('IS_SANDBOX=1'),
    });
  });

  test('the agent finds its identity in its environment', async () => {
    const { assignment, outcome } = await begin(
      say('play nothing', 'run echo "$WG_TASK_ID|$SUPERVISOR_RUN_ID|$SUPERVISOR_STATE_DIR|$CLAUDECODE" >&2'),
    );
    expect(await outcome).toEqual({ kind: 'succeeded' });
    expect(await contentOf(join(assignment.folder, 'output.log'))).toBe(
      `build-api|${assignment.run}|${means.stateDir}|\n`,
    );
  });
});
