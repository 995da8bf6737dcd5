// `done` and `fail`: completion reports by the worker. They must not get lost: the running supervisor takes them,
// else they are written into the graph, else they wait on the disk for the next supervisor.

import type { CompletionAnswer, CompletionRequest, TaskQuery } from '../../control/control.ts';
import { SupervisorError } from '../../domain/errors.ts';
import { realPathOrSame } from '../../platform/real-path.ts';
import { readArtifacts } from '../artifacts.ts';
import { connectOrNull, preferHere, taskQuery, withLookout } from '../connect.ts';
import type { Context } from '../context.ts';
import { plain } from '../render/plain.ts';

/** Flags of `done` and `fail`. */
export interface CompleteOptions {
  readonly worktree?: string;
  readonly agent?: string;
  readonly summary?: string;
  readonly artifacts?: string;
  readonly reason?: string;
  readonly retryable?: boolean;
}

type Report = Omit<CompletionRequest, 'caller' | keyof TaskQuery>;

/** The run that this process works for, if it is one of this very task. */
interface OwnRun {
  readonly run: string;
  readonly token: string;
  readonly graph: string | null;
}

type Completed =
  | { readonly kind: 'answered'; readonly answer: CompletionAnswer; readonly by: 'supervisor' | 'graph' }
  | { readonly kind: 'spooled'; readonly file: string; readonly because: string };

/** `supervisor done TASK`. */
export async function done(context: Context, task: string, options: CompleteOptions): Promise<number> {
  const artifacts =
    options.artifacts === undefined ? undefined : await readArtifacts(options.artifacts, context);
  return complete(context, task, options, {
    result: 'succeeded',
    ...(options.summary === undefined ? {} : { summary: options.summary }),
    ...(artifacts === undefined ? {} : { artifacts }),
  });
}

/** `supervisor fail TASK --reason R`. */
export async function fail(context: Context, task: string, options: CompleteOptions): Promise<number> {
  if (options.reason === undefined || options.reason.trim() === '')
    throw new SupervisorError('usage', '--reason is empty', { hint: 'say in a few words why it failed' });
  return complete(context, task, options, {
    result: 'failed',
    reason: options.reason,
    ...(options.retryable ? { retryable: true } : {}),
  });
}

async function complete(
  context: Context,
  task: string,
  options: CompleteOptions,
  said: Report,
): Promise<number> {
  const { WG_AGENT_ID } = context.environment.variables;
  const own = options.worktree === undefined ? ownRun(context, task) : null;
  const agent = options.agent ?? (own ? WG_AGENT_ID : undefined);
  const report: Report = { ...said, ...(agent === undefined ? {} : { agent }) };
  const query = taskQuery(context, task, options.worktree ?? own?.graph ?? undefined);
  const completed = await deliver(context, query, report, own);

  if (completed.kind === 'spooled') {
    if (context.json) context.outJson({ task, spooled: completed.file, because: completed.because });
    else
      context.out(
        `${plain(task)} could not be written now (${plain(completed.because)}); the completion is kept and the next supervisor applies it\n`,
      );
    return 0;
  }
  const { answer, by } = completed;
  if (context.json) {
    context.outJson(answer);
    return 0;
  }
  if (answer.kept) {
    context.out(`${plain(answer.task)} is kept as ${said.result}: ${plain(answer.because ?? '')}\n`);
    return 0;
  }
  const what = answer.duplicate
    ? `${plain(answer.task)} was ${plain(answer.status)} already${answer.ignored ? '; these artifacts were not kept, put them into a new task' : ''}`
    : `${plain(answer.task)} is ${plain(answer.status)}`;
  const late = answer.late ? '; it came after its time ran out, and was accepted all the same' : '';
  const where =
    by === 'graph' && !answer.duplicate ? ' (no supervisor is running: written to the graph)' : '';
  context.out(`${what}${late}${where}\n`);
  return 0;
}

