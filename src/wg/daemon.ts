// Whether a wg daemon dispatches a graph now, by wg's own traces: state file, socket, process list. Only checks; the
// consequences are decided elsewhere. Traces of a dead daemon do not count.

import { execFile } from 'node:child_process';
import { closeSync, existsSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs';
import { readFile, readlink, realpath } from 'node:fs/promises';
import { connect } from 'node:net';
import { isAbsolute, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { systemCode } from '../domain/errors.ts';
import { GRAPH_FILES } from '../domain/graph-files.ts';
import type { GraphPath } from '../domain/ids.ts';
import type { Steps } from '../domain/steps.ts';
import type { Clock } from '../platform/clock.ts';
import { yielding } from '../platform/cooperative.ts';
import { readTextNow } from '../platform/regular-file.ts';

/** A live daemon, and how it was recognised. */
export interface Daemon {
  /** Null if only its socket answered without naming a pid. */
  readonly pid: number | null;
  /** Null if it was found in the process list alone. */
  readonly socket: string | null;
  readonly because: string;
}

/** Live daemons by the real path of the graph they serve. */
export type DaemonsByGraph = ReadonlyMap<GraphPath, number>;

/** An idle daemon answers at once; one in a tick may take 10 s, and is recognised by its process. */
const ANSWER_WITHIN_MS = 500;

/** An answer is one short line; a longer one does not come from wg. */
const LONGEST_ANSWER = 1024 * 1024;

export interface DaemonDetector {
  /** The daemon of one graph, or null. */
  detect(graph: GraphPath): Promise<Daemon | null>;
}

/**
 * A detector for many graphs: they share one scan of the process list, repeated after `scanEveryMs` (default 2 s).
 */
export function createDaemonDetector(options: {
  readonly clock: Clock;
  readonly scanEveryMs?: number;
  readonly scan?: () => Promise<DaemonsByGraph>;
}): DaemonDetector {
  const { clock, scanEveryMs = 2000, scan = scanDaemons } = options;
  let last: { at: number; found: Promise<DaemonsByGraph> } | null = null;
  const shared = (): Promise<DaemonsByGraph> => {
    const age = last === null ? Number.POSITIVE_INFINITY : clock.now() - last.at;
    // A clock that was set back must not keep an old scan valid.
    if (last === null || age >= scanEveryMs || age < 0) {
      const found = scan();
      last = { at: clock.now(), found };
      found.catch(() => {
        last = null;
      });
    }
    return last.found;
  };
  return { detect: (graph) => detectDaemon(graph, clock, shared) };
}

/**
 * The daemon of one graph, or null: first its state file and socket, which is cheap, then the process list, which
 * also shows daemons that lost their state file.
 */
export async function detectDaemon(
  graph: GraphPath,
  clock: Clock,
  scan: () => Promise<DaemonsByGraph> = scanDaemons,
): Promise<Daemon | null> {
  const service = join(graph, 'service');
  const state = readState(join(service, 'state.json'));
  const socket = state?.socket ?? join(service, 'daemon.sock');
  if (state !== null && isLive(state.pid)) {
    const command = await commandOf(state.pid);
    if (command === null || isDaemonCommand(command))
      return { pid: state.pid, socket, because: `service/state.json names the running process ${state.pid}` };
  }
  const answer = existsSync(socket) ? await askStatus(socket, clock) : null;
  if (answer !== null) return { pid: answer.pid, socket, because: `a daemon answers on ${socket}` };
  const pid = (await scan()).get(graph);
  if (pid === undefined || !isLive(pid)) return null;
  return { pid, socket: null, because: `process ${pid} is a wg service daemon for this graph` };
}

function readState(path: string): { pid: number; socket: string | null } | null {
  try {
    const state: unknown = JSON.parse(readTextNow(path, GRAPH_FILES.daemonState) ?? 'null');
    if (typeof state !== 'object' || state === null || !('pid' in state)) return null;
    const { pid } = state;
    if (typeof pid !== 'number' || !Number.isInteger(pid) || pid <= 1 || pid > 2 ** 31 - 1) return null;
    const socket = 'socket_path' in state && typeof state.socket_path === 'string' ? state.socket_path : null;
    // A relative path would be resolved against our own folder, which is meaningless.
    return { pid, socket: socket !== null && isAbsolute(socket) ? socket : null };
  } catch {
    // Absent, torn while being written (wg writes it in place) or foreign: the socket and the process list decide.
    return null;
  }
}

/** Exists, under any owner, and is no zombie. */
export function isLive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (thrown) {
    if (systemCode(thrown) !== 'EPERM') return false;
  }
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const state = stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3);
    return state !== 'Z' && state !== 'X';
  } catch {
    // No /proc (macOS), or gone in between: the signal's result counts until the next check.
    return true;
  }
}

