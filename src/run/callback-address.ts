// Asks where agents report back to, and says in words what is lacking where they could not. Opens nothing itself.

import { messageOf, SupervisorError } from '../domain/errors.ts';
import type { Deferred } from '../domain/outcome.ts';
import type { Profile } from '../domain/profile.ts';
import type { CallbackAddress } from './assignment.ts';
import type { RunnerParts } from './run-services.ts';

/** How long a profile whose agents cannot report back rests, ms: settings change by hand, and a restart must not wait long. */
const UNREACHABLE_PAUSE_MS = 30_000;

/** Where a profile's agents report back to, or what defers the profile. Never rejects. */
export async function callbackFor(
  { callback, clock }: Pick<RunnerParts, 'callback' | 'clock'>,
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
