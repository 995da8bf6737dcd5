// The runs of this process, wired: what carries them, what ends them, and what is known of what they need.

import type { Base } from '../platform/base.ts';
import { Availability } from '../run/availability.ts';
import { Background } from '../run/background.ts';
import { Leases } from '../run/leases.ts';
import type { LiveRun } from '../run/live-run.ts';
import { Parking } from '../run/parking.ts';
import { Recovery } from '../run/recovery.ts';
import { type EndingNeeds, RunEnding } from '../run/run-end.ts';
import { Runner, type RunnerNeeds } from '../run/runner.ts';
import { Runs } from '../run/runs.ts';
import { Unanswered } from '../run/unanswered.ts';

interface RunsRoom
  extends Pick<RunnerNeeds, 'identity' | 'tokens' | 'ledger' | 'graphs' | 'executors' | 'environment'>,
    Pick<RunnerNeeds, 'claimCheck' | 'config' | 'callback' | 'standing' | 'wake'>,
    Pick<EndingNeeds, 'gate' | 'afterEnd'> {
  /** Distinguishes this supervisor's runs from another's. */
  readonly stateDir: string;
}

export function createRuns(base: Base, room: RunsRoom): Runs {
  const { identity, ledger, graphs, executors, gate, config, wake } = room;
  const { clock, log, bus } = base;
  const live = new Map<string, LiveRun>();
  const background = new Background(log, 'background.failed');
  const availability = new Availability({ clock, identity, ledger, graphs, wake });
  const parking = new Parking({ clock, bus, ledger, graphs });
  const unanswered = new Unanswered();
  const recovery = new Recovery({ clock, log, ledger, executors, stateDir: room.stateDir });
  const { afterEnd } = room;
  const ending = new RunEnding({
    ...base,
    ...{ live, identity, ledger, graphs, availability, parking, unanswered, gate, config, afterEnd, wake },
  });
  const leases = new Leases({ clock, ledger, graphs, ending, background });
  const { tokens, environment, claimCheck, callback, standing } = room;
  const runner = new Runner({
    ...base,
    ...{ live, identity, tokens, ledger, graphs, executors, environment, gate, claimCheck },
    ...{ ending, availability, recovery, background, config, callback, standing, wake },
  });
  return new Runs({
    ...{ clock, bus, live, ledger, graphs, runner, ending, leases },
    ...{ recovery, availability, parking, unanswered, background },
  });
}
