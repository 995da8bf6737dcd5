// `supervisor wait TASK…`: until tasks are done, for scripts. Hears the running supervisor's events, and without one
// watches the graphs.

import type { TaskReport } from '../../domain/report.ts';
import { taskQuery, type View } from '../connect.ts';
import type { Context } from '../context.ts';
import { askUntil } from '../news.ts';
import { plain } from '../render/plain.ts';

/** Flags of `wait`. */
export interface WaitOptions {
  readonly for: 'done' | 'over';
  /** ms. */
  readonly timeout?: number;
  readonly worktree?: string;
}

/** As `timeout(1)` has it. */
const EXIT_TIMEOUT = 124;
const EXIT_INTERRUPTED = 130;

/** Exit status 0: all done; 1: one finished without being done; 124: it took too long. */
export async function wait(
  context: Context,
  names: readonly string[],
  options: WaitOptions,
): Promise<number> {
  const ending = new AbortController();
  let isLate = false;
  const end = () => ending.abort();
  const offs = [context.onSignal('SIGINT', end), context.onSignal('SIGTERM', end), context.onClosedPipe(end)];
  if (options.timeout !== undefined)
    offs.push(
      context.clock.after(options.timeout, () => {
        isLate = true;
        end();
      }),
    );
  const wanted = [...new Set(names)];
  let latest: readonly TaskReport[] = [];
  const told = new Map<string, string>();
  const tell = (name: string, text: string, isOver: boolean) => {
    if (told.get(name) === text || context.json) return;
    told.set(name, text);
    if (isOver) context.out(`${plain(name)} ${text}\n`);
    else context.note(`supervisor: ${plain(name)} ${text}`);
  };
  const ask = async (view: View): Promise<true | null> => {
    const tasks: TaskReport[] = [];
    for (const name of wanted) tasks.push(await view.task(taskQuery(context, name, options.worktree)));
    latest = tasks;
    for (const [n, task] of tasks.entries())
      tell(
        wanted[n] ?? '',
        isOver(task) ? `is ${task.status}` : `is ${task.state}: ${plain(task.because)}`,
        isOver(task),
      );
    const isEnough = options.for === 'done' && tasks.some((task) => isOver(task) && task.status !== 'done');
    return isEnough || tasks.every(isOver) ? true : null;
  };
  try {
    const answer = await askUntil(context, ask, ending.signal);
    if (context.json)
      context.outJson({
        timed_out: answer === null && isLate,
        tasks: latest.map(({ task, id, worktree, status, state, because }) => ({
          task,
          id,
          worktree,
          status,
          state,
          because,
        })),
      });
    if (answer !== null) return latest.every(({ status }) => status === 'done') ? 0 : 1;
    if (!isLate) return EXIT_INTERRUPTED;
    const left = latest.filter((task) => !isOver(task)).map(({ task }) => plain(task));
    context.note(
      `supervisor: not over in time: ${left.length === 0 ? wanted.map(plain).join(', ') : left.join(', ')}; \`supervisor why TASK\` says why`,
    );
    return EXIT_TIMEOUT;
  } finally {
    for (const off of offs) off();
  }
}

const isOver = (task: TaskReport) => task.state === 'finished';
