// What a running supervisor knows of the machine and keeps on it, wired: its pressure, what runs take, and the worktrees
// that were made for tasks.

import type { Config } from '../domain/config.ts';
import type { Processes } from '../executors/process/lifecycle/process-table.ts';
import type { Base } from '../platform/base.ts';
import type { MachineProbe } from '../platform/machine.ts';
import { Background } from '../run/background.ts';
import type { Runs } from '../run/runs.ts';
import type { Ledger } from '../runs/ledger.ts';
import { Footprints } from '../supervisor/footprints.ts';
import { MachineWatch } from '../supervisor/machine-watch.ts';

export function createHost(
  base: Base,
  parts: {
    readonly processes: Processes;
    readonly ledger: Ledger;
    readonly runs: Runs;
    readonly probe: MachineProbe;
    readonly stateDir: string;
    readonly observeOnly: boolean;
    config(): Config;
  },
): {
  readonly machine: MachineWatch;
  /** Looks after worktrees that were made for tasks, beside the tick: git may take long. */
  tidy(): void;
  stop(): Promise<void>;
} {
  const { processes, ledger, runs, probe, stateDir, observeOnly, config } = parts;
  const footprints = new Footprints({ ...base, processes, ledger, attended: () => runs.attended() });
  const learned = (executor: string) => ledger.learnedFootprint(executor);
  const machine = new MachineWatch({ clock: base.clock, probe, stateDir, footprints, learned, config });
  const tidied = new Background(base.log, 'worktree.untidied');
  // What a task had to itself goes with it.
  if (!observeOnly)
    base.bus.on(({ name }) => {
      if (name === 'tick.finished') tidied.later(runs.tidyPlacesIfDue());
    });
  return {
    machine,
    tidy: () => tidied.later(runs.tidyPlaces()),
    async stop() {
      footprints.stop();
      await tidied.idle();
    },
  };
}
