// What a test file left behind: open handles, timers, processes. Each is named, so that a suite that does not tidy up
// fails by its own name instead of keeping the whole run from ending.

import { readdir, readFile, readlink } from 'node:fs/promises';
import process from 'node:process';

/** What keeps a process from ending, in words. */
const WORDS = {
  ChildProcess: 'a child process',
  FSWatcher: 'a file watcher',
  FSEvent: 'a file watcher',
  MessagePort: 'a worker thread',
  Server: 'a listening server',
  Socket: 'a connection or pipe',
  StatWatcher: 'a file watcher',
  TLSSocket: 'a connection',
};

/** Timers apart. What a suite opened is known by who is new among these: counts also fall by what was there before. */
export const openHandles = () => new Set(process._getActiveHandles());

/** What is open now and was not `before`, in words. */
export function openedSince(before) {
  const found = [...openHandles()].filter((handle) => !before.has(handle));
  return found.map((handle) => WORDS[handle.constructor.name] ?? `an open ${handle.constructor.name}`);
}

/**
 * Notes the timers that a sandbox sets from now on: the process as a whole has others of Jest's, and does not tell which
 * is whose.
 */
export function watchTimers(sandbox) {
  const timers = new Set();
  const isOpen = (timer) => !timer._destroyed && timer.hasRef();
  for (const name of ['setTimeout', 'setInterval']) {
    const set = sandbox[name];
    const noted = (...args) => {
      const timer = set(...args);
      if (timers.size > 1000) for (const other of timers) if (!isOpen(other)) timers.delete(other);
      timers.add(timer);
      return timer;
    };
    sandbox[name] = Object.defineProperties(noted, Object.getOwnPropertyDescriptors(set));
  }
  return {
    open: () => [...timers].filter(isOpen).length,
    clear: () => timers.forEach(clearTimeout),
  };
}

/** Closes what is open now and was not `before`: its test has failed already, the others continue. */
export function closeOpenedSince(before) {
  for (const handle of openHandles()) {
    if (before.has(handle)) continue;
    handle.closeAllConnections?.();
    if (typeof handle.pid === 'number') handle.kill('SIGKILL');
    else (handle.destroy ?? handle.close)?.call(handle);
    handle.unref?.();
  }
}

/** Live processes that work in `folder` or were started with its path. Where there is no /proc, none is found. */
export async function processesOf(folder) {
  const found = [];
  for (const name of await readdir('/proc').catch(() => [])) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    const [cwd, command, variables] = await Promise.all([
      readlink(`/proc/${pid}/cwd`).catch(() => ''),
      readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''),
      readFile(`/proc/${pid}/environ`, 'utf8').catch(() => ''),
    ]);
    // A process that has ended and is not yet waited for has neither.
    if ([cwd, command, variables].some((text) => text.includes(folder)))
      found.push({ pid, command: command.replaceAll('\0', ' ').trim().slice(0, 200) });
  }
  return found;
}
