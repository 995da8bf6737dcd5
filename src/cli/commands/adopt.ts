// `supervisor adopt [PATH]`: takes a graph over from wg's own daemon.

import { connect, worktreePath } from '../connect.ts';
import { type Context, shortPath } from '../context.ts';
import { plain } from '../render/plain.ts';

/** Stops the daemon, and reports what happens to its running work. */
export async function adopt(context: Context, place: string | undefined): Promise<number> {
  const { composeStore, locateGraph } = await import('../../compose/offline.ts');
  const { createDaemonDetector, isLive } = await import('../../wg/daemon.ts');
  const { createWgCommand } = await import('../../wg/command.ts');
  const { daemonUnit, stopDaemon } = await import('../../wg/adopt.ts');
  const { readRegistry } = await import('../../wg/registry-file.ts');
  const { graph, worktree } = await locateGraph({
    cwd: context.cwd,
    create: false,
    environment: context.environment,
    ...(place === undefined ? {} : { worktree: worktreePath(context.cwd, place) }),
  });
  const { clock, environment } = context;
  // Scans the process list each time: the answer must be current.
  const daemons = createDaemonDetector({ clock, scanEveryMs: 0 });
  const daemon = await stopDaemon(graph, { wg: createWgCommand(environment), daemons, clock });
  const store = composeStore({ graph });
  const snapshot = await store.refresh();
  await store.close();
  const agents = readRegistry(graph)?.agents ?? {};
  const inProgress = [...snapshot.tasks.values()]
    .filter((task) => task.status === 'in-progress')
    .map((task) => {
      const entry = task.assigned === undefined ? undefined : agents[task.assigned];
      const live = entry !== undefined && isLive(entry.pid);
      return { task: task.id, agent: task.assigned ?? null, pid: entry?.pid ?? null, live };
    });
  const unit = daemonUnit(graph, environment.home);
  const client = await connect(context);
  await client?.reload().finally(() => client.close());
  if (context.json) {
    const pid = daemon?.pid ?? null;
    context.outJson({ graph, worktree, stopped: daemon !== null, pid, in_progress: inProgress, unit });
    return 0;
  }
  const who = daemon?.pid ? ` with pid ${daemon.pid}` : '';
  context.out(
    daemon
      ? `stopped the wg daemon${who} of ${plain(shortPath(worktree, context))}\n`
      : `no wg daemon serves ${plain(shortPath(worktree, context))}\n`,
  );
  for (const { task, agent, live, pid } of inProgress)
    context.out(
      live
        ? `  ${plain(task)}: ${plain(agent ?? 'a process')} (pid ${pid}) continues and finishes it itself\n`
        : `  ${plain(task)}: ${plain(agent ?? 'its agent')} has no process here${agent?.startsWith('agent-') ? '; the supervisor opens the task again' : '; `wg unclaim` frees the task'}\n`,
    );
  if (unit !== null)
    context.note(
      `supervisor: systemd may start it again: \`systemctl --user disable --now ${plain(unit)}\` prevents that`,
    );
  if (!client) context.note('supervisor: no supervisor is running; `supervisor run` takes the graph over');
  return 0;
}
