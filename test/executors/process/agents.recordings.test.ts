// What five real CLIs printed under the supervisor, each the same five times (`RECORD=FOLDER npm run test:agents` makes
// new ones): the cells of the table in docs/agents.md, from the recordings.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import type { Outcome } from '../../../src/domain/outcome.ts';
import type { AgentCli, AgentFacts } from '../../../src/executors/process/clis/agent-cli.ts';
import { claude } from '../../../src/executors/process/clis/claude.ts';
import { codex } from '../../../src/executors/process/clis/codex.ts';
import { gemini } from '../../../src/executors/process/clis/gemini.ts';
import { opencode } from '../../../src/executors/process/clis/opencode.ts';
import { pi } from '../../../src/executors/process/clis/pi.ts';
import type { Exit } from '../../../src/executors/process/lifecycle/subprocess.ts';
import { PER_ANSWER } from '../../support/model-api.ts';
import { claudeProfile } from '../bench.ts';

const RECORDINGS = new URL('../../../fixtures/agents/recordings/five-routes/', import.meta.url);

interface Played {
  readonly facts: AgentFacts;
  readonly outcome: Outcome;
}

function played<F extends AgentFacts>(cli: AgentCli<F>, name: string, exit: Exit): Played {
  const textOf = (suffix: string) => {
    const url = new URL(`${cli.type}/${name}.${suffix}`, RECORDINGS);
    return existsSync(url) ? readFileSync(url, 'utf8') : '';
  };
  const stderr = textOf('err');
  let facts = textOf('jsonl')
    .split('\n')
    .reduce((so, line) => cli.read(so, line), cli.nothing);
  for (const line of stderr.split('\n')) facts = cli.readError?.(facts, line) ?? facts;
  const profile = claudeProfile({ name: cli.type, type: cli.type, account: cli.type });
  return { facts, outcome: cli.outcome({ exit, facts, stderr, profile, now: 0 }) };
}

/** One CLI, and what its adapter makes of a recording and an exit. */
function recorded<F extends AgentFacts>(cli: AgentCli<F>) {
  return { type: cli.type, play: (name: string, exit: Exit) => played(cli, name, exit) };
}

const CLIS = [recorded(claude), recorded(codex), recorded(pi), recorded(gemini), recorded(opencode)];

const exited = (code: number): Exit => ({ kind: 'exited', code });

/** How each ended in the recording, where its status is not what it says of the run. */
const STATUS: Readonly<Record<string, Readonly<Record<string, Exit>>>> = {
  claude: { '401': exited(1), quota: exited(1) },
  codex: { '401': exited(1), quota: exited(1) },
  // Whatever happened, it ends with 0.
  pi: { '401': exited(0), quota: exited(0) },
  gemini: { '401': exited(145), quota: exited(1) },
  opencode: { '401': exited(1), quota: { kind: 'ended' } },
};

describe.each(CLIS)('$type under the supervisor', ({ type, play }) => {
  const status = (name: string) => STATUS[type]?.[name] ?? exited(0);

  test('a tool and a text: done, with summary, session, tokens and cost', () => {
    const { facts, outcome } = play('tool', exited(0));
    const usage = {
      inputTokens: 2 * PER_ANSWER.fresh,
      cacheReadInputTokens: 2 * PER_ANSWER.cached,
      outputTokens: 2 * PER_ANSWER.output,
    };
    expect(outcome).toMatchObject({ kind: 'succeeded', summary: 'The file is written.', usage });
    expect(facts.session).toMatch(/^[\w-]{20,}$/);
    expect((facts.usage.costUsd ?? 0) > 0).toBe(['claude', 'pi', 'opencode'].includes(type));
  });

  test('a wrong key holds the profile', () => {
    expect(play('401', status('401')).outcome).toMatchObject({
      kind: 'deferred',
      code: 'executor-unavailable',
      scope: 'profile',
    });
  });

  test('a used-up quota holds the account', () => {
    expect(play('quota', status('quota')).outcome).toMatchObject({
      kind: 'deferred',
      code: 'quota',
      scope: 'account',
    });
  });

  test('killed while its tool runs, it was interrupted', () => {
    const { facts, outcome } = play('sigKILL', exited(137));
    expect(outcome).toMatchObject({ kind: 'failed', failure: 'interrupted', retryable: true });
    expect(facts.lastWord).toBeNull();
    expect(facts.session).not.toBeNull();
  });

  // What Codex tells is of the whole session: agents.test.ts.
  test('resumed, it is done, and tells what it used', () => {
    const { outcome } = play('resumed', exited(0));
    expect(outcome).toMatchObject({
      kind: 'succeeded',
      summary: 'made',
      usage: { outputTokens: (type === 'codex' ? 2 : 1) * PER_ANSWER.output },
    });
  });
});

test('no recording has a key, or a path of the machine that it was made on', () => {
  const files = readdirSync(RECORDINGS, { recursive: true, encoding: 'utf8' }).filter((path) =>
    /\.(jsonl|err)$/.test(path),
  );
  expect(files.length).toBeGreaterThanOrEqual(25);
  for (const file of files) {
    const text = readFileSync(new URL(file, RECORDINGS), 'utf8');
    expect([file, /key-of-|supervisor-test-|wgl_\w|127\.0\.0\.1:\d\d/.exec(text)]).toEqual([file, null]);
  }
});
