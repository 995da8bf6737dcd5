import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, realpath, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { command, type FakeOptions } from '../fake-surroundings.ts';

const run = promisify(execFile);

let home: string;
beforeEach(async () => {
  home = await realpath(await mkdtemp(join(tmpdir(), 'setup-')));
  for (const name of ['a', 'deep/b', 'c "quoted" #']) {
    await mkdir(join(home, 'src', name), { recursive: true });
    await run('git', ['init', '-q', join(home, 'src', name)]);
  }
});
afterEach(() => rm(home, { recursive: true, force: true }));

const FILE = '.config/workgraph-supervisor/supervisor.toml';
const written = () => readFile(join(home, FILE), 'utf8');
const setup = (options: FakeOptions, ...argv: string[]) =>
  command({ cwd: join(home, 'src'), home, ...options }, 'setup', ...argv);
const servedPaths = async () =>
  JSON.parse((await command({ cwd: home, home }, 'status', '--json')).out).worktrees.map(
    ({ path }: { path: string }) => path.slice(home.length + 5),
  );

test('--yes serves all that is found, and a second time only what is new', async () => {
  const first = await setup({}, '--yes');
  expect(first).toMatchObject({ status: 0, err: '' });
  expect(first.out).toContain('3 repositories added');
  expect((await stat(join(home, FILE))).mode & 0o777).toBe(0o600);
  expect((await servedPaths()).sort()).toEqual(['a', 'c "quoted" #', 'deep/b']);
  expect(await command({ cwd: home, home }, 'config', 'check')).toMatchObject({ status: 0 });

  const text = await written();
  expect((await setup({}, '--yes')).out).toContain('nothing to add: 3 repositories served already');
  expect(await written()).toBe(text);

  await run('git', ['init', '-q', join(home, 'src/new')]);
  const json = JSON.parse((await setup({}, '--yes', '--json')).out);
  expect(json).toEqual({
    file: join(home, FILE),
    exists: true,
    added: [join(home, 'src/new')],
    served: 3,
    service: false,
  });
  expect((await written()).startsWith(text)).toBe(true);
});

test('what people wrote stays, also behind a link; a worktree of a served repository is not added again', async () => {
  const mine = '# mine\n[supervisor]\nmax_concurrent = 2 # few\n\n[[repos]]\npath = "~/src/a"';
  await mkdir(join(home, 'dotfiles'), { recursive: true });
  await mkdir(join(home, '.config/workgraph-supervisor'), { recursive: true });
  await writeFile(join(home, 'dotfiles/s.toml'), mine);
  await symlink(join(home, 'dotfiles/s.toml'), join(home, FILE));
  await run('git', [
    '-C',
    join(home, 'src/a'),
    ...'-c user.name=a -c user.email=a@b commit -q --allow-empty -m x'.split(' '),
  ]);
  await run('git', ['-C', join(home, 'src/a'), 'worktree', 'add', '-q', join(home, 'src/a-two')]);
  expect((await setup({}, '--yes', '--no-trust')).out).toContain('2 repositories added');
  const text = await readFile(join(home, 'dotfiles/s.toml'), 'utf8');
  expect(text.startsWith(`${mine}\n`)).toBe(true);
  expect(text.match(/trust = false/g)).toHaveLength(2);
  expect((await servedPaths()).sort()).toEqual(['a', 'a-two', 'c "quoted" #', 'deep/b']);
});

test('the questions: which, whether they may run commands, the service', async () => {
  const chosen = await setup({ answers: ['c', 'y', 'n', '', 'n', 'n'] });
  expect(chosen.status).toBe(0);
  expect(chosen.err).toMatch(
    /Serve them all\?.*Serve ~\/src\/a\?.*run commands as you\?.*Install the service/s,
  );
  expect(chosen.out).toContain('2 repositories added');
  expect((await written()).match(/trust = false/g)).toHaveLength(2);
  const none = await setup({ answers: ['n', 'n'] });
  expect(none).toMatchObject({ status: 0, out: expect.stringContaining('nothing to add') });
});

test('no one answers: said, and nothing is written', async () => {
  expect(await setup({ stdin: '' })).toMatchObject({ status: 2, err: expect.stringContaining('--yes') });
  expect(await setup({ answers: [] })).toMatchObject({
    status: 2,
    err: expect.stringContaining('not answered'),
  });
  await expect(written()).rejects.toMatchObject({ code: 'ENOENT' });
});

test.each([
  [['nowhere', '--yes'], 2, 'not a folder'],
  [['deep', '--depth', '0', '--yes'], 8, '--depth'],
])('%j: exit %d', async (argv, status, words) => {
  expect(await setup({}, ...argv)).toMatchObject({ status, err: expect.stringContaining(words) });
});

test('a file that is broken already is left alone', async () => {
  await mkdir(join(home, '.config/workgraph-supervisor'), { recursive: true });
  await writeFile(join(home, FILE), '[supervisor\n');
  expect(await setup({}, '--yes')).toMatchObject({ status: 3 });
  expect(await written()).toBe('[supervisor\n');
});
