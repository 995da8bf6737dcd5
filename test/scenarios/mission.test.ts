// What the program is for, told from outside: the use cases, each over real repositories, processes and sockets.

import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import {
  eventually,
  FAKE_CLAUDE,
  type HttpAgent,
  startHttpAgent,
  supervisor,
  wg,
} from '../support/actors.ts';
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

const CLAUDE = `[executors.claude]\ntype = "claude"\ncommand = ${JSON.stringify(FAKE_CLAUDE)}\n`;

async function logOf(worktree: string, task: string): Promise<string> {
  const found = (await playground.readGraph(worktree)).get(task)?.log as
    | { actor: string; message: string }[]
    | undefined;
  return (found ?? []).map((entry) => `${entry.actor}: ${entry.message}`).join('\n');
}

describe('specialised agents', () => {
  let research: HttpAgent;
  let deploy: HttpAgent;
  let talk: HttpAgent;
  beforeAll(async () => {
    [research, deploy, talk] = await Promise.all([startHttpAgent(), startHttpAgent(), startHttpAgent()]);
  });
  afterAll(() => Promise.all([research, deploy, talk].map((agent) => agent.stop())));

  const asked = async (agent: HttpAgent) =>
    (await agent.requests())
      .filter((request) => request.method === 'POST')
      .map((request) => {
        const body = request.body as { task_id?: string; data?: { task: { local_id: string } } };
        return body.data?.task.local_id ?? body.task_id;
      })
      .sort();

  test('each gets only its own tasks, in its own shape, and says in its own way that it is done', async () => {
    await playground.writeConfig(`
[executors.research]
type = "http"
endpoint = "${research.url}/async"
match = ["category:research"]

[executors.deploy-agent]
type = "http"
endpoint = "${deploy.url}/response"
completion = "response"

[executors.samantha]
type = "http"
endpoint = "${talk.url}/custom"
completion = "poll"
status_url = "${talk.url}/custom/{{task.id}}"
poll_interval = "20ms"
body = { task_id = "{{task.id}}", source = "workgraph", category = "{{task.category}}", urgency = "normal", context = "{{task.description}}" }
`);
    await playground.writeGraph(playground.repo, [
      { id: 'competitors', tags: ['category:research'] },
      { id: 'prices', tags: ['x', 'category:research'] },
      { id: 'staging', tags: ['executor:deploy-agent'] },
      { id: 'by-key', executor: 'deploy-agent' },
      { id: 'newsletter', tags: ['agent:samantha', 'category:mail'], description: 'Say "hello" to all' },
      { id: 'ad-hoc', executor: `${deploy.url}/sync` },
      { id: 'local', exec: 'echo here' },
      { id: 'report', after: ['competitors', 'staging', 'newsletter', 'ad-hoc', 'local'], exec: 'echo all' },
    ]);
    supervised = await supervise(playground);
    await supervised.event('run.settled', 'report');
    await supervised.event('run.settled', 'prices');
    await supervised.event('run.settled', 'by-key');

    expect(await asked(research)).toEqual(['competitors', 'prices']);
    expect(await asked(deploy)).toEqual(['ad-hoc', 'by-key', 'staging']);
    expect(await asked(talk)).toEqual(['newsletter']);
    const [message] = (await talk.requests()).filter((request) => request.method === 'POST');
    expect(message?.body).toEqual({
      task_id: 'newsletter',
      source: 'workgraph',
      category: 'mail',
      urgency: 'normal',
      context: 'Say "hello" to all',
    });

    const tasks = await playground.readGraph(playground.repo);
    expect([...tasks.values()].filter((task) => task.status !== 'done')).toEqual([]);
    expect(tasks.get('competitors')?.artifacts).toEqual(['{"result":"result of Task competitors"}']);
    expect(tasks.get('staging')?.artifacts).toEqual(['{"answer":42}']);
    expect(await logOf(playground.repo, 'newsletter')).toContain('did newsletter');
    // The one that reports to many is told what they found.
    const { artifacts } = await supervised.control.task({ task: 'competitors' });
    expect(artifacts).toEqual([{ result: 'result of Task competitors' }]);
  });

  test('ids of any kind reach their agent and come back: slashes, blanks, tildes, quotes, other scripts', async () => {
    const ids = [
      'a/b',
      'up/../there',
      'a b',
      'x~y',
      'größe',
      '任务',
      `it's "quoted"`,
      '100%25',
      '?q#f',
      '-dash',
      'a\\b',
    ];
    await playground.writeConfig(
      `[executors.research]\ntype = "http"\nendpoint = "${research.url}/async?delay=1"\n`,
    );
    await playground.writeGraph(playground.repo, [
      ...ids.map((id) => ({ id, title: id, executor: 'research' })),
      { id: 'all', after: ids, exec: 'true' },
      { id: `spawned 'too" $(id)`, title: '$(touch never)', exec: 'printf %s "$WG_TASK_ID" > id-of-it' },
    ]);
    supervised = await supervise(playground);
    await supervised.event('run.settled', 'all');
    await supervised.event('run.settled', `spawned 'too" $(id)`);
    expect(await readFile(join(playground.repo, 'id-of-it'), 'utf8')).toBe(`spawned 'too" $(id)`);
    const tasks = await playground.readGraph(playground.repo);
    expect(ids.filter((id) => tasks.get(id)?.status !== 'done')).toEqual([]);
    expect(await supervisor(playground, ['show', '--json', '--', '-dash'])).toMatchObject({ status: 0 });
  });

  test('an agent that says no, and one that says later that it failed, fail their tasks with their words', async () => {
    await playground.writeConfig(
      `[executors.refuses]\ntype = "http"\nendpoint = "${talk.url}/reject"\n[executors.fails]\ntype = "http"\nendpoint = "${research.url}/async-fail"\n`,
    );
    await playground.writeGraph(playground.repo, [
      { id: 'refused', executor: 'refuses' },
      { id: 'failing', executor: 'fails' },
    ]);
    supervised = await supervise(playground);
    await supervised.event('run.settled', 'refused');
    await supervised.event('run.settled', 'failing');
    const tasks = await playground.readGraph(playground.repo);
    expect(tasks.get('refused')).toMatchObject({ status: 'failed' });
    expect(tasks.get('refused')?.failure_reason).toContain('wants none of it');
    expect(tasks.get('failing')).toMatchObject({ status: 'failed' });
    expect(tasks.get('failing')?.failure_reason).toContain('could not do it');
  });

  test('dependents are given the artifacts of what they waited for: an HTTP agent and Claude alike', async () => {
    const notes = join(playground.folder, 'claude-notes.jsonl');
    await playground.writeConfig(CLAUDE);
    await playground.writeGraph(playground.repo, [
      { id: 'find', executor: `${research.url}/async` },
      { id: 'tell', after: ['find'], executor: `${talk.url}/sync` },
      { id: 'write', after: ['find'], title: 'Write it down', description: `fake-claude: note ${notes}` },
    ]);
    supervised = await supervise(playground);
    await supervised.event('run.settled', 'tell');
    await supervised.event('run.settled', 'write');
    const told = (await talk.requests()).find((request) => request.path === '/sync');
    const body = told?.body as { data: { task: { depends_on: { id: string; artifacts: string[] }[] } } };
    expect(body.data.task.depends_on).toMatchObject([
      { id: 'find', status: 'done', artifacts: ['{"result":"result of Task find"}'] },
    ]);
    const { prompt, cwd } = JSON.parse((await readFile(notes, 'utf8')).trim()) as Record<string, string>;
    expect(prompt).toContain('Write it down');
    expect(prompt).toContain('{"result":"result of Task find"}');
    expect(prompt).toContain('did: Task find');
    expect(cwd).toBe(playground.repo);
  });
});

