// Everything that people and programs get wrong: each ends in one clear sentence with file, line and key and a next step,
// and nothing else stops because of it.

import { chmod, copyFile, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { eventually, FAKE_CLAUDE, supervisor } from '../support/actors.ts';
import { createPlayground, type Playground } from '../support/playground.ts';
import { type Supervised, supervise } from '../support/supervised.ts';

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

/** One sentence on standard error that says all of this, and the right exit status. */
function expectSentence(
  ended: { status: number | null; stderr: string },
  status: number,
  ...words: string[]
) {
  expect([ended.status, ended.stderr]).toEqual([status, expect.stringMatching(/^supervisor: .+\n$/)]);
  for (const word of words) expect(ended.stderr).toContain(word);
}

async function rawGraph(worktree: string, content: string | Buffer): Promise<void> {
  await mkdir(join(worktree, '.workgraph'), { recursive: true });
  await writeFile(join(worktree, '.workgraph', 'graph.jsonl'), content);
}

const rowOf = async (path: string) =>
  (await supervised?.control.status())?.worktrees.find((row) => row.path === path);

describe('configuration', () => {
  test.each([
    ['broken TOML', '[supervisor\nmax_concurrent = 1\n', ['supervisor.toml:3']],
    [
      'an unknown key',
      '[supervisor]\nmax_concurent = 4\n',
      ['supervisor.toml:4', 'max_concurent', 'max_concurrent'],
    ],
    [
      'an unknown section',
      '[supervisr]\nmode = "observe"\n',
      ['supervisor.toml:3', 'supervisr', 'supervisor'],
    ],
    [
      'a value of the wrong type',
      '[supervisor]\nmax_concurrent = "many"\n',
      ['supervisor.toml:4', 'max_concurrent'],
    ],
    ['a duration without a unit', '[shutdown]\ngrace = "10"\n', ['supervisor.toml:4', 'grace', 'not "10"']],
  ])('%s: `config check` and `run` say where', async (_, toml, words) => {
    await playground.writeConfig(toml);
    expectSentence(await supervisor(playground, ['run', '--once']), 3, ...words);
    const check = await supervisor(playground, ['config', 'check']);
    expect(check.status).toBe(3);
    for (const word of words) expect(check.stdout + check.stderr).toContain(word);
  });

  test('a profile with an error holds its own tasks and no one else’s, in the machine’s file and in a worktree’s', async () => {
    await playground.writeConfig(
      '[executors.typo]\ntype = "htp"\nendpoint = "http://127.0.0.1:9/"\n[executors.slip]\ntype = "http"\nendpiont = "http://127.0.0.1:9/"\n',
    );
    await playground.writeGraph(playground.repo, [
      { id: 'typo', executor: 'typo' },
      { id: 'slip', executor: 'slip' },
      { id: 'local', executor: 'local' },
      { id: 'fine', exec: 'echo fine' },
    ]);
    const own = join(playground.repo, '.workgraph', 'config.toml');
    await writeFile(
      own,
      '[agent]\nwhatever = "wg knows"\n\n[executors.local]\ntype = "command"\ncomand = ["x"]\n',
    );
    supervised = await supervise(playground);
    await supervised.event('run.settled', 'fine');
    const why = async (task: string) => (await supervised?.control.why({ task }))?.because ?? '';
    expect(await why('typo')).toContain(`${playground.configFile}:4`);
    expect(await why('typo')).toContain('http');
    expect(await why('slip')).toContain(`${playground.configFile}:8`);
    expect(await why('slip')).toMatch(/endpiont.*did you mean "endpoint"\?/);
    expect(await why('local')).toContain(`${own}:6`);
    expect(await why('local')).toMatch(/comand.*command/);
    // Repaired while running: the task starts.
    await writeFile(own, '[executors.local]\ntype = "command"\ncommand = ["true"]\n');
    await supervised.event('run.settled', 'local');
  });

  test('a task that names an executor no one configured is held with the nearest name', async () => {
    await playground.writeConfig('[executors.deploy-agent]\ntype = "external"\n');
    await playground.writeGraph(playground.repo, [
      { id: 'near', executor: 'deploy-agnet' },
      { id: 'far', executor: 'zzz' },
      { id: 'url', executor: 'http://' },
    ]);
    supervised = await supervise(playground);
    const held = Object.fromEntries((await supervised.control.status()).held.map((row) => [row.task, row]));
    expect(held.near).toMatchObject({ code: 'no-profile' });
    expect(held.near?.because).toContain('did you mean deploy-agent?');
    expect(held.far?.because).toContain('[executors.');
    expect(held.url).toMatchObject({ state: 'held', code: 'bad-url' });
    expect(await supervised.control.runs({})).toEqual([]);
  });

  test('profiles of a worktree that is not trusted do not count until it is, and a changed file asks again', async () => {
    const root = join(playground.folder, 'found');
    await playground.git(playground.folder, 'clone', '-q', playground.repo, join(root, 'theirs'));
    const theirs = join(root, 'theirs');
    await writeFile(playground.configFile, `[[roots]]\npath = "${root}"\ndepth = 2\n`);
    await playground.writeGraph(theirs, [
      { id: 'theirs', executor: 'theirs' },
      { id: 'plain', executor: 'external' },
    ]);
    const own = join(theirs, '.workgraph', 'config.toml');
    const ran = join(playground.folder, 'ran');
    await writeFile(own, `[executors.theirs]\ntype = "command"\ncommand = ["touch", "${ran}"]\n`);
    supervised = await supervise(playground);
    await supervised.event('run.handed-off', 'plain');
    const before = await supervised.control.why({ task: 'theirs' });
    expect(before).toMatchObject({ state: 'held', code: 'untrusted' });
    expect(before.because).toContain(`supervisor trust ${theirs}\``);
    expect((await rowOf(theirs))?.problems.map((problem) => problem.code)).toEqual(['untrusted']);
    expect(await supervisor(playground, ['trust', theirs])).toMatchObject({ status: 0 });
    await supervised.event('run.settled', 'theirs');
    await writeFile(own, `[executors.theirs]\ntype = "command"\ncommand = ["touch", "${ran}2"]\n`);
    await playground.writeGraph(theirs, [{ id: 'again', executor: 'theirs' }]);
    const running = supervised;
    await eventually(async () => (await running.control.tasks({})).some((task) => task.task === 'again'));
    await supervised.control.reload();
    await supervised.supervisor.tick();
    expect(await supervised.control.why({ task: 'again' })).toMatchObject({ code: 'untrusted' });
  });

  test('a path that is no repository, and one that is not there, are rows with a reason; the others continue', async () => {
    const plain = join(playground.folder, 'plain');
    await mkdir(plain);
    const file = join(playground.folder, 'a-file');
    await writeFile(file, '');
    await playground.writeConfig(
      [plain, file, join(playground.folder, 'nowhere')]
        .map((path) => `[[repos]]\npath = "${path}"\n`)
        .join(''),
    );
    await playground.writeGraph(playground.repo, [{ id: 'fine', exec: 'true' }]);
    supervised = await supervise(playground);
    await supervised.event('run.settled', 'fine');
    for (const path of [plain, file, join(playground.folder, 'nowhere')]) {
      const row = await rowOf(path);
      expect(row).toMatchObject({ state: 'unreadable', because: expect.stringContaining(path) });
      expect(row?.problems).toHaveLength(1);
    }
  });
});

describe('graphs', () => {
  test('random bytes, a torn line, an unknown status, a huge line: held with the line; the good ones beside continue', async () => {
    const names = ['random', 'torn', 'status', 'huge', 'not-utf8', 'good'];
    const [random = '', torn = '', status = '', huge = '', notUtf8 = '', good = ''] = await Promise.all(
      names.map((name) => playground.worktree(name)),
    );
    const line = (id: string, more = {}) =>
      `${JSON.stringify({ kind: 'task', id, title: id, status: 'open', exec: 'echo x', ...more })}\n`;
    await rawGraph(
      random,
      Buffer.from(Array.from({ length: 4096 }, (_, i) => (i * 7919 + (i >> 3) * 31) % 256)),
    );
    await rawGraph(torn, `${line('whole')}{"kind":"task","id":"to`);
    await rawGraph(status, line('first') + line('second', { status: 'claimed-externally' }));
    await rawGraph(huge, line('small') + line('big', { description: 'x'.repeat(50 * 1024 * 1024) }));
    await rawGraph(notUtf8, Buffer.concat([Buffer.from(line('a')), Buffer.from([0xff, 0xfe, 0x0a])]));
    await playground.writeGraph(good, [{ id: 'fine', exec: 'true' }]);
    await playground.writeConfig('');
    supervised = await supervise(playground);
    await supervised.event('run.settled', 'fine');
    await supervised.supervisor.tick();
    for (const [path, word] of [
      [random, ''],
      [torn, 'line 2'],
      [status, 'claimed-externally'],
      [huge, 'line 2'],
      [notUtf8, 'line 2'],
    ] as const) {
      const row = await rowOf(path);
      expect([path, row?.state]).toEqual([path, 'held']);
      expect(row?.because).toContain(join(path, '.workgraph'));
      expect(row?.because).toContain(word);
      expect(row?.because.length).toBeLessThan(500);
    }
    expect((await supervised.control.runs({})).map((run) => run.task)).toEqual(['fine']);
    // What could be read is shown with the reason, and asking for it says so too.
    expect(await supervised.control.why({ task: 'whole' })).toMatchObject({ state: 'held' });
    // Nothing writes into a graph that wg could not load; a completion waits on the disk until it can be read again.
    const done = await supervisor(playground, ['done', 'whole', '--summary', 'by hand'], { cwd: torn });
    expect([done.status, done.stdout]).toEqual([0, expect.stringContaining('is kept')]);
    expect(await readFile(join(torn, '.workgraph', 'graph.jsonl'), 'utf8')).toBe(
      `${line('whole')}{"kind":"task","id":"to`,
    );
    expectSentence(await supervisor(playground, ['add', 'one more'], { cwd: torn }), 6, 'line 2');
    await rawGraph(torn, line('whole'));
    await supervised.control.reload();
    await eventually(async () => (await playground.readGraph(torn)).get('whole')?.status === 'done');
  });

  test('a torn graph that is repaired is served again at once', async () => {
    await rawGraph(playground.repo, '{"kind":"task","id":"la');
    await playground.writeConfig('');
    supervised = await supervise(playground);
    expect(await rowOf(playground.repo)).toMatchObject({ state: 'held' });
    await playground.writeGraph(playground.repo, [{ id: 'late', exec: 'true' }]);
    await supervised.event('run.settled', 'late');
    expect(await rowOf(playground.repo)).toMatchObject({ state: 'watched', problems: [] });
  });

  test('one that breaks while its task runs: the result is kept, and written when the graph can be read again', async () => {
    const over = join(playground.folder, 'over');
    await playground.writeGraph(playground.repo, [
      { id: 'work', exec: `while [ ! -e ${over} ]; do sleep 0.02; done` },
    ]);
    await playground.writeConfig('');
    supervised = await supervise(playground);
    await supervised.event('run.started', 'work');
    const graph = join(playground.repo, '.workgraph', 'graph.jsonl');
    const kept = join(playground.folder, 'kept');
    await copyFile(graph, kept);
    await writeFile(graph, '{"kind":"ta');
    await writeFile(over, '');
    await supervised.event('run.finished', 'work');
    await copyFile(kept, `${graph}.next`);
    await rm(graph);
    await copyFile(`${graph}.next`, graph);
    await supervised.event('run.settled', 'work');
    expect((await playground.readGraph(playground.repo)).get('work')).toMatchObject({ status: 'done' });
    expect(supervised.count('run.opened', 'work')).toBe(1);
  });
});

test('a graph folder that is deleted while its task runs: the result is kept, status says so, and it is written when it is back', async () => {
  const over = join(playground.folder, 'over');
  await playground.writeGraph(playground.repo, [
    { id: 'work', exec: `while [ ! -e ${over} ]; do sleep 0.02; done` },
  ]);
  await playground.writeConfig('');
  supervised = await supervise(playground);
  await supervised.event('run.started', 'work');
  const graph = join(playground.repo, '.workgraph');
  const away = join(playground.folder, 'away');
  await rename(graph, away);
  await supervised.control.reload();
  const running = supervised;
  const row = await eventually(async () => {
    const found = await rowOf(playground.repo);
    return found?.graph === null ? found : null;
  });
  expect(row).toMatchObject({ state: 'graph-gone', problems: [{ code: 'graph-gone' }] });
  expect(row.problems[0]?.message).toContain('work');
  // Its output was in that folder, and with it its exit status: they come back together.
  await writeFile(over, '');
  await rename(away, graph);
  expect(await running.event('run.settled', 'work')).toMatchObject({ status: 'done' });
  expect((await playground.readGraph(playground.repo)).get('work')?.status).toBe('done');
  expect(running.count('run.opened', 'work')).toBe(1);
  // The ledger closes the run after the graph has its result.
  await eventually(async () => (await running.control.runs({ open: true })).length === 0);
});

describe('commands and requests', () => {
  test('malformed artifacts, unknown tasks and unknown commands', async () => {
    await playground.writeConfig('');
    await playground.writeGraph(playground.repo, [{ id: 'deploy-api', executor: 'external' }]);
    expectSentence(
      await supervisor(playground, ['done', 'deploy-api', '--artifacts', '{"a": ']),
      2,
      '--artifacts',
    );
    expectSentence(
      await supervisor(playground, ['done', 'deploy-apj']),
      8,
      'deploy-apj',
      'did you mean deploy-api?',
    );
    expectSentence(await supervisor(playground, ['why', 'nothing-like-it']), 8, 'nothing-like-it');
    expectSentence(await supervisor(playground, ['fail', 'deploy-api']), 2, '--reason');
    expectSentence(await supervisor(playground, ['sttaus']), 2, 'sttaus', 'did you mean status?');
    expectSentence(await supervisor(playground, ['status', '--jsn']), 2, '--jsn', '--json');
    expectSentence(
      await supervisor(playground, ['add', 'x', '--after', 'deploy-apj']),
      8,
      'deploy-apj',
      'did you mean deploy-api?',
    );
    expect([...(await playground.readGraph(playground.repo)).keys()]).toEqual(['deploy-api']);
  });

  test('over HTTP: a body over the limit, no JSON, a wrong shape; the task waits on as it was', async () => {
    await playground.writeConfig('[api]\nlisten = "127.0.0.1:0"\n[limits]\nmax_body_bytes = 10000\n');
    await playground.writeGraph(playground.repo, [{ id: 'waits', executor: 'external' }]);
    supervised = await supervise(playground);
    await supervised.event('run.handed-off', 'waits');
    const { url, token } = JSON.parse(await readFile(supervised.paths.apiFile, 'utf8')) as Record<
      string,
      string
    >;
    const post = async (body: string) => {
      const response = await fetch(`${url}/api/task/waits/complete`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body,
      });
      return [response.status, JSON.stringify(await response.json())] as const;
    };
    const [tooLarge, why] = await post(JSON.stringify({ artifacts: 'x'.repeat(20_000) }));
    expect(tooLarge).toBe(413);
    expect(why).toContain('10000');
    expect((await post('{"summary": '))[0]).toBe(400);
    const [wrong, key] = await post('{"summary": 5}');
    expect([wrong, key]).toEqual([422, expect.stringContaining('summary')]);
    expect((await playground.readGraph(playground.repo)).get('waits')).toMatchObject({
      status: 'in-progress',
    });
    // Keys that no one knows are other people's business.
    expect((await post('{"summary": "x", "workflow_id": 7}'))[0]).toBe(200);
    await supervised.event('run.settled', 'waits');
  });
});

