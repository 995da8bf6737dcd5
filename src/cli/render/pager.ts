// Long output on a terminal goes through the user's pager. Never when piped, and never JSON.

import { spawn } from 'node:child_process';
import { systemCode } from '../../domain/errors.ts';
import { type Environment, findOnPath } from '../../platform/environment.ts';
import type { Context } from '../context.ts';

/** Writes the text, through $PAGER (default `less -FRX`) if it is longer than the terminal is high. */
export async function page(context: Context, text: string): Promise<void> {
  const { stdout, environment } = context;
  const high = (text.match(/\n/g)?.length ?? 0) >= (stdout.rows ?? Number.POSITIVE_INFINITY);
  const pager = stdout.isTTY && high ? pagerCommand(environment) : null;
  if (pager === null || !(await through(pager, text, environment.variables))) context.out(text);
}

/** Text that is written as it is made, and goes through the pager once it is longer than the terminal is high. */
export interface PagedOutput {
  /** Resolves when there is room for more. */
  write(text: string): Promise<void>;
  end(): Promise<void>;
}

/** Until a pager was given so much it may turn out not to be there, characters. */
const KEPT_FOR_ITS_LACK = 1024 * 1024;

/** A paged output; only what fits the terminal and the pipe is held. `onQuit`: the reader left the pager. */
export function pagedOutput(context: Context, onQuit: () => void): PagedOutput {
  const { stdout, environment } = context;
  const command = stdout.isTTY ? pagerCommand(environment) : null;
  if (command === null || stdout.rows === undefined) return directOutput(context);
  const { rows } = stdout;
  let held = '';
  let pager: PagedOutput | null = null;
  return {
    async write(text) {
      if (pager !== null) return await pager.write(text);
      held += text;
      if ((held.match(/\n/g)?.length ?? 0) < rows) return;
      pager = throughPager(command, context, onQuit);
      await pager.write(held);
      held = '';
    },
    async end() {
      if (pager === null) context.out(held);
      else await pager.end();
    },
  };
}

/** Writes to stdout. */
export function directOutput(context: Context): PagedOutput {
  return { write: async (text) => context.out(text), end: async () => {} };
}

function throughPager(command: string, context: Context, onQuit: () => void): PagedOutput {
  const child = spawn('sh', ['-c', command], {
    stdio: ['pipe', 'inherit', 'inherit'],
    env: { LESS: 'FRX', ...context.environment.variables },
  });
  let sent: string | null = '';
  let state: 'reading' | 'quit' | 'missing' = 'reading';
  let room: () => void = () => {};
  const closed = new Promise<void>((resolve) => {
    const close = (status: number | null) => {
      if (state !== 'reading') return;
      // 127: the shell did not find it; then the text must be shown all the same.
      state = status === 127 && sent !== null ? 'missing' : 'quit';
      if (state === 'missing') context.out(sent ?? '');
      else onQuit();
      room();
      resolve();
    };
    child.once('error', () => close(127));
    child.once('close', close);
  });
  // Leaving the pager before the end closes the pipe; that is no error.
  child.stdin.on('error', () => undefined).on('drain', () => room());
  return {
    async write(text) {
      if (state === 'missing') return context.out(text);
      if (state === 'quit') return;
      if (sent !== null) sent = sent.length > KEPT_FOR_ITS_LACK ? null : sent + text;
      if (child.stdin.write(text)) return;
      await new Promise<void>((resolve) => {
        room = resolve;
      });
    },
    async end() {
      child.stdin.end();
      await closed;
    },
  };
}

/** The pager as a shell command, or null if there is none or it is `cat`. */
export function pagerCommand(environment: Pick<Environment, 'variables'>): string | null {
  const { variables } = environment;
  const wanted = variables.SUPERVISOR_PAGER ?? variables.PAGER;
  if (wanted !== undefined) return ['', 'cat'].includes(wanted.trim()) ? null : wanted;
  return findOnPath('less', environment) === null ? null : 'less -FRX';
}

/** False if the pager could not be started. */
function through(
  pager: string,
  text: string,
  variables: Readonly<Record<string, string | undefined>>,
): Promise<boolean> {
  return new Promise((resolve) => {
    const child = spawn('sh', ['-c', pager], {
      stdio: ['pipe', 'inherit', 'inherit'],
      env: { LESS: 'FRX', ...variables },
    });
    child.once('error', () => resolve(false));
    // 127: the shell did not find it; then the text must be shown all the same.
    child.once('close', (status) => resolve(status !== 127));
    child.stdin.on('error', (error) => {
      // Quitting the pager before the end closes the pipe; that is not an error.
      if (systemCode(error) !== 'EPIPE') resolve(false);
    });
    child.stdin.end(text);
  });
}
