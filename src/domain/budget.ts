// How much agents may spend: what is counted, over which time, and whose work counts.

export const BUDGET_PERIODS = ['day', 'week', 'task'] as const;
export type BudgetPeriod = (typeof BUDGET_PERIODS)[number];

export const BUDGET_UNITS = ['usd', 'tokens', 'runs'] as const;
export type BudgetUnit = (typeof BUDGET_UNITS)[number];

/** One cap. A field that is null or absent matches everything. */
export interface Budget {
  /** As it is shown; unique. */
  readonly name: string;
  readonly unit: BudgetUnit;
  /** US dollars, tokens or runs. */
  readonly cap: number;
  /** Days and ISO weeks of the configured zone; `task`: all attempts of one task together. */
  readonly per: BudgetPeriod;
  /** A repository's name, or a path of it. */
  readonly repo: string | null;
  readonly profile: string | null;
  readonly account: string | null;
  /** A model's name; `*` stands for any text. */
  readonly model: string | null;
  /** Part of the cap from which on it is told, 0 to 1. */
  readonly warnAt: number;
  /** What happens to running agents when it is spent: they finish, or are stopped. */
  readonly onSpent: 'finish' | 'stop';
}

/** An amount with its unit: `3.20 USD`, `1 200 000 tokens`, `4 runs`. */
export function amountText(amount: number, unit: BudgetUnit): string {
  if (unit === 'usd') return `${amount.toFixed(2)} USD`;
  const whole = Math.round(amount);
  const text = String(whole).replace(/\B(?=(\d{3})+$)/g, ' ');
  return `${text} ${whole === 1 ? unit.slice(0, -1) : unit}`;
}
