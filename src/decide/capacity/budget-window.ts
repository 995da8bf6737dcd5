// Which days and weeks budgets are for: local ones of the configured zone, daylight saving included.

import type { BudgetPeriod } from '../../domain/budget.ts';
import { asUtc, type WallClock } from '../schedules/wall-clock.ts';

/** From when (ms) on what ended counts, and when the next window begins; null: there is no next one. */
export interface BudgetWindow {
  readonly from: number;
  readonly until: number | null;
}

const DAY_MS = 86_400_000;
const MIDNIGHT = { hour: 0, minute: 0, second: 0 };

/** The windows that were asked for last: they are asked for with every look, and change once a day. */
const last = new Map<string, BudgetWindow>();

/** The window of a period that an instant lies in. A week begins on Monday. */
export function budgetWindow(per: BudgetPeriod, now: number, clock: WallClock): BudgetWindow {
  if (per === 'task') return { from: 0, until: null };
  const key = `${per} ${clock.zone}`;
  const known = last.get(key);
  if (known?.until && known.from <= now && now < known.until) return known;
  const window = windowAt(per, now, clock);
  // One zone at a time, two periods.
  if (last.size > 3) last.clear();
  last.set(key, window);
  return window;
}

function windowAt(per: 'day' | 'week', now: number, clock: WallClock): BudgetWindow {
  const today = { ...clock.read(now), ...MIDNIGHT };
  const sinceMonday = (new Date(asUtc(today)).getUTCDay() + 6) % 7;
  const start = per === 'day' ? 0 : -sinceMonday;
  const length = per === 'day' ? 1 : 7;
  const at = (days: number) => clock.firstInstant(onDay(asUtc(today) + days * DAY_MS));
  return { from: at(start), until: at(start + length) };
}

function onDay(utc: number) {
  const date = new Date(utc);
  return {
    year: date.getUTCFullYear(),
    month: date.getUTCMonth() + 1,
    day: date.getUTCDate(),
    ...MIDNIGHT,
  };
}
