// The first screen is a list of what a person has to do; then what runs, what is next, and what happened meanwhile.

import { useEffect, useRef, useState } from 'preact/hooks';
import type { DigestReport, NextReport, OverviewReport } from '../domain/overview.ts';
import type { InboxItem } from '../domain/report.ts';
import {
  type Action,
  ActionButton,
  answerAction,
  commandShown,
  doneAction,
  releaseAction,
  retryAction,
} from './action.tsx';
import { useAnswer, useApp, useNow } from './app.ts';
import { recallLong, rememberLong } from './browser.ts';
import { Ago, Card, Glyph, Nothing, type Place, placesOf, Said, State, Trouble, Where } from './parts.tsx';
import { routeTo, taskRoute } from './route.ts';
import { Running } from './running.tsx';
import { clockText, countText, moneyText, plainText, spanText } from './words.ts';

type Places = ReadonlyMap<string, Place>;

export function Home() {
  const { data, refusal } = useAnswer<OverviewReport>('/api/overview');
  if (!data) return refusal ? <Trouble refusal={refusal} /> : <p class="nothing">Looking…</p>;
  const places = placesOf(data.worktrees);
  return (
    <div class="home">
      <h1 class="unseen">Home</h1>
      {data.problems.length > 0 ? <Problems overview={data} /> : null}
      <NeedsYou items={data.inbox} places={places} />
      <div class="columns">
        <Running overview={data} places={places} />
        <Next overview={data} places={places} />
        <SinceYouLooked />
      </div>
    </div>
  );
}

function Problems({ overview }: { readonly overview: OverviewReport }) {
  return (
    <ul class="problems">
      {overview.problems.map((problem) => (
        <li key={`${problem.code} ${problem.message}`}>
          <Glyph name="configuration" />
          <Said text={problem.message} />
        </li>
      ))}
    </ul>
  );
}

/** How many at first: the longest wait is on top. */
const FIRST = 12;

function NeedsYou({ items, places }: { readonly items: readonly InboxItem[]; readonly places: Places }) {
  const [isWhole, setWhole] = useState(false);
  const list = useRef<HTMLUListElement>(null);
  useEffect(() => {
    // One key is to be enough for the first of them.
    if (document.activeElement === document.body)
      list.current?.querySelector<HTMLElement>('[data-open]')?.focus();
  }, [items.length > 0]);
  const shown = isWhole ? items : items.slice(0, FIRST);
  return (
    <Card title="Needs you" class="needs" more={<span class="count">{items.length}</span>}>
      {items.length === 0 ? (
        <Nothing>
          <Glyph name="check" /> Nothing waits for you.
        </Nothing>
      ) : (
        <ul ref={list} class="rows">
          {shown.map((item) => (
            <Item key={keyOf(item)} item={item} places={places} />
          ))}
        </ul>
      )}
      {shown.length < items.length ? (
        <button type="button" class="button quiet" onClick={() => setWhole(true)}>
          Show all {items.length}
        </button>
      ) : null}
    </Card>
  );
}

const keyOf = (item: InboxItem) => [item.kind, item.code, item.worktree, item.task, item.because].join('\n');

const KIND_WORDS: Readonly<Record<InboxItem['kind'], string>> = {
  question: 'asks',
  failed: 'failed',
  parked: 'parked',
  configuration: 'held',
  untrusted: 'not trusted',
  stale: 'no news',
  rewound: 'rewound',
  budget: 'over budget',
  worktree: 'worktree',
};

function Item({ item, places }: { readonly item: InboxItem; readonly places: Places }) {
  const now = useNow();
  const { task, kind, worktree } = item;
  const open = task === null ? routeTo('worktrees') : taskRoute(task, worktree);
  const since = item.since === null ? null : now - Date.parse(item.since);
  return (
    <li class={`item is-${kind}`} data-row>
      <span class="badge">
        <Glyph name={kind} />
      </span>
      <div class="what">
        <p class="line">
          <a class="id" href={open} data-open>
            <Said text={task ?? item.title} most={80} />
          </a>
          <span class="kind">{KIND_WORDS[kind]}</span>
          {item.tasks.length > 1 ? (
            <a href={routeTo('tasks', '', { q: `code:${item.code} in:${worktree}` })}>
              and {item.tasks.length - 1} more
            </a>
          ) : null}
        </p>
        <p class="because">
          <Said text={item.because} most={300} />
        </p>
        <p class="meta">
          <Where places={places} path={worktree} />
          {since === null ? null : <span>waits {spanText(since)}</span>}
          {item.blocks > 0 ? (
            <a href={task === null ? open : routeTo('graph', task, { in: worktree })}>blocks {item.blocks}</a>
          ) : null}
        </p>
        {kind === 'question' && task !== null ? <Answering item={item} task={task} /> : null}
      </div>
      <ItemActions item={item} />
    </li>
  );
}

function ItemActions({ item }: { readonly item: InboxItem }) {
  const app = useApp();
  const { task, kind, worktree, action: named } = item;
  const actions: Action[] = [];
  if (task !== null && named === 'done') actions.push({ ...doneAction(task, worktree), kind: 'main' });
  if (task !== null && named === 'retry') actions.push({ ...retryAction(task, worktree), kind: 'main' });
  if (task !== null && named === 'release') actions.push(releaseAction(task, worktree));
  return (
    <div class="actions">
      {actions.map((action) => (
        <ActionButton key={action.label} action={action} />
      ))}
      {task === null ? (
        <code class="command">{item.command}</code>
      ) : (
        <a
          class="button quiet"
          data-key="w"
          href={taskRoute(task, worktree)}
          {...commandShown(app, item.command)}
        >
          {kind === 'failed' ? 'Log' : 'Why'}
          <span class="key" aria-hidden="true">
            w
          </span>
        </a>
      )}
    </div>
  );
}

