import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { command, type FakeOptions } from '../fake-surroundings.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'supervisor-doctor-test-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const doctor = async (options: FakeOptions = {}) => {
  const { status, out } = await command({ cwd: folder, home: folder, ...options }, 'doctor', '--json');
  const { checks } = JSON.parse(out) as { checks: { check: string; result: string; because: string }[] };
  return { status, of: (name: string) => checks.find((each) => each.check === name) };
};

test('a sound machine', async () => {
  const { status, of } = await doctor();
  expect(status).toBe(0);
  for (const name of ['node', 'git', 'flock', 'state', 'configuration']) expect(of(name)?.result).toBe('ok');
  expect(of('supervisor')).toMatchObject({ result: 'note' });
});

test('without git, with a broken configuration: exit 1, each with its next step', async () => {
  writeFileSync(join(folder, 'supervisor.toml'), '[supervisor]\nmod = 1\n');
  const { status, of } = await doctor({
    variables: { PATH: folder, SUPERVISOR_CONFIG: join(folder, 'supervisor.toml') },
  });
  expect(status).toBe(1);
  expect(of('git')).toMatchObject({ result: 'failed', because: expect.stringContaining('install') });
  expect(of('configuration')).toMatchObject({
    result: 'failed',
    because: expect.stringContaining('supervisor.mod'),
  });
  expect(of('claude')).toMatchObject({ result: 'note' });
});

test('a state folder that cannot be', async () => {
  writeFileSync(join(folder, 'file'), '');
  const { status, of } = await doctor({ variables: { SUPERVISOR_STATE_DIR: join(folder, 'file', 'state') } });
  expect(of('state')?.result).toBe('failed');
  expect(status).toBe(1);
});

test('for people one line a check', async () => {
  const { out } = await command({ cwd: folder, home: folder }, 'doctor');
  expect(out).toMatch(/^ok {6}node +\d/);
});

test.each([
  [
    "WireGuard's",
    `printf '  genkey: Generates a new private key\\n' >&2; exit 1`,
    'WireGuard',
    'passed over',
  ],
  ['something else', 'echo word game', 'does not answer as wg does', 'word game'],
])('a wg on PATH that is %s is distinguished', async (_name, script, first, second) => {
  writeFileSync(join(folder, 'wg'), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  const { status, of } = await doctor({ variables: { PATH: `${folder}:/usr/bin:/bin` } });
  expect(status).toBe(0);
  expect(of('wg')?.result).toBe('note');
  expect(of('wg')?.because).toContain(first);
  expect(of('wg')?.because).toContain(second);
});

test("WorksGood's wg is named with the age of its rules, also behind WireGuard's", async () => {
  mkdirSync(join(folder, 'vpn'));
  writeFileSync(join(folder, 'vpn', 'wg'), '#!/bin/sh\necho "  genkey: x" >&2; exit 1\n', { mode: 0o755 });
  const help = `printf 'wg - task management\\n\\n  add             Add\\n'`;
  writeFileSync(join(folder, 'wg'), `#!/bin/sh\ncase "$1" in --help-all) ${help} ;; *) exit 1 ;; esac\n`, {
    mode: 0o755,
  });
  const { of } = await doctor({
    variables: { PATH: `${join(folder, 'vpn')}:${folder}:/usr/bin:/bin` },
  });
  expect(of('wg')).toMatchObject({
    result: 'ok',
    because: expect.stringMatching(/with the rules of 2026-03; .*vpn\/wg is WireGuard's/),
  });
});
