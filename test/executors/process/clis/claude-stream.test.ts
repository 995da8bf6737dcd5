import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { claudeOutcome, isHopeless } from '../../../../src/executors/process/clis/claude-outcome.ts';
import { NO_FACTS, readClaudeLine } from '../../../../src/executors/process/clis/claude-stream.ts';
import type { Exit } from '../../../../src/executors/process/lifecycle/subprocess.ts';
import { AGENTS, claudeProfile } from '../../bench.ts';

const NOW = 1_795_330_000_000;

function factsOf(recording: string) {
  const text = readFileSync(join(AGENTS, 'recordings', `${recording}.jsonl`), 'utf8');
  return text.split('\n').reduce(readClaudeLine, NO_FACTS);
}

const exited = (code: number): Exit => ({ kind: 'exited', code });

function judge(recording: string, exit: Exit, stderr = '') {
  return claudeOutcome({
    exit: exit,
    facts: factsOf(recording),
    stderr: stderr,
    profile: claudeProfile({ account: 'work' }),
    now: NOW,
  });
}

describe('what the stream tells', () => {
  test('session, model, last words, usage and cost', () => {
    expect(factsOf('tool-use')).toMatchObject({
      session: '5cef507e-376c-41c4-8af0-81eba063e37e',
      model: 'claude-sonnet-5',
      lastText: 'The file is written. The task is complete.',
      result: { isError: false, apiErrorStatus: null },
      usage: {
        inputTokens: 2400,
        outputTokens: 85,
        cacheReadInputTokens: 10000,
        cacheCreationInputTokens: 600,
        turns: 2,
        durationMs: 560,
        costUsd: 0.013725000000000001,
      },
    });
  });

  test('an ended run has the numbers of its messages, each counted once', () => {
    expect(factsOf('sigTERM')).toMatchObject({
      result: null,
      usage: {
        inputTokens: 1200,
        outputTokens: 1,
        cacheReadInputTokens: 5000,
        cacheCreationInputTokens: 300,
      },
      doing: 'Bash: Write a file',
    });
  });

  test('a retry is what it waits for, until something is answered', () => {
    const waiting = factsOf('overloaded-529-first-60s');
    expect(waiting.retry).toEqual({ status: 529, error: 'overloaded', attempt: 7 });
    expect(waiting.doing).toBe('the provider answered 529 overloaded, retry 7 of 10');
    expect(isHopeless(waiting)).toBe(false);
    const answered = readClaudeLine(waiting, '{"type":"assistant","message":{"id":"m","content":[]}}');
    expect(answered.retry).toBeNull();
    expect(isHopeless(factsOf('api-key-401-first-48s'))).toBe(true);
  });

  test('no line, however foreign or torn, throws or undoes what is known', () => {
    const known = factsOf('tool-use');
    const line = fc.oneof(fc.string(), fc.json(), fc.constantFrom('{"type":"result"', 'null', '[]', '""'));
    fc.assert(
      fc.property(line, (text) => {
        expect(readClaudeLine(known, text).lastText).toBe(known.lastText);
      }),
    );
    const kinds = fc.constantFrom('system', 'assistant', 'rate_limit_event', 'result', 'user', 'other');
    const event = fc.record({
      type: kinds,
      message: fc.jsonValue(),
      subtype: fc.constantFrom('init', 'api_retry'),
      usage: fc.jsonValue(),
      errors: fc.jsonValue(),
      rate_limit_info: fc.jsonValue(),
    });
    fc.assert(
      fc.property(event, (one) => expect(() => readClaudeLine(NO_FACTS, JSON.stringify(one))).not.toThrow()),
    );
  });
});

