import { execFile, spawnSync } from 'node:child_process';
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

/** A folder for PATH in which `supervisor` is this program for completion, and else prints its arguments. */
async function binFolder(): Promise<string> {
  const bin = join(ground.folder, 'bin');
  await mkdir(bin);
  const script = `#!/bin/sh
case "$1" in
  __complete | completion) exec '${process.execPath}' '${builtCli()}' "$@" ;;
  *) printf GOT; printf '<%s>' "$@"; printf '\\n' ;;
esac
`;
  await writeFile(join(bin, 'supervisor'), script);
  await chmod(join(bin, 'supervisor'), 0o755);
  return bin;
}

const withHostileIds = () =>
  ground.writeGraph(
    ground.repo,
    HOSTILE.map((id) => ({ id })),
  );

const lines = (text: string) => text.split('\n').filter((each) => each !== '');

test('bash inserts hostile ids quoted, and runs nothing of them', async () => {
  await withHostileIds();
  const bin = await binFolder();
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
    return lines(stdout);
  };
  expect(await press('supervisor why ')).toEqual(HOSTILE);
  expect(await press('supervisor why c:')).toEqual(['d']);
  expect(await press("supervisor why 'a  ")).toEqual(['a  b']);
  expect(await readdir(ground.repo)).toEqual(before);
});

/** In an interactive zsh: each line is typed, completed by the tab key, and run. */
const TYPE_IN_ZSH = `
  zmodload zsh/zpty
  zpty inner zsh -f -i
  await() {
    local text= part
    while [[ $text != *\${~1}* ]]; do zpty -r inner part || return 1; text+=$part; done
    print -r -- $text
  }
  zpty -w inner 'autoload -Uz compinit; compinit -D -u; source <(supervisor completion zsh); print -r -- REA''DY'
  await READY > /dev/null
  for typed in "$@"; do
    zpty -w -n inner "$typed"$'\\t\\n'
    await $'GOT*>\\r\\n' | grep -a -o 'GOT.*>'
  done
  zpty -d inner`;

testIn('zsh')('zsh, driven by its keys, inserts hostile ids quoted, and runs nothing of them', async () => {
  await withHostileIds();
  const env = { PATH: `${await binFolder()}:${process.env.PATH}`, HOME: ground.folder };
  const before = await readdir(ground.repo);
  const typed = [
    'supervisor why job',
    'supervisor why it',
    'supervisor why c',
    'supervisor why \\$',
    'supervisor wai',
  ];
  const { stdout } = await run('zsh', ['-f', '-c', TYPE_IN_ZSH, 'zsh', ...typed], { cwd: ground.repo, env });
  expect(lines(stdout)).toEqual([
    'GOT<why><job; touch pwned>',
    "GOT<why><it's `touch pwned`>",
    'GOT<why><c:d>',
    'GOT<why><$(touch pwned)>',
    'GOT<wait>',
  ]);
  expect(await readdir(ground.repo)).toEqual(before);
});

testIn('fish')('fish offers hostile ids whole, and runs nothing of them', async () => {
  await withHostileIds();
  const env = { PATH: `${await binFolder()}:${process.env.PATH}`, HOME: ground.folder };
  const before = await readdir(ground.repo);
  const ask =
    'supervisor completion fish | source; complete -C "supervisor why "; complete -C "supervisor wai"';
  const { stdout } = await run('fish', ['--no-config', '-c', ask], { cwd: ground.repo, env });
  expect(lines(stdout).sort()).toEqual([...HOSTILE, 'wait'].sort());
  expect(await readdir(ground.repo)).toEqual(before);
});

/** A test in a shell that may not be installed: then it is skipped, and says so in its name. */
function testIn(shell: string) {
  const isThere = spawnSync(shell, ['-c', 'true']).status === 0;
  if (isThere) return test;
  return (name: string, _test: () => Promise<void>) =>
    test.skip(`${name}: skipped, there is no ${shell} on PATH`, () => undefined);
}

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
