import { appendFile, mkdir, writeFile } from 'node:fs/promises';
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

/** A task of an agent that is none of ours, with these files in its folder. */
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

test('-f of a run that is interrupted ends with it; a file begun anew is read anew', async () => {
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
