// The monitor of `status --watch`: what it shows, and what a key changes. Pure; what it wishes for is done elsewhere.

import type { InboxAction, InboxKind, StatusReport } from '../../domain/report.ts';

/** One line that can be chosen. */
export interface Row {
  readonly group: 'Needs you' | 'Running' | 'Not running';
  /** Null: it concerns the worktree itself. */
  readonly task: string | null;
  readonly worktree: string;
  readonly kind: InboxKind | 'running' | 'claimed' | 'waits';
  readonly state: string;
  readonly because: string;
  /** Of the run or the wait, ISO; null: unknown. */
  readonly since: string | null;
  /** How many tasks it stands for. */
  readonly tasks: number;
  /** Answers offered with a question. */
  readonly options: readonly string[];
  /** What the inbox names for it; null: no one waits, or the command only shows more. */
  readonly action: InboxAction | null;
  readonly command: string | null;
}

/** What is shown about one task instead of the list. */
export interface Detail {
  readonly kind: 'why' | 'log';
  readonly row: Row;
  readonly lines: readonly string[];
  /** Lines from the top, or null: its end, which it follows. */
  readonly top: number | null;
}

export interface MonitorState {
  readonly report: StatusReport | null;
  readonly rows: readonly Row[];
  /** Of the rows that the filter leaves. */
  readonly at: number;
  readonly filter: string;
  /** What is being typed, and for what: an answer stays that to the row whose question was read, whatever comes meanwhile. */
  readonly typing:
    | { readonly for: 'filter'; readonly text: string }
    | { readonly for: 'answer'; readonly text: string; readonly row: Row }
    | null;
  readonly detail: Detail | null;
  readonly isHelp: boolean;
  /** What the next press of the same key does, after it was said what that means. */
  readonly doubted: Act | null;
  /** The result of the last action. */
  readonly note: string;
  /** Lines of the window that are for rows. */
  readonly height: number;
}

/** A key: its name (`up`, `return`, `escape`), or the text that it types. */
export interface Key {
  readonly name: string;
  readonly text: string;
  readonly ctrl: boolean;
}

/** What is to be done outside. */
export type Wish =
  | { readonly kind: 'quit' }
  | { readonly kind: 'look' }
  | Act
  | { readonly kind: 'answer'; readonly row: Row; readonly text: string };

/** What one key does to a task. */
export interface Act {
  readonly kind: Exclude<InboxAction, 'answer'>;
  readonly row: Row;
}

export const BEGIN: MonitorState = {
  report: null,
  rows: [],
  at: 0,
  filter: '',
  typing: null,
  detail: null,
  isHelp: false,
  doubted: null,
  note: '',
  height: 20,
};

/** The rows of a report: what waits for a person, what runs, what does not. */
export function rowsOf({ inbox, runs, claimed = [], held }: StatusReport): readonly Row[] {
  const named = new Set(inbox.flatMap(({ worktree, tasks }) => tasks.map((task) => `${worktree}\n${task}`)));
  const isNamed = ({ worktree, task }: { readonly worktree: string; readonly task: string }) =>
    named.has(`${worktree}\n${task}`);
  return [
    ...inbox.map(
      ({ task, worktree, kind, because, since, tasks, options = [], action, command }): Row => ({
        ...{ group: 'Needs you', task, worktree, kind, because, since, options, action, command },
        ...{ state: kind, tasks: Math.max(1, tasks.length) },
      }),
    ),
    ...runs
      .filter((run) => !isNamed(run))
      .map(
        ({ task, worktree, executor, phase, started_at, progress }): Row => ({
          ...{ group: 'Running', task, worktree, kind: 'running', ...ALONE },
          ...{ state: phase, because: progress ?? `by ${executor}`, since: started_at },
        }),
      ),
    ...claimed
      .filter((one) => !isNamed(one))
      .map(
        ({ task, worktree, agent, since }): Row => ({
          ...{ group: 'Running', task, worktree, kind: 'claimed', ...ALONE, since },
          ...{
            state: 'claimed',
            because: `claimed by ${agent ?? 'an unnamed agent'}, not by this supervisor`,
          },
        }),
      ),
    ...held
      .filter((one) => !isNamed(one))
      .map(
        ({ task, worktree, state, because }): Row => ({
          ...{ group: 'Not running', task, worktree, kind: 'waits', ...ALONE },
          ...{ state, because, since: null },
        }),
      ),
  ];
}

