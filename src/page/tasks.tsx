// All tasks as one list: filtered by text, selected, and dealt with in one go.

import { useMemo, useState } from 'preact/hooks';
import type { OverviewReport } from '../domain/overview.ts';
import type { TaskReport } from '../domain/report.ts';
import { shellWord } from '../domain/shell-word.ts';
import { type Action, ActionButton } from './action.tsx';
import { useAnswer, useApp, useCell } from './app.ts';
import { recallLong, rememberLong } from './browser.ts';
import { pairIn, parseFilter, withPair } from './filter.ts';
import { Nothing, placesOf, Said, State, Trouble, Where } from './parts.tsx';
import { routeTo, taskRoute } from './route.ts';
import { Windowed } from './window.tsx';
import { clockText, counted } from './words.ts';

/** As many as the API gives at once. */
const MOST = 10_000;
const ROW_PX = 52;
const STATES = ['running', 'queued', 'scheduled', 'waiting', 'held', 'paused', 'failed', 'done'] as const;

export function Tasks() {
  const app = useApp();
  const { params } = useCell(app.route);
  const query = params.q ?? '';
  const { data, refusal } = useAnswer<{ tasks: readonly TaskReport[]; next_cursor: string | null }>(
    `/api/tasks?limit=${MOST}`,
  );
  const overview = useAnswer<OverviewReport>('/api/overview').data;
  const places = useMemo(() => placesOf(overview?.worktrees ?? []), [overview]);
  const [chosen, choose] = useState<ReadonlySet<string>>(new Set());
  const tasks = data?.tasks ?? [];
  const shown = useMemo(() => {
    const fits = parseFilter(query);
    return tasks.filter((task) => {
      const place = places.get(task.worktree);
      return fits({ ...task, places: [task.worktree, place?.repo ?? '', place?.branch ?? ''] });
    });
  }, [tasks, query, places]);
  const counts = useMemo(() => countStates(tasks), [tasks]);
  const setQuery = (text: string) => {
    // Typing makes no history, or going back would undo letters.
    history.replaceState(null, '', routeTo('tasks', '', { q: text }));
    app.route.set({ screen: 'tasks', task: '', params: text === '' ? {} : { q: text } });
  };
  const toggle = (id: string) => {
    const next = new Set(chosen);
    if (!next.delete(id)) next.add(id);
    choose(next);
  };
  const picked = shown.filter(({ id }) => chosen.has(id));
  return (
    <div class="screen">
      <header class="head">
        <h1>Tasks</h1>
        <input
          type="search"
          data-filter
          aria-label="Filter"
          placeholder="Filter: words, state:held, in:shop, tag:area/*, by:claude"
          value={query}
          onInput={(event) => setQuery(event.currentTarget.value)}
        />
        <span class="count" role="status">
          {data ? `${shown.length} of ${tasks.length}${data.next_cursor === null ? '' : ' and more'}` : '…'}
        </span>
      </header>
      <States query={query} counts={counts} onPick={setQuery} />
      <Views query={query} onPick={setQuery} />
      {picked.length > 0 ? (
        <Bulk
          picked={picked}
          total={shown.length}
          onAll={() => choose(new Set(shown.map(({ id }) => id)))}
          onNone={() => choose(new Set())}
        />
      ) : null}
      <Trouble refusal={refusal} />
      {data && shown.length === 0 ? <Nothing>No task is like that.</Nothing> : null}
      <section class="card flush">
        <Windowed
          rows={shown}
          height={ROW_PX}
          keyOf={({ id }) => id}
          label="Tasks"
          draw={(task) => (
            <Row
              task={task}
              places={places}
              isChosen={chosen.has(task.id)}
              onToggle={() => toggle(task.id)}
            />
          )}
        />
      </section>
    </div>
  );
}

/** The state that people filter by: the verdict's, or the graph's own once it has finished. */
export function shownState({ state, status }: Pick<TaskReport, 'state' | 'status'>): string {
  return state === 'finished' ? status : state;
}

function countStates(tasks: readonly TaskReport[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const task of tasks) {
    const state = shownState(task);
    counts.set(state, (counts.get(state) ?? 0) + 1);
  }
  return counts;
}

function States(props: {
  readonly query: string;
  readonly counts: ReadonlyMap<string, number>;
  readonly onPick: (query: string) => void;
}) {
  const current = pairIn(props.query, 'state');
  return (
    <fieldset class="chips" aria-label="States">
      {STATES.map((state) => {
        const isOn = current === state;
        return (
          <button
            key={state}
            type="button"
            class={`chip is-${state}`}
            aria-pressed={isOn}
            onClick={() => props.onPick(withPair(props.query, 'state', isOn ? '' : state))}
          >
            {state} <b>{props.counts.get(state) ?? 0}</b>
          </button>
        );
      })}
    </fieldset>
  );
}

const VIEWS = 'workgraph.views';

