import { expect, test } from '@jest/globals';
import {
  environmentFile,
  refuseFleeting,
  serviceManager,
  serviceVariables,
} from '../../src/install/this-machine.ts';
import { systemClock } from '../../src/platform/clock.ts';

const environment = (variables: Record<string, string>) => ({
  variables,
  home: '/home/a',
  platform: 'linux' as const,
});

test('the service gets whatever decides which files are used, made absolute, and nothing else', () => {
  const variables = {
    PATH: '/usr/bin',
    XDG_CONFIG_HOME: '/c',
    XDG_STATE_HOME: '/s',
    XDG_RUNTIME_DIR: '/run/user/7',
    SUPERVISOR_CONFIG: 'my.toml',
    SUPERVISOR_STATE_DIR: '~/state',
    TZ: 'Europe/Paris',
    ANTHROPIC_API_KEY: 'secret',
  };
  expect(serviceVariables(environment(variables), '/work')).toEqual({
    PATH: '/usr/bin',
    HOME: '/home/a',
    XDG_CONFIG_HOME: '/c',
    XDG_STATE_HOME: '/s',
    XDG_RUNTIME_DIR: '/run/user/7',
    SUPERVISOR_CONFIG: '/work/my.toml',
    SUPERVISOR_STATE_DIR: '~/state',
    TZ: 'Europe/Paris',
  });
  expect(environmentFile(environment(variables))).toBe('/c/workgraph-supervisor/env');
  expect(environmentFile(environment({}))).toBe('/home/a/.config/workgraph-supervisor/env');
});

test("a copy in npx's cache is refused with the reason", () => {
  expect(() =>
    refuseFleeting('/h/.npm/_npx/a1b2/node_modules/workgraph-supervisor/dist/cli/main.js'),
  ).toThrow(/cache of npx/);
  expect(() => refuseFleeting('/usr/lib/node_modules/workgraph-supervisor/dist/cli/main.js')).not.toThrow();
});

test('a machine without a known service manager is told so', () => {
  expect(() => serviceManager({ variables: {}, home: '/h', platform: 'win32' }, systemClock())).toThrow(
    /no service manager/,
  );
});
