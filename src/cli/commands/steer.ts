// The commands that control a running supervisor: pause, resume, drain, reload, cancel, answer, retry.

import { existsSync } from 'node:fs';
import type { SupervisorClient } from '../../api/client/client.ts';
import { SupervisorError } from '../../domain/errors.ts';
import { connect, preferHere, taskQuery, withLookout, withSupervisor, worktreePath } from '../connect.ts';
import type { Context } from '../context.ts';
import { plain } from '../render/plain.ts';
import { reopenedLine } from '../render/reopened-line.ts';

/** `supervisor pause [REPO, WORKTREE, EXECUTOR or TASK]`. A task is paused in its graph, with or without a supervisor. */
export async function pause(
  context: Context,
  target: string | undefined,
  options: { readonly reason?: string; readonly worktree?: string },
): Promise<number> {
  const because = options.reason ?? 'paused by hand';
  const task = await steer(context, target, options.worktree, {
    place: (client, name) => client.pause(name, because),
    isPaused: true,
  });
  if (context.json) context.outJson({ paused: target ?? null, ...(task === null ? {} : { task }) });
  else {
    const what = target === undefined ? 'everything' : plain(target);
    const undo = target === undefined ? 'supervisor resume' : `supervisor resume ${what}`;
    context.out(
      `paused ${task === null ? '' : 'task '}${what}: running work continues; \`${undo}\` undoes it\n`,
    );
  }
  return 0;
}

/** `supervisor resume [REPO, WORKTREE, EXECUTOR or TASK]`. */
export async function resume(
  context: Context,
  target: string | undefined,
  options: { readonly worktree?: string } = {},
): Promise<number> {
  const task = await steer(context, target, options.worktree, {
    place: (client, name) => client.resume(name),
    isPaused: false,
  });
  if (context.json) context.outJson({ resumed: target ?? null, ...(task === null ? {} : { task }) });
  else
    context.out(
      `resumed ${task === null ? '' : 'task '}${target === undefined ? 'everything' : plain(target)}\n`,
    );
  return 0;
}

/** Steers what the running supervisor knows by that name, else the task. Gives the task's id, null if it was none. */
async function steer(
  context: Context,
  target: string | undefined,
  worktree: string | undefined,
  how: {
    readonly place: (client: SupervisorClient, target: string | null) => Promise<void>;
    readonly isPaused: boolean;
  },
): Promise<string | null> {
  let unknown: SupervisorError | null = null;
  if (worktree === undefined)
    try {
      await withSupervisor(context, (client) => how.place(client, pathOrName(context, target)));
      return null;
    } catch (thrown) {
      if (target === undefined || !(thrown instanceof SupervisorError)) throw thrown;
      if (thrown.code !== 'not-found' && thrown.code !== 'not-running') throw thrown;
      unknown = thrown;
    }
  if (target === undefined)
    throw new SupervisorError('usage', '--worktree says where a task is, and no task was named', {
      hint: 'name the task too, or the worktree alone without --worktree',
    });
  const { editTask } = await import('../../graphs/authoring.ts');
  return await withLookout(context, async (lookout) => {
    try {
      const found = lookout.storeOf(taskQuery(context, target, worktree));
      await editTask(found.store, found.task, { paused: how.isPaused });
      return found.task;
    } catch (thrown) {
      // What is no task either is told as what it was asked for first.
      if (unknown && thrown instanceof SupervisorError && thrown.code === 'not-found') throw unknown;
      throw thrown;
    }
  });
}

/** `supervisor drain`. */
export async function drain(context: Context): Promise<number> {
  await withSupervisor(context, (client) => client.drain());
  if (context.json) context.outJson({ state: 'draining' });
  else
    context.out(
      'draining: nothing new starts, running work continues; `supervisor resume` starts new work again\n',
    );
  return 0;
}

/** `supervisor reload`. Exit 3 if the configuration was refused and the last good one stays. */
export async function reload(context: Context): Promise<number> {
  const { problems } = await withSupervisor(context, (client) => client.reload());
  if (context.json) context.outJson({ problems });
  else if (problems.length === 0) context.out('configuration and worktrees read again\n');
  else for (const problem of problems) context.note(`supervisor: ${plain(problem)}`);
  return problems.length === 0 ? 0 : 3;
}

/** `supervisor cancel TASK-or-RUN`. */
export async function cancel(
  context: Context,
  task: string,
  options: { readonly worktree?: string; readonly reason?: string },
): Promise<number> {
  const query = taskQuery(context, task, options.worktree);
  const reason = options.reason ?? 'cancelled by hand';
  const run = await withSupervisor(context, (client) =>
    preferHere(query, context.cwd, (q) => client.cancel(q, reason)),
  );
  if (context.json) context.outJson(run);
  else
    context.out(
      `cancelled ${plain(run.task)} (${plain(run.run)}); \`supervisor retry ${plain(run.task)}\` starts it again\n`,
    );
  return 0;
}

/** `supervisor answer TASK TEXT`. */
export async function answer(
  context: Context,
  task: string,
  text: string,
  options: { readonly worktree?: string; readonly question?: string },
): Promise<number> {
  if (text.trim() === '') throw new SupervisorError('usage', 'the answer is empty');
  const query = taskQuery(context, task, options.worktree);
  const answered = await withSupervisor(context, (client) =>
    preferHere(query, context.cwd, (q) => client.answer(q, text, options.question)),
  );
  if (context.json) context.outJson(answered);
  else
    context.out(
      `${answered.duplicate ? 'was answered so already' : 'answered'}: ${plain(answered.question)}\n${plain(answered.task)} hears it with its next heartbeat\n`,
    );
  return 0;
}

/** `supervisor retry TASK`: works without a supervisor, too, for the next one. */
export async function retry(
  context: Context,
  task: string,
  options: { readonly worktree?: string },
): Promise<number> {
  const query = taskQuery(context, task, options.worktree);
  const client = await connect(context);
  const report = client
    ? await preferHere(query, context.cwd, (q) => client.retry(q)).finally(() => client.close())
    : await withLookout(context, (lookout) => lookout.retry(query));
  if (report.status === 'done')
    throw new SupervisorError('conflict', `${report.task} is done; there is nothing to retry`, {
      hint: `add a task for what is left to do, or \`supervisor reopen ${report.task}\``,
    });
  if (context.json) context.outJson(report);
  else context.out(reopenedLine(report, client !== null));
  return 0;
}

/** A folder as its real path; anything else is the name of a repository or executor. */
function pathOrName(context: Context, target: string | undefined): string | null {
  if (target === undefined) return null;
  if (target === '') throw new SupervisorError('usage', 'the name to pause or resume is empty');
  const looksLikePath = target.includes('/') || target.startsWith('.');
  const path = worktreePath(context.cwd, target);
  return looksLikePath && existsSync(path) ? path : target;
}
