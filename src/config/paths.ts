// All paths on this machine. Computes names; touches the disk only to create folders.

import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, statSync } from 'node:fs';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { messageOf, SupervisorError } from '../domain/errors.ts';
import type { Environment } from '../platform/environment.ts';

/** Every file and folder of one supervisor. All absolute. */
export interface Paths {
  readonly configFile: string;
  /** The configuration file was named with `--config` or SUPERVISOR_CONFIG: it must exist. Otherwise a missing one means defaults. */
  readonly configNamed: boolean;
  readonly stateDir: string;
  readonly runDir: string;
  /** Never longer than SOCKET_PATH_MAX bytes. */
  readonly socket: string;
  readonly lockFile: string;
  readonly ledgerFile: string;
  /** pid, socket, URL and operator token of the running supervisor. */
  readonly apiFile: string;
  readonly trustFile: string;
  /** Named tokens of API clients: hashes. */
  readonly tokensFile: string;
  /** Sessions of the page, as hashes. */
  readonly pageSessionsFile: string;
  /** The last checked configuration: saves short commands from checking it again. */
  readonly checkedFile: string;
  /** Completions that arrived while no supervisor could apply them. */
  readonly spoolDir: string;
  readonly logDir: string;
}

/** The values of `--config` and `--state-dir`. */
export interface PathOverrides {
  readonly config?: string;
  readonly stateDir?: string;
}

/**
 * Longest socket path in bytes: macOS allows 104 with the closing NUL, Linux 108, and libuv silently truncates a
 * longer one on both, so that the socket appears somewhere else.
 */
export const SOCKET_PATH_MAX = 103;

const NAME = 'workgraph-supervisor';

/**
 * The paths for this environment. Flags take precedence over SUPERVISOR_CONFIG and SUPERVISOR_STATE_DIR, and those
 * over XDG.
 */
export function resolvePaths(environment: Environment, overrides: PathOverrides = {}): Paths {
  const { variables, home, platform } = environment;
  const mac = platform === 'darwin';
  const library = join(home, 'Library', 'Application Support', NAME);
  const xdg = (name: string): string | null => {
    const value = variables[name];
    // The XDG specification: relative values are ignored.
    return value && isAbsolute(value) ? value : null;
  };
  const base = (name: string, linux: string, macos: string): string => {
    const given = xdg(name);
    if (given !== null) return join(given, NAME);
    return mac ? macos : join(home, linux, NAME);
  };

  const config = overrides.config ?? (variables.SUPERVISOR_CONFIG || undefined);
  const state = overrides.stateDir ?? (variables.SUPERVISOR_STATE_DIR || undefined);
  const stateDir = state
    ? resolve(expandHome(state, home))
    : base('XDG_STATE_HOME', join('.local', 'state'), join(library, 'state'));
  const runtime = xdg('XDG_RUNTIME_DIR');
  // A separate state folder has its own lock and socket: two supervisors can run side by side.
  const runDir = state
    ? join(stateDir, 'run')
    : runtime !== null
      ? join(runtime, NAME)
      : mac
        ? join(library, 'run')
        : join(stateDir, 'run');
  return {
    configFile: config
      ? resolve(expandHome(config, home))
      : join(base('XDG_CONFIG_HOME', '.config', library), 'supervisor.toml'),
    configNamed: Boolean(config),
    stateDir,
    runDir,
    socket: socketPath(runDir, stateDir, runtime, home),
    lockFile: join(runDir, 'supervisor.lock'),
    ledgerFile: join(stateDir, 'ledger.sqlite'),
    apiFile: join(stateDir, 'api.json'),
    trustFile: join(stateDir, 'trust.json'),
    tokensFile: join(stateDir, 'tokens.json'),
    pageSessionsFile: join(stateDir, 'page-sessions.json'),
    checkedFile: join(stateDir, 'config.checked'),
    spoolDir: join(stateDir, 'spool'),
    logDir:
      mac && !state && xdg('XDG_STATE_HOME') === null
        ? join(home, 'Library', 'Logs', NAME)
        : join(stateDir, 'logs'),
  };
}

/** `~` and `~/…` with the home folder inserted; everything else unchanged. */
export function expandHome(path: string, home: string): string {
  if (path === '~') return home;
  return path.startsWith('~/') ? join(home, path.slice(2)) : path;
}

/**
 * Creates the folders that a running supervisor needs, 0700, and tightens wider ones. Throws SupervisorError `config`
 * if one cannot be created or belongs to another user.
 */
export function ensureFolders(paths: Paths): void {
  const folders = [paths.stateDir, paths.runDir, dirname(paths.socket), paths.spoolDir, paths.logDir];
  for (const folder of new Set(folders)) ensurePrivateFolder(folder);
}

function ensurePrivateFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const stat = statSync(folder);
    const self = process.getuid?.();
    if (self !== undefined && stat.uid !== self)
      throw new SupervisorError('config', `${folder} belongs to another user (uid ${stat.uid})`, {
        hint: 'remove it, or set SUPERVISOR_STATE_DIR to a folder of your own',
      });
    // Access to the folder is access to the socket and the tokens.
    if ((stat.mode & 0o077) !== 0) chmodSync(folder, 0o700);
  } catch (thrown) {
    if (thrown instanceof SupervisorError) throw thrown;
    throw new SupervisorError('config', `the folder ${folder} cannot be used: ${messageOf(thrown)}`, {
      hint: 'make it writable, or set SUPERVISOR_STATE_DIR (or --state-dir) to another folder',
      cause: thrown,
    });
  }
}

/** The first of several places whose socket path fits; never /tmp, where others could be first. */
function socketPath(runDir: string, stateDir: string, runtime: string | null, home: string): string {
  const hash = createHash('sha256').update(stateDir).digest('hex').slice(0, 10);
  const places = [
    runDir,
    ...(runtime === null ? [] : [join(runtime, `wgs-${hash}`)]),
    join(home, `.wgs-${hash}`),
  ];
  for (const place of places) {
    const path = join(place, 'supervisor.sock');
    if (Buffer.byteLength(path) <= SOCKET_PATH_MAX) return path;
  }
  throw new SupervisorError(
    'config',
    `no place for the socket: ${join(runDir, 'supervisor.sock')} is longer than ${SOCKET_PATH_MAX} bytes`,
    { hint: 'set SUPERVISOR_STATE_DIR to a folder with a shorter path' },
  );
}
