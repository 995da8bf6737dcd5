import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { runCommandLine } from '../../../src/cli/program.ts';
import { createPlayground, type Playground } from '../../support/playground.ts';
import { type FakeOptions, fakeSurroundings } from '../fake-surroundings.ts';

let ground: Playground;
let server: Server | null = null;
beforeEach(async () => {
  ground = await createPlayground();
  await ground.writeConfig('');
});
afterEach(async () => {
  server?.close();
  server = null;
  await ground.remove();
});

function begin(options: FakeOptions, ...argv: string[]) {
  const around = fakeSurroundings({ cwd: ground.repo, home: ground.folder, ...options });
  const ended = runCommandLine(
    ['--config', ground.configFile, '--state-dir', ground.stateDir, ...argv],
    around,
  );
  return { ...around, ended };
}
const statusOf = async (id: string) => (await ground.readGraph(ground.repo)).get(id)?.status;

describe('run --once', () => {
  test('does what is ready and what becomes ready by it, lists what stays, exit 0', async () => {
    await ground.writeGraph(ground.repo, [
      { id: 'one', exec: 'echo one' },
      { id: 'two', exec: 'echo two', after: ['one'] },
      { id: 'ask', tags: ['executor:external'] },
      { id: 'later', exec: 'true', schedule: '2099-01-01T00:00:00Z' },
      { id: 'lost', tags: ['executor:nobody'] },
    ]);
    const run = begin({}, 'run', '--once');
    expect(await run.ended).toBe(0);
    expect([await statusOf('one'), await statusOf('two')]).toEqual(['done', 'done']);
    const [live = '', rest = ''] = run.written.out.split(/\n\n/, 2);
    expect(live).toMatch(/dispatch +one \(repo\) → command, because its own exec/);
    expect(rest).toMatch(/^Still under way\n[\s\S]*ask/);
    expect(run.written.out).toMatch(/lost .*held .*nobody/);
    expect(run.written.out).toMatch(/later .*scheduled/);
  });

  test('exit 1 when a task failed', async () => {
    await ground.writeGraph(ground.repo, [{ id: 'bad', exec: 'exit 3' }]);
    const run = begin({}, 'run', '--once');
    expect(await run.ended).toBe(1);
    expect(run.written.out).toMatch(/failed +bad \(repo\) → command/);
  });

  test('waits for an agent that answers later, and not for ever', async () => {
    const { endpoint, answer } = await laterAgent();
    await ground.writeConfig(
      `[executors.agent]\ntype = "http"\nendpoint = "${endpoint}"\ncompletion = "poll"\nstatus_url = "${endpoint}/status"\npoll_interval = "1s"\n`,
    );
    await ground.writeGraph(ground.repo, [
      { id: 'asked', tags: ['executor:agent'] },
      { id: 'after', exec: 'true', after: ['asked'] },
    ]);
    const short = begin({}, 'run', '--once', '--wait', '100ms');
    expect(await short.ended).toBe(0);
    expect(short.written.out).toContain('Still under way');
    answer();
    const long = begin({}, 'run', '--once', '--wait', '20s');
    expect(await long.ended).toBe(0);
    expect(await statusOf('after')).toBe('done');
  });

  test('--json: events and the last status as JSON, nothing else on stdout', async () => {
    await ground.writeGraph(ground.repo, [{ id: 'one', exec: 'true' }]);
    const run = begin({}, 'run', '--once', '--json');
    expect(await run.ended).toBe(0);
    const events = run.written.out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(events.map((event) => event.name)).toContain('run.settled');
    expect(events.at(-1)).toMatchObject({ name: 'status', status: { worktrees: [{ counts: { done: 1 } }] } });
  });

  test('for machines the log is JSON on stderr, with no token in it', async () => {
    await ground.writeGraph(ground.repo, [{ id: 'one', exec: 'true' }]);
    const run = begin({ variables: { JOURNAL_STREAM: '8:1' } }, 'run', '--once');
    expect(await run.ended).toBe(0);
    const lines = run.written.err.trim().split('\n');
    for (const line of lines) expect(line).toMatch(/^<[3-7]>\{"level":/);
    expect(lines.join()).toContain('run.settled');
    expect(run.written.err).not.toMatch(/wg[ltc]_[A-Za-z0-9_-]{20}/);
    // The journal has it all: no second copy as live lines.
    expect(run.written.out).not.toContain('dispatch');
  });
});

describe('signals', () => {
  test('the first stops and leaves agents running, and says which', async () => {
    await ground.writeGraph(ground.repo, [{ id: 'long', exec: 'exec sleep 600' }]);
    const run = begin({}, 'run');
    await run.shows(/running +long/);
    run.send('SIGTERM');
    expect(await run.ended).toBe(0);
    expect(run.written.err).toMatch(
      /still under way; the next `supervisor run` reattaches to them:\n {2}long → command \(agent-1, pid \d+\)/,
    );
    const pid = Number(/agent-1, pid (\d+)\)/.exec(run.written.err)?.[1]);
    expect(process.kill(pid, 0)).toBe(true);
    // The next one reattaches to it, and with --cancel its first signal ends it.
    const next = begin({}, 'run', '--cancel');
    await next.shows(/adopted +long/);
    next.send('SIGINT');
    expect(await next.ended).toBe(0);
    expect(() => process.kill(pid, 0)).toThrow();
    expect(await statusOf('long')).toBe('open');
  });

  test('the third exits at once', async () => {
    await ground.writeGraph(ground.repo, []);
    const run = begin({}, 'run');
    await run.shows('started');
    run.send('SIGINT');
    run.send('SIGINT');
    run.send('SIGINT');
    expect(run.exits).toEqual([130]);
    expect(await run.ended).toBe(0);
  });

  test('SIGHUP reads the configuration again, a bad edit is told and changes nothing', async () => {
    await ground.writeGraph(ground.repo, [{ id: 'wait', tags: ['executor:soon'] }]);
    const run = begin({}, 'run');
    await run.shows('started');
    await ground.writeConfig('[executors.soon]\ntype = "comand"\n[supervisor]\nmax_concurent = 3\n');
    run.send('SIGHUP');
    await run.shows(/config +.*supervisor\.toml/);
    await ground.writeConfig('[executors.soon]\ntype = "command"\ncommand = ["true"]\n');
    run.send('SIGHUP');
    await run.shows(/done +wait/);
    run.send('SIGINT');
    expect(await run.ended).toBe(0);
  });
});

