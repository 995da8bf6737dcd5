import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { remoteOf } from '../../src/worktrees/remote.ts';

let repo: string;
const git = (...args: string[]) => promisify(execFile)('git', args, { cwd: repo });

beforeEach(async () => {
  repo = await mkdtemp(join(tmpdir(), 'remote-'));
  await git('init', '-q');
});
afterEach(() => rm(repo, { recursive: true, force: true }));

const remote = () => remoteOf(join(repo, '.git'));

test('none, and no repository at all', () => {
  expect(remote()).toBeNull();
  expect(remoteOf(join(repo, 'nowhere'))).toBeNull();
});

test('origin before all others, else the first', async () => {
  await git('remote', 'add', 'fork', 'git@github.com:me/shop.git');
  await git('remote', 'add', 'other', '/srv/git/shop.git');
  expect(remote()).toBe('git@github.com:me/shop.git');
  await git('remote', 'add', 'origin', 'ssh://git@github.com/team/shop.git');
  await git('config', '--add', 'remote.origin.url', 'ssh://git@mirror/shop.git');
  expect(remote()).toBe('ssh://git@github.com/team/shop.git');
});

test.each([
  ['https://joe:token@github.com/team/shop.git', 'https://github.com/team/shop.git'],
  ['https://x-access-token@github.com/team/shop.git', 'https://github.com/team/shop.git'],
  ['C:\\git\\shop', 'C:\\git\\shop'],
  ['/srv/a "b" ; c # d.git', '/srv/a "b" ; c # d.git'],
  ['git@host:übung.git', 'git@host:übung.git'],
])('%s is told as %s', async (url, told) => {
  await git('remote', 'add', 'origin', url);
  expect(remote()).toBe(told);
});

test('a URL elsewhere in the file is none of a remote', async () => {
  await writeFile(
    join(repo, '.git', 'config'),
    '[url "git@github.com:"]\n\tinsteadOf = https://github.com/\n[submodule "x"]\n\turl = https://evil/x\n[Remote "origin"] url = https://h/a ; word\n',
  );
  expect(remote()).toBe('https://h/a');
});
