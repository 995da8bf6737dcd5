// Profiles that are held for how they are configured: an endpoint that takes no more work at all (410, or
// `webhook-delivery: disable`), a program that is not there, runs that all end at once. Another configuration lifts the
// hold, over restarts too. An endpoint is not asked again on a timer: that is what it asked us not to do.

import { profileKey } from '../decide/room.ts';
import { profileNamed } from '../decide/route.ts';
import type { Profile } from '../domain/profile.ts';
import type { Run } from '../domain/run.ts';
import type { SupervisedGraphs } from '../graphs/supervised-graphs.ts';
import { tokenHash } from '../platform/identity.ts';
import type { Ledger } from '../runs/ledger.ts';

interface HoldParts {
  readonly ledger: Ledger;
  readonly graphs: SupervisedGraphs;
}

/** The code of a hold for a program, or whatever else a profile needs, that is not there. */
export const MISSING = 'executor-unavailable';

/** The code of a hold for a profile whose runs all end at once. */
export const ENDING_AT_ONCE = 'instant-failures';

/** Whether a hold with this code lasts until the profile's configuration changes, however long that takes. */
export function isEndpointHold(code: string): boolean {
  return code === 'endpoint-gone' || code === 'endpoint-disabled';
}

/** Keeps how the profile of a run is configured now that it is held under this name. */
export function rememberHold({ ledger, graphs }: HoldParts, run: Run, name: string): void {
  const profiles = graphs.get(run.graph)?.profiles;
  const profile = profiles && profileNamed(run.executor, profiles);
  if (profile)
    ledger.setMeta(memoryOf(name), JSON.stringify([run.graph, fingerprint(profile), run.executor]));
}

/** Lifts the holds whose profile is configured otherwise now, or not at all any more. Returns the profiles. */
export function liftOutdatedHolds({ ledger, graphs }: HoldParts): string[] {
  const held = ledger.pauses().filter((pause) => pause.scope === 'profile' && isLiftedByChange(pause.code));
  return held.flatMap(({ name }) => {
    const [graph, before, executor = name] = JSON.parse(ledger.meta(memoryOf(name)) ?? '["",""]') as string[];
    const profiles = graphs.get(graph ?? '')?.profiles;
    // A graph that is not served just now says nothing about its profiles.
    if (!profiles) return [];
    const profile = profileNamed(executor, profiles);
    if (profile && profileKey(profile, graph ?? '') === name && fingerprint(profile) === before) return [];
    ledger.clearPause('profile', name);
    return [executor];
  });
}

/** What a person would have to change: everything but where it is written. */
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