/** One task, about which no one is asked. */
const ALONE = { options: [], tasks: 1, action: null, command: null } as const;

/** The rows that the filter leaves: every word of it occurs in them. */
export function shownRows({ rows, filter }: Pick<MonitorState, 'rows' | 'filter'>): readonly Row[] {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return rows;
  return rows.filter(({ task, worktree, state, because, group }) => {
    const text = `${task ?? ''} ${worktree} ${state} ${because} ${group}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
}

/** The row that is chosen. */
export function chosen(state: MonitorState): Row | null {
  return shownRows(state)[state.at] ?? null;
}

/** The same choice in newer rows; where it has gone, the one that took its place. */
export function withReport(state: MonitorState, report: StatusReport): MonitorState {
  const before = chosen(state);
  const next = { ...state, report, rows: rowsOf(report) };
  const shown = shownRows(next);
  const same = before === null ? -1 : shown.findIndex((row) => isSame(row, before));
  return { ...next, at: same >= 0 ? same : clamp(state.at, shown.length) };
}

const isSame = (one: Row, other: Row) => one.task === other.task && one.worktree === other.worktree;
const clamp = (at: number, count: number) => Math.max(0, Math.min(at, count - 1));

interface Pressed {
  readonly state: MonitorState;
  readonly wish: Wish | null;
}

/** What a key does. */
export function press(state: MonitorState, key: Key): Pressed {
  if (key.ctrl && key.name === 'c') return { state, wish: { kind: 'quit' } };
  if (state.typing) return typed(state, state.typing, key);
  if (state.isHelp) return { state: { ...state, isHelp: false }, wish: null };
  // What was said of a key holds for the very next press.
  const now = { ...state, note: '', doubted: null };
  return state.detail ? inDetail(now, state.detail, key, state.doubted) : inList(now, key, state.doubted);
}

function typed(state: MonitorState, typing: NonNullable<MonitorState['typing']>, key: Key): Pressed {
  const only = (next: Partial<MonitorState>): Pressed => ({ state: { ...state, ...next }, wish: null });
  const isFilter = typing.for === 'filter';
  const now = (text: string): Pressed =>
    only({ typing: { ...typing, text }, ...(isFilter ? { filter: text, at: 0 } : {}) });
  if (key.name === 'escape') return only({ typing: null, ...(isFilter ? { filter: '', at: 0 } : {}) });
  if (key.name === 'backspace') return now([...typing.text].slice(0, -1).join(''));
  if (key.name !== 'return') return key.text === '' || key.ctrl ? only({}) : now(typing.text + key.text);
  const { state: next } = only({ typing: null });
  if (typing.for === 'filter' || typing.text.trim() === '') return { state: next, wish: null };
  const { row } = typing;
  // The number of an offered answer stands for it.
  const text = row.options[Number(typing.text) - 1] ?? typing.text;
  return { state: next, wish: { kind: 'answer', row, text } };
}

function inDetail(state: MonitorState, detail: Detail, key: Key, doubted: Act | null): Pressed {
  // Its title takes one line.
  const height = state.height - 1;
  const end = Math.max(0, detail.lines.length - height);
  const now = detail.top ?? end;
  const scrolled = (top: number): Pressed => ({
    // At its end a log continues to follow.
    state: {
      ...state,
      detail: { ...detail, top: top >= end && detail.kind === 'log' ? null : clamp(top, end + 1) },
    },
    wish: null,
  });
  switch (nameOf(key)) {
    case 'j':
    case 'down':
      return scrolled(now + 1);
    case 'k':
    case 'up':
      return scrolled(now - 1);
    case 'space':
    case 'pagedown':
      return scrolled(now + height);
    case 'pageup':
    case 'b':
      return scrolled(now - height);
    case 'g':
    case 'home':
      return scrolled(0);
    case 'G':
    case 'end':
      return scrolled(end);
    case 'q':
    case 'escape':
    case 'left':
      return { state: { ...state, detail: null }, wish: null };
    case 'w':
    case 'l':
    case 'r':
    case 'd':
    case 'x':
    case 'a':
      return inList(state, key, doubted);
    case '?':
      return { state: { ...state, isHelp: true }, wish: null };
    default:
      return { state, wish: null };
  }
}

function inList(state: MonitorState, key: Key, doubted: Act | null): Pressed {
  const count = shownRows(state).length;
  const row = state.detail?.row ?? chosen(state);
  const moved = (at: number): Pressed => ({ state: { ...state, at: clamp(at, count) }, wish: null });
  const note = (text: string): Pressed => ({ state: { ...state, note: text }, wish: null });
  const acts = (kind: Act['kind']): Pressed => {
    if (row?.task == null) return note('no task is chosen');
    const act = { kind, row };
    const doubt = doubtOf(act, nameOf(key));
    const isSure = doubted?.kind === kind && isSame(doubted.row, row);
    return doubt === null || isSure
      ? { state, wish: act }
      : { state: { ...state, note: doubt, doubted: act }, wish: null };
  };
  const answering = (): Pressed =>
    row?.kind === 'question'
      ? { state: { ...state, detail: null, typing: { for: 'answer', text: '', row } }, wish: null }
      : note('no one asks there');
  const detailed = (kind: Detail['kind']): Pressed =>
    row?.task == null
      ? note('that is about a worktree: `supervisor worktrees` says more')
      : {
          state: { ...state, detail: { kind, row, lines: [], top: kind === 'log' ? null : 0 } },
          wish: { kind: 'look' },
        };
  switch (nameOf(key)) {
    case 'j':
    case 'down':
      return moved(state.at + 1);
    case 'k':
    case 'up':
      return moved(state.at - 1);
    case 'space':
    case 'pagedown':
      return moved(state.at + state.height);
    case 'pageup':
      return moved(state.at - state.height);
    case 'g':
    case 'home':
      return moved(0);
    case 'G':
    case 'end':
      return moved(count - 1);
    case 'return':
    case 'w':
    case 'right':
      return row === null ? note('') : detailed('why');
    case 'l':
      return row === null ? note('') : detailed('log');
    case 'r':
      return acts('retry');
    case 'd':
      return row === null || row.action === 'done'
        ? acts('done')
        : note('nothing says that its work is finished; `supervisor done` marks it all the same');
    case 'x':
      if (row?.action === 'answer') return answering();
      return row?.action ? acts(row.action) : note(row?.command ? `$ ${row.command}` : 'no one waits there');
    case 'a':
      return answering();
    case '/':
      return { state: { ...state, typing: { for: 'filter', text: state.filter } }, wish: null };
    case 'escape':
      return { state: { ...state, filter: '', at: 0 }, wish: null };
    case '?':
      return { state: { ...state, isHelp: true }, wish: null };
    case 'q':
      return { state, wish: { kind: 'quit' } };
    default:
      return { state, wish: null };
  }
}

/** What it means, where that is more than the key says; null: it is done at once. */
function doubtOf({ kind, row }: Act, key: string): string | null {
  const again = `${key} again does it`;
  if (kind === 'done') return `marks it as done, and what waits for it may start: ${again}`;
  if (kind === 'release') return `its worker loses its claim, and another may take it: ${again}`;
  return row.action === 'done' ? `its work is finished and would be repeated (d keeps it): ${again}` : null;
}

/** A letter is itself, as it was typed; others have names. */
function nameOf({ name, text }: Key): string {
  return text.length === 1 && text > ' ' ? text : name;
}
