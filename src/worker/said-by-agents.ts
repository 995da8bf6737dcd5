// What agents of this worker said with `supervisor done` and `fail`: the command keeps it as it does where no supervisor can
// write, and here it is found again by run.

import type { Failed, Succeeded } from '../domain/outcome.ts';
import { drainSpool, type SpooledCompletion } from '../runs/spool.ts';

export class SaidByAgents {
  readonly #folder: string;
  readonly #said = new Map<string, Succeeded | Failed>();

  constructor(spoolFolder: string) {
    this.#folder = spoolFolder;
  }

  /** What the agent of a run said first; null: nothing yet. `take`: it is not asked for again. */
  async of(run: string, isOurs: (run: string) => boolean): Promise<Succeeded | Failed | null> {
    await drainSpool(this.#folder, async (record) => {
      if (record.run === undefined || !isOurs(record.run))
        return { kind: 'refused', because: 'no job of this worker said it' };
      if (!this.#said.has(record.run)) this.#said.set(record.run, outcomeOf(record));
      // It stays until its job has finished: a worker that is killed reads it again.
      return { kind: 'later', because: 'its job is not over' };
    });
    return this.#said.get(run) ?? null;
  }

  /** The run has finished and reported: what it said is removed. */
  async forget(run: string): Promise<void> {
    this.#said.delete(run);
    await drainSpool(this.#folder, async (record) =>
      record.run === run ? { kind: 'applied' } : { kind: 'later', because: 'of another job' },
    );
  }
}

function outcomeOf(said: SpooledCompletion): Succeeded | Failed {
  if (said.result === 'succeeded')
    return {
      kind: 'succeeded',
      ...(said.summary === undefined ? {} : { summary: said.summary }),
      ...(said.artifacts === undefined ? {} : { artifacts: said.artifacts }),
    };
  return {
    kind: 'failed',
    failure: 'reported',
    message: said.reason ?? 'reported as failed',
    retryable: said.retryable ?? false,
  };
}
