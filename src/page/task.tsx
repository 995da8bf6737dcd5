// One task: why it is as it is, its life as a waterfall, what it prints, what it came to, and who changed it.

import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import type { HistoryReport, OverviewReport } from '../domain/overview.ts';
import type { RunReport, TaskDetailReport, WhyReport } from '../domain/report.ts';
import { shellWord } from '../domain/shell-word.ts';
import {
  type Action,
  ActionButton,
  cancelAction,
  dispatchAction,
  doneAction,
  holdAction,
  releaseAction,
  retryAction,
} from './action.tsx';
import { taskPath } from './api.ts';
import { useAnswer, useApp, useCell, useNow } from './app.ts';
import { Answering } from './home.tsx';
import { HookLog, Log } from './log.tsx';
import { Ago, Card, Glyph, Nothing, placesOf, Said, State, Trouble, Where } from './parts.tsx';
import { routeTo, taskRoute } from './route.ts';
import { CommandLine } from './shell.tsx';
import { shownState } from './tasks.tsx';
import { History } from './waterfall.tsx';
import { clockText, fullTime, moneyText, safeLink, spanText } from './words.ts';

export function Task() {
  const app = useApp();
  const { task, params } = useCell(app.route);
  const worktree = params.in ?? '';
  const { data, refusal } = useAnswer<TaskDetailReport>(taskPath(task, worktree));
  const why = useAnswer<WhyReport>(taskPath(task, worktree, '/why')).data;
  const history = useAnswer<HistoryReport>(taskPath(task, worktree, '/history')).data;
  const overview = useAnswer<OverviewReport>('/api/overview').data;
  const [run, pick] = useState<string | null>(null);
  if (!data) return refusal ? <Trouble refusal={refusal} /> : <Nothing>Looking…</Nothing>;
  const places = placesOf(overview?.worktrees ?? []);
  const shown = data.runs.find((one) => one.run === run) ?? data.runs[0] ?? null;
  return (
    <div class="screen task">
      <header class="head">
        <div class="what">
          <h1 class="id">
            <Said text={data.task} most={120} /> <State state={shownState(data)} />
          </h1>
          <p class="title">
            <Said text={data.title} most={400} />
          </p>
          <p class="meta">
            <Where places={places} path={data.worktree} />
            <a href={routeTo('graph', data.task, { in: data.worktree })} data-key="n">
              <Glyph name="graph" /> graph
            </a>
            {data.executor === null ? null : (
              <a href={routeTo('tasks', '', { q: `by:${data.executor}` })}>
                by <Said text={data.executor} most={60} />
              </a>
            )}
            {data.next_at === null ? null : (
              <span title={fullTime(data.next_at)}>looked at {clockText(data.next_at, app.clock.get())}</span>
            )}
          </p>
        </div>
        <Actions task={data} />
      </header>
      <Question task={data} />
      <div class="sides">
        <div class="side">
          {why ? <Why why={why} /> : null}
          <Card title="Life">
            {history ? (
              <History history={history} chosen={shown?.run ?? null} onPick={pick} />
            ) : (
              <Nothing>Looking…</Nothing>
            )}
          </Card>
          {shown ? <Attempt run={shown} count={data.runs.length} /> : null}
        </div>
        <div class="side">
          <About task={data} />
          <Result task={data} />
          <Changes task={data} />
        </div>
      </div>
    </div>
  );
}

function Actions({ task }: { readonly task: TaskDetailReport }) {
  const { task: id, worktree, status } = task;
  const open = task.runs.find(({ finished_at, phase }) => finished_at === null && isOpen(phase));
  const actions: Action[] = [];
  if (open?.phase === 'handed-off') actions.push(releaseAction(id, worktree));
  if (open) actions.push(cancelAction(id, worktree));
  else if (
    status === 'failed' ||
    status === 'abandoned' ||
    task.code === 'parked' ||
    task.code === 'paused' ||
    task.code === 'rewound'
  )
    actions.push({ ...retryAction(id, worktree), kind: 'main' });
  else if (status === 'open' && task.state !== 'held' && task.state !== 'waiting')
    actions.push(dispatchAction(id, worktree));
  const isPaused = task.fields.paused === true;
  if (isPaused || status === 'open' || status === 'in-progress')
    actions.push(holdAction(id, worktree, isPaused));
  if (status !== 'done') actions.push(doneAction(id, worktree));
  return (
    <div class="actions">
      {actions.map((action) => (
        <ActionButton key={action.label} action={action} />
      ))}
    </div>
  );
}

