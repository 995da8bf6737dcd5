// A launchctl of our own: it knows whether the agent is loaded, and writes down how it is called.

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { launchd } from '../../src/install/launchd.ts';
import { systemClock } from '../../src/platform/clock.ts';

let home: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'service-'));
});
afterEach(() => rm(home, { recursive: true, force: true }));

async function managerWith(refused = '') {
  const script = `#!/bin/sh
echo "$1" >> ${home}/calls
[ "$1" = "${refused}" ] && { echo "Load failed: 5" >&2; exit 5; }
case "$1" in
  print) [ -e ${home}/loaded ] && echo "state = running" || exit 113;;
  bootstrap) [ -e ${home}/loaded ] && { echo "Load failed: 5" >&2; exit 5; }; touch ${home}/loaded;;
  bootout) rm ${home}/loaded;;
  kickstart) [ -e ${home}/loaded ];;
esac
`;
  await writeFile(join(home, 'launchctl'), script, { mode: 0o755 });
  const variables = { PATH: `${home}:/usr/bin:/bin` };
  const clock = { ...systemClock(), sleep: async () => {} };
  return launchd({ variables, home, platform: 'darwin' }, clock);
}

const calls = async () => {
  const text = await readFile(join(home, 'calls'), 'utf8');
  await rm(join(home, 'calls'));
  return text.trim().split('\n');
};

const facts = (version = '1.0.0') => ({
  command: ['/n/node', '/s/main.js', 'run'],
  variables: { PATH: '/usr/bin', SUPERVISOR_STATE_DIR: '/a&b' },
  environmentFile: '/h/env',
  logDir: join(home, 'Logs'),
  version,
  notifies: false,
});

test('a second install is restarted by a change, and otherwise left alone', async () => {
  const manager = await managerWith();
  expect((await manager.install(facts())).done).toBe('started');
  expect(await readFile(manager.file, 'utf8')).toContain(
    '<key>SUPERVISOR_STATE_DIR</key><string>/a&amp;b</string>',
  );
  await calls();
  expect((await manager.install(facts())).done).toBe('unchanged');
  expect(await calls()).toEqual(['print']);
  expect((await manager.install(facts('1.0.1'))).done).toBe('restarted');
  expect(await calls()).toEqual(['print', 'bootout', 'bootstrap']);
  expect(await manager.status()).toMatchObject({ installed: true, running: true });
});

test('an install that launchd refuses leaves nothing behind', async () => {
  const manager = await managerWith('bootstrap');
  await expect(manager.install(facts())).rejects.toMatchObject({
    code: 'service-manager',
    message: expect.stringContaining('Load failed'),
  });
  await expect(readFile(manager.file)).rejects.toMatchObject({ code: 'ENOENT' });
});

test('stop unloads it and keeps the file, start loads it again, restart kicks it', async () => {
  const manager = await managerWith();
  await expect(manager.start()).rejects.toMatchObject({ hint: expect.stringContaining('service install') });
  await manager.install(facts());
  await calls();
  await manager.stop();
  expect(await calls()).toEqual(['print', 'bootout']);
  expect(await manager.status()).toMatchObject({ installed: true, running: false });
  await calls();
  await manager.start();
  expect(await calls()).toEqual(['print', 'bootstrap']);
  await manager.restart();
  expect(await calls()).toEqual(['print', 'kickstart']);
  await manager.uninstall();
  await expect(readFile(manager.file)).rejects.toMatchObject({ code: 'ENOENT' });
});