async function deliver(
  context: Context,
  query: TaskQuery,
  report: Report,
  own: OwnRun | null,
): Promise<Completed> {
  let unknown: SupervisorError | null = null;
  const client = await connectOrNull(context);
  if (client) {
    try {
      const request = (q: TaskQuery) =>
        client.complete({ ...q, ...report, ...(own ? { token: own.token } : {}) });
      return { kind: 'answered', answer: await preferHere(query, context.cwd, request), by: 'supervisor' };
    } catch (thrown) {
      // The connection broke: completing twice is harmless, losing it is not. Not found: a graph it does not
      // supervise. Graph: it cannot be written now, and the report must wait for it.
      if (
        !(thrown instanceof SupervisorError) ||
        !['not-running', 'not-found', 'graph'].includes(thrown.code)
      )
        throw thrown;
      if (thrown.code === 'not-found') unknown = thrown;
    } finally {
      client.close();
    }
  }
  try {
    const answer = await withLookout(context, (lookout) => {
      if (own) refuseSuperseded(lookout.runs({ task: query.task, limit: 50 }), own);
      const caller = own ? ({ kind: 'run', run: own.run } as const) : ({ kind: 'operator' } as const);
      return lookout.complete({ ...query, ...report, caller });
    });
    return { kind: 'answered', answer, by: 'graph' };
  } catch (thrown) {
    if (!(thrown instanceof SupervisorError)) throw thrown;
    if (unknown && thrown.code === 'not-found') throw unknown;
    if (thrown.code !== 'graph' && !(own && thrown.code === 'not-found')) throw thrown;
    return spool(context, query, report, own, thrown);
  }
}

/** Stores the completion on the disk, if its graph is known. */
async function spool(
  context: Context,
  query: TaskQuery,
  report: Report,
  own: OwnRun | null,
  trouble: SupervisorError,
): Promise<Completed> {
  const graph = own?.graph ?? (await graphAt(context, query.worktree));
  if (graph === null) throw trouble;
  const [{ spoolCompletion }, { spoolDir }] = await Promise.all([
    import('../../runs/spool.ts'),
    context.paths(),
  ]);
  const file = spoolCompletion(spoolDir, {
    at: context.now(),
    graph,
    task: query.task,
    ...report,
    ...(own ? { run: own.run } : {}),
  });
  return { kind: 'spooled', file, because: trouble.message };
}

async function graphAt(context: Context, worktree: string | undefined): Promise<string | null> {
  const { locateGraph } = await import('../../compose/offline.ts');
  try {
    const place = { cwd: context.cwd, create: false, ...(worktree === undefined ? {} : { worktree }) };
    return (await locateGraph(place)).graph;
  } catch (thrown) {
    // No graph here: then the first error is the one to report.
    if (thrown instanceof SupervisorError) return null;
    throw thrown;
  }
}

function ownRun(context: Context, task: string): OwnRun | null {
  const { WG_TASK_ID, WG_DIR, SUPERVISOR_RUN_ID, SUPERVISOR_TOKEN } = context.environment.variables;
  if (!SUPERVISOR_RUN_ID || !SUPERVISOR_TOKEN || WG_TASK_ID !== task) return null;
  return {
    run: SUPERVISOR_RUN_ID,
    token: SUPERVISOR_TOKEN,
    graph: WG_DIR ? realPathOrSame(WG_DIR) : null,
  };
}

/** Without a supervisor the token is not checked; the ledger still knows whether a newer attempt began. */
function refuseSuperseded(
  runs: readonly { readonly run: string; readonly attempt: number; readonly worktree: string }[],
  own: OwnRun,
): void {
  const ours = runs.find((run) => run.run === own.run);
  if (!ours) return;
  const newest = runs.find((run) => run.worktree === ours.worktree);
  if (newest && newest.run !== own.run)
    throw new SupervisorError(
      'superseded',
      `attempt ${ours.attempt} was superseded by a newer one, ${newest.run}`,
      {
        hint: 'stop: nothing more is expected of this attempt',
      },
    );
}