/** The arguments of a process, or null if this user may not see them. */
async function commandOf(pid: number): Promise<readonly string[] | null> {
  try {
    const raw = await readFile(`/proc/${pid}/cmdline`, 'utf8');
    // Empty: a kernel thread that has the number now.
    return raw.split('\0');
  } catch (thrown) {
    if (process.platform === 'linux') return systemCode(thrown) === 'ENOENT' ? [] : null;
  }
  try {
    const { stdout } = await promisify(execFile)('ps', ['-o', 'command=', '-p', String(pid)]);
    return stdout.trim().split(' ');
  } catch {
    // ps exits with a status other than 0 if the process is gone.
    return [];
  }
}

function isDaemonCommand(args: readonly string[]): boolean {
  return args.some((arg, n) => arg === 'service' && args[n + 1] === 'daemon');
}

/** Asks a socket for its status the way wg does; null if nothing answers as a daemon would. */
function askStatus(socket: string, clock: Clock): Promise<{ pid: number | null } | null> {
  return new Promise((resolveAnswer) => {
    const connection = connect(socket);
    let text = '';
    const end = (answer: { pid: number | null } | null) => {
      cancel();
      connection.destroy();
      resolveAnswer(answer);
    };
    const cancel = clock.after(ANSWER_WITHIN_MS, () => end(null));
    connection.setEncoding('utf8');
    connection.on('connect', () => connection.write('{"cmd":"status"}\n'));
    connection.on('data', (chunk: string) => {
      text += chunk;
      if (text.includes('\n')) end(parseAnswer(text.slice(0, text.indexOf('\n'))));
      else if (text.length > LONGEST_ANSWER) end(null);
    });
    // Refused, absent, not a socket, closed without an answer: no daemon.
    connection.on('error', () => end(null));
    connection.on('close', () => end(null));
  });
}

function parseAnswer(line: string): { pid: number | null } | null {
  try {
    const answer: unknown = JSON.parse(line);
    if (typeof answer !== 'object' || answer === null || !('ok' in answer)) return null;
    return { pid: 'pid' in answer && typeof answer.pid === 'number' ? answer.pid : null };
  } catch {
    // Something listens there that does not speak wg's protocol.
    return null;
  }
}

/** Every `wg service daemon` in the process list, by the graph it was started for. */
export async function scanDaemons(): Promise<Map<GraphPath, number>> {
  return process.platform === 'linux' ? scanProc() : scanPs();
}

async function scanProc(): Promise<Map<GraphPath, number>> {
  const found = new Map<GraphPath, number>();
  for (const { pid, dir } of await yielding(daemonProcesses()))
    try {
      const from = isAbsolute(dir) ? '/' : await readlink(`/proc/${pid}/cwd`);
      found.set(await realpath(resolve(from, dir)), pid);
    } catch {
      // Exited in between, or its folder is gone: not the daemon of a supervised graph.
    }
  return found;
}

/** How much of a command line is checked: `wg` writes `--dir` and `service daemon` at its beginning. */
const COMMAND_BYTES = 16 * 1024;

/** Processes that are a wg daemon, and their folder argument. */
function* daemonProcesses(): Steps<{ readonly pid: number; readonly dir: string }[]> {
  const found: { pid: number; dir: string }[] = [];
  const buffer = Buffer.allocUnsafe(COMMAND_BYTES);
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid)) continue;
    const command = commandLine(pid, buffer);
    // Most processes are not: checked as bytes before they are parsed.
    if (command?.includes('daemon')) {
      const args = command.toString('utf8').split('\0');
      const dir = isDaemonCommand(args) ? dirOf(args) : null;
      if (dir !== null) found.push({ pid, dir });
    }
    yield;
  }
  return found;
}

/**
 * The beginning of a process's command line, read into the given buffer; null if it has exited or is inaccessible.
 * Synchronous: there may be hundreds, and /proc is not a disk to wait for.
 */
function commandLine(pid: number, buffer: Buffer): Buffer | null {
  try {
    const file = openSync(`/proc/${pid}/cmdline`, 'r');
    try {
      return buffer.subarray(0, readSync(file, buffer, 0, buffer.length, 0));
    } finally {
      closeSync(file);
    }
  } catch {
    // Whatever the error, it is not a daemon that could be recognised.
    return null;
  }
}

function dirOf(args: readonly string[]): string | null {
  const at = args.indexOf('--dir');
  if (at >= 0) return args[at + 1] ?? null;
  return args.find((arg) => arg.startsWith('--dir='))?.slice('--dir='.length) ?? null;
}

/** Without /proc: `ps` joins arguments with blanks, so the folder is what is between `--dir` and `service daemon`. */
async function scanPs(): Promise<Map<GraphPath, number>> {
  const found = new Map<GraphPath, number>();
  const { stdout } = await promisify(execFile)('ps', ['-Aww', '-o', 'pid=,command='], {
    maxBuffer: 64 * 1024 * 1024,
  });
  for (const line of stdout.split('\n')) {
    const match = /^\s*(\d+)\s.*?--dir[ =](.+?) service daemon(?: |$)/.exec(line);
    if (match === null) continue;
    try {
      found.set(await realpath(match[2] ?? ''), Number(match[1]));
    } catch {
      // Its folder is gone.
    }
  }
  return found;
}
