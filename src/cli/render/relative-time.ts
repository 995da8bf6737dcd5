// Relative times: "in 2 h", "3 min ago". Pure; the caller passes the current time.

/** An RFC 3339 instant relative to `now` (ms); '' for null, the text itself if it is not an instant. */
export function relativeTime(instant: string | null, now: number): string {
  if (instant === null) return '';
  const at = Date.parse(instant);
  if (Number.isNaN(at)) return instant;
  const distance = at - now;
  const text = roughDuration(Math.abs(distance));
  if (Math.abs(distance) < 1000) return 'now';
  return distance > 0 ? `in ${text}` : `${text} ago`;
}

/** A span of ms in its two largest units at most: "45 s", "3 min", "2 h 5 min", "3 d". */
export function roughDuration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  if (minutes < 10 * 60) {
    const rest = minutes % 60;
    return rest === 0 ? `${minutes / 60} h` : `${Math.floor(minutes / 60)} h ${rest} min`;
  }
  const hours = Math.round(minutes / 60);
  if (hours < 48) return `${hours} h`;
  return `${Math.round(hours / 24)} d`;
}

/** The local time of day of an instant (ms), `14:03:05`. */
export function timeOfDay(at: number): string {
  const date = new Date(at);
  return [date.getHours(), date.getMinutes(), date.getSeconds()]
    .map((part) => String(part).padStart(2, '0'))
    .join(':');
}

/** The local day of an instant (ms), `2027-03-14`. */
export function localDay(at: number): string {
  const date = new Date(at);
  const two = (part: number) => String(part).padStart(2, '0');
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}