test('scheduled work waits for its instant and then runs through its profile', async () => {
  await playground.writeConfig(
    `[executors.nightly]\ntype = "schedule"\nvia = "build"\n[executors.build]\ntype = "command"\ncommand = ["sh", "-c", "echo built $0", "{{task.id}}"]\n`,
  );
  const soon = new Date(Date.now() + 1500);
  const later = new Date(Date.now() + 2 * 3_600_000).toISOString().slice(11, 16);
  await playground.writeGraph(playground.repo, [
    { id: 'once', executor: 'nightly', schedule: soon.toISOString() },
    { id: 'by-tag', tags: [`schedule:${soon.toISOString()}`], exec: 'echo tag' },
    { id: 'built-in', tags: ['executor:scheduled', `schedule:${soon.toISOString()}`], exec: 'echo built-in' },
    { id: 'daily', executor: 'nightly', schedule: later, created_at: new Date().toISOString() },
    { id: 'timeless', executor: 'nightly' },
    { id: 'after-it', after: ['once'], exec: 'echo after' },
  ]);
  supervised = await supervise(playground, { variables: { TZ: 'UTC' } });
  const status = await supervised.control.status();
  expect(status.schedules.map((row) => [row.task, row.next_at])).toEqual(
    expect.arrayContaining([
      ['once', soon.toISOString()],
      ['by-tag', soon.toISOString()],
      ['built-in', soon.toISOString()],
    ]),
  );
  expect(status.schedules.find((row) => row.task === 'daily')?.next_at).toMatch(
    new RegExp(`T..:${later.slice(3)}:00`),
  );
  expect(status.held.find((row) => row.task === 'timeless')).toMatchObject({
    state: 'held',
    code: 'no-schedule',
  });
  await supervised.event('run.settled', 'after-it');
  await supervised.event('run.settled', 'by-tag');
  await supervised.event('run.settled', 'built-in');
  const tasks = await playground.readGraph(playground.repo);
  expect(Date.parse(String(tasks.get('once')?.started_at))).toBeGreaterThanOrEqual(soon.getTime());
  const [run] = await supervised.control.runs({ task: 'once' });
  expect(run).toMatchObject({ executor: 'build', type: 'command' });
  expect(await readFile(run?.output ?? '', 'utf8')).toBe('built once\n');
  expect(tasks.get('daily')).toMatchObject({ status: 'open' });
  expect(supervised.count('run.opened', 'daily')).toBe(0);
});

