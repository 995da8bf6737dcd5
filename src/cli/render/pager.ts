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
