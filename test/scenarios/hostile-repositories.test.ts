// Repositories that hold anything under the names that are read: that graph is held with the path named, or the file
// counts as none, and everything else continues.

import { execFile, execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { GRAPH_FILES } from '../../src/domain/graph-files.ts';
import { exitStatus, recordedPid } from '../../src/executors/process/lifecycle/launch.ts';
import { followLines, tailOf } from '../../src/executors/process/output/tail.ts';
import { readRunFile } from '../../src/runs/run-file.ts';
import { drainSpool } from '../../src/runs/spool.ts';
import { newestScore } from '../../src/wg/evaluations.ts';
import { readPeers } from '../../src/wg/federation.ts';
import { readMessages } from '../../src/wg/messages.ts';
import { remoteOf } from '../../src/worktrees/remote.ts';
import { supervisor } from '../support/actors.ts';
import { HOSTILE, type Put, put } from '../support/hostile-files.ts';
import { createPlayground, type Playground } from '../support/playground.ts';

const execute = promisify(execFile);

let playground: Playground;

beforeEach(async () => {
  playground = await createPlayground();
});
afterEach(() => playground.remove());

interface Row {
  readonly path: string;
  readonly state: string;
  readonly because: string;
}

/** A repository of its own below the root, with one task that would leave a mark. */
async function repository(name: string): Promise<{ readonly path: string; readonly graph: string }> {
  const path = join(playground.folder, 'root', name);
  await execute('git', ['init', '-q', '--template=', '-b', 'main', path]);
  await playground.writeGraph(path, [{ id: 'a', exec: 'touch ran' }]);
  return { path, graph: join(path, '.workgraph') };
}

async function runOnce(): Promise<Map<string, Row>> {
  const root = JSON.stringify(join(playground.folder, 'root'));
  await playground.writeConfig(`[[roots]]\npath = ${root}\ntrust = true\n`);
  await playground.writeGraph(playground.repo, [{ id: 'good', exec: 'echo good' }]);
  const ended = await supervisor(playground, ['run', '--once']);
  expect([ended.status, ended.signal]).toEqual([0, null]);
  expect((await playground.readGraph(playground.repo)).get('good')).toMatchObject({ status: 'done' });
  const status = await supervisor(playground, ['status', '--json']);
  const rows = (JSON.parse(status.stdout) as { worktrees: Row[] }).worktrees;
  return new Map(rows.map((row) => [row.path, row]));
}

const FILES = ['graph.jsonl', ...Object.values(GRAPH_FILES).map(({ path }) => path)];
/** What is harmless there: the task runs. */
const HARMLESS = new Set([
  ...Object.values<{ path: string; links?: 'follow' }>(GRAPH_FILES)
    .filter(({ links }) => links === 'follow')
    .map(({ path }) => `${path} a link out of the graph`),
  ...FILES.filter((file) => file !== 'graph.jsonl' && file !== GRAPH_FILES.registry.path).map(
    (file) => `${file} random bytes`,
  ),
  ...[
    'graph.lock',
    GRAPH_FILES.registryLock.path,
    GRAPH_FILES.supervisorLock.path,
    GRAPH_FILES.operations.path,
  ].map((file) => `${file} a sparse file of two gigabytes`),
]);

test('every name of a graph times everything that may lie there: held with the path, and all others are served', async () => {
  const cases = await Promise.all(
    Object.entries(HOSTILE).flatMap(([kind, how], n) =>
      FILES.map(async (file, m) => {
        const made = await repository(`case-${n}-${m}`);
        put(join(made.graph, file), playground.folder, how);
        return { ...made, file, kind };
      }),
    ),
  );
  const rows = await runOnce();
  for (const { path, graph, file, kind } of cases) {
    const what = `${file} ${kind}`;
    const row = rows.get(path);
    const known = { what, ran: existsSync(join(path, 'ran')), state: row?.state, because: row?.because };
    if (HARMLESS.has(what)) expect(known).toMatchObject({ what, ran: true });
    // Read only when an agent is to be registered: its one task says so.
    else if (what === `${GRAPH_FILES.registry.path} random bytes`)
      expect(known).toMatchObject({ what, ran: false });
    else
      expect(known).toMatchObject({
        ...{ what, ran: false, state: 'held' },
        because: expect.stringContaining(join(graph, file)),
      });
  }
}, 240_000);

test('folders that lead out of the graph: nothing is written there', async () => {
  const outside = join(playground.folder, 'outside');
  mkdirSync(outside);
  const names = ['agents', 'service', 'log', 'results'];
  const cases = await Promise.all(
    names.map(async (name) => {
      const made = await repository(name);
      symlinkSync(outside, join(made.graph, name));
      return { ...made, name };
    }),
  );
  const rows = await runOnce();
  for (const { path, graph, name } of cases) {
    expect(existsSync(join(path, 'ran'))).toBe(false);
    expect(rows.get(path)).toMatchObject({
      state: 'held',
      because: expect.stringContaining(`${join(graph, name)} is a link that leads out of the graph`),
    });
  }
  expect(execFileSync('ls', ['-A', outside], { encoding: 'utf8' })).toBe('');
}, 60_000);

test('git files that are none: git is not run there, the repository is named, and the others are served', async () => {
  const cases: readonly (readonly [string, keyof typeof HOSTILE])[] = [
    ['.git/HEAD', 'a named pipe'],
    ['.git/commondir', 'a link to a device that never ends'],
    ['.git/config', 'a sparse file of two gigabytes'],
    ['.git/refs/heads/main', 'a named pipe'],
  ];
  const made = await Promise.all(
    cases.map(async ([file, kind], n) => {
      const { path } = await repository(`git-${n}`);
      put(join(path, file), playground.folder, HOSTILE[kind] as Put);
      return { path, file };
    }),
  );
  const rows = await runOnce();
  for (const { path, file } of made)
    expect(rows.get(path)).toMatchObject({
      state: 'unreadable',
      because: expect.stringContaining(join(path, file)),
    });
}, 240_000);

interface Reader {
  /** Below the folder. */
  readonly file: string;
  read(folder: string): unknown;
  readonly nothing: unknown;
}

/** Where a missing file is nothing worth a word, whatever else lies there is none either. */
const READERS: Readonly<Record<string, Reader>> = {
  'an exit status': { file: 'exit.json', read: exitStatus, nothing: null },
  'the pid of an agent': { file: 'agent.pid', read: recordedPid, nothing: null },
  'a run as its folder remembers it': { file: 'run.json', read: readRunFile, nothing: null },
  'the end of an output': {
    file: 'output.log',
    read: async (folder) => (await tailOf(join(folder, 'output.log'), 100)).includes('"s3cret"'),
    nothing: false,
  },
  'a stream as it grows': {
    file: 'raw_stream.jsonl',
    async read(folder) {
      const lines: string[] = [];
      await followLines(join(folder, 'raw_stream.jsonl'), (line) => lines.push(line), 100).finish();
      return lines.some((line) => line.includes('s3cret'));
    },
    nothing: false,
  },
  'messages to a task': {
    file: 'messages/a.jsonl',
    read: (folder) => [...readMessages(folder, 'a')],
    nothing: [],
  },
  'an evaluation': {
    file: 'agency/evaluations/a.json',
    read: (folder) => newestScore(folder, 'a'),
    nothing: null,
  },
  'the names of other repositories': {
    file: 'federation.yaml',
    read: (folder) => [...readPeers(folder)],
    nothing: [],
  },
  'the address of a repository': { file: 'config', read: remoteOf, nothing: null },
  'a completion that waits': {
    file: 'spool/1.json',
    read: async (folder) => {
      const report = await drainSpool(join(folder, 'spool'), () => Promise.resolve({ kind: 'applied' }));
      return [report.applied, report.bad.length];
    },
    nothing: [0, 1],
  },
};

describe.each(Object.entries(READERS))('%s', (_what, { file, read, nothing }) => {
  // Two gigabytes of output are followed to their end, as those of any agent.
  const kinds = Object.entries<Put>(HOSTILE).filter(
    ([kind]) => file !== 'raw_stream.jsonl' || !kind.startsWith('a sparse'),
  );
  test.each(kinds)('%s', async (_kind, how) => {
    const folder = join(playground.folder, 'folder');
    put(join(folder, file), playground.folder, how);
    expect(await read(folder)).toEqual(nothing);
  });
});

describe('a repository that is not trusted', () => {
  const held = async (id: string) => {
    const { stdout } = await supervisor(playground, ['why', id, '--json'], { cwd: stranger });
    return JSON.parse(stdout) as { state: string; code: string; because: string };
  };
  let stranger: string;
  const config = (more = '') =>
    writeFileSync(
      playground.configFile,
      `[[roots]]\npath = ${JSON.stringify(join(playground.folder, 'root'))}\n${more}`,
    );

  beforeEach(async () => {
    stranger = (await repository('stranger')).path;
    config(
      '[executors.safe]\ntype = "command"\ncommand = ["touch", "safe-ran"]\nuntrusted = true\n[executors.mine]\ntype = "command"\ncommand = ["touch", "mine-ran"]\n',
    );
    await playground.writeGraph(stranger, [
      { id: 'exec', exec: 'touch exec-ran' },
      { id: 'claude' },
      { id: 'address', executor: 'http://127.0.0.1:9/task' },
      { id: 'mine', executor: 'mine' },
      { id: 'own', executor: 'own' },
      { id: 'later', executor: 'scheduled', schedule: '2020-01-01T00:00:00Z', exec: 'touch later-ran' },
      { id: 'verify', executor: 'safe', verify: 'touch verify-ran' },
      { id: 'safe', executor: 'safe', exec: 'touch safe-exec-ran' },
      { id: 'outside', executor: 'external' },
    ]);
    writeFileSync(
      join(stranger, '.workgraph', 'config.toml'),
      '[executors.own]\ntype = "command"\ncommand = ["touch", "own-ran"]\nuntrusted = true\n[executors.safe]\ntype = "command"\ncommand = ["touch", "replaced-ran"]\nuntrusted = true\n',
    );
  });

  test('nothing that its content chooses runs; one command trusts it, and takes it back', async () => {
    const left = () => execFileSync('ls', [stranger], { encoding: 'utf8' }).split('\n').filter(Boolean);
    expect((await supervisor(playground, ['run', '--once'])).status).toBe(0);
    expect(left()).toEqual(['safe-ran']);
    for (const id of ['exec', 'claude', 'address', 'mine', 'own', 'verify'])
      expect(await held(id)).toMatchObject({
        code: 'untrusted',
        because: expect.stringContaining(`supervisor trust ${stranger}`),
      });
    expect((await playground.readGraph(stranger)).get('outside')).toMatchObject({ status: 'in-progress' });
    // No one's report makes its verify command run.
    const done = await supervisor(playground, ['done', 'verify'], { cwd: stranger });
    expect([done.status, done.stderr]).toEqual([1, expect.stringContaining('verify command is not run')]);

    const trusted = await supervisor(playground, ['trust', stranger]);
    expect([trusted.status, trusted.stdout]).toEqual([0, expect.stringContaining('profiles: own, safe')]);
    await playground.writeGraph(stranger, [
      { id: 'exec', exec: 'touch exec-ran' },
      { id: 'own', executor: 'own' },
      { id: 'verify', executor: 'safe', verify: 'touch verify-ran' },
    ]);
    expect((await supervisor(playground, ['run', '--once'])).status).toBe(0);
    expect(left()).toEqual(['exec-ran', 'own-ran', 'safe-ran', 'verify-ran']);

    expect((await supervisor(playground, ['trust', '--revoke', stranger])).status).toBe(0);
    await playground.writeGraph(stranger, [{ id: 'exec', exec: 'touch again' }]);
    expect(await held('exec')).toMatchObject({ code: 'untrusted' });
  }, 60_000);

  test('a link to the graph of a trusted repository makes neither of them the other', async () => {
    const { path, graph } = await repository('friend');
    writeFileSync(
      playground.configFile,
      `${readFileSync(playground.configFile, 'utf8')}[[repos]]\npath = ${JSON.stringify(path)}\n`,
    );
    execFileSync('rm', ['-r', join(stranger, '.workgraph')]);
    symlinkSync(graph, join(stranger, '.workgraph'));
    await supervisor(playground, ['run', '--once']);
    // Run once, where it is at home.
    expect([existsSync(join(path, 'ran')), existsSync(join(stranger, 'ran'))]).toEqual([true, false]);
  }, 60_000);
});
