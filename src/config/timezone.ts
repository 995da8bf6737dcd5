// Time zone names: whether one exists, and which one this machine is in.

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
