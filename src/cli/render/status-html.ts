// Status as one file for a browser, with nothing from elsewhere: for when no supervisor serves the page. Everything in it
// is text that was made harmless.

import type { StatusReport } from '../../domain/report.ts';
import { type Context, shortPath } from '../context.ts';
import { plain } from './plain.ts';
import { relativeTime } from './relative-time.ts';

/** Tasks that do not run; the others are counted. */
const MOST_HELD = 500;

const STYLE = `:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif }
body { max-width: 72rem; margin: 2rem auto; padding: 0 1rem }
table { width: 100%; border-collapse: collapse }
th, td { padding: .3rem .6rem; border-bottom: 1px solid color-mix(in srgb, currentColor 20%, transparent); text-align: left; vertical-align: top; overflow-wrap: anywhere }
code { font-size: .9em } .faint { opacity: .8 }`;

/** The whole document. */
export function statusHtml(report: StatusReport, context: Context): string {
  const { supervisor, limits, inbox, runs, claimed = [], worktrees, held, problems } = report;
  const ago = (at: string | null) => relativeTime(at, context.now());
  const place = (path: string) => shortPath(path, context);
  const state = supervisor.running
    ? `supervisor ${supervisor.state}, ${limits.running} of ${limits.max_concurrent} running, ${limits.queued} queued`
    : 'no supervisor is running';
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="content-security-policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>workgraph, as of ${text(report.generated_at)}</title>
<style>${STYLE}</style>
<main>
<h1>workgraph</h1>
<p>As of ${text(report.generated_at)}: ${text(state)}. This file does not change; <code>supervisor open</code> shows what is so now.</p>
${problems.map(({ message }) => `<p>! ${text(message)}</p>\n`).join('')}${table(
  'Needs you',
  ['What', 'Why', 'Where', 'Since', 'Command'],
  inbox.map((item) => [
    item.task ?? item.title,
    item.because,
    place(item.worktree),
    ago(item.since),
    { command: item.command },
  ]),
)}${table(
  'Running',
  ['Task', 'Executor', 'Attempt', 'Where', 'Since', 'Progress'],
  runs.map((run) => [
    run.task,
    run.executor,
    String(run.attempt),
    place(run.worktree),
    ago(run.started_at),
    run.progress ?? '',
  ]),
)}${table(
  'Claimed by others',
  ['Task', 'Agent', 'Where', 'Since'],
  claimed.map(({ task, agent, worktree, since }) => [
    task,
    agent ?? 'not named',
    place(worktree),
    ago(since),
  ]),
)}${table(
  'Worktrees',
  ['Branch', 'Repository', 'State', 'Ready', 'Running', 'Held', 'Failed', 'Done', 'Where'],
  worktrees.map(({ branch, repo, state: said, because, counts, path }) => [
    branch ?? '',
    repo,
    `${said}: ${because}`,
    ...[counts.ready, counts.running, counts.held, counts.failed, counts.done].map(String),
    place(path),
  ]),
)}${table(
  `Not running${held.length > MOST_HELD ? `, the first ${MOST_HELD} of ${held.length}` : ''}`,
  ['Task', 'State', 'Why', 'Where', 'Next look'],
  held
    .slice(0, MOST_HELD)
    .map((task) => [task.task, task.state, task.because, place(task.worktree), ago(task.next_at)]),
)}</main>
</html>
`;
}

type Cell = string | { readonly command: string };

function table(title: string, heads: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const head = heads.map((one) => `<th scope="col">${text(one)}</th>`).join('');
  const body = rows.map((row) => `<tr>${row.map((cell) => `<td>${cellText(cell)}</td>`).join('')}</tr>`);
  const content =
    rows.length === 0
      ? '<p class="faint">Nothing.</p>'
      : `<table><thead><tr>${head}</tr></thead><tbody>\n${body.join('\n')}\n</tbody></table>`;
  return `<h2>${text(title)}</h2>\n${content}\n`;
}

function cellText(cell: Cell): string {
  return typeof cell === 'string' ? text(cell) : `<code>${text(cell.command)}</code>`;
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function text(untrusted: string): string {
  return plain(untrusted).replace(/[&<>"']/g, (mark) => ENTITIES[mark] ?? '');
}
