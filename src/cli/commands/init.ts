// `supervisor init [PATH]`: creates an empty graph that git ignores.

import { worktreePath } from '../connect.ts';
import { type Context, compositionOf, shortPath } from '../context.ts';
import { plain } from '../render/plain.ts';

const IN_GIT = {
  ignored: 'git ignores it',
  committed: 'it is committed, and every worktree checks out a copy',
  untracked: 'git does not ignore it: `git clean` would take it away',
} as const;

/** Creates a graph in the worktree, or makes git ignore the existing one. Prints where it is. */
export async function init(context: Context, path: string | undefined): Promise<number> {
  const { initGraph, whyNotServed } = await import('../../compose/offline.ts');
  const { place, inGit } = await initGraph({
    cwd: context.cwd,
    environment: context.environment,
    ...(path === undefined ? {} : { worktree: worktreePath(context.cwd, path) }),
  });
  const { graph, worktree, created } = place;
  const warning = place.trouble?.message ?? (await whyNotServed(compositionOf(context), worktree));
  if (context.json)
    context.outJson({ graph, worktree, created, in_git: inGit, ...(warning === null ? {} : { warning }) });
  else {
    const what = created ? 'made the graph' : 'there is a graph already:';
    context.out(`${what} ${plain(shortPath(graph, context))}; ${IN_GIT[inGit]}\n`);
  }
  if (warning !== null) context.note(`supervisor: its tasks will not run as things stand: ${plain(warning)}`);
  return 0;
}
