// Drops what has expired: folders of runs first, then the runs themselves. A little at a time, so that nothing waits
// for it, and never right after a start or a clock change: a wrong clock must not delete anything.

import type { Config } from '../domain/config.ts';
import type { RunId } from '../domain/ids.ts';
import { isOpenRun } from '../domain/run.ts';
import type { Clock } from '../platform/clock.ts';
import type { Log } from '../platform/log.ts';
import type { Ledger } from '../runs/ledger.ts';
import { PRUNED_AT_ONCE } from '../runs/old-runs.ts';
import { removeAgentFolder } from '../wg/old-agent-folder.ts';

interface RetentionParts {
  readonly ledger: Pick<
    Ledger,
    | 'endedWithFolder'
    | 'forgetFolder'
    | 'run'
    | 'prune'
    | 'forgetResultsBefore'
    | 'forgetVerdictsBefore'
    | 'forgetActionsBefore'
  >;
  readonly clock: Clock;
  readonly log: Log;
  config(): Pick<Config, 'retention' | 'budgets'>;
  /** Drops what the supervisor keeps itself of the exits of runs that have finished. */
  dropExits?(isOpen: (run: RunId) => boolean): Promise<number>;
  /** Removes the folder of a finished run; absent: the real removal. */
  readonly remove?: typeof removeAgentFolder;
}

const HOUR_MS = 3_600_000;

/** The result of a task is kept this many times longer than its run: branches live long. */
const RESULTS_OUTLIVE_RUNS = 12;

/** Budgets per week look back that far, ms. */
const SPENT_KEPT_MS = 8 * 86_400_000;

/** Folders removed per slice. */
const FOLDERS_AT_ONCE = 100;

/** Works when called often enough; calls are cheap. */
export class Retention {
  readonly #parts: RetentionParts;
  #dueAt: number;

  constructor(parts: RetentionParts) {
    this.#parts = parts;
    this.#dueAt = this.#elapsed() + this.#rhythm();
  }

  /** Removes one slice of what is due. Rejects only if the ledger cannot be written. */
  async work(): Promise<void> {
    if (this.#elapsed() < this.#dueAt) return;
    const { ledger, clock, log, config } = this.#parts;
    const { retention, budgets = [] } = config();
    // What was spent in this week must be known to its end.
    const runsMs = budgets.length > 0 ? Math.max(retention.runsMs, SPENT_KEPT_MS) : retention.runsMs;
    await this.#parts.dropExits?.((id) => {
      const run = ledger.run(id);
      return run !== null && isOpenRun(run);
    });
    const folders = await this.#removeFolders();
    const runs = ledger.prune({ runsOlderThanMs: runsMs });
    ledger.forgetVerdictsBefore(clock.now() - runsMs);
    ledger.forgetActionsBefore(clock.now() - runsMs);
    ledger.forgetResultsBefore(clock.now() - RESULTS_OUTLIVE_RUNS * runsMs);
    if (folders > 0 || runs > 0) log.info('retention.removed', { folders, runs });
    const more = folders === FOLDERS_AT_ONCE || runs === PRUNED_AT_ONCE;
    if (!more) this.#dueAt = this.#elapsed() + this.#rhythm();
  }

  /**
   * How many runs no longer have a folder. One that cannot be removed is reported once and skipped: it must not block
   * the others.
   */
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

  /** Running time if the clock has it: setting the wall clock must not make everything old at once. */
  #elapsed(): number {
    const { clock } = this.#parts;
    return clock.elapsed?.() ?? clock.now();
  }
}
