// The monitor of `status --watch` as lines that fit the window. Pure.

import { type Context, shortPath } from '../context.ts';
import { chosen, type Detail, type MonitorState, type Row, shownRows } from '../monitor/state.ts';
import { commonFolder, SIGNS } from './inbox-view.ts';
import { plain } from './plain.ts';
import { roughDuration } from './relative-time.ts';
import { headline } from './status-view.ts';
import { shorten, shortenStart, textWidth } from './text-width.ts';

type Shape = Pick<Context, 'paint' | 'width' | 'now' | 'environment'>;

/** Lines around the rows: the headline, a blank, the note, the keys. */
export const AROUND_ROWS = 4;
const LEAST_BECAUSE = 10;
const MOST_PLACE = 18;

const ROW_SIGNS: Readonly<Record<Row['kind'], string>> = { ...SIGNS, running: '▸', claimed: '▹', waits: '·' };
const KEYS = 'j k move · Enter why · l log · x do it · r retry · / filter · ? keys · q quit';
const DETAIL_KEYS = 'j k Space move · w why · l log · x do it · r retry · Esc back';
const HELP_KEYS = 'any key closes this';
const HELP = [
  'j k, arrows  one line down, up          Space, PgUp  a window',
  'g G          first, last',
  'Enter, w     why the task is as it is   l            what it prints; it follows',
  'x            do what is named for it    a            answer what it asks',
  'r            try it once more           d            mark it as done',
  '/            filter: words that must occur',
  'Esc          back; no filter            q, Ctrl-C    leave',
];

/** Every line of the window, none wider than it. */
export function monitorLines(state: MonitorState, context: Shape): string[] {
  const { report, detail, height } = state;
  const head = report === null ? 'Looking…' : headline(report, context).trimEnd();
  const body = state.isHelp
    ? HELP
    : detail
      ? detailLines(detail, height, context)
      : listLines(state, context);
  const shown = body.slice(0, height);
  return [
    head,
    '',
    ...shown,
    ...Array.from({ length: height - shown.length }, () => ''),
    promptLine(state, context),
    context.paint.faint(shorten(keysOf(state), context.width)),
  ];
}

function keysOf({ isHelp, detail, typing }: MonitorState): string {
  if (isHelp) return HELP_KEYS;
  if (typing) return 'Enter · Esc';
  return detail ? DETAIL_KEYS : KEYS;
}

function promptLine(state: MonitorState, context: Shape): string {
  const { typing, filter, note } = state;
  if (typing?.for === 'filter') return shorten(`/${plain(typing.text)}_`, context.width);
  if (typing) {
    const options = typing.row.options.map((option, n) => `${n + 1} ${plain(option)}`);
    const offered = options.length === 0 ? '' : ` [${options.join(' | ')}]`;
    return shorten(`answer${offered}: ${plain(typing.text)}_`, context.width);
  }
  if (note !== '') return shorten(plain(note), context.width);
  const named = state.isHelp ? null : (state.detail?.row ?? chosen(state))?.command;
  if (filter === '') return named ? context.paint.faint(shorten(`$ ${plain(named)}`, context.width)) : '';
  return context.paint.faint(shorten(`filter: ${plain(filter)}; Esc shows all`, context.width));
}

/** The list, as far as it fits, with the chosen row in it. */
function listLines(state: MonitorState, context: Shape): string[] {
  const rows = shownRows(state);
  if (rows.length === 0)
    return [state.filter === '' ? 'nothing waits, nothing runs' : 'nothing is like that'];
  const prefix = commonFolder(rows.map(({ worktree }) => worktree));
  const place = (row: Row) =>
    plain(prefix === '' ? shortPath(row.worktree, context) : row.worktree.slice(prefix.length + 1));
  const places = Math.min(MOST_PLACE, Math.max(...rows.map((row) => textWidth(place(row)))));
  const lines: string[] = [];
  let chosenLine = 0;
  let group: string | null = null;
  for (const [n, row] of rows.entries()) {
    if (row.group !== group) {
      const count = rows.filter((other) => other.group === row.group).length;
      lines.push(context.paint.strong(`${row.group} ${count}`));
      group = row.group;
    }
    if (n === state.at) chosenLine = lines.length;
    lines.push(rowLine(row, shortenStart(place(row), places).padEnd(places), n === state.at, context));
  }
  const from = Math.max(0, Math.min(chosenLine - Math.floor(state.height / 2), lines.length - state.height));
  return lines.slice(from, from + state.height);
}

/** The id is never cut: the rest takes what is left. */
function rowLine(row: Row, place: string, isChosen: boolean, context: Shape): string {
  const { paint, width } = context;
  const colour =
    { running: paint.busy, claimed: paint.busy, waits: paint.faint, question: paint.caution }[
      row.kind as string
    ] ?? paint.bad;
  const sign = ROW_SIGNS[row.kind];
  const id = row.task === null ? '(worktree)' : plain(row.task);
  const what = row.tasks > 1 ? `${id} and ${row.tasks - 1} more` : id;
  const since = row.since === null ? null : context.now() - Date.parse(row.since);
  const long = since === null || !(since >= 0) ? '' : roughDuration(since);
  let left = width - textWidth(what) - 4;
  const taking = (text: string, least: number) => {
    if (text === '' || left < least + 2) return '';
    const cut = shorten(text, left - 2);
    left -= textWidth(cut) + 2;
    return `  ${cut}`;
  };
  const where = taking(place, textWidth(place));
  const time = taking(long, textWidth(long));
  const because = taking(
    row.group === 'Not running' ? `${row.state}: ${plain(row.because)}` : plain(row.because),
    LEAST_BECAUSE,
  );
  const text = `${paint.strong(what)}${paint.faint(`${where}${time}`)}${because}`;
  return `${isChosen ? paint.strong('>') : ' '} ${colour(sign)} ${text}`.trimEnd();
}

function detailLines({ kind, row, lines, top }: Detail, height: number, context: Shape): string[] {
  const shown = height - 1;
  const end = Math.max(0, lines.length - shown);
  const from = Math.min(top ?? end, end);
  const rest = lines.length - from - shown;
  const more = rest > 0 ? `, ${rest} more` : '';
  const title = `${kind === 'why' ? 'Why' : 'Log of'} ${plain(row.task ?? '')}${more}`;
  return [context.paint.strong(shorten(title, context.width)), ...lines.slice(from, from + shown)];
}
