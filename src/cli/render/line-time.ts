// When a line of output was written, as far as the line itself says so: agents' streams and most loggers do.

import { fields, parseFields } from '../../executors/process/clis/stream-fields.ts';

/** As logs begin: `2027-03-14T09:00:00.123Z`, with a blank for the T, in brackets; a zone may be missing. */
const LEADING =
  /^\[?(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?\s?(Z|[+-]\d\d:?\d\d)?(?=$|[\]\s|:,])/i;

/** The instant in ms, or null. A time without a zone is local. */
export function lineTime(line: string): number | null {
  if (line.startsWith('{')) {
    // Cheap to refuse: most lines of a stream say no time.
    if (!line.includes('"time')) return null;
    const event = parseFields(line) ?? {};
    return instant(event.timestamp) ?? instant(event.time) ?? instant(fields(event.message).timestamp);
  }
  const match = LEADING.exec(line);
  if (!match) return null;
  const [, day, time, fraction = '0', zone = ''] = match;
  return instant(`${day}T${time}.${fraction.slice(0, 3)}${zone.toUpperCase()}`);
}

function instant(value: unknown): number | null {
  if (typeof value === 'number')
    return value > 1e12 && value < 1e14 ? value : value > 1e9 && value < 1e11 ? value * 1000 : null;
  const at = typeof value === 'string' ? Date.parse(value) : Number.NaN;
  return Number.isNaN(at) ? null : at;
}
