// A past instant, as people write it in an option.

import { SupervisorError } from '../domain/errors.ts';
import { pastInstant } from '../domain/past-instant.ts';

/**
 * The instant (ms) that a text means: `2h` (ago), `03:00`, `yesterday 03:00`, `today`, `2027-03-14`, `2027-03-14T09:00`;
 * without a zone in local time. Throws `usage` for anything else.
 */
export function sinceInstant(text: string, now: number): number {
  const at = pastInstant(text, now);
  if (at !== null) return at;
  throw new SupervisorError('usage', `${JSON.stringify(text)} is not an instant`, {
    hint: 'write 2h (ago), 03:00, "yesterday 03:00", today, 2027-03-14 or 2027-03-14T09:00',
  });
}
