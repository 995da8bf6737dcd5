// Applies spooled completions, whose graph could not be written when they arrived.

import { SupervisorError } from '../../domain/errors.ts';
import type { SpoolAnswer, SpooledCompletion } from '../../runs/spool.ts';
import type { Completions } from './completions.ts';

/** Applies one; returns whether to keep and retry it, or that it can never apply. */
export async function applySpooled(
  completions: Pick<Completions, 'complete'>,
  record: SpooledCompletion,
): Promise<SpoolAnswer> {
  const { at: _at, graph, run, ...report } = record;
  try {
    const caller = run === undefined ? ({ kind: 'operator' } as const) : ({ kind: 'run', run } as const);
    await completions.complete({ ...report, worktree: graph, caller });
    return { kind: 'applied' };
  } catch (thrown) {
    if (!(thrown instanceof SupervisorError)) throw thrown;
    switch (thrown.code) {
      case 'not-found':
        // A worktree may come back; a task missing from an existing graph does not.
        if (thrown.details.unknown === 'worktree') return { kind: 'later', because: thrown.message };
        return { kind: 'refused', because: thrown.message };
      case 'conflict':
      case 'superseded':
      case 'too-large':
        return { kind: 'refused', because: thrown.message };
      default:
        return { kind: 'later', because: thrown.message };
    }
  }
}
