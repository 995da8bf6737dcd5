// What may be looked at beside the reports that every command has: wider views for the page and for programs like it.
// Changes nothing.

import type { DigestReport, OverviewReport } from '../domain/overview.ts';
import type { Bus } from '../platform/bus.ts';
import type { Clock } from '../platform/clock.ts';
import type { LedgerView } from '../runs/ledger.ts';
import type { Supervisor } from '../supervisor/supervisor.ts';
import type { SupervisorControl } from './control.ts';
import { digestOf } from './digest.ts';
import { firstLook } from './live-control.ts';
import { overviewOf } from './overview.ts';

/** Everything throws SupervisorError as SupervisorControl does. */
export interface SupervisorViews {
  /** Status in few words, and what comes next. */
  overview(): Promise<OverviewReport>;
  /** What happened since (ms), or in the last day. */
  digest(since?: number): Promise<DigestReport>;
}

const DAY_MS = 86_400_000;
/** More runs than these are not looked through for one digest. */
const MOST_RUNS = 10_000;

interface ViewNeeds {
  readonly clock: Clock;
  readonly bus: Bus;
  readonly ledger: LedgerView;
  readonly supervisor: Supervisor;
  readonly control: SupervisorControl;
}

export class LiveViews implements SupervisorViews {
  readonly #needs: ViewNeeds;
  readonly #begun: Promise<void>;

  constructor(needs: ViewNeeds) {
    this.#needs = needs;
    this.#begun = firstLook(needs.bus);
  }

  async overview(): Promise<OverviewReport> {
    const { control } = this.#needs;
    const [status, tasks] = await Promise.all([control.status(), control.tasks({})]);
    return overviewOf(status, tasks);
  }

  async digest(since?: number): Promise<DigestReport> {
    const { clock, ledger } = this.#needs;
    const until = clock.now();
    const { world } = await this.#judged();
    return digestOf(since ?? until - DAY_MS, until, ledger.runs({ limit: MOST_RUNS }), world.graphs);
  }

  /** The world as it is judged now, once everything was read for the first time. */
  async #judged() {
    await this.#begun;
    return this.#needs.supervisor.judge();
  }
}