test('several worktrees, spawned and external work in one graph: one process serves them all', async () => {
  await playground.writeConfig(CLAUDE);
  const names = ['feature-a', 'feature b', 'größe'];
  const worktrees = [playground.repo, ...(await Promise.all(names.map((name) => playground.worktree(name))))];
  for (const [index, worktree] of worktrees.entries())
    await playground.writeGraph(worktree, [
      { id: 'think', title: `Think ${index}` },
      { id: 'build', after: ['think'], exec: 'pwd' },
      { id: 'approve', after: ['build'], executor: 'external' },
      { id: 'ship', after: ['approve'], exec: 'echo shipped' },
    ]);
  supervised = await supervise(playground);
  for (const worktree of worktrees) {
    await supervised.event('run.handed-off', 'approve', worktree);
    const approve = (await playground.readGraph(worktree)).get('approve');
    expect(approve).toMatchObject({ status: 'in-progress', tags: ['claimed-externally'] });
    const answer = await supervised.control.complete({
      task: 'approve',
      worktree,
      caller: { kind: 'operator' },
      result: 'succeeded',
      agent: 'n8n',
      artifacts: { approved: true },
    });
    expect(answer).toMatchObject({ status: 'done', duplicate: false, worktree });
  }
  for (const worktree of worktrees) {
    await supervised.event('run.settled', 'ship', worktree);
    const tasks = await playground.readGraph(worktree);
    expect([...tasks.values()].map((task) => task.status)).toEqual(['done', 'done', 'done', 'done']);
    expect(tasks.get('approve')?.tags ?? []).toEqual([]);
    expect(tasks.get('approve')?.artifacts).toEqual(['{"approved":true}']);
    const [run] = (await supervised.control.runs({ task: 'build', worktree, limit: 1 })) ?? [];
    expect(await readFile(run?.output ?? '', 'utf8')).toBe(`${worktree}\n`);
  }
});

