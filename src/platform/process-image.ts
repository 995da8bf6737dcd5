// Another program in place of this one, in the same process: execve(2) and what belongs to it, which Node has no call
// for; by way of libc, through koffi. The pid stays, so that a service manager, a shell and a container see nothing.

import { createRequire } from 'node:module';
import { SupervisorError } from '../domain/errors.ts';

export interface ProcessImage {
  /** Another descriptor of the same open file or socket, which children do not get. */
  copy(fd: number): number;
  /** Keeps an inherited descriptor from children. */
  closeInChildren(fd: number): void;
  /**
   * Becomes this program, which has the standard descriptors, the kept ones and these variables, and nothing else of
   * this one. Throws SupervisorError `failed` where the system refuses.
   */
  become(
    command: readonly [string, ...string[]],
    variables: Readonly<Record<string, string | undefined>>,
    kept: readonly number[],
  ): never;
  /**
   * Removes a child that has ended from the process table; true while there is such a child. For children of an
   * earlier program of this process, which no one else waits for.
   */
  reap(pid: number): boolean;
  /** The same for all children that have ended by now. Only while this program has started none itself. */
  reapAll(): void;
}

const F_SETFD = 2;
const FD_CLOEXEC = 1;
const F_DUPFD_CLOEXEC: Partial<Record<NodeJS.Platform, number>> = { linux: 1030, darwin: 67 };
const WNOHANG = 1;

/** The means to do so, or null where libc cannot be reached: no koffi for this machine, or another system. */
export function processImage(platform: NodeJS.Platform): ProcessImage | null {
  const duplicate = F_DUPFD_CLOEXEC[platform];
  if (duplicate === undefined) return null;
  try {
    const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
    const libc = koffi.load(null);
    const fcntl = libc.func('int fcntl(int fd, int command, ...)');
    const execve = libc.func('int execve(const char *path, const char **argv, const char **envp)');
    const waitpid = libc.func('int waitpid(int pid, void *status, int options)');
    const failed = (what: string) =>
      new SupervisorError('failed', `${what} (errno ${koffi.errno()}).`, { hint: 'start it again' });
    const setFlags = (fd: number, flags: number) => {
      if (fcntl(fd, F_SETFD, 'int', flags) !== 0) throw failed(`Descriptor ${fd} cannot be handed on`);
    };
    return {
      copy(fd) {
        const copied: number = fcntl(fd, duplicate, 'int', 3);
        if (copied < 0) throw failed(`Descriptor ${fd} cannot be copied`);
        return copied;
      },
      closeInChildren: (fd) => setFlags(fd, FD_CLOEXEC),
      become([program, ...args], variables, kept) {
        const environment = Object.entries(variables).flatMap(([name, value]) =>
          value === undefined ? [] : [`${name}=${value}`],
        );
        // Node closes even its standard descriptors in what is executed.
        for (const fd of [0, 1, 2, ...kept]) setFlags(fd, 0);
        execve(program, [program, ...args, null], [...environment, null]);
        throw failed(`${program} cannot be executed`);
      },
      reap: (pid) => waitpid(pid, null, WNOHANG) === 0,
      reapAll() {
        while (waitpid(-1, null, WNOHANG) > 0);
      },
    };
  } catch {
    // No build of koffi for this machine: callers do without.
    return null;
  }
}
