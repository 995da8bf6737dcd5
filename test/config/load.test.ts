import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { loadMachineConfig, parseMachineConfig } from '../../src/config/load.ts';
import type { ConfigProblem } from '../../src/config/problems.ts';
import type { SupervisorError } from '../../src/domain/errors.ts';

const HOME = { home: '/home/ada' };
const FIXTURES = new URL('../../fixtures/configs/', import.meta.url);
const fixture = (name: string) => readFileSync(new URL(name, FIXTURES), 'utf8');
const parse = (text: string) => parseMachineConfig('/etc/s.toml', text, HOME);

function refusal(text: string): SupervisorError {
  try {
    parse(text);
  } catch (thrown) {
    return thrown as SupervisorError;
  }
  throw new Error('was accepted');
}

const messages = (problems: unknown) =>
  (problems as ConfigProblem[]).map((problem) => problem.message.replace('/etc/s.toml', ''));
const expected = (name: string) => fixture(name).trimEnd().split('\n');

describe('defaults', () => {
  test('without a file: everything has a value and the built-in profiles exist', () => {
    const { config, problems } = loadMachineConfig(null, HOME);
    expect(problems).toEqual([]);
    expect(config).toMatchObject({
      file: null,
      maxConcurrent: 8,
      mode: 'dispatch',
      whenWgDaemon: 'yield',
      repos: [],
      roots: [],
      retry: { attempts: 1, backoffMs: 10_000, maxBackoffMs: 300_000 },
      limits: {
        maxLineBytes: 16_777_216,
        maxGraphBytes: 1_073_741_824,
        maxBodyBytes: 1_048_576,
        safetyPassMs: 30_000,
        relistMs: 60_000,
      },
      shutdown: { graceMs: 10_000, lingerMs: 30_000 },
      retention: { runsMs: 30 * 86_400_000, outputMs: 14 * 86_400_000 },
      api: {
        listen: { kind: 'auto' },
        publicUrl: null,
        allowRemote: false,
        allowedHosts: [],
        allowedOrigins: [],
      },
      log: { level: 'info', format: 'auto' },
    });
    expect(() => new Intl.DateTimeFormat('en', { timeZone: config.timezone })).not.toThrow();
    expect([...config.profiles.keys()].sort()).toEqual([
      'claude',
      'codex',
      'command',
      'external',
      'gemini',
      'opencode',
      'pi',
      'scheduled',
    ]);
    expect(config.profiles.get('claude')).toMatchObject({
      type: 'claude',
      origin: { file: 'built-in' },
      command: 'claude',
      permissionMode: 'bypassPermissions',
      timeoutMs: 7_200_000,
      silenceTimeoutMs: 0,
      account: 'default',
      maxConcurrent: null,
    });
    expect(config.profiles.get('command')).toMatchObject({ command: null, shell: null, cwd: null });
    expect(config.profiles.get('external')).toMatchObject({
      timeoutMs: 0,
      staleAfterMs: 86_400_000,
      onStale: 'flag',
    });
    expect(config.profiles.get('scheduled')).toMatchObject({ type: 'schedule', via: 'default' });
  });

  test('an http profile needs an endpoint and nothing else', () => {
    const { config } = parse('[executors.x]\ntype = "http"\nendpoint = "http://h/x"');
    expect(config.profiles.get('x')).toMatchObject({
      method: 'POST',
      completion: 'callback',
      pollIntervalMs: 5000,
      timeoutMs: 86_400_000,
      body: null,
      secrets: [],
      origin: { file: '/etc/s.toml', line: 1 },
    });
  });
});