/** Filters that were given a name, kept in this browser. */
function Views({ query, onPick }: { readonly query: string; readonly onPick: (query: string) => void }) {
  const [views, setViews] = useState(readViews);
  const keep = (next: readonly string[]) => {
    rememberLong(VIEWS, JSON.stringify(next));
    setViews(next);
  };
  const isKept = views.includes(query);
  if (views.length === 0 && query === '') return null;
  return (
    <fieldset class="chips" aria-label="Saved filters">
      {views.map((view) => (
        <button
          key={view}
          type="button"
          class="chip"
          aria-pressed={view === query}
          onClick={() => onPick(view)}
        >
          <Said text={view} most={60} />
        </button>
      ))}
      {query === '' ? null : (
        <button
          type="button"
          class="chip add"
          onClick={() => keep(isKept ? views.filter((one) => one !== query) : [...views, query].slice(-12))}
        >
          {isKept ? 'forget this filter' : 'save this filter'}
        </button>
      )}
    </fieldset>
  );
}

function readViews(): readonly string[] {
  try {
    const value: unknown = JSON.parse(recallLong(VIEWS) ?? '[]');
    return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : [];
  } catch {
    return [];
  }
}

function Row(props: {
  readonly task: TaskReport;
  readonly places: ReturnType<typeof placesOf>;
  readonly isChosen: boolean;
  readonly onToggle: () => void;
}) {
  const { task, places, isChosen, onToggle } = props;
  const app = useApp();
  return (
    <div class={`task-row ${isChosen ? 'is-chosen' : ''}`}>
      <input
        type="checkbox"
        data-key="x"
        aria-label={`Select ${task.task}`}
        checked={isChosen}
        onChange={onToggle}
      />
      <div class="what">
        <p class="line">
          <a class="id" href={taskRoute(task.task, task.worktree)} data-open>
            <Said text={task.task} most={70} />
          </a>
          <span class="title">
            <Said text={task.title} most={120} />
          </span>
        </p>
        <p class="meta">
          <Where places={places} path={task.worktree} />
          <span class="because">
            <Said text={task.because} most={160} />
          </span>
        </p>
      </div>
      <span class="end">
        {task.next_at === null ? null : <span class="count">{clockText(task.next_at, app.clock.get())}</span>}
        <State state={shownState(task)} />
      </span>
    </div>
  );
}

function Bulk(props: {
  readonly picked: readonly TaskReport[];
  readonly total: number;
  readonly onAll: () => void;
  readonly onNone: () => void;
}) {
  const { picked, total } = props;
  const what = counted(picked.length, 'task');
  const bulk = (label: string, verb: string, key: string): Action => ({
    label: `${label} ${picked.length}`,
    key,
    path: `/api/tasks/${verb}`,
    body: { tasks: picked.map(({ id }) => id) },
    command: picked.map(({ id }) => `supervisor ${verb} ${shellWord(id)}`).join(' && '),
    done: `${label}: ${what}`,
  });
  return (
    <section class="bulk" aria-label="Selected tasks">
      <b>{what} selected</b>
      {picked.length < total ? (
        <button type="button" class="button quiet" onClick={props.onAll}>
          Select all {total}
        </button>
      ) : null}
      <button type="button" class="button quiet" onClick={props.onNone}>
        Select none
      </button>
      <ActionButton action={bulk('Retry', 'retry', 'r')} />
      <ActionButton action={bulk('Pause', 'pause', 'p')} />
      {picked.some(({ state }) => state === 'paused') ? (
        <ActionButton action={bulk('Resume', 'resume', 'u')} />
      ) : null}
      <Tagging picked={picked} />
      <ActionButton
        action={{
          ...bulk('Cancel', 'cancel', 'c'),
          kind: 'bad',
          doubt: {
            question: `Cancel ${what}?`,
            detail: picked
              .slice(0, 12)
              .map(({ task }) => task)
              .join(', '),
          },
        }}
      />
    </section>
  );
}

/** Tags for all that are selected: words are added, words after a minus are taken away. */
function Tagging({ picked }: { readonly picked: readonly TaskReport[] }) {
  const [text, setText] = useState('');
  const words = text.trim().split(/\s+/).filter(Boolean);
  const remove = words.filter((word) => /^-./.test(word)).map((word) => word.slice(1));
  const add = words.filter((word) => !word.startsWith('-'));
  const flags = [
    ...add.map((tag) => `--tag ${shellWord(tag)}`),
    ...remove.map((tag) => `--untag ${shellWord(tag)}`),
  ].join(' ');
  const action: Action = {
    label: `Tag ${picked.length}`,
    path: '/api/tasks/tag',
    body: { tasks: picked.map(({ id }) => id), add, remove },
    command: picked.map(({ id }) => `supervisor edit ${shellWord(id)} ${flags}`).join(' && '),
    done: `Tagged: ${counted(picked.length, 'task')}`,
  };
  return (
    <form
      class="tagging"
      onSubmit={(event) => {
        event.preventDefault();
        event.currentTarget.querySelector('button')?.click();
      }}
    >
      <input
        type="text"
        data-key="t"
        aria-label="Tags for the selected tasks"
        placeholder="tag, -tag"
        maxLength={500}
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
      />
      {flags === '' ? null : <ActionButton action={action} />}
    </form>
  );
}
