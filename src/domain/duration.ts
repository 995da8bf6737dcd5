// Durations in settings. Ours have a unit; wg's own are read exactly as wg reads them.

import { SupervisorError } from './errors.ts';

const UNIT_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

const WHOLE = /^(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+$/;
const PART = /(\d+(?:\.\d+)?)(ms|s|m|h|d)/g;

/** The longest accepted duration, ms: about 285 years, far below where numbers lose exactness. */
const LONGEST_MS = 9_000_000_000_000;

/** The required format, as the end of a sentence. */
export const DURATION_RULE = 'a duration such as "500ms", "30s", "10m", "2h" or "1d"';

/** A duration in ms, or null if it does not parse. A bare number is accepted only if it is 0. */
export function durationOrNull(value: string | number): number | null {
  const text = String(value).trim().replaceAll(/\s+/g, '');
  if (text === '0') return 0;
  if (!WHOLE.test(text)) return null;
  let sum = 0;
  for (const [, amount, unit] of text.matchAll(PART))
    sum += Number(amount) * UNIT_MS[unit as keyof typeof UNIT_MS];
  return sum <= LONGEST_MS ? Math.round(sum) : null;
}

/** `"30s"`, `"2h"`, `"500ms"`, `"1d"`, `"1h30m"` or 0, in ms. Throws SupervisorError `config` for anything else. */
export function parseDuration(value: string | number): number {
  const ms = durationOrNull(value);
  if (ms !== null) return ms;
  const bare = typeof value === 'number' || /^\d+(\.\d+)?$/.test(value.trim());
  throw new SupervisorError('config', `${JSON.stringify(value)} is not ${DURATION_RULE}`, {
    hint: bare ? `give it a unit: "${value}s" are seconds` : 'write a number and a unit: ms, s, m, h or d',
  });
}

/**
 * A task's or wg profile's own timeout in ms: a number with s, m or h; a bare number is seconds (wg-rules 7.6). 0
 * means none; null that wg would not accept the text (`1d` included).
 */
export function parseWgTimeout(text: string): number | null {
  const trimmed = text.trim();
  if (trimmed === '') return 0;
  const match = /^(\d+)\s*([smh]?)$/.exec(trimmed);
  if (!match) return null;
  const ms = Number(match[1]) * UNIT_MS[(match[2] || 's') as 's' | 'm' | 'h'];
  return ms <= LONGEST_MS ? ms : null;
}

/** A duration in its shortest exact form: 7200000 → `2h`, 5400000 → `90m`, 1500 → `1500ms`. */
export function formatDuration(ms: number): string {
  if (ms === 0) return '0s';
  for (const unit of ['d', 'h', 'm', 's'] as const)
    if (ms % UNIT_MS[unit] === 0) return `${ms / UNIT_MS[unit]}${unit}`;
  return `${ms}ms`;
}
