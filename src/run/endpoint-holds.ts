// Profiles blocked because of their configuration: an endpoint that refuses all further work (410, or
// `webhook-delivery: disable`), a missing program, runs that all fail at once. Changing the configuration lifts the
// block, even over a restart. Such an endpoint is not polled: it asked not to be.

import { profileKey } from '../decide/capacity/room.ts';
import { profileNamed } from '../decide/routes/route.ts';
import type { Profile } from '../domain/profile.ts';
import type { Run } from '../domain/run.ts';
import type { SupervisedGraphs } from '../graphs/supervised-graphs.ts';
import { tokenHash } from '../platform/identity.ts';
import type { Ledger } from '../runs/ledger.ts';

interface HoldParts {
  readonly ledger: Ledger;
  readonly graphs: SupervisedGraphs;
}

/** The code of the block for a missing program or other requirement of a profile. */
export const MISSING = 'executor-unavailable';

/** The code of the block for a profile whose runs all fail at once. */
export const ENDING_AT_ONCE = 'instant-failures';

/** Whether a block with this code lasts until the profile's configuration changes. */
export function isEndpointHold(code: string): boolean {
  return code === 'endpoint-gone' || code === 'endpoint-disabled';
}

/** Records the current configuration of a run's profile, now that it is blocked under this name. */
export function rememberHold({ ledger, graphs }: HoldParts, run: Run, name: string): void {
  const profiles = graphs.get(run.graph)?.profiles;
  const profile = profiles && profileNamed(run.executor, profiles);
  if (profile)
    ledger.setMeta(memoryOf(name), JSON.stringify([run.graph, fingerprint(profile), run.executor]));
}

/** Lifts the blocks of profiles whose configuration has changed or is gone. Returns the profiles. */
export function liftOutdatedHolds({ ledger, graphs }: HoldParts): string[] {
  const held = ledger.pauses().filter((pause) => pause.scope === 'profile' && isLiftedByChange(pause.code));
  return held.flatMap(({ name }) => {
    const [graph, before, executor = name] = JSON.parse(ledger.meta(memoryOf(name)) ?? '["",""]') as string[];
    const profiles = graphs.get(graph ?? '')?.profiles;
    // A graph that is not being served proves nothing about its profiles.
    if (!profiles) return [];
    const profile = profileNamed(executor, profiles);
    if (profile && profileKey(profile, graph ?? '') === name && fingerprint(profile) === before) return [];
    ledger.clearPause('profile', name);
    return [executor];
  });
}

/** What a person would have to change: everything but where it is defined. */
export function fingerprint(profile: Profile): string {
  const { origin: _origin, ...written } = profile;
  return tokenHash(JSON.stringify(written));
}

function isLiftedByChange(code: string): boolean {
  return isEndpointHold(code) || code === MISSING || code === ENDING_AT_ONCE;
}

function memoryOf(profile: string): string {
  return `endpoint-hold:${profile}`;
}
