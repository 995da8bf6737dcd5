// Parses instants as wg's time library does: RFC 3339 with an offset, or nothing. JavaScript's own parser would also
// accept zone-less texts and impossible days, and so gate tasks that wg runs.

const RFC3339 =
  /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?\s*(?:([Zz])|([+-])(\d\d):?(\d\d))$/;

/** What the built-in parser reads exactly as wg does, and fast: no day that some months lack, no leap second. */
const PLAIN =
  /^\d{4}-(?:0\d|1[0-2])-(?:0[1-9]|1\d|2[0-8])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,3})?(?:Z|\+00:00)$/;

/** The instant (ms) the text names, or null if wg would not accept it. */
export function parseInstant(text: string): number | null {
  if (PLAIN.test(text)) {
    const at = Date.parse(text);
    return Number.isNaN(at) ? null : at;
  }
  const match = RFC3339.exec(text.trim());
  if (!match) return null;
  const [, year, month, day, hour, minute, second, fraction, , sign, offsetHours, offsetMinutes] = match;
  const h = Number(hour);
  const m = Number(minute);
  const s = Number(second);
  if (h > 23 || m > 59 || s > 60) return null;
  const date = new Date(0);
  date.setUTCFullYear(Number(year), Number(month) - 1, Number(day));
  if (date.getUTCMonth() !== Number(month) - 1 || date.getUTCDate() !== Number(day)) return null;
  const ms = Number((fraction ?? '').slice(0, 3).padEnd(3, '0'));
  const oh = Number(offsetHours ?? 0);
  const om = Number(offsetMinutes ?? 0);
  if (oh > 23 || om > 59) return null;
  const offset = (sign === '-' ? -1 : 1) * (oh * 60 + om) * 60_000;
  return date.getTime() + ((h * 60 + m) * 60 + Math.min(s, 59)) * 1000 + ms - offset;
}

/** An instant (ms) as shown to people: RFC 3339 in UTC, to the second. */
export function instantText(at: number): string {
  return isReadable(at) ? new Date(at).toISOString().replace(/\.\d+Z$/, 'Z') : 'a time out of reach';
}

/** An instant (ms) as written in graph lines: RFC 3339 in UTC with milliseconds. */
export function graphTime(at: number): string {
  return new Date(at).toISOString();
}

function isReadable(at: number): boolean {
  return Math.abs(at) <= 8.64e15;
}
