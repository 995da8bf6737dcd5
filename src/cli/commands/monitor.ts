// `status --watch` on a terminal: the monitor, asked again every second and after every key.

import { dirname } from 'node:path';
import { messageOf } from '../../domain/errors.ts';
import { shellWord } from '../../domain/shell-word.ts';
import { type View, withView } from '../connect.ts';
import type { Context } from '../context.ts';
import { BEGIN, type Detail, press, type Row, type Wish, withReport } from '../monitor/state.ts';
import { AROUND_ROWS, monitorLines } from '../render/monitor-view.ts';
import { wrap } from '../render/text-width.ts';
import { whyView } from '../render/why-view.ts';
import { WholeOutput } from '../whole-output.ts';

const LOOK_MS = 1000;
/** Lines of a log that can be scrolled through. */
const LOG_LINES = 2_000;
const LEAST_ROWS = 3;

/** Runs until it is left. `keys`: those of the terminal. */
export async function monitor(around: Context, keys: NonNullable<Context['stdin']['keys']>): Promise<number> {
  // The window may change its size.
  const context: Context = {
    ...around,
    get width() {
      return around.stdout.columns ?? 80;
    },
  };
  const height = () => Math.max(LEAST_ROWS, (context.stdout.rows ?? 24) - AROUND_ROWS);
  const ending = new AbortController();
  let waiting = new AbortController();
  let state = { ...BEGIN, height: height() };
  let drawn = '';
  const draw = () => {
    state = { ...state, height: height() };
    const text = monitorLines(state, context)
      .map((line) => `${line}\u001b[K`)
      .join('\n');
    if (text !== drawn) context.out(`\u001b[H${text}\u001b[J`);
    drawn = text;
  };
  const leave = () => {
    ending.abort();
    waiting.abort();
  };
  const act = async (wish: Exclude<Wish, { kind: 'quit' | 'look' }>) => {
    const note = await done(context, wish);
    state = { ...state, note };
    draw();
    waiting.abort();
  };
  const offs = [
    context.onSignal('SIGINT', leave),
    context.onSignal('SIGTERM', leave),
    context.onClosedPipe(leave),
  ];
  // The alternate screen: the terminal's previous content is restored afterwards.
  context.out('\u001b[?1049h\u001b[?25l');
  const letGo = await keys((key) => {
    const pressed = press(state, key);
    state = pressed.state;
    draw();
    const { wish } = pressed;
    if (wish?.kind === 'quit') leave();
    else if (wish?.kind === 'look') waiting.abort();
    else if (wish) void act(wish);
  });
  try {
    while (!ending.signal.aborted) {
      waiting = new AbortController();
      const { detail } = state;
      const { report, lines } = await withView(context, async (view) => ({
        report: await view.status(),
        lines: detail === null ? [] : await detailOf(view, detail, context),
      }));
      state = withReport(state, report);
      // Another one may have been opened meanwhile.
      if (detail !== null && state.detail?.row === detail.row && state.detail.kind === detail.kind)
        state = { ...state, detail: { ...state.detail, lines } };
      draw();
      await context.clock.sleep(LOOK_MS, waiting.signal);
    }
  } finally {
    letGo();
    for (const off of offs) off();
    context.out('\u001b[?25h\u001b[?1049l');
  }
  return 0;
}

async function detailOf(view: View, { kind, row }: Detail, context: Context): Promise<readonly string[]> {
  const query = { task: row.task ?? '', worktree: row.worktree };
  try {
    if (kind === 'why')
      return whyView(await view.why(query), context)
        .trimEnd()
        .split('\n');
    const { runs } = await view.task(query);
    const output = runs.find((run) => run.output !== null)?.output;
    if (output == null) return ['it has not run yet'];
    const lines: string[] = [];
    const whole = new WholeOutput(dirname(output), { raw: false, lines: LOG_LINES, since: null });
    for await (const { text } of whole.present()) lines.push(...wrap(text, context.width));
    return lines.length === 0 ? ['it has written nothing yet'] : lines;
  } catch (thrown) {
    return wrap(messageOf(thrown), context.width);
  }
}

/** Does it, and says the result with the command that does the same. */
async function done(context: Context, wish: Exclude<Wish, { kind: 'quit' | 'look' }>): Promise<string> {
  const { row } = wish;
  const task = shellWord(row.task ?? '');
  try {
    return await withView(context, async ({ client }) => {
      if (client === null) return `no supervisor is running: start one with \`supervisor run\``;
      const query = queryOf(row);
      if (wish.kind === 'retry') {
        const { status, task: id } = await client.retry(query);
        return status === 'done' ? `${id} is done; there is nothing to retry` : `$ supervisor retry ${task}`;
      }
      if (wish.kind === 'answer') {
        await client.answer(query, wish.text, row.because);
        return `$ supervisor answer ${task} ${shellWord(wish.text)}`;
      }
      if (wish.kind === 'done') await client.complete({ ...query, result: 'succeeded' });
      else await client.release(query);
      return `$ supervisor ${wish.kind} ${task}`;
    });
  } catch (thrown) {
    return messageOf(thrown);
  }
}

const queryOf = ({ task, worktree }: Row) => ({ task: task ?? '', worktree });
