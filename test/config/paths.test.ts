import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { ensureFolders, expandHome, resolvePaths, SOCKET_PATH_MAX } from '../../src/config/paths.ts';
import type { Environment } from '../../src/platform/environment.ts';

const linux = (variables: Record<string, string>): Environment => ({
  variables,
  home: '/home/ada',
  platform: 'linux',
});
const mac = (variables: Record<string, string>): Environment => ({
  variables,
  home: '/Users/ada',
  platform: 'darwin',
});

describe('where things are kept', () => {
  test('Linux without any XDG variable', () => {
    expect(resolvePaths(linux({}))).toEqual({
      configFile: '/home/ada/.config/workgraph-supervisor/supervisor.toml',
      configNamed: false,
      stateDir: '/home/ada/.local/state/workgraph-supervisor',
      runDir: '/home/ada/.local/state/workgraph-supervisor/run',
      socket: '/home/ada/.local/state/workgraph-supervisor/run/supervisor.sock',
      lockFile: '/home/ada/.local/state/workgraph-supervisor/run/supervisor.lock',
      ledgerFile: '/home/ada/.local/state/workgraph-supervisor/ledger.sqlite',
      apiFile: '/home/ada/.local/state/workgraph-supervisor/api.json',
      tokensFile: '/home/ada/.local/state/workgraph-supervisor/tokens.json',
      pageSessionsFile: '/home/ada/.local/state/workgraph-supervisor/page-sessions.json',
      trustFile: '/home/ada/.local/state/workgraph-supervisor/trust.json',
      checkedFile: '/home/ada/.local/state/workgraph-supervisor/config.checked',
      spoolDir: '/home/ada/.local/state/workgraph-supervisor/spool',
      logDir: '/home/ada/.local/state/workgraph-supervisor/logs',
    });
  });

  test('Linux with XDG variables; a relative one is ignored', () => {
    const paths = resolvePaths(
      linux({ XDG_CONFIG_HOME: 'relative', XDG_STATE_HOME: '/s', XDG_RUNTIME_DIR: '/run/user/1000' }),
    );
    expect(paths.configFile).toBe('/home/ada/.config/workgraph-supervisor/supervisor.toml');
    expect(paths.stateDir).toBe('/s/workgraph-supervisor');
    expect(paths.socket).toBe('/run/user/1000/workgraph-supervisor/supervisor.sock');
    expect(paths.lockFile).toBe('/run/user/1000/workgraph-supervisor/supervisor.lock');
  });

  test('macOS, and an explicit XDG variable wins there too', () => {
    const library = '/Users/ada/Library/Application Support/workgraph-supervisor';
    expect(resolvePaths(mac({}))).toMatchObject({
      configFile: `${library}/supervisor.toml`,
      stateDir: `${library}/state`,
      runDir: `${library}/run`,
      socket: `${library}/run/supervisor.sock`,
      logDir: '/Users/ada/Library/Logs/workgraph-supervisor',
    });
    expect(resolvePaths(mac({ XDG_STATE_HOME: '/s' }))).toMatchObject({
      stateDir: '/s/workgraph-supervisor',
      logDir: '/s/workgraph-supervisor/logs',
    });
  });

  test('variables override, flags override variables, and a state folder of its own brings its own socket', () => {
    const environment = linux({
      SUPERVISOR_CONFIG: '~/a.toml',
      SUPERVISOR_STATE_DIR: '/v',
      XDG_RUNTIME_DIR: '/run/user/1000',
    });
    expect(resolvePaths(environment)).toMatchObject({
      configFile: '/home/ada/a.toml',
      configNamed: true,
      stateDir: '/v',
      runDir: '/v/run',
    });
    expect(resolvePaths(environment, { config: '/f.toml', stateDir: '/w' })).toMatchObject({
      configFile: '/f.toml',
      configNamed: true,
      stateDir: '/w',
      socket: '/w/run/supervisor.sock',
      lockFile: '/w/run/supervisor.lock',
    });
  });

  test('an empty variable counts as none', () => {
    const paths = resolvePaths(
      linux({ SUPERVISOR_CONFIG: '', SUPERVISOR_STATE_DIR: '', XDG_STATE_HOME: '' }),
    );
    expect(paths).toEqual(resolvePaths(linux({})));
  });

  test('only a leading ~/ is the home folder', () => {
    expect(expandHome('~', '/h')).toBe('/h');
    expect(expandHome('~/x', '/h')).toBe('/h/x');
    expect(expandHome('~bob/x', '/h')).toBe('~bob/x');
    expect(expandHome('/a/~/x', '/h')).toBe('/a/~/x');
  });
});

describe('the socket path is never cut off', () => {
  test('a long state folder moves the socket to the runtime folder, apart for each state folder', () => {
    const runtime = { XDG_RUNTIME_DIR: '/run/user/1000' };
    const one = resolvePaths(linux(runtime), { stateDir: `/${'x'.repeat(120)}` });
    const two = resolvePaths(linux(runtime), { stateDir: `/${'y'.repeat(120)}` });
    expect(one.socket).toMatch(/^\/run\/user\/1000\/wgs-[0-9a-f]{10}\/supervisor\.sock$/);
    expect(two.socket).not.toBe(one.socket);
    expect(one.lockFile).toBe(`/${'x'.repeat(120)}/run/supervisor.lock`);
  });

  test('without a runtime folder it goes below the home folder', () => {
    const { socket } = resolvePaths(linux({}), { stateDir: `/${'x'.repeat(120)}` });
    expect(socket).toMatch(/^\/home\/ada\/\.wgs-[0-9a-f]{10}\/supervisor\.sock$/);
  });

  test('bytes count, not characters', () => {
    const folder = `/${'ü'.repeat(45)}`;
    const { socket } = resolvePaths(linux({}), { stateDir: folder });
    expect(`${folder}/run/supervisor.sock`.length).toBeLessThan(SOCKET_PATH_MAX);
    expect(socket.startsWith('/home/ada/.wgs-')).toBe(true);
  });

  test('where nothing fits it says so', () => {
    const environment: Environment = { variables: {}, home: `/${'h'.repeat(120)}`, platform: 'linux' };
    expect(() => resolvePaths(environment)).toThrow(/no place for the socket/);
  });
});

describe('folders', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'paths-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));
  const mode = (path: string) => statSync(path).mode & 0o777;

  test('are made for their owner alone, twice without harm', () => {
    const paths = resolvePaths(linux({}), { stateDir: join(folder, 'a', 'state') });
    ensureFolders(paths);
    ensureFolders(paths);
    for (const path of [paths.stateDir, paths.runDir, paths.spoolDir, paths.logDir, dirname(paths.socket)])
      expect([path, mode(path)]).toEqual([path, 0o700]);
  });

  test('that are too open are closed', () => {
    const state = join(folder, 'state');
    mkdirSync(join(state, 'run'), { recursive: true });
    chmodSync(join(state, 'run'), 0o777);
    ensureFolders(resolvePaths(linux({}), { stateDir: state }));
    expect(mode(join(state, 'run'))).toBe(0o700);
  });

  test('a file in the way is named', () => {
    writeFileSync(join(folder, 'state'), '');
    expect(() => ensureFolders(resolvePaths(linux({}), { stateDir: join(folder, 'state') }))).toThrow(
      /state.* cannot be used/,
    );
  });
});
