// Programs of the CLIs' names that answer as the real ones did (Claude Code 2.1, Codex 0.171, Pi 0.73).

import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { AGENT_CLIS, type AgentType } from '../../../../src/domain/agent-cli.ts';
import type { AgentProfile } from '../../../../src/domain/profile.ts';
import { askLogin } from '../../../../src/executors/process/environment/login.ts';
import { LoginBook } from '../../../../src/executors/process/environment/login-book.ts';
import { createFakeClock } from '../../../support/fake-clock.ts';
import { claude } from '../../../support/tasks.ts';

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'login-'));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

/** A program that notes each call and answers with this script. */
async function program(name: string, script: string): Promise<void> {
  await mkdir(join(home, 'bin'), { recursive: true });
  const text = `#!/bin/sh\necho "$*" >> ${home}/calls\n${script}\n`;
  await writeFile(join(home, 'bin', name), text, { mode: 0o755 });
}

const calls = () => {
  appendFileSync(join(home, 'calls'), '');
  return readFileSync(join(home, 'calls'), 'utf8').split('\n').filter(Boolean);
};
const environment = (more: Record<string, string> = {}) => ({
  PATH: `${home}/bin:/usr/bin:/bin`,
  HOME: home,
  ...more,
});
const profileOf = (type: AgentType, more: Partial<AgentProfile> = {}) =>
  claude(type, { type, command: AGENT_CLIS[type].program, ...more });
const ask = (profile: AgentProfile, more: Record<string, string> = {}) =>
  askLogin(profile, { worktree: home, environment: environment(more) });

const CLAUDE = (answer: string, status = 0) =>
  `case "$*" in\n'auth status --help') echo 'Usage: claude auth status [options]';;\n` +
  `'auth status --json') echo '${answer}'; exit ${status};;\n*) echo work > ${home}/worked;;\nesac`;

describe('claude', () => {
  test.each([
    ['{ "loggedIn": false, "authMethod": "none" }', 1, 'no'],
    ['{\n  "loggedIn": true }', 0, 'yes'],
    ['what?', 0, 'unknown'],
    ['', 1, 'unknown'],
  ])('%j (exit %d): %s', async (answer, status, state) => {
    await program('claude', CLAUDE(answer, status));
    expect(await ask(profileOf('claude'))).toMatchObject({ state, how: '`claude auth status`' });
  });

  test('one without such a command is asked for help only: the words would be a prompt', async () => {
    await program(
      'claude',
      `case "$*" in *--help) echo 'Usage: claude [options] [prompt]';; *) exit 9;; esac`,
    );
    expect(await ask(profileOf('claude'))).toMatchObject({ state: 'unknown' });
    expect(calls()).toEqual(['auth status --help']);
  });
});

describe('codex', () => {
  const OUT = `echo 'WARNING: proceeding' >&2; echo 'Not logged in' >&2; exit 1`;

  test('not logged in, and logged in', async () => {
    await program('codex', OUT);
    expect(await ask(profileOf('codex'))).toEqual({
      ...{ state: 'no', how: '`codex login status`', remedy: 'run `codex login`' },
    });
    await program('codex', `echo 'Logged in using ChatGPT' >&2`);
    expect(await ask(profileOf('codex'))).toMatchObject({ state: 'yes' });
    await program('codex', `echo "error: unexpected argument 'status'" >&2; exit 2`);
    expect(await ask(profileOf('codex'))).toMatchObject({ state: 'unknown' });
  });

  test('keys and other providers are no login, and enough', async () => {
    await program('codex', OUT);
    for (const name of ['OPENAI_API_KEY', 'CODEX_API_KEY'])
      expect(await ask(profileOf('codex'), { [name]: 'k' })).toMatchObject({ state: 'unknown' });
    for (const args of [['-c', 'model_provider=mine'], ['--oss'], ['--profile', 'x'], ['-p', 'x']])
      expect(await ask(profileOf('codex', { args }))).toMatchObject({ state: 'unknown' });
    await mkdir(join(home, '.codex'));
    await writeFile(join(home, '.codex/config.toml'), 'model = "x"\nmodel_provider = "mine"\n');
    expect(await ask(profileOf('codex'))).toMatchObject({ state: 'unknown' });
    expect(await ask(profileOf('codex'), { CODEX_HOME: join(home, 'other') })).toMatchObject({ state: 'no' });
    expect(calls()).toEqual(['login status']);
  });
});

test('pi: a list without models', async () => {
  await program(
    'pi',
    'echo "No models available. Use /login to log into a provider via OAuth or API key. See:"',
  );
  expect(await ask(profileOf('pi'))).toMatchObject({ state: 'no', how: '`pi --list-models`' });
  await program('pi', 'echo "provider  model"');
  expect(await ask(profileOf('pi'))).toMatchObject({ state: 'yes' });
});