describe('the result of it', () => {
  test.each(['tool-use', 'text-only', 'subscription-ok'])('%s succeeded, told by its answer', (recording) => {
    expect(judge(recording, exited(0))).toMatchObject({
      kind: 'succeeded',
      summary: 'The file is written. The task is complete.',
      usage: { turns: expect.any(Number) },
    });
  });

  test('a reached limit pauses the account until the reset that was told', () => {
    expect(judge('subscription-limit', exited(1))).toMatchObject({
      kind: 'deferred',
      code: 'quota',
      scope: 'account',
      until: 1_795_336_774_000,
      because: expect.stringContaining('work'),
    });
  });

  test('a limit without a reset time, or with one that has finished, is tried again soon', () => {
    const soon = { kind: 'deferred', code: 'quota', scope: 'account' };
    const unknown = judge('api-key-429', exited(1));
    expect(unknown).toMatchObject(soon);
    // Without an end the pause grows with each setback: its length is not the executor's to say.
    expect(unknown).not.toHaveProperty('until');
    const facts = factsOf('subscription-limit');
    const over = claudeOutcome({
      exit: exited(1),
      facts: facts,
      stderr: '',
      profile: claudeProfile(),
      now: 1_795_336_774_000 + 1,
    });
    expect(over).toMatchObject(soon);
    expect(over).not.toHaveProperty('until');
  });

  test('`is_error` outweighs exit 0 and `subtype: success`', () => {
    expect(judge('subscription-limit', exited(0))).toMatchObject({ kind: 'deferred', code: 'quota' });
    const refused = '{"type":"result","subtype":"success","is_error":true,"result":"no"}';
    expect(
      claudeOutcome({
        exit: exited(0),
        facts: readClaudeLine(NO_FACTS, refused),
        stderr: '',
        profile: claudeProfile(),
        now: NOW,
      }),
    ).toMatchObject({
      kind: 'failed',
      failure: 'exit',
    });
  });

  test('exit 0 without a word is done; exit 3 after a good result is not', () => {
    expect(
      claudeOutcome({ exit: exited(0), facts: NO_FACTS, stderr: '', profile: claudeProfile(), now: NOW }),
    ).toEqual({ kind: 'succeeded' });
    expect(judge('text-only', exited(3))).toMatchObject({ kind: 'failed', failure: 'exit', exitCode: 3 });
  });

  test.each([
    ['not-logged-in', exited(1), '/login'],
    ['api-key-401-first-48s', { kind: 'ended' } as const, 'authentication_failed'],
  ])('%s is a matter of set-up: the profile is held', (recording, exit, words) => {
    expect(judge(recording, exit)).toMatchObject({
      kind: 'deferred',
      code: 'executor-unavailable',
      scope: 'profile',
      because: expect.stringContaining(words),
    });
  });

  test.each([
    [
      '--dangerously-skip-permissions cannot be used with root/sudo privileges for security reasons',
      'IS_SANDBOX',
    ],
    ["error: unknown option '--modell'", "unknown option '--modell'"],
  ])('refused by the CLI itself (%s): the profile is held', (stderr, words) => {
    expect(
      claudeOutcome({
        exit: exited(1),
        facts: NO_FACTS,
        stderr: `warning\n${stderr}\n`,
        profile: claudeProfile(),
        now: NOW,
      }),
    ).toMatchObject({
      kind: 'deferred',
      scope: 'profile',
      because: expect.stringContaining(words),
    });
  });

  test('words of the model about a login are not the CLI asking for one', () => {
    const line = '{"type":"result","is_error":false,"result":"The page says: not logged in"}';
    expect(
      claudeOutcome({
        exit: exited(0),
        facts: readClaudeLine(NO_FACTS, line),
        stderr: '',
        profile: claudeProfile(),
        now: NOW,
      }).kind,
    ).toBe('succeeded');
  });

  test('an unknown session fails and names it, so that the next attempt begins afresh', () => {
    expect(judge('bad-resume', exited(1))).toMatchObject({
      kind: 'failed',
      retryable: true,
      message: expect.stringContaining(
        'No conversation found with session ID: 11111111-2222-3333-4444-555555555555',
      ),
    });
  });

  test('overloaded to the end holds the account, a malformed request is refused for good', () => {
    expect(judge('overloaded-529-first-60s', exited(1))).toMatchObject({
      kind: 'deferred',
      code: 'provider',
      scope: 'account',
      because: expect.stringContaining('overloaded'),
    });
    const line = '{"type":"result","is_error":true,"api_error_status":400,"result":"document too large"}';
    expect(
      claudeOutcome({
        exit: exited(1),
        facts: readClaudeLine(NO_FACTS, line),
        stderr: '',
        profile: claudeProfile(),
        now: NOW,
      }),
    ).toMatchObject({
      failure: 'refused',
      retryable: false,
    });
  });

  test.each(['server-error-500', 'connection-refused'])('%s to the end holds the account', (recording) => {
    expect(judge(recording, exited(1))).toMatchObject({
      kind: 'deferred',
      code: 'provider',
      scope: 'account',
    });
  });

  test('no credit left holds the account like a quota whose end is not known', () => {
    const outcome = judge('billing', exited(1));
    expect(outcome).toMatchObject({
      kind: 'deferred',
      code: 'quota',
      scope: 'account',
      because: expect.stringContaining('Credit balance is too low'),
    });
    expect(outcome).not.toHaveProperty('until');
  });

  test('a tool that was denied and nothing reported is a failure that names it', () => {
    expect(judge('permission-denied', exited(0))).toMatchObject({
      kind: 'failed',
      failure: 'reported',
      retryable: false,
      message: expect.stringContaining('Bash echo hello > out.txt'),
      usage: { costUsd: 0.0015495 },
    });
  });

  test('killed from outside: a signal by its number, nothing at all as an interruption', () => {
    expect(judge('sigTERM', exited(143))).toMatchObject({
      failure: 'interrupted',
      message: expect.stringContaining('signal 15'),
    });
    expect(judge('sigKILL', { kind: 'vanished' })).toMatchObject({
      failure: 'interrupted',
      usage: { inputTokens: 1200 },
    });
  });

  test('a stop says its reason and what was used up', () => {
    expect(judge('sigINT', { kind: 'stopped', reason: 'cancelled' })).toMatchObject({
      kind: 'stopped',
      reason: 'cancelled',
      usage: { costUsd: 0.007125 },
    });
  });
});
