import { appendFile, mkdir, open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { runCommandLine } from '../../../src/cli/program.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { createPlayground, type Playground } from '../../support/playground.ts';
import { type Supervised, supervise } from '../../support/supervised.ts';
import { command, fakeSurroundings } from '../fake-surroundings.ts';

let ground: Playground;
let supervised: Supervised | null = null;
beforeEach(async () => {
  ground = await createPlayground();
  await ground.writeConfig('');
});
afterEach(async () => {
  await supervised?.stop({ cancelAgents: true });
  supervised = null;
  await ground.remove();
});

const flags = () => ['--config', ground.configFile, '--state-dir', ground.stateDir];
const cli = (...argv: string[]) => command({ cwd: ground.repo, home: ground.folder }, ...flags(), ...argv);

/** A task of an agent that is not ours, with these files in its folder. */
async function foreignAgent(files: Record<string, string>): Promise<string> {
  await ground.writeGraph(ground.repo, [{ id: 'job', status: 'in-progress', assigned: 'agent-3' }]);
  const folder = join(ground.repo, '.workgraph', 'agents', 'agent-3');
  await mkdir(folder, { recursive: true });
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  return folder;
}

describe('what a run wrote', () => {
  test('by task and by run id, while the supervisor runs and after', async () => {
    await ground.writeGraph(ground.repo, [{ id: 'job', exec: "printf 'one\\ntwo\\nthree\\n'" }]);
    supervised = await supervise(ground);
    await supervised.event('run.settled', 'job');
    expect((await cli('logs', 'job')).out).toBe('one\ntwo\nthree\n');
    await supervised.stop({ cancelAgents: false });
    const [run] = JSON.parse((await cli('runs', 'job', '--json')).out).runs;
    expect((await cli('logs', run.run, '-n', '1')).out).toBe('three\n');
    expect((await cli('logs', 'job', '-n', '0')).out).toBe('');
    expect(JSON.parse((await cli('logs', 'job', '--json')).out)).toMatchObject({
      run: run.run,
      lines: ['one', 'two', 'three'],
    });
  });

  test('what was removed because it was old: exit 8 with the setting that says so', async () => {
    await ground.writeConfig('[retention]\noutput = "10m"\n');
    await ground.writeGraph(ground.repo, [{ id: 'job', exec: 'echo one' }]);
    const clock = createFakeClock(Date.now());
    supervised = await supervise(ground, { clock });
    await supervised.event('run.settled', 'job');
    clock.advance(3_600_000);
    await supervised.supervisor.tick();
    const [run] = await supervised.control.runs({});
    for (const name of ['job', run?.run ?? '']) {
      const { status, err } = await cli('logs', name);
      expect(status).toBe(8);
      expect(err).toMatch(/not kept any more[\s\S]*retention/);
    }
  });

  test('escapes do not reach the terminal, unless asked for', async () => {
    await foreignAgent({ 'output.log': 'a\u001b[2Jb\n\u001b]0;x\u0007c\n' });
    expect((await cli('logs', 'job')).out).toBe('ab\nc\n');
    expect((await cli('logs', 'job', '--raw')).out).toBe('a\u001b[2Jb\n\u001b]0;x\u0007c\n');
  });

  test("Claude's stream is made readable, its stderr in front", async () => {
    const said = { type: 'assistant', message: { content: [{ type: 'text', text: 'I did it.' }] } };
    await foreignAgent({
      'raw_stream.jsonl': `${JSON.stringify(said)}\n{"type":"resu`,
      'output.log': 'a warning',
    });
    expect((await cli('logs', 'job')).out).toBe('a warning\nI did it.\n{"type":"resu\n');
  });

  test('characters that a read cuts in two stay whole', async () => {
    await foreignAgent({ 'output.log': `${'x'.repeat(65_535)}é日本\n` });
    expect((await cli('logs', 'job')).out.endsWith('xé日本\n')).toBe(true);
  });

  test('a large log is all there', async () => {
    await foreignAgent({ 'output.log': 'line of the log\n'.repeat(200_000) });
    expect((await cli('logs', 'job')).out.length).toBe(16 * 200_000);
    expect((await cli('logs', 'job', '-n', '2')).out).toBe('line of the log\nline of the log\n');
  });

  test.each([
    ['nothing-here', 'there is no task'],
    ['run_01M816WQHJG2G511TENRMJBHHW', 'there is no run'],
    ['fresh', 'has written nothing yet'],
  ])('%s: exit 8 with the next step', async (name, words) => {
    await ground.writeGraph(ground.repo, [{ id: 'fresh' }]);
    const { status, err } = await cli('logs', name);
    expect(status).toBe(8);
    expect(err).toContain(words);
  });
});

test('-f follows until the run ends', async () => {
  const gate = join(ground.folder, 'gate');
  await ground.writeGraph(ground.repo, [
    { id: 'job', exec: `echo first; while [ ! -e '${gate}' ]; do sleep 0.05; done; printf last` },
  ]);
  supervised = await supervise(ground);
  await supervised.event('run.started', 'job');
  const around = fakeSurroundings({ cwd: ground.repo, home: ground.folder });
  const ended = runCommandLine([...flags(), 'logs', '-f', 'job'], around);
  await around.shows('first\n');
  await writeFile(gate, '');
  expect(await ended).toBe(0);
  expect(around.written.out).toBe('first\nlast');
});

test('-f of a run that is interrupted ends with it; a file begun again is read again', async () => {
  const folder = await foreignAgent({ 'output.log': 'old output\n' });
  await ground.writeGraph(ground.repo, [{ id: 'job', status: 'in-progress', assigned: 'agent-3' }]);
  const around = fakeSurroundings({ cwd: ground.repo, home: ground.folder });
  const ended = runCommandLine([...flags(), 'logs', '-f', 'job'], around);
  await around.shows('old output');
  await writeFile(join(folder, 'output.log'), 'new\n');
  await around.shows('new\n');
  await appendFile(join(folder, 'output.log'), 'more\n');
  await around.shows('more\n');
  around.send('SIGINT');
  expect(await ended).toBe(0);
});

describe('a part of it', () => {
  const stamped = (minute: number, text: string) => `2027-03-14T09:0${minute}:00Z ${text}\n`;

  test('the end of a large output costs no more than that of a small one', async () => {
    const folder = await foreignAgent({});
    // Sparse: 4 GiB to read, and hardly any on the disk. To read it whole would not end.
    const handle = await open(join(folder, 'output.log'), 'w');
    await handle.write('\nlast but one\nlast\n', 4 * 1024 ** 3);
    await handle.close();
    expect((await cli('logs', 'job', '-n', '2')).out).toBe('last but one\nlast\n');
  });

  test('--since takes lines from their own times on, and says where there are none', async () => {
    await foreignAgent({
      'output.log': `no time\n${stamped(1, 'one')}${stamped(5, 'two')}of two\n${stamped(6, 'three')}`,
    });
    const since = ['--since', '2027-03-14T09:03:00Z'];
    expect((await cli('logs', 'job', ...since)).out).toBe(
      `${stamped(5, 'two')}of two\n${stamped(6, 'three')}`,
    );
    expect((await cli('logs', 'job', ...since, '-n', '1')).out).toBe(stamped(6, 'three'));
    expect((await cli('logs', 'job', ...since, '-t')).out.split('\n')[1]).toBe(
      '2027-03-14T09:05:00.000Z of two',
    );
    expect((await cli('logs', 'job', '--since', 'lately')).status).toBe(2);
    await foreignAgent({ 'output.log': 'no time\n' });
    expect(await cli('logs', 'job', ...since)).toMatchObject({
      out: '',
      err: expect.stringContaining('carries no times'),
    });
  });

  test("of Claude's stream and its stderr together, by shown lines", async () => {
    const said = (text: string) =>
      `${JSON.stringify({ type: 'assistant', message: { content: [{ type: 'text', text }] } })}\n`;
    await foreignAgent({
      'raw_stream.jsonl': `${said('one\ntwo')}{"type":"stream_event"}\n${said('three')}`,
      'output.log': 'warning 1\nwarning 2\n',
    });
    expect((await cli('logs', 'job', '-n', '2')).out).toBe('two\nthree\n');
    expect((await cli('logs', 'job', '-n', '4')).out).toBe('warning 2\none\ntwo\nthree\n');
  });

  test('of several tasks, each line with its task; as JSON too', async () => {
    await ground.writeGraph(ground.repo, [
      { id: 'a', exec: 'printf one' },
      { id: 'longer', exec: "printf 'two\\nthree\\n'" },
    ]);
    supervised = await supervise(ground);
    await Promise.all(['a', 'longer'].map((task) => supervised?.event('run.settled', task)));
    expect((await cli('logs', 'a', 'longer')).out).toBe('a      | one\nlonger | two\nlonger | three\n');
    expect(JSON.parse((await cli('logs', 'a', 'longer', '--json')).out)).toMatchObject([
      { task: 'a', lines: ['one'] },
      { task: 'longer', lines: ['two', 'three'] },
    ]);
    // A run by the beginning of its id, which must be of one run.
    const [run] = await supervised.control.runs({ task: 'a' });
    expect((await cli('logs', run?.run.slice(0, 28) ?? '')).out).toBe('one\n');
    expect(await cli('logs', 'run_0')).toMatchObject({
      status: 8,
      err: expect.stringContaining('more than one run'),
    });
  });
});

describe('-f over the life of a task', () => {
  test('waits for the start, follows the attempts, ends with the task', async () => {
    const failed = join(ground.folder, 'failed');
    await ground.writeConfig('[retry]\nattempts = 2\nbackoff = "1ms"\nmax_backoff = "1ms"\n');
    await ground.writeGraph(ground.repo, [
      { id: 'first', exec: 'true', paused: true },
      {
        id: 'job',
        after: ['first'],
        exec: `[ -e '${failed}' ] && echo again && exit; echo once; touch '${failed}'; exit 1`,
      },
    ]);
    supervised = await supervise(ground);
    const around = fakeSurroundings({ cwd: ground.repo, home: ground.folder });
    const ended = runCommandLine([...flags(), 'logs', '-f', 'job', '--json'], around);
    await around.notes('job waits: ');
    expect((await cli('edit', 'first', '--no-paused')).status).toBe(0);
    expect(await ended).toBe(0);
    const lines = around.written.out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.map(({ line }) => line)).toEqual(['once', 'again']);
    expect(new Set(lines.map(({ run }) => run)).size).toBe(2);
    expect(around.written.err).toContain('job: attempt 2');
    expect((await cli('logs', 'job', '--attempt', '1')).out).toBe('once\n');
    expect((await cli('logs', 'job', '--attempt', '3')).status).toBe(8);
  });

  test('waits without a supervisor too, and continues with one that starts', async () => {
    await ground.writeGraph(ground.repo, [{ id: 'job', exec: 'echo here' }]);
    const around = fakeSurroundings({ cwd: ground.repo, home: ground.folder });
    const ended = runCommandLine([...flags(), 'logs', '-f', 'job'], around);
    await around.notes('no supervisor is running');
    supervised = await supervise(ground);
    expect(await ended).toBe(0);
    expect(around.written.out).toBe('here\n');
  });
});
