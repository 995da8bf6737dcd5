// Runs for people: `runs`, and the runs part of other views.

import type { Outcome } from '../../domain/outcome.ts';
import type { RunReport } from '../../domain/report.ts';
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
  return renderTable({
    columns: [
      ...(options.ids ? [{ head: 'RUN' }] : []),
      ...(options.tasks === false ? [] : [{ head: 'TASK', min: 12 }]),
      { head: 'WORKTREE', min: 8, cut: 'start', drop: 3 },
      { head: 'EXECUTOR', min: 8 },
      { head: 'TRY', align: 'right', drop: 2 },
      { head: 'PHASE' },
      { head: 'AGENT', drop: 4 },
      { head: 'STARTED', drop: 5 },
      { head: 'TOOK', drop: 6 },
      ...(runs.some((run) => run.usage) ? [{ head: 'USED', drop: 7 }] : []),
      { head: 'WHAT', min: 12, drop: 1 },
    ],
    rows: runs.map((run) => [
      ...(options.ids ? [run.run] : []),
      ...(options.tasks === false ? [] : [run.task]),
      shortPath(run.worktree, context),
      run.executor,
      run.attempt,
      { text: run.phase, paint: statePaint(isFailed(run) ? 'failed' : run.phase, context.paint) },
      run.agent,
      relativeTime(run.started_at, context.now()),
      took(run),
      ...(runs.some((each) => each.usage) ? [usedText(run)] : []),
      whatOf(run),
    ]),
    width: context.width,
    head: context.paint.faint,
  });
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

function isFailed(run: RunReport): boolean {
  return run.outcome?.kind === 'failed';
}

function took(run: RunReport): string {
  if (run.started_at === null || run.finished_at === null) return '';
  return roughDuration(Math.max(0, Date.parse(run.finished_at) - Date.parse(run.started_at)));
}
