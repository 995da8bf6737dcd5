// `abandon`, `rm` and `reopen`: for a task that is not to be done, or is to be done again. With and without a running
// supervisor, which notices the changed graph on its own.

import type { TaskReport } from '../../domain/report.ts';
import type { GraphStore } from '../../graph/store.ts';
import type { Fate } from '../../graphs/task-fate.ts';
import { connect, preferHere, taskQuery, withLookout } from '../connect.ts';
import type { Context } from '../context.ts';
import { plain } from '../render/plain.ts';
import { reopenedLine } from '../render/reopened-line.ts';

/** Flags of `abandon`. */
export interface AbandonOptions {
  readonly worktree?: string;
  readonly reason?: string;
}

/** `supervisor abandon TASK…`. */
export async function abandon(
  context: Context,
  tasks: readonly string[],
  { worktree, reason }: AbandonOptions,
): Promise<number> {
  const { abandonTask } = await import('../../graphs/task-fate.ts');
  const by = context.environment.variables.USER ?? 'supervisor';
  const now = context.now();
  return await decide(context, tasks, worktree, 'abandoned', (store, id) =>
    abandonTask(store, id, { by, now, ...(reason === undefined ? {} : { reason }) }),
  );
}

/** `supervisor rm TASK…`. */
export async function remove(
  context: Context,
  tasks: readonly string[],
  { worktree, force }: { readonly worktree?: string; readonly force?: boolean },
): Promise<number> {
  const { removeTask } = await import('../../graphs/task-fate.ts');
  return await decide(context, tasks, worktree, 'removed', (store, id) =>
    removeTask(store, id, force === true),
  );
}

async function decide(
  context: Context,
  tasks: readonly string[],
  worktree: string | undefined,
  what: 'abandoned' | 'removed',
  act: (store: GraphStore, id: string) => Promise<Fate>,
): Promise<number> {
  const fates: Fate[] = [];
  await withLookout(context, async (lookout) => {
    // Every name is looked up first: one that is mistyped leaves the others as they are.
    const found = tasks.map((task) => lookout.storeOf(taskQuery(context, task, worktree)));
    for (const { store, task } of found) {
      const fate = await act(store, task);
      fates.push(fate);
      if (context.json) continue;
      context.out(`${plain(fate.task)} ${fate.duplicate ? `was ${what} already` : `is ${what}`}\n`);
      const waiting = fate.dependents.map(plain).join(', ');
      if (waiting !== '')
        context.note(
          what === 'removed'
            ? `supervisor: ${waiting} no longer ${fate.dependents.length === 1 ? 'waits' : 'wait'} for it`
            : `supervisor: ${waiting} waited for it; \`supervisor why ${plain(fate.dependents[0] ?? '')}\` says what that means for it`,
        );
    }
  });
  if (context.json) context.outJson({ [what]: fates });
  return 0;
}

/** `supervisor reopen TASK`: as `retry`, and for a done task too. */
export async function reopen(
  context: Context,
  task: string,
  { worktree }: { readonly worktree?: string },
): Promise<number> {
  const query = taskQuery(context, task, worktree);
  const client = await connect(context);
  const report: TaskReport = client
    ? await preferHere(query, context.cwd, (q) => client.retry(q, { doneToo: true })).finally(() =>
        client.close(),
      )
    : await withLookout(context, (lookout) => lookout.retry(query, { doneToo: true }));
  if (context.json) context.outJson(report);
  else context.out(reopenedLine(report, client !== null));
  return 0;
}
