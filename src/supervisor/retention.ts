// Letting go of what is over: folders of runs first, then the runs themselves. A little at a time, so that nothing waits
// for it, and never right after a start or a jump of the clock: what a wrong clock takes for old would be lost.

import type { Config } from '../domain/config.ts';
import type { Clock } from '../platform/clock.ts';
import type { Log } from '../platform/log.ts';
import type { RunnerParts } from '../run/run-services.ts';
import { PRUNED_AT_ONCE } from '../runs/old-runs.ts';
import { removeAgentFolder } from '../wg/old-agent-folder.ts';

interface RetentionParts {
  readonly ledger: Pick<
    RunnerParts['ledger'],
    'endedWithFolder' | 'forgetFolder' | 'prune' | 'forgetResultsBefore'
  >;
  readonly clock: Clock;
  readonly log: Log;
  config(): Pick<Config, 'retention'>;
  /** Removes the folder of an ended run; absent: for real. */
  readonly remove?: typeof removeAgentFolder;
}

const HOUR_MS = 3_600_000;

/** What came of a task is remembered so many times longer than its run: branches live long. */
const RESULTS_OUTLIVE_RUNS = 12;

/** Folders removed in one go. */
const FOLDERS_AT_ONCE = 100;

/** Does its work when it is asked often enough; asking is cheap. */
export class Retention {
  readonly #parts: RetentionParts;
  #dueAt: number;

  constructor(parts: RetentionParts) {
    this.#parts = parts;
    this.#dueAt = this.#elapsed() + this.#rhythm();
  }

  /** Removes what is due, a slice of it. Rejects only when the ledger cannot be written. */
  async work(): Promise<void> {
    if (this.#elapsed() < this.#dueAt) return;
    const { ledger, clock, log, config } = this.#parts;
    const { runsMs } = config().retention;
    const folders = await this.#removeFolders();
    const runs = ledger.prune({ runsOlderThanMs: runsMs });
    ledger.forgetResultsBefore(clock.now() - RESULTS_OUTLIVE_RUNS * runsMs);
    if (folders > 0 || runs > 0) log.info('retention.removed', { folders, runs });
    const more = folders === FOLDERS_AT_ONCE || runs === PRUNED_AT_ONCE;
    if (!more) this.#dueAt = this.#elapsed() + this.#rhythm();
  }

  /** How many runs have no folder any more. One that cannot be removed is told once and left: it must not block the rest. */
  async #removeFolders(): Promise<number> {
    const { ledger, clock, log, config, remove = removeAgentFolder } = this.#parts;
    const { outputMs } = config().retention;
    const runs = ledger.endedWithFolder(outputMs, FOLDERS_AT_ONCE);
    for (const run of runs) {
      const removal = await remove(run.graph, run.folder ?? '', clock.now() - outputMs);
      if (removal.kind === 'kept') log.warn('output.kept', { run: run.id, because: removal.because });
      ledger.forgetFolder(run.id);
    }
    return runs.length;
  }

  #rhythm(): number {
    const { runsMs, outputMs } = this.#parts.config().retention;
    return Math.min(HOUR_MS, runsMs / 10, outputMs / 10);
  }

  /** Running time where the clock has it: setting the wall clock must not make everything old at once. */
  #elapsed(): number {
    const { clock } = this.#parts;
    return clock.elapsed?.() ?? clock.now();
  }
}
