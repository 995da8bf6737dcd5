// Time zone names: whether one exists, and the one of this machine.

import { readlinkSync } from 'node:fs';

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
  const named = variables.TZ?.replace(/^:/, '');
  if (named) return isTimezone(named) ? named : localTimezone();
  const zone = zoneOfLink(link);
  return zone !== null && isTimezone(zone) ? zone : localTimezone();
}

function zoneOfLink(link: string): string | null {
  try {
    return /zoneinfo\/(?:posix\/|right\/)?(.+)$/.exec(readlinkSync(link))?.[1] ?? null;
  } catch {
    // No such file, or a plain copy of the rules: then only the language knows.
    return null;
  }
}
