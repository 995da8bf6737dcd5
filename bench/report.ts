// How every benchmark tells what it measured: a table for people, JSON for programs, and the floor beside each figure.

/** One measured figure. */
export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** The same act without us, measured in the same run. */
  readonly floor?: number;
  /** What was aimed at, in words. */
  readonly aim?: string;
}

/** A benchmark: its figures, in order. */
export interface Benchmark {
  readonly name: string;
  readonly about: string;
  /** A variable of the environment without which it cannot be run. */
  readonly needs?: string;
  run(): Promise<readonly Figure[]>;
}

/** The value below which a share of the samples lies. */
export function quantile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/** Prints a table to stdout. */
export function printTable(benchmark: Benchmark, figures: readonly Figure[]): void {
  const rows = figures.map((figure) => [
    figure.name,
    `${round(figure.value)} ${figure.unit}`,
    figure.floor === undefined ? '' : `${round(figure.floor)} ${figure.unit}`,
    figure.floor === undefined || figure.floor === 0 ? '' : `${round(figure.value / figure.floor)}x`,
    figure.aim ?? '',
  ]);
  const all = [['figure', 'measured', 'floor', 'ratio', 'aim'], ...rows];
  const widths = [0, 1, 2, 3, 4].map((column) => Math.max(...all.map((row) => (row[column] ?? '').length)));
  process.stdout.write(`\n${benchmark.name}: ${benchmark.about}\n`);
  for (const row of all)
    process.stdout.write(
      `  ${row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd()}\n`,
    );
}

function round(value: number): string {
  if (Math.abs(value) >= 100) return value.toFixed(0);
  return Math.abs(value) >= 10 ? value.toFixed(1) : value.toFixed(2);
}
