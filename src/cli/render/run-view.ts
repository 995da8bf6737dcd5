// Runs for people: `runs`, and the runs part of other views.

import type { Outcome } from '../../domain/outcome.ts';
import type { RunReport, UsageReport } from '../../domain/report.ts';
import { isOpenRun } from '../../domain/run.ts';
import { type Context, shortPath } from '../context.ts';
import { statePaint } from './color.ts';
import { plain, plainLines } from './plain.ts';
import { relativeTime, roughDuration } from './relative-time.ts';
import { renderTable } from './table.ts';

/** One row per run, newest as given. */
export function runRows(
  runs: readonly RunReport[],
  context: Context,
  options: { readonly ids?: boolean; readonly tasks?: boolean } = {},
): string {
  const ids = context.width < Number.POSITIVE_INFINITY ? shortRunIds(runs.map(({ run }) => run)) : null;
  return renderTable({
    columns: [
      ...(options.ids ? [{ head: 'RUN' }] : []),
      ...(options.tasks === false ? [] : [{ head: 'TASK' }]),
      { head: 'WORKTREE', min: 8, cut: 'start', drop: 5 },
      { head: 'EXECUTOR', min: 8 },
      { head: 'TRY', align: 'right', drop: 2 },
      { head: 'PHASE' },
      { head: 'AGENT', drop: 6 },
      { head: 'STARTED', drop: 4 },
      { head: 'TOOK', drop: 7 },
      ...(runs.some((run) => run.usage) ? [{ head: 'USED', drop: 3 }] : []),
      { head: 'WHAT', min: 12, drop: 1 },
    ],
    rows: runs.map((run) => [
      ...(options.ids ? [ids?.get(run.run) ?? run.run] : []),
      ...(options.tasks === false ? [] : [run.task]),
      shortPath(run.worktree, context),
      run.executor,
      run.attempt,
      { text: run.phase, paint: statePaint(isFailed(run) ? 'failed' : run.phase, context.paint) },
      run.agent,
      relativeTime(run.started_at, context.now()),
      took(run),
      ...(runs.some((each) => each.usage) ? [usedShort(run, context)] : []),
      whatOf(run),
    ]),
    width: context.width,
    head: context.paint.faint,
  });
}

/** An id begins with the time to the millisecond; less of it than this would soon mean other runs too. */
const SHORTEST_ID = 'run_'.length + 12;

/** How each id may begin to mean this run among them; every command takes it. */
export function shortRunIds(ids: readonly string[]): ReadonlyMap<string, string> {
  const sorted = [...new Set(ids)].sort();
  return new Map(
    sorted.map((id, n) => {
      const same = Math.max(commonLength(id, sorted[n - 1]), commonLength(id, sorted[n + 1]));
      return [id, id.slice(0, Math.max(SHORTEST_ID, same + 1))];
    }),
  );
}

function commonLength(id: string, other: string | undefined): number {
  let length = 0;
  while (other !== undefined && length < id.length && id[length] === other[length]) length++;
  return length;
}

/** What several runs used together; null where none says. */
export function usedTogether(runs: readonly RunReport[]): UsageReport | null {
  const used = runs.flatMap(({ usage }) => usage ?? []);
  if (used.length === 0) return null;
  const sum = (of: (usage: UsageReport) => number | null) => {
    const known = used.map(of).filter((value) => value !== null);
    return known.length === 0 ? null : known.reduce((total, value) => total + value, 0);
  };
  return {
    cost_usd: sum((usage) => usage.cost_usd),
    input_tokens: sum((usage) => usage.input_tokens),
    output_tokens: sum((usage) => usage.output_tokens),
    cache_read_input_tokens: sum((usage) => usage.cache_read_input_tokens),
    cache_creation_input_tokens: sum((usage) => usage.cache_creation_input_tokens),
    turns: sum((usage) => usage.turns),
  };
}

/** An outcome in one sentence. */
export function outcomeText(outcome: Outcome): string {
  switch (outcome.kind) {
    case 'succeeded':
      return outcome.summary === undefined ? 'succeeded' : `succeeded: ${outcome.summary}`;
    case 'failed':
      return `failed (${outcome.failure}): ${outcome.message}`;
    case 'stopped':
      return `stopped: ${outcome.reason}${outcome.because === undefined ? '' : `, ${outcome.because}`}`;
    case 'deferred':
      return `put off: ${outcome.because}`;
    default:
      return outcome satisfies never;
  }
}

/** The open questions of runs, each with the command that answers it; '' if there is none. */
export function openQuestions(runs: readonly RunReport[]): string {
  return runs
    .filter(isOpenRun)
    .flatMap(({ task, lease }) => {
      if (!lease || lease.question === null || lease.answer !== null) return [];
      const options = lease.options.length > 0 ? `\n  (${lease.options.map(plain).join(' | ')})` : '';
      const lines = plainLines(lease.question).trimEnd().replaceAll('\n', '\n  ');
      return [`  ${lines}${options}\n  → supervisor answer ${plain(task)} TEXT\n`];
    })
    .join('');
}

/** A run's most relevant text: how it finished, else its last progress, else why it was started. */
function whatOf(run: RunReport): string {
  if (run.outcome) return outcomeText(run.outcome);
  const { question = null, answer = null } = run.lease ?? {};
  if (question !== null && answer === null) return `asks: ${question}`;
  return run.progress ?? run.because;
}

/** Cost and tokens in a few characters: `$0.0123 2.1k`. */
export function usedText({ usage }: Pick<RunReport, 'usage'>): string {
  if (!usage) return '';
  const counts = [
    usage.input_tokens,
    usage.output_tokens,
    usage.cache_read_input_tokens,
    usage.cache_creation_input_tokens,
  ];
  const tokens = counts.reduce((sum: number, count) => sum + (count ?? 0), 0);
  return [
    ...(usage.cost_usd === null ? [] : [`$${usage.cost_usd.toFixed(usage.cost_usd < 1 ? 4 : 2)}`]),
    ...(tokens === 0 ? [] : [tokens < 1_000 ? `${tokens} tokens` : `${(tokens / 1_000).toFixed(1)}k tokens`]),
  ].join(', ');
}

/** The same for a column: `$0.01 2.1k`; in full where there is no end of room. */
function usedShort(run: Pick<RunReport, 'usage'>, { width }: Pick<Context, 'width'>): string {
  const full = usedText(run);
  return width < Number.POSITIVE_INFINITY
    ? full
        .replace(/, /, ' ')
        .replace(/ tokens$/, '')
        .replace(/(\.(?!00)\d\d)\d\d/, '$1')
    : full;
}

function isFailed(run: RunReport): boolean {
  return run.outcome?.kind === 'failed';
}

function took(run: RunReport): string {
  if (run.started_at === null || run.finished_at === null) return '';
  return roughDuration(Math.max(0, Date.parse(run.finished_at) - Date.parse(run.started_at)));
}