const isOpen = (phase: RunReport['phase']) =>
  ['opened', 'claimed', 'started', 'handed-off', 'finished'].includes(phase);

function Question({ task }: { readonly task: TaskDetailReport }) {
  const asking = task.runs.find(
    ({ lease, finished_at }) => lease?.question && lease.answer === null && finished_at === null,
  );
  if (!asking?.lease?.question) return null;
  const { question, options } = asking.lease;
  return (
    <section class="card asks is-question" aria-label="Question">
      <p>
        <span class="kind">asks</span> <Said text={question} most={2000} />
      </p>
      <Answering item={{ because: question, options, worktree: task.worktree }} task={task.task} />
    </section>
  );
}

function Why({ why }: { readonly why: WhyReport }) {
  // While it runs, and once it has finished, nothing blocks it: what would is of no interest.
  const isSettled = why.state === 'running' || why.state === 'finished';
  const missing = isSettled ? [] : why.conditions.filter(({ met }) => !met);
  const others = why.conditions.filter((one) => !missing.includes(one));
  return (
    <Card
      title="Why"
      more={missing.length === 0 ? null : <span class="count">{missing.length} in its way</span>}
    >
      <p class={`verdict is-${shownState(why)}`}>
        <Said text={why.because} most={600} />
        {why.next_at === null ? null : (
          <>
            {' '}
            <span class="count">
              Looked at again <Ago at={why.next_at} />.
            </span>
          </>
        )}
      </p>
      <Conditions conditions={missing} />
      <details>
        <summary>
          {missing.length === 0 ? 'What was looked at' : 'What is not in its way'}{' '}
          <span class="count">{others.length}</span>
        </summary>
        <Conditions conditions={others} />
      </details>
      <CommandLine command={`supervisor why ${shellWord(why.task)} --worktree ${shellWord(why.worktree)}`} />
    </Card>
  );
}

function Conditions({ conditions }: Pick<WhyReport, 'conditions'>) {
  if (conditions.length === 0) return null;
  return (
    <ul class="conditions">
      {conditions.map(({ name, met, because }) => (
        <li key={name} class={met ? 'is-met' : 'is-unmet'}>
          <Glyph name={met ? 'check' : 'failed'} />
          <span>
            <b>{name}</b> <Said text={because} most={400} />
          </span>
        </li>
      ))}
    </ul>
  );
}

function Attempt({ run, count }: { readonly run: RunReport; readonly count: number }) {
  const now = useNow();
  const start = run.started_at === null ? null : Date.parse(run.started_at);
  const end = run.finished_at === null ? now : Date.parse(run.finished_at);
  const { outcome, usage } = run;
  const cost = usage?.cost_usd ?? null;
  return (
    <Card
      title={`Attempt ${run.attempt}${count > 1 ? `, ${count} runs` : ''}`}
      more={
        <span class="count">
          <Said text={run.executor} most={40} />
          {start === null ? '' : ` · ${spanText(end - start)}`}
          {cost === null ? '' : ` · ${moneyText(cost)}`}
        </span>
      }
    >
      {outcome === null ? null : (
        <p class="line">
          <span class={`dot is-${outcome.kind}`} />
          <Said text={outcomeText(run)} most={1000} />
        </p>
      )}
      {run.output === null && run.started_at === null ? null : (
        <>
          <HookLog key={`${run.run} before`} run={run} hook="before_run" />
          <Log run={run} />
          {run.finished_at === null ? null : <HookLog key={`${run.run} after`} run={run} hook="after_run" />}
        </>
      )}
    </Card>
  );
}

function outcomeText({ outcome }: RunReport): string {
  switch (outcome?.kind) {
    case 'succeeded':
      return outcome.summary ?? 'done';
    case 'failed':
      return `${outcome.failure}: ${outcome.message}`;
    case 'stopped':
      return outcome.because ?? outcome.reason;
    case 'deferred':
      return outcome.because;
    default:
      return '';
  }
}

