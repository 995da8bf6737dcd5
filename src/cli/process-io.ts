// The real process as the commands see it. Nothing else in cli/ touches `process`.

import { execFile } from 'node:child_process';
import { messageOf, systemCode } from '../domain/errors.ts';
import { systemClock } from '../platform/clock.ts';
import { processEnvironment, takeVariable } from '../platform/environment.ts';
import {
  descriptorsOf,
  HANDOVER_VARIABLE,
  handoverText,
  type Inherited,
  readHandover,
} from '../platform/handover.ts';
import { processImage } from '../platform/process-image.ts';
import type { ProcessIo, Screen, Successor } from './context.ts';
import type { Key } from './monitor/state.ts';

/** A start takes a second; a machine may have much to do. ms. */
const CHECK_TIMEOUT_MS = 60_000;

/** The ProcessIo of this process. Handles a closed stdout. */
export function processSurroundings(): ProcessIo {
  const cwd = currentFolder();
  // At once, before anything is started that would inherit it.
  const left = readHandover(takeVariable(HANDOVER_VARIABLE));
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
    cwd,
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
      keys: keysOfTerminal,
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
    inherited: () => left && inheritedFrom(left),
    successor: () => successorIn(cwd),
    leaveFolder: () => process.chdir('/'),
    exitNow: (status) => process.exit(status),
  };
}

function inheritedFrom(left: NonNullable<ReturnType<typeof readHandover>>): Inherited | null {
  const image = processImage(process.platform);
  if (image === null) return null;
  try {
    for (const fd of descriptorsOf(left)) image.closeInChildren(fd);
  } catch {
    // Not left by an earlier program of this process: an ordinary start.
    return null;
  }
  image.reapAll();
  return { ...left, reap: (pid) => image.reap(pid) };
}

function successorIn(cwd: string): Successor | null {
  const image = processImage(process.platform);
  if (image === null) return null;
  const [, ...words] = process.argv;
  const command = [process.execPath, ...process.execArgv, ...words] as const;
  return {
    refusal: () =>
      new Promise((resolve) => {
        const [program, ...args] = command;
        const check = [...args, '--check'];
        execFile(program, check, { cwd, timeout: CHECK_TIMEOUT_MS }, (error, _out, said) =>
          resolve(error && (said.trim().replace(/^supervisor: /, '') || messageOf(error))),
        );
      }),
    copy: (fd) => image.copy(fd),
    async begin(handover) {
      // What was written must be out: nothing of this program is left afterwards.
      for (const stream of [process.stdout, process.stderr])
        await new Promise<void>((resolve) => stream.write('', () => resolve()));
      try {
        process.chdir(cwd);
      } catch {
        // It is gone, as it would be for this program started again.
      }
      const variables = { ...processEnvironment().variables, [HANDOVER_VARIABLE]: handoverText(handover) };
      return image.become(command, variables, descriptorsOf(handover));
    },
  };
}

async function keysOfTerminal(hear: (key: Key) => void): Promise<() => void> {
  const { emitKeypressEvents } = await import('node:readline');
  const { stdin } = process;
  const listen = (
    typed: string | undefined,
    { name = '', ctrl = false }: { name?: string; ctrl?: boolean },
  ) => hear({ name, ctrl, text: typed !== undefined && /^\P{Control}+$/u.test(typed) ? typed : '' });
  emitKeypressEvents(stdin);
  stdin.setRawMode(true);
  stdin.on('keypress', listen);
  stdin.resume();
  return () => {
    stdin.off('keypress', listen);
    stdin.setRawMode(false);
    stdin.pause();
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
