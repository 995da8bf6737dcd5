import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
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

describe('config check', () => {
  test('a good one', async () => {
    await ground.writeConfig('[executors.deploy]\ntype = "command"\ncommand = ["true"]\n');
    const { status, out, err } = await cli('config', 'check');
    expect({ status, err }).toEqual({ status: 0, err: '' });
    expect(out).toMatch(/~\/supervisor\.toml is fine; profiles: .*deploy/);
  });

  test.each([
    ['[supervisor]\nmax_concurent = 3\n', /:4: supervisor\.max_concurent: .*max_concurrent/],
    ['[executors.x]\ntype = "comand"\n', /:4: executors\.x\.type: .*command/],
    ['[executors.x\n', /supervisor\.toml:3: /],
  ])('%j: exit 3 with file, line and key', async (toml, words) => {
    await ground.writeConfig(toml);
    const { status, out, err } = await cli('config', 'check');
    expect({ status, out }).toEqual({ status: 3, out: '' });
    expect(err).toMatch(words);
    const json = await cli('config', 'check', '--json');
    expect(json.status).toBe(3);
    expect(JSON.parse(json.out)).toMatchObject({ ok: false, problems: [{ file: ground.configFile }] });
  });

  test('none named: defaults; one named that is not there: exit 3', async () => {
    const around = { cwd: ground.repo, home: ground.folder };
    expect((await command(around, 'config', 'check')).out).toContain('defaults count');
    expect(await command(around, '--config', 'gone.toml', 'config', 'check')).toMatchObject({ status: 3 });
  });
});

test('config example is what config check accepts, schema is JSON, path is where it is', async () => {
  const { out } = await cli('config', 'example');
  await writeFile(ground.configFile, out);
  expect(await cli('config', 'check')).toMatchObject({ status: 0 });
  expect(JSON.parse((await cli('config', 'schema')).out)).toMatchObject({ type: 'object' });
  expect((await cli('config', 'path')).out).toBe(`${ground.configFile}\n`);
  expect(JSON.parse((await cli('config', 'path', '--json')).out)).toMatchObject({
    stateDir: ground.stateDir,
  });
});

describe('trust', () => {
  const profile = '[executors.mine]\ntype = "command"\ncommand = ["true"]\n';
  const write = (text: string) => writeFile(join(ground.repo, '.workgraph', 'config.toml'), text);
  beforeEach(async () => {
    await ground.writeGraph(ground.repo, [{ id: 'a', tags: ['executor:mine'] }]);
    await writeFile(ground.configFile, `[[roots]]\npath = ${JSON.stringify(ground.folder)}\n`);
    await write(profile);
  });
  const because = async () => JSON.parse((await cli('why', 'a', '--json')).out).because as string;

  test('profiles of a repository found below a root count once they are trusted, until they change', async () => {
    expect(await because()).toContain('trust');
    const { status, out } = await cli('trust', '.');
    expect(status).toBe(0);
    expect(out).toContain('profiles: mine');
    expect(await because()).not.toContain('trust');
    await write(`${profile}timeout = "1h"\n`);
    expect(await because()).toContain('trust');
  });

  test('and can be taken back', async () => {
    await cli('trust');
    expect((await cli('trust', '--revoke')).out).toContain('no longer trusted');
    expect((await cli('trust', '--revoke')).out).toContain('was not trusted');
    expect(await because()).toContain('trust');
  });

  test('a worktree without profiles is trusted as well, with all of its repository; outside of one: exit 6', async () => {
    const feature = await ground.worktree('feature');
    await ground.writeGraph(feature, []);
    await ground.writeGraph(ground.repo, [{ id: 'a', exec: 'true' }]);
    expect(await because()).toContain('its exec command is not run');
    expect(await cli('trust', feature)).toMatchObject({ status: 0 });
    expect(await because()).not.toContain('trust');
    const nowhere = join(ground.folder, 'nowhere');
    await mkdir(nowhere);
    expect((await cli('trust', nowhere)).status).toBe(6);
  });
});
