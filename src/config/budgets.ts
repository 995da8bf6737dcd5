// [[budgets]] as the program uses it.

import { amountText, BUDGET_UNITS, type Budget } from '../domain/budget.ts';
import type { KeyLines } from './locate.ts';
import { type ConfigProblem, configProblem } from './problems.ts';
import type { WrittenConfig } from './schema.ts';

type WrittenBudget = WrittenConfig['budgets'][number];

/** What is wrong with budgets taken as a whole. */
export function budgetTroubles(
  file: string,
  budgets: readonly WrittenBudget[],
  lines: KeyLines,
): ConfigProblem[] {
  const names = new Set<string>();
  return budgets.flatMap((written, n) => {
    const at = (message: string) => [
      configProblem(file, lines.line(['budgets', n]), `budgets[${n}]`, message),
    ];
    const made = capsOf(written, (path) => path);
    if (made.length === 0) return at('must have usd, tokens or runs');
    const twice = made.find(({ name }) => names.has(name));
    if (twice) return at(`there is another budget ${twice.name}: give one of them a name`);
    for (const { name } of made) names.add(name);
    return [];
  });
}

/** The budgets, one for each unit; paths are made absolute. */
export function toBudgets(
  budgets: readonly WrittenBudget[],
  absolute: (path: string) => string,
): readonly Budget[] {
  return budgets.flatMap((written) => capsOf(written, absolute));
}

function capsOf(written: WrittenBudget, absolute: (path: string) => string): Budget[] {
  const { repo, profile, account, model, per } = written;
  const whose = [repo, profile, account, model].filter((part) => part !== undefined);
  const units = BUDGET_UNITS.filter((unit) => written[unit] !== undefined);
  const isPath = repo !== undefined && (repo.startsWith('~') || repo.includes('/'));
  return units.map((unit) => {
    const cap = written[unit] ?? 0;
    const words = [amountText(cap, unit), `per ${per}`, ...(whose.length > 0 ? ['for', ...whose] : [])];
    const given = units.length > 1 ? `${written.name} (${unit})` : written.name;
    return {
      name: written.name === undefined || given === undefined ? words.join(' ') : given,
      unit,
      cap,
      per,
      repo: repo === undefined ? null : isPath ? absolute(repo) : repo,
      profile: profile ?? null,
      account: account ?? null,
      model: model ?? null,
      warnAt: written.warn_at / 100,
      onSpent: written.on_spent,
    };
  });
}
