// Applies completions that waited on the disk while their graph could not be written.

import { SupervisorError } from '../domain/errors.ts';
import type { SpoolAnswer, SpooledCompletion } from '../runs/spool.ts';
import type { SupervisorControl } from './control.ts';

/** Applies one; says whether it is to be kept and tried again, or can never apply. */
export async function applySpooled(
  control: SupervisorControl,
  record: SpooledCompletion,
): Promise<SpoolAnswer> {
  const { at: _at, graph, run, ...report } = record;
  try {
    const caller = run === undefined ? ({ kind: 'operator' } as const) : ({ kind: 'run', run } as const);
    await control.complete({ ...report, worktree: graph, caller });
    return { kind: 'applied' };
  } catch (thrown) {
    if (!(thrown instanceof SupervisorError)) throw thrown;
    switch (thrown.code) {
      case 'not-found':
        // A worktree may come back; a task that is gone from a graph that is here does not.
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
