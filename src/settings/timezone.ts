// Time zone names: whether one exists, and the one of this machine.

import { readlinkSync } from 'node:fs';
import { SupervisorError } from '../domain/errors.ts';

/** Whether the runtime knows this IANA zone. */
export function isTimezone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    // Intl signals an unknown zone with a RangeError.
    return false;
  }
}

/** The IANA name of this machine's zone; UTC if the system does not say. */
export function localTimezone(): string {
  return new Intl.DateTimeFormat('en').resolvedOptions().timeZone || 'UTC';
}

/** Where Linux and macOS record the machine's zone. */
const LINK = '/etc/localtime';

/** `machineTimezone` for repeated calls: a name is validated only if it differs from the last one. */
export function machineZoneReader(
  variables: Readonly<Record<string, string | undefined>>,
  link = LINK,
): () => string {
  let last: { readonly named: string | null; readonly zone: string } | null = null;
  return () => {
    const named = variables.TZ ?? zoneOfLink(link);
    if (last?.named !== named || last === null) last = { named, zone: machineTimezone(variables, link) };
    return last.zone;
  };
}

/**
 * The current zone of this machine. Unlike `localTimezone` it notices changes while the program runs: the language
 * reads the zone once and caches it.
 */
export function machineTimezone(
  variables: Readonly<Record<string, string | undefined>>,
  link = LINK,
): string {
  if (variables.TZ) return zoneOfVariable(variables.TZ);
  const zone = zoneOfLink(link);
  return zone !== null && isTimezone(zone) ? zone : localTimezone();
}

/**
 * The zone that TZ means: a name, a file of the zone's rules, or a POSIX rule without daylight saving (`CET-1`). Throws
 * SupervisorError `config` for what has no name: schedules would silently go by UTC.
 */
function zoneOfVariable(value: string): string {
  const text = value.replace(/^:/, '');
  const named = /^\//.test(text) ? (zoneIn(text) ?? text) : text;
  if (isTimezone(named)) return named;
  const hours = /^(?:[A-Za-z]{3,}|<[+-]?\w+>)([+-]?\d{1,2})(?::00)?$/.exec(named)?.[1];
  // The sign is POSIX's in both: west of Greenwich is positive.
  const fixed = hours === undefined ? '' : `Etc/GMT${Number(hours) < 0 ? '' : '+'}${Number(hours)}`;
  if (isTimezone(fixed)) return fixed;
  throw new SupervisorError('config', `TZ=${value} is not the name of a time zone`, {
    hint: 'write a name such as Europe/Paris into TZ, or set [supervisor] timezone',
  });
}

const zoneIn = (path: string) => /zoneinfo\/(?:posix\/|right\/)?(.+)$/.exec(path)?.[1] ?? null;

function zoneOfLink(link: string): string | null {
  try {
    return zoneIn(readlinkSync(link));
  } catch {
    // No such file, or a plain copy of the rules: then only the language knows.
    return null;
  }
}