describe('what is written', () => {
  test('paths: ~ is home, relative ones count from the file', () => {
    const { config } = parse(
      '[[repos]]\npath = "~/shop"\nexclude = ["~/tmp/*", "x-*"]\n[[repos]]\npath = "../srv"\n[[roots]]\npath = "/w"\n',
    );
    expect(config.repos.map((repo) => repo.path)).toEqual(['/home/ada/shop', '/srv']);
    expect(config.repos[0]?.exclude).toEqual(['/home/ada/tmp/*', 'x-*']);
    expect(config.roots).toEqual([{ path: '/w', depth: 3, trust: false }]);
  });

  test('match and tag_match are one list, without repeats', () => {
    const { config } = parse('[executors.x]\ntype = "claude"\nmatch = ["a:*", "b"]\ntag_match = "a:*"');
    expect(config.profiles.get('x')?.match).toEqual(['a:*', 'b']);
    const only = parse('[executors.x]\ntype = "claude"\ntag_match = "c"');
    expect(only.config.profiles.get('x')?.match).toEqual(['c']);
  });

  test("a profile's retry is laid over [retry], key by key", () => {
    const { config } = parse(
      '[retry]\nattempts = 3\nbackoff = "1m"\n[executors.x]\ntype = "claude"\nretry = { backoff = "2m" }',
    );
    expect(config.profiles.get('x')?.retry).toEqual({
      attempts: 3,
      backoffMs: 120_000,
      maxBackoffMs: 300_000,
    });
    expect(config.profiles.get('claude')?.retry.attempts).toBe(3);
  });

  test('secrets: one, a variable, or a list', () => {
    const http = (line: string) => {
      const profile = parse(
        `[executors.x]\ntype = "http"\nendpoint = "http://h"\n${line}`,
      ).config.profiles.get('x');
      return profile?.type === 'http' ? profile.secrets : null;
    };
    expect(http('secret = "s"')).toEqual(['s']);
    expect(http('secret = { env = "S" }')).toEqual([{ env: 'S' }]);
    expect(http('secret = [{ env = "NEW" }, "old"]')).toEqual([{ env: 'NEW' }, 'old']);
  });

  test('a body may be a table or a text', () => {
    const body = (line: string) => {
      const profile = parse(
        `[executors.x]\ntype = "http"\nendpoint = "http://h"\n${line}`,
      ).config.profiles.get('x');
      return profile?.type === 'http' ? profile.body : null;
    };
    expect(JSON.stringify(body('body = { a = "{{task.id}}", n = { m = [1, true] } }'))).toBe(
      '{"a":"{{task.id}}","n":{"m":[1,true]}}',
    );
    expect(body(`body = '{"id": "{{task.id}}"}'`)).toBe('{"id": "{{task.id}}"}');
  });

  test('a built-in name needs no type, and the definition replaces the built-in', () => {
    const { config } = parse('[executors.claude]\nmodel = "opus"');
    expect(config.profiles.get('claude')).toMatchObject({
      type: 'claude',
      model: 'opus',
      overridable: false,
      origin: { file: '/etc/s.toml' },
    });
  });

  test('names from the prototype are names like any other', () => {
    const { config, problems } = parse(
      '[executors.__proto__]\ntype = "claude"\n[executors.constructor]\ntype = "command"\n[executors.toString]\ntype = 1',
    );
    expect(config.profiles.get('__proto__')?.type).toBe('claude');
    expect(config.profiles.get('constructor')?.type).toBe('command');
    expect(problems).toHaveLength(1);
    const lookup = parse('[executors.constructor]\nmodel = "x"');
    expect(lookup.problems[0]?.message).toMatch(/executors\.constructor\.type: is missing/);
  });
});

describe('what is refused', () => {
  test('every trouble outside of profiles is listed with its line, the first in the sentence', () => {
    const error = refusal(fixture('broken-sections.toml'));
    expect(error).toMatchObject({ code: 'config', details: { file: '/etc/s.toml', line: 3 } });
    expect(messages(error.details.problems)).toEqual(expected('broken-sections.problems'));
    expect(error.message).toMatch(/^\/etc\/s\.toml:3: supervisor\.max_concurent: .* \(and 13 more\)$/);
    expect(error.hint).toMatch(/config check/);
  });

  test('a syntax error has its line', () => {
    expect(refusal(fixture('broken-syntax.toml')).message).toMatch(/^\/etc\/s\.toml:4: not valid TOML: /);
  });

  test.each([
    ['listen = "somewhere"', /HOST:PORT/],
    ['listen = "127.0.0.1:99999"', /HOST:PORT/],
    ['listen = "0.0.0.0:80"', /allow_remote = true/],
    ['listen = "[::]:80"', /allow_remote = true/],
    ['listen = "127.0.0.1.evil.example:80"', /allow_remote = true/],
    ['listen = "0.0.0.0:80"\nallow_remote = true', /public_url/],
  ])('[api] %s', (line, sentence) => {
    const error = refusal(`[api]\n${line}`);
    expect(error.message).toMatch(sentence);
    expect(error.message).toMatch(/^\/etc\/s\.toml:2: api\.listen: /);
  });

  test('the address is read once, into what is opened', () => {
    const { listen } = parse('[api]\nlisten = "localhost:7420"').config.api;
    expect(listen).toEqual({ kind: 'at', host: '127.0.0.1', port: 7420 });
  });

  test('a pause that ends before it begins', () => {
    expect(refusal('[retry]\nbackoff = "10m"').message).toMatch(/retry\.max_backoff: must not be shorter/);
  });
});

