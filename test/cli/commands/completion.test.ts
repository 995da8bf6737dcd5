import { execFile } from 'node:child_process';
import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { builtCli } from '../../support/built-cli.ts';
import { createPlayground, type Playground } from '../../support/playground.ts';
import { command } from '../fake-surroundings.ts';

const run = promisify(execFile);
let ground: Playground;
beforeEach(async () => {
  ground = await createPlayground();
  await ground.writeConfig('');
});
afterEach(() => ground.remove());

const cli = (...argv: string[]) =>
  command(
    { cwd: ground.repo, home: ground.folder },
    ...['--config', ground.configFile, '--state-dir', ground.stateDir],
    ...argv,
  );
const offered = async (...words: string[]) =>
  (await cli('__complete', 'fish', '--', 'supervisor', ...words)).out
    .split('\n')
    .filter((line) => line !== '');

/** Ids that a shell must neither run nor tear apart. */
const HOSTILE = ['job; touch pwned', '$(touch pwned)', "it's `touch pwned`", 'a  b', 'x*', 'c:d', 'é日本'];

describe('what is offered', () => {
  test('commands, their flags, their choices, and ids where a task is meant', async () => {
    await ground.writeGraph(ground.repo, [{ id: 'build' }, { id: 'bake' }, { id: '.evaluate-build' }]);
    expect(await offered('wa')).toEqual(['wait']);
    expect(await offered('service', 'st')).toEqual(expect.arrayContaining(['status', 'start', 'stop']));
    expect(await offered('wait', '--t')).toEqual(['--timeout']);
    expect(await offered('wait', '--for', '')).toEqual(['done', 'over']);
    expect(await offered('completion', '')).toEqual(['bash', 'zsh', 'fish']);
    expect(await offered('logs', '-n', '3', 'b')).toEqual(['build', 'bake']);
    expect(await offered('logs', 'build', '')).toEqual(['build', 'bake']);
    expect(await offered('--json', 'why', 'bu')).toEqual(['build']);
    expect(await offered('why', 'build', '')).toEqual([]);
    expect(await offered('__')).toEqual([]);
  });

  test('no id that is no single word of one line, no error where there is no graph or a torn one', async () => {
    await ground.writeGraph(ground.repo, [
      { id: '-rf' },
      { id: 'two\nlines' },
      { id: 'esc\u001b[2J' },
      { id: 'ok' },
    ]);
    expect(await offered('show', '')).toEqual(['ok']);
    await writeFile(join(ground.repo, '.workgraph', 'graph.jsonl'), '{"id":"torn');
    expect(await offered('show', '')).toEqual([]);
    expect(
      await command({ cwd: '/', home: ground.folder }, '__complete', 'zsh', '--', 'supervisor', 'show', ''),
    ).toMatchObject({
      status: 0,
      out: '',
    });
  });
});

test('bash inserts hostile ids quoted, and runs nothing of them', async () => {
  await ground.writeGraph(
    ground.repo,
    HOSTILE.map((id) => ({ id })),
  );
  const bin = join(ground.folder, 'bin');
  await mkdir(bin);
  await writeFile(join(bin, 'supervisor'), `#!/bin/sh\nexec '${process.execPath}' '${builtCli()}' "$@"\n`);
  await chmod(join(bin, 'supervisor'), 0o755);
  const before = await readdir(ground.repo);
  const press = async (line: string) => {
    const script = `
      source <(supervisor completion bash)
      COMP_LINE=$1; COMP_POINT=\${#COMP_LINE}; COMP_WORDS=(supervisor)
      COMP_WORDBREAKS=$' \\t\\n"\\'><=;|&(:'
      _supervisor
      for each in "\${COMPREPLY[@]}"; do eval "printf '%s\\n' $each"; done`;
    const env = { PATH: `${bin}:${process.env.PATH}`, HOME: ground.folder };
    const { stdout } = await run('bash', ['--norc', '-c', script, 'bash', line], { cwd: ground.repo, env });
    return stdout.split('\n').filter((each) => each !== '');
  };
  expect(await press('supervisor why ')).toEqual(HOSTILE);
  expect(await press('supervisor why c:')).toEqual(['d']);
  expect(await press("supervisor why 'a  ")).toEqual(['a  b']);
  expect(await readdir(ground.repo)).toEqual(before);
});

test('the manual page has every command and flag, and no line that roff would take for a request', async () => {
  const { status, out } = await cli('man');
  expect(status).toBe(0);
  for (const text of [
    '.TH SUPERVISOR 1',
    'supervisor wait',
    '\\-\\-timeout <duration>',
    'supervisor service install',
  ])
    expect(out).toContain(text);
  expect(out).not.toContain('__complete');
  const requests = out.split('\n').filter((line) => /^[.']/.test(line));
  for (const line of requests) expect(line).toMatch(/^\.(?:TH|SH|SS|TP|B|BR)\b/);
});
