// The part of time that `--at` and `--between` ask for.

import { SupervisorError } from '../../domain/errors.ts';
import { sinceInstant } from '../since.ts';

/** The instants asked for, ms; `--at` asks for one. Throws `usage`. */
export function askedPeriod(
  options: { readonly at?: string; readonly between?: readonly string[] },
  now: number,
): { readonly from: number; readonly to: number } {
  if (options.at !== undefined && options.between !== undefined)
    throw new SupervisorError('usage', '--at and --between exclude each other', { hint: 'give one of them' });
  if (options.at !== undefined) {
    const at = instant(options.at, now);
    return { from: at, to: at };
  }
  const [from, to, ...more] = options.between ?? [];
  if (from === undefined || to === undefined || more.length > 0)
    throw new SupervisorError('usage', '--between takes two instants', {
      hint: 'put the task before it: supervisor why TASK --between 02:00 04:00',
    });
  const end = instant(to, now);
  const start = instant(from, now);
  // `--between 23:00 01:00`: the evening before.
  const begin = start > end && start - DAY_MS <= end && /^\d{1,2}:/.test(from) ? start - DAY_MS : start;
  if (begin > end)
    throw new SupervisorError('usage', `--between ${from} ${to} ends before it begins`, {
      hint: 'give the earlier instant first',
    });
  return { from: begin, to: end };
}

const DAY_MS = 86_400_000;

function instant(text: string, now: number): number {
  const at = sinceInstant(text, now);
  if (at > now)
    throw new SupervisorError('usage', `"${text}" has not come yet`, {
      hint: '`supervisor why TASK` says what the task waits for now',
    });
  return at;
}
