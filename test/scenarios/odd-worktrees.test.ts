// Worktrees that something put into an odd state: nothing vanishes without a word, and the word is the command that mends.

import { execFile } from 'node:child_process';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { BUILT, eventually, personEnvironment, supervisor } from '../support/actors.ts';
import { createPlayground, type Playground } from '../support/playground.ts';
import { type Supervised, supervise } from '../support/supervised.ts';

const run = promisify(execFile);

let playground: Playground;
let supervised: Supervised | null = null;

beforeEach(async () => {
  playground = await createPlayground();
});
afterEach(async () => {
  await supervised?.stop({ cancelAgents: true });
  supervised = null;
  await playground.remove();
});

const cli = (...argv: string[]) => supervisor(playground, argv);

interface Row {
  readonly path: string;
  readonly state: string;
  readonly because: string;
  readonly problems: readonly { readonly code: string; readonly message: string }[];
}

const rowOf = async (path: string): Promise<Row | undefined> => {
  const { stdout } = await cli('status', '--json');
  return (JSON.parse(stdout) as { worktrees: Row[] }).worktrees.find((row) => row.path === path);
};

/** Runs the command that a sentence names between backticks, as a person would copy it. */
async function mend(sentence: string): Promise<void> {
  const command = /`(git .*?)`/.exec(sentence)?.[1];
  if (command === undefined) throw new Error(`no command in: ${sentence}`);
  await run('sh', ['-c', command], { cwd: playground.folder });
}

describe('a main worktree that git takes for a bare repository', () => {
  test.each<[string, readonly string[][]]>([
    ['core.bare', [['config', 'core.bare', 'true']]],
    [
      'core.bare of the worktree',
      [
        ['config', 'extensions.worktreeConfig', 'true'],
        ['config', '--worktree', 'core.bare', 'true'],
      ],
    ],
  ])('by %s: its tasks are held, `add` warns, and the command mends it', async (_what, flips) => {
    await playground.worktree('linked');
    await playground.writeGraph(playground.repo, [{ id: 'one', exec: 'true' }]);
    await playground.writeConfig('');
    supervised = await supervise(playground, { observe: true });
    for (const flip of flips) await playground.git(playground.repo, ...flip);
    await supervised.control.reload();
    await eventually(async () => (await rowOf(playground.repo))?.state === 'held');
    const row = await rowOf(playground.repo);
    expect(row).toMatchObject({ state: 'held', problems: [{ code: 'core-bare' }] });
    const why = JSON.parse((await cli('why', 'one', '--json')).stdout) as { state: string; code: string };
    expect(why).toMatchObject({ state: 'held', code: 'core-bare' });
    const added = await cli('add', 'Two', '--exec', 'true');
    expect(added).toMatchObject({ status: 0, stdout: 'two\n' });
    expect(added.stderr).toContain(row?.because);
    await supervised.control.reload();
    const running = supervised;
    await eventually(async () => {
      const held = (await running.control.status()).held.find((report) => report.task === 'two');
      return held?.code === 'core-bare';
    });
    await mend(row?.because ?? '');
    await supervised.control.reload();
    await eventually(async () => (await rowOf(playground.repo))?.state === 'watched');
    expect(await rowOf(playground.repo)).toMatchObject({ problems: [] });
  });

  test('by an agent in the middle of its work: the agent continues, its result is written, the rest is held', async () => {
    const go = join(playground.folder, 'go');
    await playground.writeGraph(playground.repo, [
      { id: 'flips', exec: `git config core.bare true; until [ -e ${go} ]; do sleep 0.02; done` },
      { id: 'later', exec: 'true', after: ['flips'] },
    ]);
    await playground.writeConfig('');
    supervised = await supervise(playground);
    await supervised.event('run.started', 'flips');
    await supervised.control.reload();
    const running = supervised;
    await eventually(async () => (await running.control.why({ task: 'later' })).code === 'core-bare');
    await writeFile(go, '');
    expect(await supervised.event('run.settled', 'flips')).toMatchObject({ status: 'done' });
    expect(await supervised.control.why({ task: 'later' })).toMatchObject({ state: 'held' });
    await playground.git(playground.repo, 'config', 'core.bare', 'false');
    await supervised.control.reload();
    await supervised.event('run.settled', 'later');
  });

  test('no graph is made there', async () => {
    await playground.git(playground.repo, 'config', 'core.bare', 'true');
    for (const words of [['add', 'One'], ['init']]) {
      const { status, stderr } = await cli(...words);
      expect(status).toBe(6);
      expect(stderr).toContain('config core.bare false');
    }
  });
});

