// From any thrown value to one sentence on stderr and an exit status.

import { ERROR_CODES, messageOf, SupervisorError, systemCode } from '../domain/errors.ts';
import { plain } from './render/plain.ts';

/** A bug: an unforeseen error. */
export const EXIT_BUG = 70;
/** Wrong usage. */
export const EXIT_USAGE = ERROR_CODES.usage.exit;

/** The message and the status. `debug` shows the stack, too. */
export function explainFailure(
  thrown: unknown,
  debug: boolean,
): { readonly text: string; readonly status: number } {
  const stack = debug ? `${stackOf(thrown)}\n` : '';
  if (thrown instanceof SupervisorError) {
    const message = plain(thrown.message).replace(/\.$/, '');
    const hint = thrown.hint === undefined ? '' : `; ${plain(thrown.hint)}`;
    return { text: `supervisor: ${message}${hint}\n${stack}`, status: ERROR_CODES[thrown.code].exit };
  }
  const system = foreseeable(thrown);
  if (system) return { text: `supervisor: ${system}\n${stack}`, status: ERROR_CODES.failed.exit };
  const more = debug ? '' : '; set SUPERVISOR_DEBUG=1 to see where, and please report it';
  return {
    text: `supervisor: this is a bug: ${plain(messageOf(thrown))}${more}\n${stack}`,
    status: EXIT_BUG,
  };
}

/** A full disk or a missing permission is not a bug, wherever it occurs. */
function foreseeable(thrown: unknown): string | null {
  switch (systemCode(thrown)) {
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
    case 'ENOSPC':
    case 'EDQUOT':
    case 'EMFILE':
    case 'ENFILE':
      return plain(messageOf(thrown));
    default:
      return null;
  }
}

function stackOf(thrown: unknown): string {
  const lines: string[] = [];
  for (let each: unknown = thrown, depth = 0; each !== undefined && depth < 5; depth++) {
    const stack = typeof each === 'object' && each !== null && 'stack' in each ? each.stack : undefined;
    lines.push(typeof stack === 'string' ? stack : messageOf(each));
    each = typeof each === 'object' && each !== null && 'cause' in each ? each.cause : undefined;
  }
  return lines.join('\ncaused by: ');
}
