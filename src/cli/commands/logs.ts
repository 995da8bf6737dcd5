// `supervisor logs TASK-or-RUN…`: what runs wrote, read from their files, so that it works with and without a supervisor.

import { existsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { SupervisorError } from '../../domain/errors.ts';
import type { RunReport, TaskDetailReport } from '../../domain/report.ts';
import { taskQuery, type View, withView } from '../connect.ts';
import type { Context } from '../context.ts';
import { askUntil } from '../news.ts';
import { type LineWriter, logWriter } from '../render/log-writer.ts';
import { plain } from '../render/plain.ts';
import type { ReadingOptions } from '../run-output.ts';
import { sinceInstant } from '../since.ts';
import { WholeOutput } from '../whole-output.ts';

/** Flags of `logs`. */
export interface LogsOptions {
  readonly follow?: boolean;
  readonly lines?: number;
  readonly since?: string;
  readonly attempt?: number;
  readonly timestamps?: boolean;
  readonly raw?: boolean;
  readonly worktree?: string;
}

/** The output of one run. */
interface Found {
  /** Null for a run that some other dispatcher made. */
  readonly run: RunReport | null;
  readonly task: string;
  /** A worktree or graph folder that the task is in. */
  readonly place: string;
  readonly folder: string;
}

/** What a name means: a run with output, or a task that has written nothing yet. */
type Named = Found | { readonly task: string; readonly place: string; readonly folder: null };

const FOLLOW_MS = 250;
/** How often a followed run is asked about, in rounds: its exit file normally tells sooner. */
const ASK_EVERY = 8;
const RUN_ID = /^run_[0-9A-Z]{1,26}$/;

/** Prints the output of runs, or of tasks' latest runs. */
export async function logs(
  context: Context,
  names: readonly string[],
  options: LogsOptions,
): Promise<number> {
  const reading: ReadingOptions = {
    raw: options.raw === true,
    lines: options.lines ?? null,
    since: options.since === undefined ? null : sinceInstant(options.since, context.now()),
  };
  const wanted = [...new Set(names)];
  const found = await withView(context, async (view) => {
    const each: Named[] = [];
    for (const name of wanted) each.push(await locate(context, view, name, options));
    return each;
  });
  const ending = new AbortController();
  const end = () => ending.abort();
  const offs = [context.onSignal('SIGINT', end), context.onSignal('SIGTERM', end), context.onClosedPipe(end)];
  const shape = { names: wanted, follow: options.follow === true, timestamps: options.timestamps === true };
  const writer = logWriter(context, shape, end);
  try {
    if (options.follow)
      await Promise.all(
        found.map((one, n) =>
          follow(
            context,
            one,
            wanted[n] ?? '',
            { reading, attempt: options.attempt, write: writer.of(n) },
            ending.signal,
          ),
        ),
      );
    else
      for (const [n, one] of found.entries())
        await show(one, wanted[n] ?? '', reading, writer.of(n), ending.signal);
  } finally {
    for (const off of offs) off();
    await writer.end();
  }
  return 0;
}

async function show(
  named: Named,
  name: string,
  reading: ReadingOptions,
  write: LineWriter,
  signal: AbortSignal,
): Promise<void> {
  if (named.folder === null) throw nothingWritten(name);
  const output = new WholeOutput(named.folder, reading);
  const { file } = output;
  if (file === null) throw nothingWritten(name);
  write.begin({ run: named.run?.run ?? null, file });
  for await (const line of output.present()) {
    if (signal.aborted) return;
    await write.line(line);
  }
  if (output.lacksTimes)
    write.note(`the output of ${plain(name)} carries no times: --since chose nothing from it`);
}

interface FollowOptions {
  readonly reading: ReadingOptions;
  readonly attempt: number | undefined;
  readonly write: LineWriter;
}

/** Continues until the task has finished, through all of its attempts; a run that was named is followed to its own end. */
async function follow(
  context: Context,
  named: Named,
  name: string,
  { reading, attempt, write }: FollowOptions,
  signal: AbortSignal,
): Promise<void> {
  let current: Found | null = named.folder === null ? null : named;
  let options = reading;
  let told = '';
  const isOnlyThis = RUN_ID.test(name) || attempt !== undefined;
  for (let latest: string | null = null; !signal.aborted; ) {
    if (current !== null) {
      if (!(await followOne(context, current, name, options, write, signal))) return;
      latest = current.run?.run ?? null;
      // Only the first one began in the middle.
      options = { ...options, lines: null };
      if (isOnlyThis || current.run === null) return;
    }
    const next: Next | null = await askUntil(
      context,
      async (view) => {
        const step = nextOf(
          await view.task({ task: named.task, worktree: named.place }),
          latest,
          view.client !== null,
        );
        if (typeof step !== 'string') return step;
        if (step !== told) write.note(`${plain(name)} ${step}`);
        told = step;
        return null;
      },
      signal,
    );
    if (next === null) return;
    if (next.kind === 'over') {
      if (next.note !== null) write.note(`${plain(name)} ${next.note}`);
      return;
    }
    current = { ...next.found, task: named.task, place: named.place };
    if (latest !== null) write.note(`${plain(name)}: attempt ${next.found.run?.attempt ?? '?'}`);
  }
}

/** Follows one run to its end; false: aborted before there was anything. */
async function followOne(
  context: Context,
  current: Found,
  name: string,
  options: ReadingOptions,
  write: LineWriter,
  signal: AbortSignal,
): Promise<boolean> {
  const output = new WholeOutput(current.folder, options);
  const file = await fileOf(context, current, output, signal);
  if (file === null) {
    if (signal.aborted) return false;
    throw nothingWritten(name);
  }
  write.begin({ run: current.run?.run ?? null, file });
  await followRun(context, current, output, write, signal);
  return true;
}

type Next =
  | { readonly kind: 'run'; readonly found: Pick<Found, 'run' | 'folder'> }
  | { readonly kind: 'over'; readonly note: string | null };

/** What comes after the run `latest`: another run, the end, or (a text) why it is waited. */
function nextOf(task: TaskDetailReport, latest: string | null, isSupervised: boolean): Next | string {
  const run = task.runs.find((each) => each.output !== null);
  if (run?.output != null && run.run !== latest)
    return { kind: 'run', found: { run, folder: dirname(run.output) } };
  const because = plain(task.because);
  if (run === undefined) {
    const folder = foreignFolder(task);
    if (folder !== null) return { kind: 'run', found: { run: null, folder } };
    if (task.state === 'finished') return { kind: 'over', note: `is ${task.status}, and wrote nothing` };
    return `waits: ${because}`;
  }
  if (task.state === 'finished' || run.outcome?.kind === 'succeeded') return { kind: 'over', note: null };
  if (run.finished_at === null && isSupervised) return 'ends';
  if (!isSupervised)
    return { kind: 'over', note: `is ${task.status}; no supervisor is running to go on with it` };
  if (task.state === 'held' || task.state === 'paused')
    return { kind: 'over', note: `is ${task.state}: ${because}` };
  return `waits: ${because}`;
}

async function followRun(
  context: Context,
  found: Found,
  output: WholeOutput,
  write: LineWriter,
  signal: AbortSignal,
): Promise<void> {
  for await (const line of output.present({ onlyWhole: true })) {
    if (signal.aborted) return;
    await write.line(line);
  }
  for (let round = 1; !signal.aborted; round++) {
    // Asked before reading: what was written up to its end is then in the reading.
    const over = (await isOver(context, found, round)) && !(await output.isInAfterRun(context.now()));
    for await (const line of output.more(over)) await write.line(line);
    if (over) return;
    await context.clock.sleep(FOLLOW_MS, signal);
  }
}

/** The file of a run, which may not have begun to write; null when it ended without, or the signal aborted. */
async function fileOf(
  context: Context,
  found: Found,
  output: WholeOutput,
  signal: AbortSignal,
): Promise<string | null> {
  for (let round = 1; !signal.aborted; round++) {
    const over = await isOver(context, found, round);
    const { file } = output;
    if (file !== null || over) return file;
    await context.clock.sleep(FOLLOW_MS, signal);
  }
  return null;
}

async function locate(
  context: Context,
  view: View,
  name: string,
  { worktree, attempt, follow: isFollowed }: LogsOptions,
): Promise<Named> {
  if (RUN_ID.test(name)) {
    const run = await runNamed(view, name);
    if (run.output === null) throw run.started_at === null ? nothingWritten(name) : notKept(name);
    return { run, task: run.task, place: run.worktree, folder: dirname(run.output) };
  }
  const task = await view.task(taskQuery(context, name, worktree));
  const where = { task: task.task, place: task.graph };
  const runs =
    attempt === undefined
      ? task.runs
      : (await view.runs({ task: task.task, worktree: task.graph, limit: 10_000 })).filter(
          (run) => run.attempt === attempt,
        );
  if (attempt !== undefined && runs.length === 0)
    throw new SupervisorError('not-found', `${task.task} has no attempt ${attempt}`, {
      hint: `\`supervisor runs ${task.task}\` lists them`,
    });
  const run = runs.find((candidate) => candidate.output !== null);
  if (run && run.output !== null) return { ...where, run, folder: dirname(run.output) };
  const folder = foreignFolder(task);
  if (folder !== null) return { ...where, run: null, folder };
  if (runs.some((candidate) => candidate.started_at !== null)) throw notKept(task.task);
  if (!isFollowed) throw nothingWritten(task.task);
  return { ...where, folder: null };
}

/** The folder of an agent that some other dispatcher started: it keeps the same files. */
function foreignFolder({ graph, assigned }: TaskDetailReport): string | null {
  if (assigned === null || !/^agent-\d+$/.test(assigned)) return null;
  const folder = join(graph, 'agents', assigned);
  return existsSync(folder) ? folder : null;
}

/** The one run whose id begins so. Throws `not-found` or `ambiguous`. */
async function runNamed(view: View, name: string): Promise<RunReport> {
  const [run, another] = await view.runs({ run: name, limit: 2 });
  if (!run)
    throw new SupervisorError('not-found', `there is no run ${name}`, {
      hint: '`supervisor runs` lists them',
    });
  if (another)
    throw new SupervisorError('ambiguous', `${name} is the beginning of more than one run`, {
      hint: 'write more of it; `supervisor runs` lists them',
      details: { candidates: [run.run, another.run] },
    });
  return run;
}

function notKept(name: string): SupervisorError {
  return new SupervisorError('not-found', `the output of ${name} is not kept any more`, {
    hint: '`[retention] output` in supervisor.toml says how long it is',
  });
}

function nothingWritten(name: string): SupervisorError {
  return new SupervisorError('not-found', `${name} has written nothing yet`, {
    hint: `\`supervisor why ${name}\` says how it stands, and \`logs -f\` waits for it`,
  });
}

/** No more output will follow, but perhaps of its after_run. */
async function isOver(
  context: Context,
  { run, task, place, folder }: Found,
  round: number,
): Promise<boolean> {
  if (run !== null && run.finished_at !== null && run.ending !== true) return true;
  // The file is there from the start, and empty until the agent has ended.
  const hasExited = (statSync(join(folder, 'exit.json'), { throwIfNoEntry: false })?.size ?? 0) > 0;
  if (hasExited && run === null) return true;
  if (!hasExited && round % ASK_EVERY !== 0) return false;
  return withView(context, async (view) => {
    if (run === null) return (await view.task({ task, worktree: place })).status !== 'in-progress';
    // What follows the agent's exit is the supervisor's.
    if (hasExited && view.client === null) return true;
    const [now] = await view.runs({ run: run.run, limit: 1 });
    // Its after_run begins only when its processes have ended, however early it was reported.
    return !now || (now.ending !== true && (now.finished_at !== null || now.outcome !== null));
  });
}
