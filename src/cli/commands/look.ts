// The read-only commands: status, why, list, show, runs, worktrees.

import { rename, rm, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { TaskFilter, TaskQuery } from '../../control/control.ts';
import { messageOf, SupervisorError } from '../../domain/errors.ts';
import type { TaskReport } from '../../domain/report.ts';
import { TASK_STATUSES } from '../../domain/task.ts';
import { VERDICT_STATES } from '../../domain/verdict.ts';
import { otherVersion, taskQuery, withView, worktreePath } from '../connect.ts';
import type { Context } from '../context.ts';
import { printableJson } from '../render/json.ts';
import { page } from '../render/pager.ts';
import { plain, plainLines } from '../render/plain.ts';
import { sinceInstant } from '../since.ts';

/** How often `status --watch` refreshes, ms. */
const WATCH_MS = 1000;

/** Flags of `status`. */
export interface StatusOptions {
  readonly watch?: boolean;
  readonly html?: string;
}

/** `supervisor status`. */
export async function status(context: Context, options: StatusOptions): Promise<number> {
  if (options.html !== undefined) return statusFile(context, options.html);
  if (!options.watch) {
    const report = await withView(context, (view) => view.status());
    if (context.json) context.outJson(report);
    else {
      const { statusView } = await import('../render/status-view.ts');
      await page(context, statusView(report, context));
    }
    const { running, version } = report.supervisor;
    const other = running ? otherVersion(version) : null;
    if (other !== null) context.note(`supervisor: ${plain(other)}`);
    return 0;
  }
  const { keys } = context.stdin;
  if (context.stdout.isTTY && context.stdin.isTTY && !context.json && keys)
    return (await import('./monitor.ts')).monitor(context, keys);
  const { statusView } = await import('../render/status-view.ts');
  const ending = new AbortController();
  const offs = [
    context.onSignal('SIGINT', () => ending.abort()),
    context.onSignal('SIGTERM', () => ending.abort()),
    context.onClosedPipe(() => ending.abort()),
  ];
  const onScreen = context.stdout.isTTY === true && !context.json;
  // The alternate screen: the terminal's previous content is restored afterwards.
  if (onScreen) context.out('\u001b[?1049h\u001b[?25l');
  try {
    let last = '';
    while (!ending.signal.aborted) {
      const report = await withView(context, (view) => view.status());
      const text = context.json ? `${printableJson(report)}\n` : statusView(report, context);
      if (onScreen) context.out(`\u001b[H${clipped(text, context.stdout.rows)}\u001b[J`);
      else if (withoutTime(text) !== last) context.out(context.json ? text : `${text}\n`);
      last = withoutTime(text);
      await context.clock.sleep(WATCH_MS, ending.signal);
    }
  } finally {
    for (const off of offs) off();
    if (onScreen) context.out('\u001b[?25h\u001b[?1049l');
  }
  return 0;
}

/** `supervisor status --html FILE`: the same as one file for a browser, replaced whole. */
async function statusFile(context: Context, file: string): Promise<number> {
  const report = await withView(context, (view) => view.status());
  const { statusHtml } = await import('../render/status-html.ts');
  const path = resolve(context.cwd, file);
  const draft = `${path}.${process.pid}.tmp`;
  try {
    await writeFile(draft, statusHtml(report, context), { mode: 0o600, flag: 'wx' });
    await rename(draft, path);
  } catch (thrown) {
    await rm(draft, { force: true }).catch(() => {
      // What could not be written is not there, or is told below.
    });
    throw new SupervisorError('usage', `${file} cannot be written: ${messageOf(thrown)}`, {
      hint: 'name a file in a folder that you may write to',
    });
  }
  if (context.json) context.outJson({ file: path });
  else context.out(`${plain(path)}\n`);
  return 0;
}

/** As much of a text as fits the window, each line clearing the previous content. */
function clipped(text: string, rows: number | undefined): string {
  const lines = text.trimEnd().split('\n');
  const most = Math.max(2, (rows ?? 24) - 1);
  const rest = lines.length - most;
  const shown = rest > 0 ? [...lines.slice(0, most - 1), `… ${rest + 1} more lines`] : lines;
  return `${shown.map((line) => `${line}\u001b[K`).join('\n')}\n`;
}

/** `supervisor inbox`. */
export async function inbox(context: Context): Promise<number> {
  const { generated_at, inbox: items } = await withView(context, (view) => view.status());
  if (context.json) {
    context.outJson({ generated_at, items });
    return 0;
  }
  const { inboxView } = await import('../render/inbox-view.ts');
  if (items.length === 0) context.out('nothing waits for you\n');
  else await page(context, inboxView(items, context));
  return 0;
}

/** `supervisor budgets`. */
export async function budgets(context: Context): Promise<number> {
  const { generated_at, budgets: all } = await withView(context, (view) => view.status());
  if (context.json) {
    context.outJson({ generated_at, budgets: all });
    return 0;
  }
  const { budgetsView } = await import('../render/budgets-view.ts');
  context.out(
    all.length === 0
      ? 'no budget is set: agents may spend what they like; [[budgets]] in supervisor.toml caps them\n'
      : budgetsView(all, context),
  );
  return 0;
}

/** Changes that only show passing time are no news. */
function withoutTime(text: string): string {
  return text
    .replace(/"generated_at":"[^"]*"/, '')
    .replace(/(?:in |up )?\d+ (?:s|min|h|d)\b(?: \d+ min)?(?: ago)?|\bnow\b/g, '');
}

/** Flags of `why`. */
export interface WhyOptions {
  readonly worktree?: string;
  readonly all?: boolean;
  readonly at?: string;
  readonly between?: readonly string[];
}

/** `supervisor why TASK`. */
export async function why(context: Context, task: string, options: WhyOptions): Promise<number> {
  const query = taskQuery(context, task, options.worktree);
  if (options.at !== undefined || options.between !== undefined) return whyThen(context, query, options);
  const report = await withView(context, (view) => view.why(query));
  if (context.json) context.outJson(report);
  else {
    const { whyView } = await import('../render/why-view.ts');
    await page(context, whyView(report, context, options));
  }
  return 0;
}

/** `supervisor why TASK --at WHEN` and `--between WHEN WHEN`. */
async function whyThen(context: Context, query: TaskQuery, options: WhyOptions): Promise<number> {
  const { askedPeriod } = await import('./period.ts');
  const period = askedPeriod(options, context.now());
  const report = await withView(context, (view) => view.verdicts(query, period));
  if (context.json) context.outJson(report);
  else {
    const { verdictsView } = await import('../render/verdicts-view.ts');
    await page(context, verdictsView(report, context));
  }
  return 0;
}

/** Flags of `list`. */
export interface ListOptions {
  readonly state?: string;
  readonly status?: string;
  readonly executor?: string;
  readonly worktree?: string;
  readonly all?: boolean;
}

/** `supervisor list`. */
export async function list(context: Context, options: ListOptions): Promise<number> {
  const filter: TaskFilter = {
    ...(options.state === undefined ? {} : { state: options.state }),
    ...(options.status === undefined ? {} : { status: options.status }),
    ...(options.executor === undefined ? {} : { executor: options.executor }),
    ...(options.worktree === undefined ? {} : { worktree: worktreePath(context.cwd, options.worktree) }),
  };
  oneOf('--state', options.state, VERDICT_STATES);
  oneOf('--status', options.status, TASK_STATUSES);
  const everything = options.all === true || options.state !== undefined || options.status !== undefined;
  const found = await withView(context, (view) => view.tasks(filter));
  // wg's own bookkeeping tasks and finished tasks are noise, until asked for.
  const isShown = (task: TaskReport) =>
    everything || (task.state !== 'finished' && !task.task.startsWith('.'));
  const tasks = found.filter(isShown);
  if (context.json) {
    context.outJson({ tasks });
    return 0;
  }
  const { taskTable } = await import('../render/task-view.ts');
  const hidden = found.length - tasks.length;
  const rest = hidden === 0 ? '' : `${hidden} finished or internal not shown: --all shows them\n`;
  if (tasks.length === 0) context.out(found.length === 0 ? 'no tasks\n' : `no open tasks\n${rest}`);
  else await page(context, taskTable(tasks, context) + context.paint.faint(rest));
  return 0;
}

/** The same error with and without a running supervisor. */
function oneOf(flag: string, given: string | undefined, known: readonly string[]): void {
  if (given !== undefined && !known.includes(given))
    throw new SupervisorError('usage', `${flag} ${given} is not one of ${known.join(', ')}`);
}

/** `supervisor show TASK`. */
export async function show(
  context: Context,
  task: string,
  options: { readonly worktree?: string; readonly prompt?: boolean },
): Promise<number> {
  const query = taskQuery(context, task, options.worktree);
  if (options.prompt) {
    const report = await withView(context, (view) => view.prompt(query));
    if (context.json) context.outJson(report);
    // As it is sent: but for what a terminal would take for commands.
    else context.out(context.stdout.isTTY === true ? `${plainLines(report.prompt)}\n` : report.prompt);
    return 0;
  }
  const report = await withView(context, (view) => view.task(query));
  if (context.json) context.outJson(report);
  else {
    const { taskDetailView } = await import('../render/task-view.ts');
    await page(context, taskDetailView(report, context));
  }
  return 0;
}

/** Flags of `runs`. */
export interface RunsOptions {
  readonly worktree?: string;
  readonly open?: boolean;
  readonly failed?: boolean;
  readonly since?: string;
  readonly grep?: string;
  readonly limit?: number;
}

function nothingFound({ failed, since, grep, open }: RunsOptions): string {
  if (failed || since !== undefined || grep !== undefined) return 'no such runs\n';
  return open ? 'nothing is running\n' : 'nothing has run yet\n';
}

/** `supervisor runs [TASK]`. */
export async function runs(
  context: Context,
  task: string | undefined,
  options: RunsOptions,
): Promise<number> {
  const found = await withView(context, (view) =>
    view.runs({
      ...(task === undefined ? {} : { task }),
      ...(options.worktree === undefined ? {} : { worktree: worktreePath(context.cwd, options.worktree) }),
      ...(options.open ? { open: true } : {}),
      ...(options.failed ? { failed: true } : {}),
      ...(options.since === undefined ? {} : { since: sinceInstant(options.since, context.now()) }),
      ...(options.grep === undefined || options.grep === '' ? {} : { grep: options.grep }),
      limit: options.limit ?? 50,
    }),
  );
  if (context.json) context.outJson({ runs: found });
  else if (found.length === 0) context.out(nothingFound(options));
  else {
    const { runRows } = await import('../render/run-view.ts');
    await page(context, runRows(found, context, { ids: true }));
  }
  return 0;
}

/** `supervisor worktrees`. */
export async function worktrees(context: Context): Promise<number> {
  const report = await withView(context, (view) => view.status());
  if (context.json) context.outJson({ worktrees: report.worktrees });
  else {
    const { worktreeTable } = await import('../render/status-view.ts');
    await page(context, worktreeTable(report.worktrees, context, { because: true }));
  }
  return 0;
}
