// Every worktree in one row: what is known of it, what it holds, and how far its work has come.

import { useState } from 'preact/hooks';
import type { OverviewReport } from '../domain/overview.ts';
import type { RunReport, TaskCounts, WorktreeReport } from '../domain/report.ts';
import { useAnswer, useApp, useCell } from './app.ts';
import { Nothing, Said, State, Trouble } from './parts.tsx';
import { routeTo } from './route.ts';
import { counted, pathTail } from './words.ts';

export function Worktrees() {
  const app = useApp();
  const { params } = useCell(app.route);
  const { data, refusal } = useAnswer<OverviewReport>('/api/overview');
  const [text, setText] = useState(params.q ?? '');
  if (!data) return refusal ? <Trouble refusal={refusal} /> : <Nothing>Looking…</Nothing>;
  const wanted = text.trim().toLowerCase();
  const shown = data.worktrees.filter(({ path, repo, branch, state }) =>
    [path, repo, branch ?? '', state].some((one) => one.toLowerCase().includes(wanted)),
  );
  const byRepo = new Map<string, WorktreeReport[]>();
  for (const row of shown) byRepo.set(row.repo, [...(byRepo.get(row.repo) ?? []), row]);
  return (
    <div class="screen">
      <header class="head">
        <h1>Worktrees</h1>
        <input
          type="search"
          data-filter
          aria-label="Filter"
          placeholder="Filter: repository, branch, path, state"
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
        />
        <span class="count" role="status">
          {shown.length} of {counted(data.worktrees.length, 'worktree')}
        </span>
      </header>
      {shown.length === 0 ? <Nothing>No worktree is like that.</Nothing> : null}
      {[...byRepo].map(([repo, rows]) => (
        <section key={repo} class="card" aria-label={repo}>
          <header>
            <h2>
              <Said text={repo} most={60} />
            </h2>
            <a class="count" href={routeTo('tasks', '', { q: `in:${repo}` })}>
              {counted(
                rows.reduce((sum, { counts }) => sum + totalOf(counts), 0),
                'task',
              )}
            </a>
          </header>
          <ul class="rows">
            {rows.map((row) => (
              <Row
                key={row.path}
                row={row}
                runs={data.runs.filter(({ worktree }) => worktree === row.path)}
              />
            ))}
          </ul>
        </section>
      ))}
    </div>
  );
}

const GOOD = ['watched', 'polling', 'alias', 'own'];

function Row({ row, runs }: { readonly row: WorktreeReport; readonly runs: readonly RunReport[] }) {
  const { counts } = row;
  const isGood = GOOD.includes(row.state);
  const number = (n: number, state: string) =>
    n === 0 ? null : (
      <a class={`is-${state} tone`} href={routeTo('tasks', '', { q: `in:${row.path} state:${state}` })}>
        {n} {state}
      </a>
    );
  return (
    <li class={`worktree ${isGood || row.state === 'no-graph' ? '' : 'is-broken'}`} data-row>
      <div class="what">
        <p class="line">
          <a class="id" href={routeTo('tasks', '', { q: `in:${row.path}` })} data-open title={row.path}>
            <Said text={row.branch ?? pathTail(row.path)} most={70} />
          </a>
          <State state={row.state} />
          {row.copies ? <span class="count">{counted(row.copies, 'copy', 'copies')}</span> : null}
          <span class="end path">
            <Said text={row.path} most={90} />
          </span>
        </p>
        {isGood && row.problems.length === 0 && !row.copies ? null : (
          <p class="because">
            <Said text={row.problems[0]?.message ?? row.because} most={300} />
          </p>
        )}
        <p class="meta">
          {number(counts.running, 'running')}
          {number(counts.ready, 'queued')}
          {number(counts.scheduled, 'scheduled')}
          {number(counts.waiting, 'waiting')}
          {number(counts.held, 'held')}
          {number(counts.paused, 'paused')}
          {number(counts.failed, 'failed')}
          {number(counts.done, 'done')}
          {totalOf(counts) === 0 ? <span>no tasks</span> : null}
          {runs.length > 0 ? (
            <span>
              <Said text={[...new Set(runs.map(({ executor }) => executor))].join(', ')} most={80} />
            </span>
          ) : null}
        </p>
      </div>
      <Progress counts={counts} />
    </li>
  );
}

function totalOf(counts: TaskCounts): number {
  return counts.open + counts['in-progress'] + counts.done + counts.failed + counts.abandoned;
}

function Progress({ counts }: { readonly counts: TaskCounts }) {
  const total = totalOf(counts);
  if (total === 0) return null;
  const parts: readonly (readonly [string, number])[] = [
    ['done', counts.done + counts.abandoned],
    ['running', counts.running],
    ['failed', counts.failed],
    ['held', counts.held],
  ];
  const done = Math.round((100 * counts.done) / total);
  return (
    <span
      class="progress-bar"
      role="img"
      aria-label={`${done} % done`}
      title={`${counts.done} of ${total} done`}
    >
      {parts.map(([state, n]) =>
        n === 0 ? null : <i key={state} class={`is-${state}`} style={{ width: `${(100 * n) / total}%` }} />,
      )}
    </span>
  );
}