function About({ task }: { readonly task: TaskDetailReport }) {
  const text = (name: string) => {
    const value = task.fields[name];
    return typeof value === 'string' && value !== '' ? value : null;
  };
  const list = (name: string) => {
    const value = task.fields[name];
    return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : [];
  };
  const exec = text('exec');
  const verify = text('verify');
  return (
    <Card title="About">
      {task.description === null || task.description === '' ? null : (
        <p class="prose">
          <Said text={task.description} most={6000} />
        </p>
      )}
      <dl class="facts-list">
        {task.after.length > 0 ? (
          <Fact name="after">
            {task.after.map((id) => (
              <a key={id} class="id" href={taskRoute(id, task.worktree)}>
                <Said text={id} most={80} />
              </a>
            ))}
          </Fact>
        ) : null}
        {task.tags.length > 0 ? (
          <Fact name="tags">
            {task.tags.map((tag) => (
              <a key={tag} class="tag" href={routeTo('tasks', '', { q: `tag:${tag}` })}>
                <Said text={tag} most={80} />
              </a>
            ))}
          </Fact>
        ) : null}
        {exec === null ? null : (
          <Fact name="exec">
            <code>
              <Said text={exec} most={600} />
            </code>
          </Fact>
        )}
        {verify === null ? null : (
          <Fact name="verify">
            <code>
              <Said text={verify} most={600} />
            </code>
          </Fact>
        )}
        {['inputs', 'deliverables', 'skills'].map((name) =>
          list(name).length === 0 ? null : (
            <Fact key={name} name={name}>
              {list(name).map((one) => (
                <code key={one}>
                  <Said text={one} most={200} />
                </code>
              ))}
            </Fact>
          ),
        )}
        <Fact name="priority">{task.priority}</Fact>
        {task.assigned === null ? null : (
          <Fact name="assigned">
            <Said text={task.assigned} most={80} />
          </Fact>
        )}
      </dl>
    </Card>
  );
}

function Fact({ name, children }: { readonly name: string; readonly children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function Result({ task }: { readonly task: TaskDetailReport }) {
  if (task.artifacts.length === 0) return null;
  return (
    <Card title="Result" more={<span class="count">{task.artifacts.length}</span>}>
      <ul class="artifacts">
        {task.artifacts.slice(0, 50).map((artifact, n) => (
          <li key={n}>
            <Artifact value={artifact} />
          </li>
        ))}
      </ul>
    </Card>
  );
}

function Artifact({ value }: { readonly value: unknown }) {
  if (typeof value !== 'string')
    return (
      <pre>
        <Said text={JSON.stringify(value, null, 2) ?? ''} most={8000} />
      </pre>
    );
  const link = safeLink(value);
  return link === null ? (
    <code>
      <Said text={value} most={2000} />
    </code>
  ) : (
    <a href={link} rel="noreferrer noopener" target="_blank">
      <Said text={link} most={300} />
    </a>
  );
}

function Changes({ task }: { readonly task: TaskDetailReport }) {
  const [isWhole, setWhole] = useState(false);
  const acted = (task.actions ?? []).map(({ at, actor, action, detail }) => ({
    timestamp: at,
    actor,
    message: `asked: ${action}${detail === '' ? '' : ` (${detail})`}`,
  }));
  const entries = [...acted, ...[...task.log].reverse()].sort(
    (a, b) => Date.parse(b.timestamp) - Date.parse(a.timestamp),
  );
  const shown = isWhole ? entries.slice(0, 500) : entries.slice(0, 10);
  if (entries.length === 0) return null;
  return (
    <Card title="History" more={<span class="count">{entries.length}</span>}>
      <ol class="changes">
        {shown.map(({ timestamp, actor, message }, n) => (
          <li key={`${timestamp} ${n}`}>
            <span class="count">
              <Ago at={timestamp} />
            </span>
            <span>
              {actor === undefined ? null : (
                <b>
                  <Said text={actor} most={60} />{' '}
                </b>
              )}
              <Said text={message} most={600} />
            </span>
          </li>
        ))}
      </ol>
      {shown.length < entries.length ? (
        <button type="button" class="button quiet" onClick={() => setWhole(true)}>
          Show all {entries.length}
        </button>
      ) : null}
    </Card>
  );
}
