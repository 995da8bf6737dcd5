// The address that a run's agent reports to, asked for before its task is claimed.

import { messageOf, SupervisorError } from '../domain/errors.ts';
import type { Deferred } from '../domain/outcome.ts';
import type { Profile } from '../domain/profile.ts';
import type { Clock } from '../platform/clock.ts';
import type { CallbackAddress } from './assignment.ts';

interface CallbackNeeds {
  readonly clock: Clock;
  /** The address agents report to; opens TCP if the profile needs it. */
  callback(profile: Profile): Promise<CallbackAddress>;
}

/** How long a profile pauses whose agents cannot report back, ms: short, as settings are edited by hand. */
const UNREACHABLE_PAUSE_MS = 30_000;

/** The address a profile's agents report to, or what defers the profile. Never rejects. */
export async function callbackFor(
  { callback, clock }: CallbackNeeds,
  profile: Profile,
): Promise<CallbackAddress | Deferred> {
  try {
    return await callback(profile);
  } catch (thrown) {
    const hint = thrown instanceof SupervisorError && thrown.hint ? ` ${thrown.hint}` : '';
    return {
      kind: 'deferred',
      code: 'executor-unavailable',
      because: `${messageOf(thrown)}${hint}`,
      until: clock.now() + UNREACHABLE_PAUSE_MS,
      scope: 'profile',
    };
  }
}
