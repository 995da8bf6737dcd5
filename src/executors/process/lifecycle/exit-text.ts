// Exit statuses and vanished processes as text, shared by the executors that spawn.

import type { Outcome, Usage } from '../../../domain/outcome.ts';

/** An exit status as text; the shell's codes for signals and missing programs by name. */
export function describeStatus(code: number): string {
  if (code === 126) return 'exit status 126 (found, but not executable)';
  if (code === 127) return 'exit status 127 (a program was not found)';
  if (code > 128 && code <= 192) return `exit status ${code} (ended by signal ${code - 128})`;
  return `exit status ${code}`;
}

/**
 * The outcome of a process that was stopped by another program's signal, as its wrapper recorded it; null for every
 * other status. Only for programs that exit with such a status for no other reason.
 */
export function interruptedBySignal(
  code: number,
  used: { readonly usage?: Usage },
): (Outcome & { readonly kind: 'failed' }) | null {
  // Killed, terminated, hung up: 128 and the signal.
  if (code !== 137 && code !== 143 && code !== 129) return null;
  return {
    kind: 'failed',
    failure: 'interrupted',
    message: `The agent was killed (${describeStatus(code)}): by a person, or because memory ran out.`,
    retryable: true,
    exitCode: code,
    ...used,
  };
}

/** The outcome of a process that is gone without an exit status. */
export function vanishedOutcome(): Outcome & { readonly kind: 'failed' } {
  return {
    kind: 'failed',
    failure: 'interrupted',
    message:
      'The agent is gone and left no exit status: it was killed together with its wrapper (out of memory?), or the machine went down.',
    retryable: true,
  };
}
