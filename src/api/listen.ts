// Opens the listening sockets: the unix socket with its permissions and stale predecessors, and TCP if allowed. Knows
// nothing of requests.

import type { BigIntStats } from 'node:fs';
import { lstat, mkdir, rename, rm, unlink } from 'node:fs/promises';
import type { Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { dirname } from 'node:path';
import type { ListenSetting } from '../domain/config.ts';
import { messageOf, SupervisorError, systemCode } from '../domain/errors.ts';
import type { Listening } from '../platform/handover.ts';

/** macOS allows 103 bytes; Linux allows 107 and silently truncates, so the socket would be elsewhere. */
export const MAX_SOCKET_PATH_BYTES = 103;

/** The default TCP port. */
export const DEFAULT_PORT = 7420;

/**
 * Listens on the unix socket, accessible to this user alone; with `inherited`, on the socket that an earlier program of
 * this process left listening there. A dead socket file is replaced; a live one is `already-running`. The caller has
 * the machine's lock. Gives what removes the file, which outlives the server.
 */
export async function listenOnSocket(
  server: Server,
  path: string,
  inherited: number | null = null,
): Promise<() => Promise<void>> {
  const bytes = Buffer.byteLength(path);
  if (bytes > MAX_SOCKET_PATH_BYTES)
    throw new SupervisorError(
      'config',
      `The socket path has ${bytes} bytes, the system takes ${MAX_SOCKET_PATH_BYTES}: ${path}`,
      { hint: 'set XDG_RUNTIME_DIR or SUPERVISOR_STATE_DIR to a shorter folder' },
    );
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  } catch (error) {
    throw cannotListen(path, error);
  }
  const found = await socketFile(path);
  // A file that was removed meanwhile leads no one to the socket that is left.
  if (inherited !== null && found && (await listensOn(server, inherited))) return remover(path, found);
  if (found) await removeStaleSocket(path, found);
  // Node removes the file that it has bound when it closes the server; a successor's callers still need it.
  const draft = `${path.slice(0, -1)}~`;
  try {
    await rm(draft, { force: true });
    await listenPrivately(server, draft);
    // It appeared since the check.
    if ((await socketFile(path)) !== null) throw alreadyRunning(path);
    await rename(draft, path);
  } catch (error) {
    throw error instanceof SupervisorError ? error : cannotListen(path, error);
  }
  const made = await socketFile(path);
  return made ? remover(path, made) : async () => {};
}

/** Removes the file of a socket unless another one is there by now. */
function remover(path: string, ours: BigIntStats): () => Promise<void> {
  return async () => {
    const now = await lstat(path, { bigint: true }).catch(() => null);
    if (now?.ino === ours.ino && now.ctimeNs === ours.ctimeNs) await rm(path, { force: true });
  };
}

/** True if the server listens on this descriptor; false if it is no socket that can be listened on. */
async function listensOn(server: Server, fd: number): Promise<boolean> {
  try {
    await listening(server, () => server.listen({ fd, exclusive: true }));
    return true;
  } catch {
    return false;
  }
}

/** The descriptor of a server that listens; null if it has none. */
export function descriptorOf(server: Server): number | null {
  const handle: unknown = '_handle' in server ? server._handle : null;
  const fd: unknown = typeof handle === 'object' && handle !== null && 'fd' in handle ? handle.fd : null;
  return typeof fd === 'number' && fd >= 0 ? fd : null;
}

/** The mode of the file is set while binding; a chmod afterwards would leave a gap. */
function listenPrivately(server: Server, path: string): Promise<void> {
  const before = process.umask(0o077);
  try {
    // Binding happens within the call, before anything else can run under this umask.
    return listening(server, () => server.listen(path));
  } finally {
    process.umask(before);
  }
}

async function socketFile(path: string): Promise<BigIntStats | null> {
  try {
    const found = await lstat(path, { bigint: true });
    if (!found.isSocket())
      throw new SupervisorError('config', `${path} is in the way: it is not a socket.`, {
        hint: 'move it away and start again',
      });
    return found;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return null;
    throw error instanceof SupervisorError ? error : cannotListen(path, error);
  }
}

async function removeStaleSocket(path: string, found: BigIntStats): Promise<void> {
  const trouble = await connectTrouble(path);
  if (trouble === null) throw alreadyRunning(path);
  if (trouble !== 'ECONNREFUSED' && trouble !== 'ENOENT')
    throw new SupervisorError(
      'already-running',
      `The socket ${path} is in use, but cannot be asked: ${trouble}.`,
      {
        hint: 'end the process that holds it, or remove the file',
      },
    );
  const now = await socketFile(path);
  if (now === null) return;
  // Another process replaced it meanwhile: that one is alive.
  if (now.ino !== found.ino || now.mtimeNs !== found.mtimeNs) throw alreadyRunning(path);
  await unlink(path);
}

/** null if connections are accepted, else the system's code. */
function connectTrouble(path: string): Promise<string | null> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(null);
    });
    socket.once('error', (error) => resolve(systemCode(error) ?? messageOf(error)));
  });
}

/**
 * Listens on TCP and returns the address. If the port may be chosen, the last one is tried first, because running
 * agents have its URL; then, for `auto`, the usual one; then any. What an earlier program of this process left
 * listening at such an address comes before all.
 */
export async function listenOnTcp(
  server: Server,
  wish: Exclude<ListenSetting, { kind: 'off' }>,
  lastPort: number | null = null,
  inherited: Listening['tcp'] = [],
): Promise<{ readonly host: string; readonly port: number }> {
  const host = wish.kind === 'at' ? wish.host : '127.0.0.1';
  const fixed = wish.kind === 'at' && wish.port !== 0 ? wish.port : null;
  const left = inherited.find((one) => one.host === host && (fixed === null || one.port === fixed));
  if (left && (await listensOn(server, left.fd))) return { host, port: left.port };
  const last = lastPort === null ? [] : [lastPort];
  const ports = fixed !== null ? [fixed] : [...last, ...(wish.kind === 'auto' ? [DEFAULT_PORT] : []), 0];
  for (const port of ports) {
    try {
      await listening(server, () => server.listen({ host, port, exclusive: true }));
      return { host, port: (server.address() as AddressInfo).port };
    } catch (error) {
      if (port === ports.at(-1) || systemCode(error) !== 'EADDRINUSE')
        throw cannotListen(`${host}:${port}`, error);
    }
  }
  throw new Error('there was no port to try');
}

function listening(server: Server, listen: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = () => {
      server.off('listening', onListening);
      server.off('error', onError);
    };
    const onListening = () => {
      settle();
      resolve();
    };
    const onError = (error: Error) => {
      settle();
      reject(error);
    };
    server.on('listening', onListening);
    server.on('error', onError);
    listen();
  });
}

function alreadyRunning(path: string): SupervisorError {
  return new SupervisorError('already-running', `Another supervisor answers on ${path}.`, {
    hint: 'use that one, or give this one its own state folder with --state-dir',
  });
}

function cannotListen(where: string, cause: unknown): SupervisorError {
  return new SupervisorError('config', `Cannot listen on ${where}: ${messageOf(cause)}.`, {
    hint: 'choose another address under [api] listen, or another state folder',
    cause,
  });
}
