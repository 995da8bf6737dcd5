import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createPlayground, type Playground } from '../../support/playground.ts';
import { command } from '../fake-surroundings.ts';

let ground: Playground;
beforeEach(async () => {
  ground = await createPlayground();
  await ground.writeGraph(ground.repo, []);
});
afterEach(() => ground.remove());

const cli = (...argv: string[]) =>
  command(
    { cwd: ground.repo, home: ground.folder },
    ...['--config', ground.configFile, '--state-dir', ground.stateDir],
    ...argv,
  );

test('every profile with the file it is from; a broken one with its line', async () => {
  await ground.writeConfig(
    '[executors.deploy]\ntype = "command"\ncommand = ["true"]\nmatch = ["x:*"]\n[executors.bad]\ntype = "http"\n',
  );
  await writeFile(join(ground.repo, '.workgraph', 'config.toml'), '[executors.mine]\ntype = "external"\n');
  const { executors } = JSON.parse((await cli('executors', '--json')).out);
  const named = (name: string) => executors.find((each: { name: string }) => each.name === name);
  expect(named('command')).toMatchObject({ file: 'built-in', state: 'ok', worktree: null });
  expect(named('codex')).toMatchObject({ file: 'built-in', type: 'codex' });
  expect(named('deploy')).toMatchObject({ file: ground.configFile, line: 3, state: 'ok', match: ['x:*'] });
  expect(named('bad')).toMatchObject({ state: 'broken', because: expect.stringContaining('endpoint') });
  expect(named('mine')).toMatchObject({ worktree: ground.repo, state: 'ok' });
  expect((await cli('executors')).out).toMatch(/deploy +command +ok .*x:\*/);
});

test('the systems that models ask for, and who serves each: in three commands', async () => {
  await ground.writeConfig('[executors.pi]\ntype = "command"\ncommand = ["true"]\n');
  await ground.writeGraph(ground.repo, [
    { id: 'a', model: 'pi:openrouter:a/b' },
    { id: 'b', model: 'aider:gpt-5.5' },
    { id: 'over', model: 'nex:q', status: 'done' },
  ]);
  const own = join(ground.repo, '.workgraph', 'config.toml');
  await writeFile(own, '[dispatcher]\nmodel = "pi:openrouter:a/b"\n');
  const rows = [
    expect.objectContaining({ route: 'aider', executor: null, state: 'held', tasks: 1 }),
    expect.objectContaining({
      route: 'pi',
      executor: 'pi',
      state: 'ok',
      tasks: 1,
      settings: [`[dispatcher] model of ${own}`],
    }),
  ];
  expect(JSON.parse((await cli('executors', '--json')).out).routes).toEqual(rows);
  expect(JSON.parse((await cli('config', 'check', '--json')).out).routes).toEqual(rows);
  for (const argv of [['executors'], ['config', 'check']]) {
    const { out } = await cli(...argv);
    expect(out).toMatch(
      /aider +no profile +held +1 task +the task's model asks for aider; add \[executors\.aider\]/,
    );
    expect(out).toMatch(/pi +pi +ok +1 task, \[dispatcher\] model of/);
  }
  const { checks } = JSON.parse((await cli('doctor', '--json')).out);
  expect(checks).toContainEqual({
    check: 'route pi',
    result: 'ok',
    because: expect.stringContaining('pi serves it'),
  });
  expect(checks).toContainEqual({
    check: 'route aider',
    result: 'note',
    because: expect.stringContaining('[executors.aider]'),
  });
});

test('a program that is not there is seen before anything is sent to it', async () => {
  await ground.writeConfig('[executors.codex]\ncommand = "no-such-codex"\n');
  const { executors } = JSON.parse((await cli('executors', '--json')).out);
  expect(executors.find((each: { name: string }) => each.name === 'codex')).toMatchObject({
    state: 'missing',
    because: 'there is no program no-such-codex on PATH',
  });
});

describe('executors test', () => {
  test('which variables pass, and only by name', async () => {
    await ground.writeConfig(
      '[executors.build]\ntype = "command"\ncommand = ["true"]\npass_env = ["SECRET_*", "WG_DIR"]\n',
    );
    const answer = await command(
      {
        cwd: ground.repo,
        home: ground.folder,
        variables: { PATH: process.env.PATH ?? '', SECRET_KEY: 'hidden', OTHER: 'x', WG_DIR: '/w' },
      },
      ...['--config', ground.configFile, '--state-dir', ground.stateDir],
      ...['executors', 'test', 'build'],
    );
    expect(answer.out).toMatch(/^environment: .*\bSECRET_KEY\b/m);
    expect(answer.out).not.toMatch(/hidden|OTHER|WG_DIR/);
  });

  test('an endpoint that accepts connections, and one that does not', async () => {
    const server = createServer((socket) => socket.destroy());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    await ground.writeConfig(
      `[executors.agent]\ntype = "http"\nendpoint = "http://127.0.0.1:${port}/api/task"\n`,
    );
    expect(await cli('executors', 'test', 'agent')).toMatchObject({
      status: 0,
      out: `agent: 127.0.0.1:${port} accepts connections\n`,
    });
    await new Promise((resolve) => server.close(resolve));
    const { status, err } = await cli('executors', 'test', 'agent');
    expect(status).toBe(7);
    expect(err).toContain('ECONNREFUSED');
  });

  test('a program that is not there, a variable that is not set', async () => {
    await ground.writeConfig(
      '[executors.gone]\ntype = "command"\ncommand = ["no-such-program-here"]\n[executors.secret]\ntype = "external"\nenv = { KEY = { env = "NOT_SET_ANYWHERE" } }\n',
    );
    expect((await cli('executors', 'test', 'gone')).err).toContain('no-such-program-here');
    const json = await cli('executors', 'test', 'secret', '--json');
    expect(json.status).toBe(7);
    expect(JSON.parse(json.out)).toMatchObject({
      ok: false,
      because: expect.stringContaining('NOT_SET_ANYWHERE'),
    });
  });

  test('an unknown one: exit 8 and a neighbour', async () => {
    await ground.writeConfig('');
    const { status, err } = await cli('executors', 'test', 'comand');
    expect(status).toBe(8);
    expect(err).toContain('did you mean command?');
  });
});
