// Sums and shares of numbers.

export function sum(numbers: readonly number[]): number {
  return numbers.reduce((all, one) => all + one, 0);
}

/** 0 for none. */
export function average(numbers: readonly number[]): number {
  return sum(numbers) / Math.max(1, numbers.length);
}

/** The value below which a share of sorted values lies, between two of them in proportion; 0 for none. */
export function quantile(sorted: readonly number[], share: number): number {
  const at = (sorted.length - 1) * share;
  const [low, high] = [sorted[Math.floor(at)] ?? 0, sorted[Math.ceil(at)] ?? 0];
  return low + (high - low) * (at - Math.floor(at));
}