describe('completion', () => {
  test('over the webhook, as curl would: the run’s own token, the operator’s, no one’s, and an id that means two', async () => {
    await playground.writeConfig('[api]\nlisten = "127.0.0.1:0"\n');
    const linked = await playground.worktree('linked');
    await playground.writeGraph(playground.repo, [
      {
        id: 'own',
        exec: 'printf %s "$SUPERVISOR_TOKEN" > token.part; mv token.part token; while [ ! -e over ]; do sleep 0.02; done',
      },
      { id: 'mine', executor: 'external' },
      { id: 'twice', executor: 'external' },
      { id: 'next', after: ['own'], exec: 'echo next' },
    ]);
    await playground.writeGraph(linked, [{ id: 'twice', executor: 'external' }]);
    supervised = await supervise(playground);
    const { url, token } = JSON.parse(await readFile(supervised.paths.apiFile, 'utf8')) as {
      url: string;
      token: string;
    };
    const post = async (task: string, bearer: string | null, body: unknown, verb = 'complete') => {
      const response = await fetch(`${url}/api/task/${encodeURIComponent(task)}/${verb}`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          ...(bearer === null ? {} : { authorization: `Bearer ${bearer}` }),
        },
        body: JSON.stringify(body),
      });
      return { status: response.status, body: (await response.json()) as Record<string, unknown> };
    };
    const own = await eventually(async () =>
      readFile(join(playground.repo, 'token'), 'utf8').catch(() => null),
    );
    await supervised.event('run.started', 'own');
    expect((await post('own', null, {})).status).toBe(401);
    expect((await post('own', `${own}x`, {})).status).toBe(401);
    // A run's token is good for that run alone.
    expect((await post('mine', own, {})).status).toBeGreaterThanOrEqual(403);
    const first = await post('own', own, { summary: 'I did it', artifacts: { version: '1.4.2' } });
    expect(first).toMatchObject({ status: 200, body: { task: 'own', status: 'done', duplicate: false } });
    const again = await post('own', own, { summary: 'I did it', artifacts: { version: '1.4.2' } });
    expect(again).toMatchObject({ status: 200, body: { task: 'own', status: 'done', duplicate: true } });
    expect((await post('own', own, { reason: 'no' }, 'fail')).status).toBe(409);
    // The dependents start at once, though the process still tidies up.
    await supervised.event('run.settled', 'next');
    await writeFile(join(playground.repo, 'over'), '');

    await supervised.event('run.handed-off', 'mine');
    expect(await post('mine', token, { agent: 'ops' })).toMatchObject({
      status: 200,
      body: { status: 'done' },
    });
    await supervised.event('run.handed-off', 'twice', linked);
    const ambiguous = await post('twice', token, {});
    expect(ambiguous.status).toBe(409);
    const candidates = JSON.stringify(ambiguous.body);
    expect(candidates).toContain(linked);
    expect(candidates).toContain(playground.repo);
    const [there] = await supervised.control.tasks({ worktree: linked });
    expect(await post(there?.id ?? '', token, {})).toMatchObject({ status: 200, body: { worktree: linked } });
    expect((await post('nobody-knows-it', token, {})).status).toBe(404);
    const tasks = await playground.readGraph(playground.repo);
    expect(tasks.get('own')).toMatchObject({ status: 'done', artifacts: ['{"version":"1.4.2"}'] });
    expect(tasks.get('twice')).toMatchObject({ status: 'in-progress' });
    expect((await playground.readGraph(linked)).get('twice')).toMatchObject({ status: 'done' });
  });

  test('from the command line, by agents that no one started: while a supervisor runs, and while none does', async () => {
    await playground.writeConfig('');
    await playground.writeGraph(playground.repo, [
      { id: 'claimed', executor: 'external' },
      { id: 'unclaimed', executor: 'no-such-executor' },
      { id: 'follows', after: ['claimed', 'unclaimed'], exec: 'echo follows' },
      { id: 'offline', executor: 'external' },
      { id: 'after-offline', after: ['offline'], exec: 'echo after' },
    ]);
    supervised = await supervise(playground);
    await supervised.event('run.handed-off', 'claimed');
    await supervised.event('run.handed-off', 'offline');
    const done = ['done', 'claimed', '--agent', 'samantha', '--artifacts', '{"result": "three"}'];
    expect(await supervisor(playground, done)).toMatchObject({ status: 0, stdout: 'claimed is done\n' });
    expect(await supervisor(playground, done)).toMatchObject({
      status: 0,
      stdout: 'claimed was done already\n',
    });
    expect(await supervisor(playground, ['done', 'unclaimed', '--summary', 'by hand'])).toMatchObject({
      status: 0,
    });
    await supervised.event('run.settled', 'follows');
    await supervised.stop({ cancelAgents: false });

    const offline = await supervisor(playground, ['done', 'offline', '--agent', 'night-shift']);
    expect(offline).toMatchObject({ status: 0, stderr: '' });
    expect(offline.stdout).toContain('no supervisor is running');
    const tasks = await playground.readGraph(playground.repo);
    expect(tasks.get('claimed')).toMatchObject({ status: 'done', artifacts: ['{"result":"three"}'] });
    expect(await logOf(playground.repo, 'claimed')).toContain('samantha');
    expect(tasks.get('offline')).toMatchObject({ status: 'done' });
    expect(tasks.get('after-offline')).toMatchObject({ status: 'open' });

    supervised = await supervise(playground);
    await supervised.event('run.settled', 'after-offline');
    const open = await supervised.control.runs({ open: true });
    expect(open).toEqual([]);
    expect((await supervised.control.runs({ task: 'offline' }))[0]).toMatchObject({
      outcome: { kind: 'succeeded' },
    });
  });

  test('an agent that says `wg done` has said it: wg’s rewrite drops our keys, tags still route', async () => {
    await playground.writeConfig(CLAUDE);
    const graph = join(playground.repo, '.workgraph');
    await mkdir(graph, { recursive: true });
    const program = join(import.meta.dirname, '../../fixtures/agents/plays-wg.mjs');
    const say = `${process.execPath} ${program} ${graph}`;
    await playground.writeGraph(playground.repo, [
      { id: 'says-done', exec: `${say} done says-done; sleep 0.1` },
      { id: 'claude-says', title: 'Say it', description: `fake-claude: run ${say} done claude-says` },
      { id: 'says-fail', exec: `${say} fail says-fail tired; exit 0` },
      {
        id: 'routed',
        after: ['says-done'],
        executor: 'external',
        tags: ['executor:external'],
        colour: 'blue',
      },
      {
        id: 'timed',
        executor: 'scheduled',
        schedule: '2099-01-01T00:00:00Z',
        tags: ['executor:scheduled', 'schedule:2099-01-01T00:00:00Z'],
      },
    ]);
    supervised = await supervise(playground);
    await supervised.event('run.settled', 'claude-says');
    await supervised.event('run.settled', 'says-fail');
    await supervised.event('run.handed-off', 'routed');
    await wg(graph, 'log', 'routed', 'still waiting');
    await supervised.supervisor.tick();
    const tasks = await playground.readGraph(playground.repo);
    expect(tasks.get('says-done')).toMatchObject({ status: 'done' });
    expect(tasks.get('claude-says')).toMatchObject({ status: 'done' });
    expect(tasks.get('says-fail')).toMatchObject({ status: 'failed', failure_reason: 'tired' });
    expect(tasks.get('routed')).not.toHaveProperty('executor');
    expect(tasks.get('routed')).toMatchObject({ status: 'in-progress' });
    expect(await supervised.control.why({ task: 'timed' })).toMatchObject({
      state: 'scheduled',
      next_at: '2099-01-01T00:00:00.000Z',
    });
    // Done by an external worker in wg's own words: the run ends, nothing is started twice.
    await wg(graph, 'done', 'routed');
    await supervised.event('run.settled', 'routed');
    expect(supervised.count('run.opened', 'routed')).toBe(1);
    expect(supervised.count('run.opened', 'says-done')).toBe(1);
  });

  test('what a person takes back with `wg unclaim` is theirs to give again; what they claim is left alone', async () => {
    await playground.writeConfig('');
    const graph = join(playground.repo, '.workgraph');
    await playground.writeGraph(playground.repo, [
      { id: 'long', exec: 'echo $$ >> pids; exec sleep 1000' },
      { id: 'theirs', paused: true, exec: 'echo never' },
    ]);
    supervised = await supervise(playground);
    await supervised.event('run.started', 'long');
    await wg(graph, 'claim', 'long', 'a-person');
    const stopping = await supervised.event('run.stopping', 'long');
    expect(stopping).toMatchObject({ reason: 'lost-claim' });
    const pid = Number(
      (await eventually(async () => readFile(join(playground.repo, 'pids'), 'utf8').catch(() => ''))).trim(),
    );
    await eventually(() => !isAlive(pid));
    await supervised.supervisor.tick();
    expect((await playground.readGraph(playground.repo)).get('long')).toMatchObject({
      status: 'in-progress',
      assigned: 'a-person',
    });
    expect(await supervised.control.why({ task: 'long' })).toMatchObject({ code: 'status-in-progress' });
    expect(supervised.count('run.opened', 'long')).toBe(1);
  });
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
