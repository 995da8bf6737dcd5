// Wall clocks: which instants a local time means in a zone, including daylight saving gaps and repeats. Pure; the
// rules come from the language's own time zone data.

/** A local time of day on a day, in some zone. */
export interface WallTime {
  readonly year: number;
  /** 1–12. */
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
}

/** Reads the wall clock of one zone. Expensive to create, cheap to use. */
export interface WallClock {
  readonly zone: string;
  read(at: number): WallTime;
  /** The instants (ms) at which the clock shows this, earliest first; empty in a gap. */
  instants(wall: WallTime): number[];
  /** The first of those or, in a gap, the first instant after it. */
  firstInstant(wall: WallTime): number;
}

/** The wall clock of an IANA zone, or null when there is no such zone. */
export function wallClock(zone: string): WallClock | null {
  let format: Intl.DateTimeFormat;
  try {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      calendar: 'gregory',
      numberingSystem: 'latn',
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
  } catch {
    // The zone is the only option that can be invalid.
    return null;
  }
  const read = (at: number): WallTime => {
    const parts: Record<string, number> = {};
    for (const { type, value } of format.formatToParts(at)) parts[type] = Number(value);
    const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts;
    return { year, month, day, hour, minute, second };
  };
  const offset = (at: number): number => asUtc(read(at)) - Math.floor(at / 1000) * 1000;
  const instants = (wall: WallTime): number[] => {
    const utc = asUtc(wall);
    // Around any instant a zone has at most two offsets: the ones a day before and a day after.
    const offsets = new Set([offset(utc - DAY_MS), offset(utc + DAY_MS)]);
    return [...offsets]
      .map((shift) => utc - shift)
      .filter((at) => asUtc(read(at)) === utc)
      .sort((a, b) => a - b);
  };
  return {
    zone,
    read,
    instants,
    firstInstant: (wall) => instants(wall)[0] ?? endOfGap(asUtc(wall), offset),
  };
}

const DAY_MS = 86_400_000;

/** The wall time as if the zone were UTC: a number that sorts and carries over days. */
export function asUtc(wall: WallTime): number {
  return Date.UTC(wall.year, wall.month - 1, wall.day, wall.hour, wall.minute, wall.second);
}

/** The instant at which the offset changes around a local time that does not exist. */
function endOfGap(utc: number, offset: (at: number) => number): number {
  let before = utc - DAY_MS;
  let after = utc + DAY_MS;
  const old = offset(before);
  while (after - before > 1000) {
    const middle = Math.floor((before + after) / 2000) * 1000;
    if (offset(middle) === old) before = middle;
    else after = middle;
  }
  return after;
}
