// What finished runs teach about what the next one takes.

/** What a run takes, of one kind of thing. */
export interface Learned {
  /** Runs that told it. */
  readonly told: number;
  readonly mean: number;
  /** An amount that even costly runs exceed by a negligible share of the total. */
  readonly most: number;
}

/**
 * A cap from which `most` is kept back is passed about this often: each run meets what is left at some amount, and the
 * chances that it takes more than that add up to the mean excess over `most`, divided by the mean.
 */
const PASSED_AT_MOST = 0.005;

/** What amounts say of the next one. */
export function learn(amounts: readonly number[]): Learned {
  const total = amounts.reduce((all, one) => all + one, 0);
  const sorted = [...amounts].sort((a, b) => b - a);
  let most = sorted[0] ?? 0;
  let above = 0;
  for (const [n, amount] of sorted.entries()) {
    // What those above it take beyond it.
    if (above - n * amount > PASSED_AT_MOST * total) break;
    most = amount;
    above += amount;
  }
  return { told: amounts.length, mean: amounts.length === 0 ? 0 : total / amounts.length, most };
}