describe('untrusted = true', () => {
  test('is kept, and makes Claude ask unless it is said what it may do', () => {
    const { profiles } = parse(
      '[executors.a]\ntype = "claude"\nuntrusted = true\n[executors.b]\ntype = "claude"\nuntrusted = true\npermission_mode = "plan"\n[executors.c]\ntype = "claude"\n',
    ).config;
    expect(profiles.get('a')).toMatchObject({ untrusted: true, permissionMode: 'default' });
    expect(profiles.get('b')).toMatchObject({ untrusted: true, permissionMode: 'plan' });
    expect(profiles.get('c')).toMatchObject({ permissionMode: 'bypassPermissions' });
    expect(profiles.get('c')).not.toHaveProperty('untrusted');
  });

  test.each([
    ['type = "claude"\npermission_mode = "bypassPermissions"', 'everything unasked'],
    ['type = "claude"\nargs = ["--dangerously-skip-permissions"]', 'everything unasked'],
    ['type = "command"', 'needs command or shell'],
  ])('is refused beside %s', (toml, words) => {
    expect(
      parse(`[executors.a]\n${toml}\nuntrusted = true\n`).config.brokenProfiles.get('a')?.problem,
    ).toContain(words);
  });
});

describe('broken profiles', () => {
  const { config, problems } = parse(fixture('broken-profiles.toml'));

  test('each says file, line, key and what would be right', () => {
    expect(messages(problems)).toEqual(expected('broken-profiles.problems'));
  });

  test('they are set aside, the others count', () => {
    expect([...config.brokenProfiles.keys()]).toEqual([
      'a', 'b', 'c', 'c2', 'd', 'e', 'f', 'g', 'h', 'i', 'http://x', 'k', 'j',
    ]); // biome-ignore format: one line reads better
    expect(config.profiles.has('a')).toBe(false);
    expect(config.profiles.get('good')?.type).toBe('http');
    expect(config.brokenProfiles.get('b')).toEqual({
      name: 'b',
      origin: { file: '/etc/s.toml', line: 5 },
      problem: '/etc/s.toml:5: executors.b.endpoint: is missing',
    });
  });

  test('a broken definition of a built-in name does not bring the built-in back', () => {
    const broken = parse('[executors.claude]\nmodle = "opus"');
    expect(broken.config.profiles.has('claude')).toBe(false);
    expect(broken.config.brokenProfiles.get('claude')?.problem).toMatch(/did you mean "model"/);
  });

  test('executors that are no tables at all', () => {
    expect(refusal('executors = 3').message).toBe('/etc/s.toml:1: executors: must be a table, not 3');
  });
});

describe('files', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'config-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  test('a missing one means defaults', () => {
    expect(loadMachineConfig(join(folder, 'none.toml'), HOME).config.file).toBeNull();
  });

  test('an empty one is a configuration', () => {
    writeFileSync(join(folder, 's.toml'), '');
    expect(loadMachineConfig(join(folder, 's.toml'), HOME).config).toMatchObject({
      file: join(folder, 's.toml'),
      maxConcurrent: 8,
    });
  });

  test('a folder, and bytes that are no text, are refused with their name', () => {
    expect(() => loadMachineConfig(folder, HOME)).toThrow(/is not a file/);
    const file = join(folder, 'random.toml');
    writeFileSync(file, Buffer.from(Array.from({ length: 4096 }, (_, i) => (i * 131 + 17) % 256)));
    expect(() => loadMachineConfig(file, HOME)).toThrow(/random\.toml:1: not valid TOML/);
  });

  test('one beyond all measure is not read', () => {
    const file = join(folder, 'huge.toml');
    writeFileSync(file, '#'.repeat(4 * 1024 * 1024 + 1));
    expect(() => loadMachineConfig(file, HOME)).toThrow(/larger than/);
  });
});

test('[[notify]]: the desktop needs no url, everything else does', () => {
  const parse = (block: string) => parseMachineConfig('/c.toml', `[[notify]]\n${block}`, { home: '/h' });
  expect(parse('format = "desktop"\ndigest = "18:00"').config.notify).toMatchObject([
    { format: 'desktop', url: 'desktop:', digestAt: '18:00' },
  ]);
  expect(() => parse('format = "slack"')).toThrow(/url/);
  expect(() => parse('format = "ntfy"\nurl = "https://ntfy.test/"')).toThrow(/topic/);
  expect(() => parse('format = "desktop"\ndigest = "25:00"')).toThrow(/time of day/);
  expect(() => parse('format = "pager"\nurl = "https://x.test"')).toThrow(/format/);
});