describe('a linked worktree', () => {
  test('that was moved with `mv` says so, and its tasks run once git knows where it is', async () => {
    const before = await playground.worktree('before');
    const after = join(playground.folder, 'after');
    await playground.writeGraph(before, [{ id: 'one', exec: 'pwd' }]);
    await playground.writeConfig('');
    await rename(before, after);
    expect((await rowOf(before))?.because).toContain('git worktree repair');
    const added = await supervisor(playground, ['add', 'Two', '--exec', 'true'], { cwd: after });
    expect(added).toMatchObject({ status: 0, stdout: 'two\n' });
    await mend(added.stderr);
    supervised = await supervise(playground);
    expect(await supervised.event('run.settled', 'one')).toMatchObject({ worktree: after });
    await supervised.event('run.settled', 'two');
  });

  test.each<[string, string]>([
    ['names nothing', 'gitdir: /nowhere/at/all\n'],
    ['is no such file', 'something else\n'],
  ])('whose .git file %s is held, and the command mends it', async (_what, text) => {
    const linked = await playground.worktree('linked');
    await playground.writeGraph(linked, [{ id: 'one', exec: 'git rev-parse' }]);
    await writeFile(join(linked, '.git'), text);
    await playground.writeConfig('');
    const row = await rowOf(linked);
    expect(row).toMatchObject({ state: 'held', problems: [{ code: 'worktree-broken' }] });
    await mend(row?.because ?? '');
    supervised = await supervise(playground);
    expect(await supervised.event('run.settled', 'one')).toMatchObject({ status: 'done' });
  });

  test('that is a copy of another one gets no graph', async () => {
    const linked = await playground.worktree('linked');
    const copy = join(playground.folder, 'copy');
    await run('cp', ['-r', linked, copy]);
    const { status, stderr } = await supervisor(playground, ['add', 'One'], { cwd: copy });
    expect(status).toBe(6);
    expect(stderr).toContain('is a copy of it');
  });
});

test('a bare repository works where bare ones must be named', async () => {
  const bare = join(playground.folder, 'shop.git');
  await playground.git(playground.folder, 'clone', '-q', '--bare', playground.repo, bare);
  const linked = join(playground.folder, 'linked');
  await playground.git(bare, 'worktree', 'add', '-q', '-b', 'linked', linked);
  await playground.writeGraph(linked, [{ id: 'one', exec: 'git status' }]);
  await writeFile(join(playground.folder, '.gitconfig'), '[safe]\n\tbareRepository = explicit\n');
  await writeFile(playground.configFile, `[[repos]]\npath = ${JSON.stringify(bare)}\n`);
  supervised = await supervise(playground, {
    variables: { GIT_CONFIG_GLOBAL: undefined, HOME: playground.folder },
  });
  expect(await supervised.event('run.settled', 'one')).toMatchObject({ status: 'done', worktree: linked });
});

describe('a current folder that was deleted', () => {
  test('lets every command work', async () => {
    await playground.writeGraph(playground.repo, [{ id: 'one', executor: 'external' }]);
    await playground.writeConfig('');
    const gone = join(playground.folder, 'gone');
    await mkdir(gone);
    const shell = ['status --json', 'done one']
      .map((words) => `"${process.execPath}" "${BUILT}" --config "$CONFIG" --state-dir "$STATE" ${words}`)
      .join(' && ');
    const { stdout } = await run('sh', ['-c', `rm -r "${gone}" && ${shell}`], {
      cwd: gone,
      env: personEnvironment(playground.folder, {
        CONFIG: playground.configFile,
        STATE: playground.stateDir,
      }),
    });
    expect(stdout).toContain('"state": "watched"');
    expect(stdout).toContain('one is done');
  });

  test('and one that is deleted under a supervisor keeps it from nothing', async () => {
    const gone = join(playground.folder, 'gone');
    await mkdir(gone);
    await playground.writeGraph(playground.repo, [{ id: 'one', exec: 'true' }]);
    await playground.writeConfig('');
    const { startSupervisor } = await import('../support/actors.ts');
    const running = startSupervisor(playground, ['run'], { cwd: gone });
    try {
      await running.prints('one');
      await rm(gone, { recursive: true });
      const linked = await playground.worktree('linked');
      await playground.writeGraph(linked, [{ id: 'two', exec: 'true' }]);
      await eventually(async () => (await playground.readGraph(linked)).get('two')?.status === 'done');
    } finally {
      await running.kill('SIGTERM');
    }
  });
});
