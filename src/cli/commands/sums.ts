// `cost` and `digest`: what was spent and what happened, in sums over the runs of the ledger.

import { basename } from 'node:path';
import type { RunReport } from '../../domain/report.ts';
import { withView } from '../connect.ts';
import type { Context } from '../context.ts';
import { page } from '../render/pager.ts';
import { localDay } from '../render/relative-time.ts';
import { costTable, digestView } from '../render/sums-view.ts';
import { sinceInstant } from '../since.ts';

/** Flags of `cost`. */
export interface CostOptions {
  readonly by: 'day' | 'repo' | 'profile';
  readonly since: string;
}

/** What the runs of one day, repository or profile used. */
export interface CostSum {
  readonly key: string;
  readonly runs: number;
  /** Of those, how many said nothing of what they used. */
  readonly unreported: number;
  readonly cost_usd: number;
  readonly input_tokens: number;
  readonly output_tokens: number;
  /** Read from and written to the provider's cache. */
  readonly cached_tokens: number;
}

/** More runs than these are not summed up. */
const MOST_RUNS = 10_000;

/** `supervisor cost`. */
export async function cost(context: Context, { by, since }: CostOptions): Promise<number> {
  const from = sinceInstant(since, context.now());
  const { runs, repos } = await withView(context, async (view) => ({
    runs: (await view.runs({ since: from, limit: MOST_RUNS })).filter(
      (run) => Date.parse(run.started_at ?? '') >= from,
    ),
    repos:
      by === 'repo'
        ? new Map((await view.status()).worktrees.map(({ path, repo }) => [path, repo]))
        : new Map<string, string>(),
  }));
  const keyOf = (run: RunReport) => {
    if (by === 'profile') return run.executor;
    return by === 'repo'
      ? (repos.get(run.worktree) ?? basename(run.worktree))
      : localDay(Date.parse(run.started_at ?? '') || 0);
  };
  const groups = new Map<string, RunReport[]>();
  for (const run of runs) groups.set(keyOf(run), [...(groups.get(keyOf(run)) ?? []), run]);
  const sums = [...groups].map(([key, of]) => sumOf(key, of));
  sums.sort((a, b) => (by === 'day' ? b.key.localeCompare(a.key) : b.cost_usd - a.cost_usd));
  const total = sumOf('total', runs);
  if (context.json) context.outJson({ since: new Date(from).toISOString(), by, groups: sums, total });
  else if (runs.length === 0) context.out('nothing ran in that time\n');
  else await page(context, costTable(sums, total, by, context));
  if (runs.length >= MOST_RUNS)
    context.note(`supervisor: only the latest ${MOST_RUNS} runs were summed up; say a later --since`);
  return 0;
}

function sumOf(key: string, runs: readonly RunReport[]): CostSum {
  const sum = (of: (usage: NonNullable<RunReport['usage']>) => number | null) =>
    runs.reduce((total, { usage }) => total + ((usage && of(usage)) ?? 0), 0);
  return {
    key,
    runs: runs.length,
    unreported: runs.filter(({ usage }) => !usage).length,
    cost_usd: sum((usage) => usage.cost_usd),
    input_tokens: sum((usage) => usage.input_tokens),
    output_tokens: sum((usage) => usage.output_tokens),
    cached_tokens: sum(
      (usage) => (usage.cache_read_input_tokens ?? 0) + (usage.cache_creation_input_tokens ?? 0),
    ),
  };
}

/** `supervisor digest`. */
export async function digest(context: Context, { since }: { readonly since: string }): Promise<number> {
  const from = sinceInstant(since, context.now());
  const { report, inbox } = await withView(context, async (view) => ({
    report: await view.digest(from),
    inbox: (await view.status()).inbox,
  }));
  if (context.json) context.outJson({ ...report, inbox });
  else await page(context, digestView(report, inbox, context));
  return 0;
}
