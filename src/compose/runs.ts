// The runs of this process, wired: what carries them, what ends them, and what is known of what they need.

import type { HookRunner } from '../executors/process/hooks/hook.ts';
import type { Base } from '../platform/base.ts';
import { Availability } from '../run/availability.ts';
import { Background } from '../run/background.ts';
import { Conclusions } from '../run/conclude.ts';
import { type EndingNeeds, RunEnds } from '../run/end-run.ts';
import { RunHooks } from '../run/hooks.ts';
import { Leases } from '../run/leases.ts';
import type { LiveRun } from '../run/live-run.ts';
import { OwnPlaces } from '../run/own-places.ts';
import { Parking } from '../run/parking.ts';
import { Recovery, type RecoveryNeeds } from '../run/recovery.ts';
import { Releases } from '../run/release.ts';
import { Rewound } from '../run/rewound.ts';
import { RunEvents } from '../run/run-events.ts';
import { Runner, type RunnerNeeds } from '../run/runner.ts';
import { Runs } from '../run/runs.ts';
import { Unanswered } from '../run/unanswered.ts';
import type { OwnWorktrees } from '../worktrees/own-worktrees.ts';

interface RunsRoom
  extends Pick<RunnerNeeds, 'identity' | 'tokens' | 'ledger' | 'graphs' | 'executors' | 'environment'>,
    Pick<RunnerNeeds, 'claimCheck' | 'config' | 'callback' | 'standing' | 'wake'>,
    Pick<EndingNeeds, 'gate' | 'afterEnd'>,
    Pick<RecoveryNeeds, 'stateDir' | 'runFiles'> {
  readonly hooks: HookRunner;
  readonly worktrees: Pick<OwnWorktrees, 'ensure' | 'state' | 'remove'>;
  /** Worktrees came or went. */
  worktreesChanged(): void;
}

export function createRuns(base: Base, room: RunsRoom): Runs {
  const { identity, ledger, graphs, executors, gate, config, wake } = room;
  const { clock, log, bus } = base;
  const live = new Map<string, LiveRun>();
  const background = new Background(log, 'background.failed');
  const availability = new Availability({ clock, identity, ledger, graphs, wake });
  const parking = new Parking({ clock, bus, ledger, graphs });
  const unanswered = new Unanswered();
  const recovery = new Recovery({ ...room, clock, log });
  const { afterEnd } = room;
  const events = new RunEvents({ bus, log, live, ledger });
  const releases = new Releases({ clock, ledger, graphs, gate, parking, events, wake });
  const rewound = new Rewound({ clock, bus, ledger, graphs, events, afterEnd });
  const ends = new RunEnds({
    ...{ clock, log, live, identity, ledger, graphs, gate, availability, parking, releases, events },
    ...{ config, afterEnd, wake },
  });
  const conclusions = new Conclusions({
    ...{ clock, bus, live, graphs, ends, releases, availability, unanswered, wake },
  });
  const leases = new Leases({ clock, ledger, graphs, ends, releases, events, background });
  const { tokens, environment, claimCheck, callback, standing } = room;
  const hooks = new RunHooks({ runner: room.hooks, ledger, events });
  const places = new OwnPlaces({
    ...{ clock, log, live, ledger, graphs, worktrees: room.worktrees, stateDir: room.stateDir },
    changed: () => room.worktreesChanged(),
  });
  bus.on((event) => {
    if (event.name === 'run.settled') {
      const run = ledger.run(event.run);
      if (run) places.noteEnd(run);
    }
  });
  const runner = new Runner({
    ...base,
    ...{ live, identity, tokens, ledger, graphs, executors, environment, gate, claimCheck, hooks, places },
    ...{ conclusions, releases, events, availability, recovery, background, leases },
    ...{ config, callback, standing, wake },
  });
  return new Runs({
    ...{ clock, bus, live, ledger, graphs, runner, hooks, places, ends, releases, rewound, events, leases },
    ...{ recovery, availability, parking, unanswered, background },
  });
}
