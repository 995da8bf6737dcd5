// A systemctl of our own writes down how it is called; scenarios/service.test.ts has the real one.

import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { systemd } from '../../src/install/systemd.ts';

let home: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'service-'));
});
afterEach(() => rm(home, { recursive: true, force: true }));

/** `answers`: what of systemctl's verbs is answered otherwise than by silence. */
async function managerWith(answers = '') {
  const script = `#!/bin/sh\necho "$@" >> ${home}/calls\ncase "$2" in ${answers}\nesac\n`;
  await writeFile(join(home, 'systemctl'), script, { mode: 0o755 });
  await writeFile(join(home, 'loginctl'), '#!/bin/sh\necho Linger=no\n', { mode: 0o755 });
  const variables = { PATH: `${home}:/usr/bin:/bin`, USER: 'someone' };
  return systemd({ variables, home, platform: 'linux' });
}

const calls = async () => {
  const text = await readFile(join(home, 'calls'), 'utf8');
  await rm(join(home, 'calls'));
  return text.replaceAll('--user ', '').replaceAll(' workgraph-supervisor.service', '').trim().split('\n');
};

const RUNNING = 'show) echo ActiveState=active;;';
const NO_BUS = '*) echo "Failed to connect to bus: No medium found" >&2; exit 1;;';

const FACTS = {
  command: ['/n/node', '/s/main.js', 'run'],
  variables: { PATH: '/usr/bin' },
  environmentFile: '/h/.config/workgraph-supervisor/env',
  logDir: '/l',
  version: '1.0.0',
  notifies: true,
};

test('install writes the unit, then reloads, enables and starts it; lingering is advised', async () => {
  const manager = await managerWith();
  const { done, notes } = await manager.install(FACTS);
  expect(done).toBe('started');
  expect(manager.file).toBe(join(home, '.config/systemd/user/workgraph-supervisor.service'));
  expect(await readFile(manager.file, 'utf8')).toContain('ExecStart=/n/node /s/main.js run\n');
  expect(await readdir(join(home, '.config/systemd/user'))).toEqual(['workgraph-supervisor.service']);
  expect(await calls()).toEqual(['show --property=ActiveState', 'daemon-reload', 'enable', 'restart']);
  expect(notes).toEqual([expect.stringContaining('enable-linger')]);
});

test('a second install restarts what runs only if something changed; another version is a change', async () => {
  const manager = await managerWith(RUNNING);
  await manager.install(FACTS);
  await calls();
  expect((await manager.install(FACTS)).done).toBe('unchanged');
  expect(await calls()).not.toContain('restart');
  expect((await manager.install({ ...FACTS, version: '1.0.1' })).done).toBe('restarted');
  expect(await calls()).toContain('restart');
  const elsewhere = { ...FACTS, variables: { PATH: '/usr/bin', SUPERVISOR_STATE_DIR: '/other' } };
  expect((await manager.install(elsewhere)).done).toBe('restarted');
});

test('without a bus nothing is left behind, and the hint says what to do', async () => {
  const manager = await managerWith(NO_BUS);
  await expect(manager.install(FACTS)).rejects.toMatchObject({
    code: 'service-manager',
    message: expect.stringContaining('Failed to connect to bus'),
    hint: expect.stringMatching(/loginctl enable-linger someone.*XDG_RUNTIME_DIR=\/run\/user\//),
  });
  await expect(readdir(join(home, '.config'))).rejects.toMatchObject({ code: 'ENOENT' });
});

test('an install that systemd refuses puts back what was there', async () => {
  const first = await managerWith();
  await first.install(FACTS);
  const before = await readFile(first.file, 'utf8');
  const manager = await managerWith('enable) echo "Refusing to operate" >&2; exit 1;;');
  await expect(manager.install({ ...FACTS, version: '2.0.0' })).rejects.toMatchObject({
    message: expect.stringContaining('Refusing to operate'),
  });
  expect(await readFile(first.file, 'utf8')).toBe(before);
});

test('uninstall stops it and takes the unit away; without a bus the files go all the same', async () => {
  const manager = await managerWith();
  await manager.install(FACTS);
  expect(await manager.uninstall()).toEqual([]);
  await expect(readFile(manager.file)).rejects.toMatchObject({ code: 'ENOENT' });
  await manager.install(FACTS);
  const wants = join(home, '.config/systemd/user/default.target.wants');
  await mkdir(wants);
  await writeFile(join(wants, 'workgraph-supervisor.service'), '');
  expect(await (await managerWith(NO_BUS)).uninstall()).toEqual([expect.stringContaining('keeps running')]);
  await expect(readFile(manager.file)).rejects.toMatchObject({ code: 'ENOENT' });
  expect(await readdir(wants)).toEqual([]);
});

test.each(['start', 'stop', 'restart'] as const)('%s is for an installed service', async (verb) => {
  const manager = await managerWith();
  await expect(manager[verb]()).rejects.toMatchObject({ hint: expect.stringContaining('service install') });
  await manager.install(FACTS);
  await calls();
  await manager[verb]();
  expect(await calls()).toEqual([verb]);
});

test('a unit that is no file is not written to', async () => {
  const manager = await managerWith();
  await mkdir(manager.file, { recursive: true });
  await expect(manager.install(FACTS)).rejects.toMatchObject({ code: 'service-manager' });
});

test('status reads what systemctl shows', async () => {
  const shown = (load: string, active: string) =>
    `show) printf 'LoadState=${load}\\nActiveState=${active}\\nMainPID=7\\n';;`;
  const status = async (...words: [string, string]) => (await managerWith(shown(...words))).status();
  expect(await status('loaded', 'active')).toMatchObject({ installed: true, running: true });
  expect(await status('not-found', 'inactive')).toMatchObject({ installed: false, running: false });
});
