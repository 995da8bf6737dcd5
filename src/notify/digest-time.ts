// When a digest is due: at a time of day, once, also after the machine was off at that time.

/** The latest instant (ms) at or before `now` at which it is this local time of day, `18:00`. */
export function latestAt(timeOfDay: string, now: number): number {
  const [hours = 0, minutes = 0] = timeOfDay.split(':').map(Number);
  const at = new Date(now);
  at.setHours(hours, minutes, 0, 0);
  if (at.getTime() > now) at.setDate(at.getDate() - 1);
  return at.getTime();
}
