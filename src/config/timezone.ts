// Time zone names: whether one exists, and which one this machine is in.

import { readlinkSync } from 'node:fs';

/** Whether the runtime knows this IANA zone. */
export function isTimezone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    // A RangeError is how Intl says no.
    return false;
  }
}

/** The IANA name of this machine's zone; UTC where the system does not say. */
export function localTimezone(): string {
  return new Intl.DateTimeFormat('en').resolvedOptions().timeZone || 'UTC';
}

/** Where Linux and macOS say which zone the machine is in. */
const LINK = '/etc/localtime';

/** `machineTimezone` as often as it is asked for: a name is looked up only when it is another one than last time. */
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
 * The zone that this machine is in just now. Unlike `localTimezone` it notices when that was changed while the program
 * runs: the language reads it once and keeps it.
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
    // No such file, or a plain copy of the rules: then only the language can say.
    return null;
  }
}
