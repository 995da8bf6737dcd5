// A systemctl of our own writes down how it is called.

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { serviceManager } from '../../src/install/service-manager.ts';

let home: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'service-'));
});
afterEach(() => rm(home, { recursive: true, force: true }));

async function managerWith(script: string) {
  await writeFile(join(home, 'systemctl'), `#!/bin/sh\necho "$@" >> ${home}/calls\n${script}\n`, {
    mode: 0o755,
  });
  await writeFile(join(home, 'loginctl'), '#!/bin/sh\necho Linger=no\n', { mode: 0o755 });
  const variables = { PATH: `${home}:/usr/bin:/bin`, USER: 'someone' };
  return serviceManager({ variables, home, platform: 'linux' });
}

const FACTS = { command: ['/n/node', '/s/main.js', 'run'], path: '/usr/bin', logDir: '/l' };

test('install writes the unit, then reloads, enables and starts it; lingering is advised', async () => {
  const manager = await managerWith('exit 0');
  const notes = await manager.install(FACTS);
  expect(manager.file).toBe(join(home, '.config/systemd/user/workgraph-supervisor.service'));
  expect(await readFile(manager.file, 'utf8')).toContain('ExecStart=/n/node /s/main.js run\n');
  expect(await readFile(join(home, 'calls'), 'utf8')).toBe(
    '--user daemon-reload\n--user enable --now workgraph-supervisor.service\n',
  );
  expect(notes).toEqual([expect.stringContaining('enable-linger')]);
});

test('uninstall stops it and takes the unit away', async () => {
  const manager = await managerWith('exit 0');
  await manager.install(FACTS);
  await manager.uninstall();
  await expect(readFile(manager.file)).rejects.toMatchObject({ code: 'ENOENT' });
});

test('status reads what systemctl shows', async () => {
  const shown = "printf 'LoadState=loaded\\nActiveState=active\\nSubState=running\\nMainPID=7\\n'";
  expect(await (await managerWith(shown)).status()).toMatchObject({ installed: true, running: true });
  const none = "printf 'LoadState=not-found\\nActiveState=inactive\\nSubState=dead\\nMainPID=0\\n'";
  expect(await (await managerWith(none)).status()).toMatchObject({ installed: false, running: false });
});

test('what the service manager refuses is told in its own words, with exit status 9 to follow', async () => {
  const manager = await managerWith('echo "Failed to connect to bus" >&2; exit 1');
  await expect(manager.install(FACTS)).rejects.toMatchObject({
    code: 'service-manager',
    message: expect.stringContaining('Failed to connect to bus'),
  });
});

test('a machine without a known service manager is told so', () => {
  expect(() => serviceManager({ variables: {}, home, platform: 'win32' })).toThrow(/no service manager/);
});
