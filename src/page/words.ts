// Display of instants, spans, paths, and untrusted texts.

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** A span in the two largest units that say something: `14 min`, `2 h 5 min`, `3 d`. */
export function spanText(ms: number): string {
  const whole = Math.max(0, ms);
  if (whole < MINUTE) return `${Math.floor(whole / 1000)} s`;
  if (whole < HOUR) return `${Math.floor(whole / MINUTE)} min`;
  if (whole < DAY) return twoUnits(whole, HOUR, 'h', MINUTE, 'min');
  return twoUnits(whole, DAY, 'd', HOUR, 'h');
}

function twoUnits(ms: number, large: number, name: string, small: number, part: string): string {
  const [first, rest] = [Math.floor(ms / large), Math.floor((ms % large) / small)];
  return rest === 0 || first >= 10 ? `${first} ${name}` : `${first} ${name} ${rest} ${part}`;
}

/** How long ago an instant was, or how far it is ahead: `12 min ago`, `in 3 h`. '' when there is none. */
export function agoText(at: string | null, now: number): string {
  if (at === null) return '';
  const ms = now - Date.parse(at);
  if (Number.isNaN(ms)) return '';
  if (ms < 0) return `in ${spanText(-ms)}`;
  return ms < 5000 ? 'just now' : `${spanText(ms)} ago`;
}

/** A clock time in this browser's zone, with the day where it is not today's. */
export function clockText(at: string | number | null, now: number): string {
  if (at === null) return '';
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) return '';
  const time = date.toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' });
  if (date.toDateString() === new Date(now).toDateString()) return time;
  return `${date.toLocaleDateString('en-GB', { day: 'numeric', month: 'short' })} ${time}`;
}

/** An instant in full, for a tooltip. */
export function fullTime(at: string | number | null): string {
  if (at === null) return '';
  const date = new Date(at);
  return Number.isNaN(date.getTime()) ? '' : `${date.toLocaleString('en-GB')} (${date.toISOString()})`;
}

/** Money as people read it. */
export function moneyText(usd: number): string {
  return usd >= 100 ? `$${usd.toFixed(0)}` : `$${usd.toFixed(2)}`;
}

/** A large number in few characters: `9`, `1.2 k`, `34 k`, `5.1 M`. */
export function countText(count: number): string {
  if (count < 1000) return String(count);
  const [unit, by] = count < 999_500 ? ['k', 1000] : (['M', 1_000_000] as const);
  const value = count / by;
  return `${value < 10 ? value.toFixed(1) : value.toFixed(0)} ${unit}`;
}

/** Bytes likewise. */
export function sizeText(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  if (bytes < 1024 ** 2) return `${(bytes / 1024).toFixed(0)} KiB`;
  return `${(bytes / 1024 ** 2).toFixed(1)} MiB`;
}

// Marks that turn the reading direction or hide text, and every control character but tab and line feed.
const HIDDEN = /[\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]|[^\P{Control}\t\n]/gu;

/** Untrusted text: hidden characters, and those that reverse neighbouring text, are shown as their number. */
export function plainText(text: string, most = 400): string {
  const cut = text.length > most ? `${text.slice(0, most)}…` : text;
  return cut.replace(HIDDEN, (mark) => `‹${(mark.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}›`);
}

/** A link that may be followed; null for everything else. */
export function safeLink(text: string): string | null {
  return /^https?:\/\/[^\s<>"]{1,2000}$/.test(text) ? text : null;
}

/** The last parts of a path. */
export function pathTail(path: string): string {
  return path.split('/').filter(Boolean).slice(-2).join('/');
}

/** `1 task`, `2 tasks`. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}
