// Endpoints that said they take no more work at all (410, or `webhook-delivery: disable`): their profile is held until
// its configuration changes, over restarts too. Asking again on a timer is what they asked us not to do.

import { profileNamed } from '../decide/route.ts';
import type { Profile } from '../domain/profile.ts';
import type { Run } from '../domain/run.ts';
import type { Ledger } from '../runs/ledger.ts';
import { tokenHash } from '../seams/identity.ts';
import type { SupervisedGraphs } from './supervised-graphs.ts';

interface HoldParts {
  readonly ledger: Ledger;
  readonly graphs: SupervisedGraphs;
}

/** Whether a hold with this code lasts until the profile's configuration changes. */
export function isEndpointHold(code: string): boolean {
  return code === 'endpoint-gone' || code === 'endpoint-disabled';
}

/** Keeps how the profile of a run was configured when its endpoint turned us away. */
export function rememberEndpointHold({ ledger, graphs }: HoldParts, run: Run): void {
  const profiles = graphs.get(run.graph)?.profiles;
  const profile = profiles && profileNamed(run.executor, profiles);
  if (profile) ledger.setMeta(memoryOf(run.executor), JSON.stringify([run.graph, fingerprint(profile)]));
}

/** Lifts the holds whose profile is configured otherwise now, or not at all any more. Returns the profiles. */
export function liftOutdatedHolds({ ledger, graphs }: HoldParts): string[] {
  const held = ledger.pauses().filter((pause) => pause.scope === 'profile' && isEndpointHold(pause.code));
  return held.flatMap(({ name }) => {
    const [graph, before] = JSON.parse(ledger.meta(memoryOf(name)) ?? '["",""]') as [string, string];
    const profiles = graphs.get(graph)?.profiles;
    // A graph that is not served just now says nothing about its profiles.
    if (!profiles) return [];
    const profile = profileNamed(name, profiles);
    if (profile && fingerprint(profile) === before) return [];
    ledger.clearPause('profile', name);
    return [name];
  });
}

function memoryOf(profile: string): string {
  return `endpoint-hold:${profile}`;
}

/** What a person would have to change: everything but where it is written. */
function fingerprint(profile: Profile): string {
  const { origin: _origin, ...written } = profile;
  return tokenHash(JSON.stringify(written));
}