test('a second supervisor is exit 4 and names the first', async () => {
  await ground.writeGraph(ground.repo, []);
  const first = begin({}, 'run');
  await first.shows('started');
  const second = begin({}, 'run');
  expect(await second.ended).toBe(4);
  expect(second.written.err).toContain(String(process.pid));
  first.send('SIGINT');
  await first.ended;
});

test('--observe touches nothing', async () => {
  await ground.writeGraph(ground.repo, [{ id: 'one', exec: 'true' }]);
  const run = begin({}, 'run', '--observe', '--once');
  expect(await run.ended).toBe(0);
  expect(await statusOf('one')).toBe('open');
  expect(run.written.out).toContain('observ');
});

test('a broken configuration is exit 3 with file, line and key', async () => {
  await ground.writeConfig('[supervisor]\nmax_concurent = 3\n');
  const run = begin({}, 'run', '--once');
  expect(await run.ended).toBe(3);
  expect(run.written.err).toMatch(/supervisor\.toml:\d+: supervisor\.max_concurent: .*max_concurrent/);
});

/** Accepts work and says that it is done once it is asked to. */
async function laterAgent(): Promise<{ endpoint: string; answer: () => void }> {
  let state = 'running';
  const listening = createServer((request, response) => {
    request.resume();
    const accepted = request.method === 'POST';
    response.writeHead(accepted ? 202 : 200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ status: accepted ? 'accepted' : state }));
  });
  server = listening;
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
  const { port } = listening.address() as AddressInfo;
  return {
    endpoint: `http://127.0.0.1:${port}`,
    answer: () => {
      state = 'done';
    },
  };
}
