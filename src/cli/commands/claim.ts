// `claim`, `release` and `heartbeat`: for orchestrators on this machine that do a task's work themselves.

import { SupervisorError } from '../../domain/errors.ts';
import { preferHere, taskQuery, withSupervisor } from '../connect.ts';
import type { Context } from '../context.ts';
import { plain, plainLines } from '../render/plain.ts';

/** Flags that identify a task's worktree and the caller's run. */
export interface LeaseOptions {
  readonly worktree?: string;
  readonly token?: string;
}

/** `supervisor claim TASK`. Prints the run and the token for later calls. */
export async function claim(
  context: Context,
  task: string,
  options: { readonly worktree?: string; readonly worker?: string },
): Promise<number> {
  const { USER, LOGNAME } = context.environment.variables;
  const worker = options.worker ?? USER ?? LOGNAME ?? 'external';
  const query = taskQuery(context, task, options.worktree);
  const taken = await withSupervisor(context, (client) =>
    preferHere(query, context.cwd, (q) => client.claim(q, worker)),
  );
  if (context.json)
    context.outJson({
      task: taken.run.task,
      worktree: taken.run.worktree,
      run: taken.run.run,
      agent: taken.run.agent,
      token: taken.token,
    });
  else
    context.out(
      `claimed ${plain(taken.run.task)} as ${plain(taken.run.agent)} (${plain(taken.run.run)})\ntoken ${taken.token}\nend it with \`supervisor done ${plain(taken.run.task)}\`, \`fail\` or \`release\`\n`,
    );
  return 0;
}

/** `supervisor release TASK`. */
export async function release(
  context: Context,
  task: string,
  options: LeaseOptions & { readonly reason?: string },
): Promise<number> {
  const query = taskQuery(context, task, options.worktree);
  const report = await withSupervisor(context, (client) =>
    preferHere(query, context.cwd, (q) =>
      client.release(q, {
        ...(options.token === undefined ? {} : { token: options.token }),
        ...(options.reason === undefined ? {} : { reason: options.reason }),
      }),
    ),
  );
  if (context.json) context.outJson(report);
  else
    context.out(`released ${plain(report.task)}: it is ${plain(report.status)} again, no attempt counted\n`);
  return 0;
}

/**
 * `supervisor heartbeat TASK`. Exit 1 if the work is no longer wanted, so that scripts can stop; a wrong token is a
 * mistake of the script, exit 2.
 */
export async function heartbeat(
  context: Context,
  task: string,
  options: LeaseOptions & { readonly message?: string },
): Promise<number> {
  const { WG_TASK_ID, SUPERVISOR_TOKEN } = context.environment.variables;
  const token = options.token ?? (WG_TASK_ID === task ? SUPERVISOR_TOKEN : undefined);
  const query = taskQuery(context, task, options.worktree);
  const { directive, answer } = await withSupervisor(context, (client) =>
    preferHere(query, context.cwd, (q) =>
      client.heartbeat(q, {
        ...(token === undefined ? {} : { token }),
        ...(options.message === undefined ? {} : { message: options.message }),
      }),
    ),
  ).catch((thrown: unknown) => {
    throw isWrongToken(thrown) ? wrongToken(task) : thrown;
  });
  if (context.json) context.outJson({ directive, ...(answer === undefined ? {} : { answer }) });
  else {
    context.out(directive === 'continue' ? 'continue\n' : 'cancel: the work is no longer wanted, stop it\n');
    if (answer !== undefined) context.out(`answer: ${plainLines(answer).trimEnd()}\n`);
  }
  return directive === 'continue' ? 0 : 1;
}

function isWrongToken(thrown: unknown): boolean {
  return thrown instanceof SupervisorError && (thrown.code === 'unauthorized' || thrown.code === 'forbidden');
}

/** Not the status 1 that says to stop: the work may well be wanted. */
function wrongToken(task: string): SupervisorError {
  return new SupervisorError('usage', `the token is not that of a run of ${task}`, {
    hint: 'give the one that `supervisor claim` printed, with --token',
  });
}
