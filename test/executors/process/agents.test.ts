import { existsSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { builtInProfiles } from '../../../src/config/profiles.ts';
import { AGENT_CLIS, AGENT_TYPES, type AgentType } from '../../../src/domain/agent-cli.ts';
import type { Outcome } from '../../../src/domain/outcome.ts';
import type { AgentProfile } from '../../../src/domain/profile.ts';
import type { Assignment } from '../../../src/executors/executor.ts';
import { createAgentExecutor } from '../../../src/executors/process/agent.ts';
import { acp } from '../../../src/executors/process/clis/acp.ts';
import type { AgentCli } from '../../../src/executors/process/clis/agent-cli.ts';
import type { Report } from '../../../src/executors/process/clis/agent-report.ts';
import { claude } from '../../../src/executors/process/clis/claude.ts';
import { codex } from '../../../src/executors/process/clis/codex.ts';
import { gemini } from '../../../src/executors/process/clis/gemini.ts';
import { opencode } from '../../../src/executors/process/clis/opencode.ts';
import { pi } from '../../../src/executors/process/clis/pi.ts';
import { createSubprocesses, type Exit } from '../../../src/executors/process/lifecycle/subprocess.ts';
import { remainsOf } from '../../../src/executors/process/lifecycle/terminate.ts';
import { claudeProfile, makeAssignment, recordedControl, taskDetail } from '../bench.ts';
import { handleOf } from '../contract.ts';
import { eachInProcessWorld, type ProcessWorld } from '../process-bench.ts';

const RECORDINGS = new URL('../../../fixtures/agents/recordings/', import.meta.url);
const NOW = Date.parse('2026-11-27T06:00:00Z');

const profileOf = (type: AgentType, more: Partial<AgentProfile> = {}): AgentProfile =>
  claudeProfile({ name: type, type, account: `${type}-account`, permissionMode: 'all', ...more });

function textOf(name: string): string {
  const url = new URL(name, RECORDINGS);
  return existsSync(url) ? readFileSync(url, 'utf8') : '';
}

/** What an adapter makes of one recording of its CLI. */
function played<F extends Report>(cli: AgentCli<F>, recording: string) {
  const stderr = textOf(`${cli.type}/${recording}.err`);
  const lines = textOf(`${cli.type}/${recording}.jsonl`).split('\n');
  let facts = lines.reduce((so, line) => cli.read(so, line), cli.nothing);
  for (const line of stderr.split('\n')) facts = cli.readError?.(facts, line) ?? facts;
  const judged = (exit: Exit): Outcome =>
    cli.outcome({ exit, facts, stderr, profile: profileOf(cli.type), now: NOW });
  return { facts, judged };
}

const exited = (code: number): Exit => ({ kind: 'exited', code });
const ENDED: Exit = { kind: 'ended' };

const QUOTA = { kind: 'deferred', code: 'quota', scope: 'account' };
const LOGIN = { kind: 'deferred', code: 'executor-unavailable', scope: 'profile' };
const PROVIDER = { kind: 'deferred', code: 'provider', scope: 'account' };
const REFUSED = { kind: 'failed', failure: 'refused', retryable: false };
const DENIED = { kind: 'failed', failure: 'reported', retryable: false };
const INTERRUPTED = { kind: 'failed', failure: 'interrupted' };
const DONE = { kind: 'succeeded', summary: 'The file is written. The task is complete.' };

describe('the result of a run, by the recordings of the real CLI', () => {
  test.each<[string, Exit, object]>([
    ['tool', exited(0), DONE],
    ['text', exited(0), DONE],
    ['401', exited(1), LOGIN],
    ['403', exited(1), LOGIN],
    ['nokey', exited(1), LOGIN],
    ['quota', exited(1), QUOTA],
    ['limit', exited(1), QUOTA],
    ['429', exited(1), QUOTA],
    ['500', exited(1), PROVIDER],
    ['400', exited(1), REFUSED],
    ['refused', ENDED, PROVIDER],
    ['sigKILL', exited(137), INTERRUPTED],
  ])('codex, %s', (recording, exit, outcome) => {
    expect(played(codex, recording).judged(exit)).toMatchObject(outcome);
  });

  test.each<[string, Exit, object]>([
    ['tool', exited(0), DONE],
    ['text', exited(0), DONE],
    // It ends with status 0 whatever happened.
    ['401', exited(0), LOGIN],
    ['quota', exited(0), QUOTA],
    ['500', exited(0), PROVIDER],
    ['400', exited(0), REFUSED],
    ['refused', exited(0), PROVIDER],
    ['sigTERM', exited(143), INTERRUPTED],
  ])('pi, %s', (recording, exit, outcome) => {
    expect(played(pi, recording).judged(exit)).toMatchObject(outcome);
  });

  test.each<[string, Exit, object]>([
    ['tool', exited(0), DONE],
    ['text', exited(0), DONE],
    // Its status is that of the answer, modulo 256: no signal.
    ['401', exited(145), LOGIN],
    ['badkey', exited(144), LOGIN],
    ['nokey', exited(41), LOGIN],
    ['quota', exited(173), QUOTA],
    ['400', exited(144), REFUSED],
    ['429', ENDED, QUOTA],
    ['500', ENDED, PROVIDER],
    ['refused', ENDED, PROVIDER],
    ['sigTERM', exited(143), INTERRUPTED],
  ])('gemini, %s', (recording, exit, outcome) => {
    expect(played(gemini, recording).judged(exit)).toMatchObject(outcome);
  });

  test.each<[string, Exit, object]>([
    ['tool', exited(0), DONE],
    ['text', exited(0), DONE],
    ['401', exited(1), LOGIN],
    ['403', exited(1), LOGIN],
    ['429', ENDED, QUOTA],
    ['denied', exited(0), DENIED],
    ['sigTERM', exited(143), INTERRUPTED],
  ])('opencode, %s', (recording, exit, outcome) => {
    expect(played(opencode, recording).judged(exit)).toMatchObject(outcome);
  });

  test.each<[AgentCli<Report>, object]>([
    [codex, { inputTokens: 160, outputTokens: 60, cacheReadInputTokens: 40 }],
    [gemini, { inputTokens: 160, outputTokens: 60, cacheReadInputTokens: 40 }],
    [opencode, { inputTokens: 160, outputTokens: 60, cacheReadInputTokens: 40, costUsd: 0.00028 }],
  ])('tokens, cost and session of $type are told', (cli, usage) => {
    const { facts, judged } = played(cli, 'tool');
    expect(facts.usage).toMatchObject(usage);
    expect(judged(exited(0))).toMatchObject({ usage });
    expect(facts.session).toMatch(/^[\w-]{30,}$/);
  });

  test('tokens, cost and session of pi are told, each message once', () => {
    const { facts } = played(pi, 'tool');
    expect(facts.usage).toMatchObject({ inputTokens: 160, outputTokens: 60, cacheReadInputTokens: 40 });
    expect(facts.usage.costUsd).toBeCloseTo(0.000284, 9);
    expect(facts).toMatchObject({ session: expect.stringMatching(/^[\w-]{36}$/), model: 'm' });
  });

  test.each([codex, gemini, opencode])('$type waits for its provider while it tries again', (cli) => {
    expect(cli.isWaiting?.(played(cli, 'tool').facts)).toBe(false);
    const stuck = cli.type === 'codex' ? 'refused' : '429';
    expect(cli.isWaiting?.(played(cli, stuck).facts)).toBe(true);
  });

  test('trouble in the middle, after the model has answered, is a failure of the provider and counts', () => {
    const facts = { ...played(codex, '500').facts, usage: { outputTokens: 5 } };
    const end = { exit: exited(1), facts, stderr: '', profile: profileOf('codex'), now: NOW };
    expect(codex.outcome(end)).toMatchObject({ kind: 'failed', failure: 'provider', retryable: true });
  });

  test.each([
    codex,
    gemini,
    opencode,
    pi as AgentCli<Report>,
  ])('$type says when it does not know a session', (cli) => {
    const outcome = played(cli, 'bad-resume').judged(exited(1));
    if (outcome.kind !== 'failed') throw new Error(`it came to ${outcome.kind}`);
    expect(cli.isUnknownSession(outcome.message, '11111111-1111-4111-8111-111111111111')).toBe(true);
    expect(cli.isUnknownSession('exit status 1: tests failed', '11111111-1111-4111-8111-111111111111')).toBe(
      false,
    );
  });

  test('what the model writes of quotas and keys is not judged', () => {
    const said = { type: 'item.completed', item: { type: 'agent_message', text: 'quota exceeded: 401' } };
    const facts = codex.read(played(codex, 'text').facts, JSON.stringify(said));
    const end = { exit: exited(2), facts, stderr: '', profile: profileOf('codex'), now: NOW };
    expect(codex.outcome(end)).toMatchObject({ kind: 'failed', failure: 'exit' });
  });

  test.each([
    '',
    'null',
    '[]',
    '{"type":"result"}',
    '{"type":"error"}',
    '{"type":"turn.failed"}',
    '{"type":7}',
  ])('a line that no CLI writes (%s) throws nothing', (line) => {
    for (const cli of [codex, gemini, opencode, pi] as AgentCli<Report>[])
      expect(() => cli.read(cli.nothing, line)).not.toThrow();
  });
});

describe('how each is called', () => {
  const line = (cli: AgentCli<Report>, resumed: boolean, more: Partial<AgentProfile> = {}) =>
    cli
      .commandLine({
        task: taskDetail({ model: `${cli.type}:some-model` }),
        profile: profileOf(cli.type, {
          command: AGENT_CLIS[cli.type].program,
          permissionMode: AGENT_CLIS[cli.type].permissionMode,
          ...more,
        }),
        session: 's-1',
        resumed,
      })
      .join(' ');

  test.each<[AgentCli<Report>, string, string]>([
    [
      codex,
      'codex exec --json --skip-git-repo-check --sandbox danger-full-access -c allow_login_shell=false --model some-model -',
      'codex exec --json --skip-git-repo-check --sandbox danger-full-access -c allow_login_shell=false --model some-model resume s-1 -',
    ],
    [
      pi as AgentCli<Report>,
      'pi --mode json --print --model some-model',
      'pi --mode json --print --model some-model --session s-1',
    ],
    [
      gemini,
      'gemini --approval-mode yolo --skip-trust --output-format stream-json --model some-model --session-id s-1',
      'gemini --approval-mode yolo --skip-trust --output-format stream-json --model some-model --resume s-1',
    ],
    [
      opencode,
      'opencode run --format json --print-logs --log-level ERROR --auto --model some-model',
      'opencode run --format json --print-logs --log-level ERROR --auto --model some-model --session s-1',
    ],
  ])('$type: a new session, and one that is resumed', (cli, fresh, resumed) => {
    expect(line(cli, false)).toBe(fresh);
    expect(line(cli, true)).toBe(resumed);
  });

  test('what may be done unasked is said in the words of the CLI', () => {
    expect(line(codex, false, { permissionMode: 'read-only' })).toContain('--sandbox read-only');
    expect(line(opencode, false, { permissionMode: 'ask' })).not.toContain('--auto');
    expect(line(pi as AgentCli<Report>, false, { permissionMode: 'read,grep' })).toContain(
      '--tools read,grep',
    );
  });

  test('every CLI is a built-in profile of its own name; ACP needs a program to speak it', () => {
    expect(AGENT_TYPES).toEqual(['claude', 'codex', 'pi', 'gemini', 'opencode', 'acp']);
    const names = builtInProfiles({ attempts: 1, backoffMs: 0, maxBackoffMs: 0 }).map(({ name }) => name);
    expect(AGENT_TYPES.filter((type) => !names.includes(type))).toEqual(['acp']);
  });
});

describe('an agent that runs', () => {
  let root: ProcessWorld['root'];
  let means: ProcessWorld['means'];
  eachInProcessWorld((world) => {
    ({ root, means } = world);
  });

  async function run(
    cli: Pick<AgentCli<Report>, 'type'>,
    profile: Partial<AgentProfile>,
    directives: string[],
    more: Partial<Assignment> = {},
  ) {
    const all = { claude, codex, pi, gemini, opencode, acp };
    const description = directives.map((one) => `fake-claude: ${one}`).join('\n');
    const profileOfRun = profileOf(cli.type, profile);
    const assignment = await makeAssignment(root.path, profileOfRun, { description }, more);
    const executor = createAgentExecutor(
      all[cli.type] as unknown as AgentCli<Report>,
      means,
      createSubprocesses(means),
    );
    const control = recordedControl();
    const handle = handleOf(await executor.begin(assignment, control), false);
    const outcome = await executor.attend(assignment, handle, control);
    return { assignment, control, outcome, remains: await remainsOf(assignment.run, handle.process, means) };
  }

  test.each<[AgentType, string]>([
    ['claude', 'tool-use'],
    ['codex', 'codex/tool'],
    ['pi', 'pi/tool'],
    ['gemini', 'gemini/tool'],
    ['opencode', 'opencode/tool'],
  ])('%s that said it has finished and does not leave is ended, and its word counts', async (type, recording) => {
    const found = await run({ type }, { endGraceMs: 100 }, [`play ${recording}`, 'hang', 'deaf']);
    expect(found.outcome).toMatchObject({ kind: 'succeeded', usage: { outputTokens: expect.any(Number) } });
    expect(found.remains).toMatchObject({ group: [], escaped: [] });
    expect(found.control.said).toContain('it has finished and does not leave; ending its processes');
  });

  test('a bad last word counts as well', async () => {
    const { outcome } = await run(codex, { endGraceMs: 100 }, ['play codex/quota', 'hang', 'deaf']);
    expect(outcome).toMatchObject(QUOTA);
  });

  test('what it used is noted apart from its outcome, with the session and the model', async () => {
    const { control } = await run(gemini, {}, ['play gemini/tool']);
    expect(control.noted).toContainEqual({
      model: 'gemini-2.5-flash',
      usage: expect.objectContaining({ outputTokens: 60 }),
    });
    expect(control.noted).toContainEqual({ session: expect.stringMatching(/^[\w-]{36}$/) });
  });

  test('a session that continues is counted once: Codex tells what all of it used, the others the last prompt', async () => {
    const before = { inputTokens: 80, outputTokens: 30, cacheReadInputTokens: 20 };
    const more = { resumeSession: 's-1', sessionUsage: before };
    for (const cli of [codex, pi, gemini, opencode] as const) {
      const { outcome, control } = await run(cli, {}, [`play five-routes/${cli.type}/resumed`], more);
      expect([cli.type, outcome]).toEqual([
        cli.type,
        expect.objectContaining({ kind: 'succeeded', usage: expect.objectContaining(before) }),
      ]);
      expect(control.noted).toContainEqual(
        expect.objectContaining({ usage: expect.objectContaining(before) }),
      );
    }
  });

  test('the prompt comes on standard input', async () => {
    const note = join(root.path, 'note');
    const { assignment } = await run(opencode, {}, [`note ${note}`, 'play opencode/tool']);
    const call = JSON.parse(await readFile(note, 'utf8'));
    expect(call.prompt).toBe(await readFile(join(assignment.folder, 'prompt.txt'), 'utf8'));
    expect(call.argv.join(' ')).not.toContain('fake-claude');
  });
});
