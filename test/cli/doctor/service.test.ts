import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { service } from '../../../src/cli/doctor/service.ts';
import { parseMachineConfig } from '../../../src/config/load.ts';
import { launchdPlist, systemdUnit } from '../../../src/install/service-files.ts';
import { serviceManager } from '../../../src/install/this-machine.ts';
import { fakeContext } from '../fake-surroundings.ts';

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'doctor service %h $x-'));
});
afterEach(() => rmSync(home, { recursive: true }));

function checked(platform: 'linux' | 'darwin', program: string, path: string) {
  const context = fakeContext({ home, variables: { PATH: join(home, 'bin') } });
  const environment = { ...context.environment, platform };
  const facts = {
    command: [process.execPath, program, 'run'],
    variables: { PATH: path, HOME: home },
    environmentFile: join(home, 'env'),
    logDir: home,
    version: '1.0.0',
    notifies: true,
  };
  const { file } = serviceManager(environment, context.clock);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, platform === 'linux' ? systemdUnit(facts) : launchdPlist(facts));
  const { config } = parseMachineConfig(null, '', { home });
  return service({ ...context, environment }, config.profiles.values());
}

test('without a service there is nothing to say', () => {
  const context = fakeContext({ home });
  expect(service({ ...context, environment: { ...context.environment, platform: 'linux' } }, [])).toEqual([]);
});

test.each([
  'linux',
  'darwin',
] as const)('%s: a program that is gone, an agent that only the shell finds', (platform) => {
  mkdirSync(join(home, 'bin'));
  writeFileSync(join(home, 'bin/claude'), '', { mode: 0o755 });
  const main = join(home, 'main.js');
  expect(checked(platform, main, join(home, 'bin'))).toMatchObject([
    { result: 'failed', because: expect.stringContaining(`${main}, which is gone`) },
  ]);
  writeFileSync(main, '');
  expect(checked(platform, main, '/usr/bin')).toMatchObject([
    { result: 'failed', because: expect.stringContaining('not on the PATH of the service') },
  ]);
  expect(checked(platform, main, `/usr/bin:${join(home, 'bin')}`)).toMatchObject([{ result: 'ok' }]);
});