describe('gemini: what it reads itself', () => {
  const SYSTEM = { GEMINI_CLI_SYSTEM_SETTINGS_PATH: '/nowhere' };
  const put = async (name: string, text: string) => {
    await mkdir(dirname(join(home, name)), { recursive: true });
    await writeFile(join(home, name), text);
  };
  beforeEach(() => program('gemini', 'exit 41'));

  test('nothing of it is there', async () => {
    expect(await ask(profileOf('gemini'), SYSTEM)).toMatchObject({ state: 'no' });
    await put('.gemini/settings.json', '{"theme":"dark"}');
    expect(await ask(profileOf('gemini'), SYSTEM)).toMatchObject({
      state: 'no',
      remedy: expect.stringContaining('GEMINI_API_KEY'),
    });
    expect(calls()).toEqual([]);
  });

  test.each([
    ['.gemini/settings.json', '{"security":{"auth":{"selectedType":"oauth-personal"}}}', 'yes'],
    ['.env', 'GEMINI_API_KEY=1', 'unknown'],
    ['.gemini/.env', 'X=1', 'unknown'],
  ])('%s', async (name, text, state) => {
    await put(name, text);
    expect(await ask(profileOf('gemini'), SYSTEM)).toMatchObject({ state });
  });

  test('a variable', async () => {
    expect(await ask(profileOf('gemini'), { ...SYSTEM, GEMINI_API_KEY: 'k' })).toMatchObject({
      state: 'yes',
    });
  });

  test('settings that are a pipe hold nothing up', async () => {
    await mkdir(join(home, '.gemini'));
    execFileSync('mkfifo', [join(home, '.gemini/settings.json')]);
    expect(await ask(profileOf('gemini'), SYSTEM)).toMatchObject({ state: 'unknown' });
  });
});

describe('who is not asked', () => {
  test.each<[string, AgentProfile]>([
    ['a CLI that works without a login', profileOf('opencode')],
    ['one that has no question', claude('acp', { type: 'acp', command: 'claude' })],
    ['a program of another name', profileOf('claude', { command: 'my-claude' })],
    ['where the profile turns it off', profileOf('claude', { loginCheck: false })],
  ])('%s', async (_name, profile) => {
    for (const name of ['claude', 'my-claude', 'opencode'])
      await program(name, CLAUDE('{"loggedIn":false}', 1));
    expect(await ask(profile)).toMatchObject({ state: 'unknown' });
    expect(calls()).toEqual([]);
  });

  test('a program that is not there', async () => {
    await rm(join(home, 'bin'), { recursive: true, force: true });
    const missing = askLogin(profileOf('claude'), {
      worktree: home,
      environment: { PATH: `${home}/bin`, HOME: home },
    });
    expect(await missing).toMatchObject({ state: 'unknown' });
  });

  test('what floods, or is no program after all, is unknown', async () => {
    await program('codex', 'while :; do echo "Not logged in"; done');
    expect(['no', 'unknown']).toContain((await ask(profileOf('codex'))).state);
    await writeFile(join(home, 'bin/pi'), '\u0000\u0001', { mode: 0o755 });
    expect(await ask(profileOf('pi'))).toMatchObject({ state: 'unknown' });
  });
});

describe('the book of answers', () => {
  const place = () => ({ worktree: home, environment: environment() });
  const LOGGED_IN = 'test -e "$HOME/in" && echo "Logged in" || { echo "Not logged in"; exit 1; }';

  test('asks once for many tasks, and again when an answer is old', async () => {
    await program('codex', LOGGED_IN);
    const clock = createFakeClock('2027-01-01T00:00:00Z');
    const book = new LoginBook(clock, {});
    const profile = profileOf('codex');
    const all = await Promise.all([1, 2, 3].map(() => book.lacks(profile, place())));
    expect(all).toEqual(
      Array(3).fill({
        kind: 'deferred',
        code: 'executor-unavailable',
        because: 'codex is not logged in (by `codex login status`): run `codex login`',
        scope: 'profile',
      }),
    );
    expect(calls()).toHaveLength(1);
    await writeFile(join(home, 'in'), '');
    expect(await book.lacks(profile, place())).not.toBeNull();
    clock.advance(5_000);
    expect(await book.lacks(profile, place())).toBeNull();
    expect(calls()).toHaveLength(2);
    await rm(join(home, 'in'));
    clock.advance(599_999);
    expect(await book.lacks(profile, place())).toBeNull();
    clock.advance(1);
    expect(await book.lacks(profile, place())).not.toBeNull();
    clock.jump(-3_600_000);
    await writeFile(join(home, 'in'), '');
    expect(await book.lacks(profile, place())).toBeNull();
  });

  test('another home or another key is another question; secrets are not kept as text', async () => {
    await program('codex', LOGGED_IN);
    const book = new LoginBook(createFakeClock(0), { MY_HOME: join(home, 'x') });
    await mkdir(join(home, 'x'));
    await writeFile(join(home, 'x/in'), '');
    expect(await book.lacks(profileOf('codex'), place())).not.toBeNull();
    expect(await book.lacks(profileOf('codex', { env: { HOME: { env: 'MY_HOME' } } }), place())).toBeNull();
    expect(await book.lacks(profileOf('codex', { env: { OPENAI_API_KEY: 'secret' } }), place())).toBeNull();
    expect(JSON.stringify(book)).not.toContain('secret');
  });
});