/** Answering is a form: what is asked, what may be answered, and one field for anything else. */
export function Answering({
  item,
  task,
}: {
  readonly item: Pick<InboxItem, 'because' | 'options' | 'worktree'>;
  readonly task: string;
}) {
  const [text, setText] = useState('');
  const { because: question, options = [], worktree } = item;
  const action = {
    ...answerAction(task, worktree, question, text.trim()),
    label: 'Send',
    kind: 'main' as const,
  };
  return (
    <form
      class="answering"
      onSubmit={(event) => {
        event.preventDefault();
        event.currentTarget.querySelector<HTMLButtonElement>('button.main')?.click();
      }}
    >
      {options.slice(0, 8).map((option) => (
        <ActionButton key={option} action={answerAction(task, worktree, question, option)} />
      ))}
      <input
        type="text"
        data-key="a"
        aria-label={`Answer ${plainText(task, 80)}`}
        placeholder={options.length > 0 ? 'or in your own words' : 'Your answer'}
        value={text}
        maxLength={20000}
        onInput={(event) => setText(event.currentTarget.value)}
      />
      {text.trim() === '' ? null : <ActionButton action={action} />}
    </form>
  );
}

function Next({ overview, places }: { readonly overview: OverviewReport; readonly places: Places }) {
  const now = useNow();
  const { next, next_count: count } = overview;
  const when = (task: NextReport) => (task.next_at === null ? null : clockText(task.next_at, now));
  return (
    <Card
      title="Next"
      more={
        <a class="count" href={routeTo('tasks', '', { q: 'state:queued' })}>
          {count}
        </a>
      }
    >
      {next.length === 0 ? <Nothing>Nothing is queued or scheduled.</Nothing> : null}
      <ol class="rows">
        {next.map((task) => (
          <li key={task.id} class="run" data-row>
            <p class="line">
              <a
                class="id"
                href={taskRoute(task.task, task.worktree)}
                data-open
                title={plainText(task.title)}
              >
                <Said text={task.task} most={60} />
              </a>
              <span class="end">{when(task) ?? <State state={task.state} />}</span>
            </p>
            <p class="meta">
              <Where places={places} path={task.worktree} />
              <span>
                <Said text={task.because} most={120} />
              </span>
            </p>
          </li>
        ))}
      </ol>
    </Card>
  );
}

const LOOKED = 'workgraph.looked';
const DAY_MS = 86_400_000;

/** Since when this browser was away: the last time before this that it showed the page. */
function useLastLook(): string {
  const app = useApp();
  const [since] = useState(() => {
    const last = Number(recallLong(LOOKED) ?? 0);
    const now = app.clock.get();
    return new Date(last > now - 7 * DAY_MS && last < now ? last : now - DAY_MS).toISOString();
  });
  useEffect(() => {
    const note = () => document.visibilityState === 'hidden' && rememberLong(LOOKED, String(app.clock.get()));
    addEventListener('visibilitychange', note);
    addEventListener('pagehide', note);
    return () => {
      removeEventListener('visibilitychange', note);
      removeEventListener('pagehide', note);
    };
  }, [app]);
  return since;
}

function SinceYouLooked() {
  const since = useLastLook();
  const now = useNow();
  const { data } = useAnswer<DigestReport>(`/api/digest?since=${encodeURIComponent(since)}`);
  return (
    <Card title="Since you looked" more={<span class="count">{spanText(now - Date.parse(since))}</span>}>
      {data ? (
        <>
          <dl class="figures">
            <Figure
              n={data.done}
              word="done"
              state="done"
              href={routeTo('runs', '', { only: 'succeeded' })}
            />
            <Figure
              n={data.failed}
              word="failed"
              state="failed"
              href={routeTo('runs', '', { only: 'failed' })}
            />
            {data.cost_usd > 0 ? (
              <div>
                <dt>spent</dt>
                <dd>
                  <a href={routeTo('capacity')}>{moneyText(data.cost_usd)}</a>
                </dd>
              </div>
            ) : null}
            {data.output_tokens > 0 ? (
              <div>
                <dt>tokens</dt>
                <dd>
                  <a href={routeTo('capacity')}>{countText(data.output_tokens)}</a>
                </dd>
              </div>
            ) : null}
          </dl>
          <ul class="rows">
            {data.items.slice(0, 10).map((one) => (
              <li key={one.run} class="run" data-row>
                <p class="line">
                  <span class={`dot is-${one.outcome}`} title={one.outcome} />
                  <a class="id" href={taskRoute(one.task, one.worktree)} data-open>
                    <Said text={one.task} most={60} />
                  </a>
                  <span class="end">
                    <Ago at={one.at} />
                  </span>
                </p>
                {one.message === '' ? null : (
                  <p class="meta">
                    <span>
                      <Said text={one.message} most={160} />
                    </span>
                  </p>
                )}
              </li>
            ))}
          </ul>
          {data.items.length === 0 ? <Nothing>Nothing ended meanwhile.</Nothing> : null}
        </>
      ) : (
        <Nothing>Looking…</Nothing>
      )}
    </Card>
  );
}

function Figure(props: {
  readonly n: number;
  readonly word: string;
  readonly state: string;
  readonly href: string;
}) {
  return (
    <div class={`is-${props.state}`}>
      <dt>{props.word}</dt>
      <dd>
        <a href={props.href}>{countText(props.n)}</a>
      </dd>
    </div>
  );
}
