// "Since when" as people write it: a while ago, a day, an instant.

import { DURATION_RULE, durationOrNull } from '../domain/duration.ts';
import { SupervisorError } from '../domain/errors.ts';

/**
 * The instant (ms) that a text means: `2h` (ago), `today`, `yesterday`, `2027-03-14`, `2027-03-14T09:00`; without a zone in
 * local time. Throws `usage` for anything else.
 */
export function sinceInstant(text: string, now: number): number {
  const ago = durationOrNull(text);
  if (ago !== null) return now - ago;
  const said = text.trim().toLowerCase();
  if (said === 'now') return now;
  if (said === 'today' || said === 'yesterday') {
    const day = new Date(now);
    day.setHours(0, 0, 0, 0);
    if (said === 'yesterday') day.setDate(day.getDate() - 1);
    return day.getTime();
  }
  const match = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?)(Z|[+-]\d\d:?\d\d)?)?$/i.exec(said);
  const at = match
    ? Date.parse(`${match[1]}T${match[2] ?? '00:00'}${(match[3] ?? '').toUpperCase()}`)
    : Number.NaN;
  if (Number.isNaN(at))
    throw new SupervisorError('usage', `${JSON.stringify(text)} is not a time to begin from`, {
      hint: `write ${DURATION_RULE} (ago), today, yesterday, 2027-03-14 or 2027-03-14T09:00`,
    });
  return at;
}
