// The real process as the commands see it. Nothing else in cli/ touches `process`.

import { messageOf, systemCode } from '../domain/errors.ts';
import { systemClock } from '../platform/clock.ts';
import { processEnvironment } from '../platform/environment.ts';
import type { ProcessIo, Screen } from './context.ts';

/** The ProcessIo of this process. Handles a closed stdout. */
export function processSurroundings(): ProcessIo {
  const closed = new Set<() => void>();
  process.stdout.on('error', (error) => {
    if (systemCode(error) !== 'EPIPE') {
      process.stderr.write(`supervisor: cannot write: ${messageOf(error)}\n`);
      process.exit(1);
    }
    if (closed.size === 0) process.exit(0);
    for (const hear of closed) hear();
  });
  // Stderr was closed: there is nowhere left to report.
  process.stderr.on('error', () => {});
  return {
    environment: processEnvironment(),
    cwd: currentFolder(),
    clock: systemClock(),
    stdout: screenOf(process.stdout),
    stderr: screenOf(process.stderr),
    stdin: {
      isTTY: process.stdin.isTTY === true,
      get stream() {
        return process.stdin;
      },
      async read() {
        const chunks: Buffer[] = [];
        for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
        return Buffer.concat(chunks).toString('utf8');
      },
      ask: askOnTerminal,
    },
    onSignal(name, hear) {
      process.on(name, hear);
      return () => process.off(name, hear);
    },
    onClosedPipe(hear) {
      closed.add(hear);
      return () => closed.delete(hear);
    },
    leaveFolder: () => process.chdir('/'),
    exitNow: (status) => process.exit(status),
  };
}

/** Written to stderr, so that what a command prints can be read by others while it asks. */
async function askOnTerminal(question: string): Promise<string | null> {
  const { createInterface } = await import('node:readline');
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  return await new Promise((resolve) => {
    lines.once('close', () => resolve(null));
    lines.question(question, (line) => {
      resolve(line);
      lines.close();
    });
  });
}

function screenOf(stream: NodeJS.WriteStream): Screen {
  return {
    get isTTY() {
      return stream.isTTY === true;
    },
    get columns() {
      return stream.columns;
    },
    get rows() {
      return stream.rows;
    },
    write: (text) => {
      if (text !== '') stream.write(text);
    },
  };
}

/** A folder that was deleted under the shell still lets every command run that needs none. */
function currentFolder(): string {
  try {
    return process.cwd();
  } catch {
    // ENOENT: the folder is gone. The root exists, and is no worktree; child processes need a folder, too.
    process.chdir('/');
    return '/';
  }
}
