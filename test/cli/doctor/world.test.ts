import { once } from 'node:events';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { createPlayground, type Playground } from '../../support/playground.ts';
import { command } from '../fake-surroundings.ts';

let ground: Playground;
beforeEach(async () => {
  ground = await createPlayground();
});
afterEach(() => ground.remove());

const cli = (...argv: string[]) =>
  command(
    { cwd: ground.repo, home: ground.folder },
    ...['--config', ground.configFile, '--state-dir', ground.stateDir],
    ...argv,
  );

async function doctor() {
  const { status, out } = await cli('doctor', '--json');
  const { checks } = JSON.parse(out) as { checks: { check: string; result: string; because: string }[] };
  return { status, of: (name: string) => checks.filter(({ check }) => check === name) };
}

test('repositories and roots that cannot be served: doctor and config check name the line', async () => {
  await mkdir(join(ground.folder, 'plain'));
  await writeFile(
    ground.configFile,
    `[[repos]]\npath = "${ground.repo}"\n\n${[
      'gone',
      'plain',
      '*',
      'https://host.example/a.git',
      'git@host.example:a',
    ]
      .map((path) => `[[repos]]\npath = "${path}"\n`)
      .join('\n')}\n[[roots]]\npath = "nowhere"\n`,
  );
  const { status, out } = await cli('config', 'check', '--json');
  expect(status).toBe(3);
  const { problems } = JSON.parse(out) as { problems: { line: number; key: string; message: string }[] };
  expect(problems.map(({ line, key }) => [line, key])).toEqual([
    [5, 'repos[1].path'],
    [8, 'repos[2].path'],
    [11, 'repos[3].path'],
    [14, 'repos[4].path'],
    [17, 'repos[5].path'],
    [20, 'roots[0].path'],
  ]);
  expect(problems.map(({ message }) => message).join('\n')).toMatch(
    /does not exist.*\n.*plain.*\n.*patterns are not expanded.*\n.*is an address.*\n.*is an address.*\n.*cannot be searched/,
  );
  const checked = await doctor();
  expect(checked.status).toBe(1);
  expect(checked.of('repositories').map(({ result }) => result)).toEqual(['ok', ...Array(6).fill('failed')]);
});

test('a graph in conflict fails, executors are asked', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : 0;
  try {
    await ground.writeConfig(`[executors.up]
type = "http"
endpoint = "http://127.0.0.1:${port}/"
[executors.down]
type = "http"
endpoint = "http://127.0.0.1:1/"
[executors.gone]
type = "command"
command = ["no-such-program"]
`);
    await mkdir(join(ground.repo, '.workgraph'), { recursive: true });
    await writeFile(join(ground.repo, '.workgraph/graph.jsonl'), '<<<<<<< HEAD\n=======\n>>>>>>> other\n');
    const { status, of } = await doctor();
    expect(status).toBe(1);
    expect(of('graph')[0]).toMatchObject({
      result: 'failed',
      because: expect.stringMatching(/~\/repo: .*line 1/),
    });
    expect(of('executor up')[0]?.result).toBe('ok');
    expect(of('executor down')[0]).toMatchObject({
      result: 'note',
      because: expect.stringContaining('ECONNREFUSED'),
    });
    expect(of('executor gone')[0]).toMatchObject({
      result: 'note',
      because: expect.stringContaining('no-such-program'),
    });
  } finally {
    server.close();
  }
});

test('a broken config.toml of a worktree is always a problem in status', async () => {
  await ground.writeConfig('[executors.deploy]\ntype = "command"\ncommand = ["true"]\n');
  await mkdir(join(ground.repo, '.workgraph'), { recursive: true });
  await writeFile(join(ground.repo, '.workgraph/graph.jsonl'), '');
  const problems = async (toml: string) => {
    await writeFile(join(ground.repo, '.workgraph/config.toml'), toml);
    const { out } = await cli('status', '--json');
    const { worktrees } = JSON.parse(out) as {
      worktrees: { problems: { code: string; message: string }[] }[];
    };
    return worktrees.flatMap((worktree) => worktree.problems);
  };
  expect(await problems('[executors.deploy]\ntype = "comand"\n')).toMatchObject([
    { code: 'broken-config', message: expect.stringMatching(/config\.toml:2: executors\.deploy\.type/) },
  ]);
  expect(await problems('[agent\nmodel = 1\n')).toMatchObject([
    { code: 'broken-config', message: expect.stringMatching(/config\.toml:1: not valid TOML/) },
  ]);
  expect(await problems('[executors.own]\ntype = "comand"\n')).toMatchObject([{ code: 'broken-profile' }]);
  expect(await problems('[agent]\nmodel = "opus"\n')).toEqual([]);
});

test('SUPERVISOR_CONFIG that names no file is an error everywhere', async () => {
  await rm(ground.configFile, { force: true });
  const around = {
    cwd: ground.repo,
    home: ground.folder,
    variables: { SUPERVISOR_CONFIG: join(ground.folder, 'gone.toml'), SUPERVISOR_STATE_DIR: ground.stateDir },
  };
  for (const argv of [['status'], ['list'], ['config', 'check'], ['run', '--once'], ['executors']]) {
    const { status, err } = await command(around, ...argv);
    expect([argv, status]).toEqual([argv, 3]);
    expect(err).toContain('SUPERVISOR_CONFIG');
  }
  expect((await command(around, 'doctor')).out).toMatch(/failed {2}configuration .*gone\.toml does not/);
});