test('a missing claude holds its tasks, burns no attempt, and they run once it is there', async () => {
  const claude = join(playground.folder, 'bin', 'claude-of-ours');
  await playground.writeConfig(`[executors.claude]\ntype = "claude"\ncommand = ${JSON.stringify(claude)}\n`);
  await playground.writeGraph(playground.repo, [
    { id: 'think' },
    { id: 'think-more' },
    { id: 'build', exec: 'echo built' },
  ]);
  supervised = await supervise(playground);
  await supervised.event('run.settled', 'build');
  const running = supervised;
  const why = await eventually(async () => {
    const found = await running.control.why({ task: 'think' });
    return found.code === 'executor-unavailable' ? found : null;
  });
  expect(why).toMatchObject({ state: 'held', status: 'open' });
  expect(why.because).toContain(claude);
  expect(why.next_at).not.toBeNull();
  await eventually(async () => {
    const { held } = await running.control.status();
    return held.length === 2 && held.every((row) => row.code === 'executor-unavailable');
  });
  await mkdir(join(playground.folder, 'bin'));
  await writeFile(claude, `#!/bin/sh\nexec ${process.execPath} ${FAKE_CLAUDE} "$@"\n`);
  await chmod(claude, 0o755);
  expect(await supervisor(playground, ['resume', 'claude'])).toMatchObject({ status: 0 });
  await supervised.event('run.settled', 'think');
  await supervised.event('run.settled', 'think-more');
  const tasks = await playground.readGraph(playground.repo);
  expect(tasks.get('think')).toMatchObject({ status: 'done' });
  expect(tasks.get('think')?.retry_count ?? 0).toBe(0);
  expect((await supervised.control.runs({ task: 'think' }))[0]).toMatchObject({ attempt: 1 });
});
