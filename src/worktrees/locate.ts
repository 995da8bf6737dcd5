// The graph of the current folder: that of the git worktree around it. Only stats files; no git is spawned, so that
// the short commands stay fast.

import { mkdir, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { SupervisorError } from '../domain/errors.ts';
import type { GraphPath } from '../domain/ids.ts';
import type { WorktreeTrouble } from '../domain/worktree.ts';
import type { Git } from './git.ts';
import { troubleOf } from './git-standing.ts';
import { graphFolderIn, realPath } from './graph-folder.ts';
import { ignoreGraph } from './keep-from-git.ts';
import { ownMarkerOf } from './own-marker.ts';

export interface LocatedGraph {
  readonly graph: GraphPath;
  /** Root of the worktree. */
  readonly worktree: string;
  /** There was no graph: its folder, or the folder of a vanished one, is ready for one. */
  readonly created: boolean;
  /** Why nothing will run in it as it is; null: no obstacle is visible from here. */
  readonly trouble: WorktreeTrouble | null;
}

/** What wg excludes from git inside a graph folder, and our additions. */
const IGNORED = ['agents/', 'service/', 'log/', 'output/', '*.secret', '*.credentials', ''].join('\n');

/**
 * The graph of the worktree around `folder` (or that folder itself if it is a graph). With `create`, a worktree
 * without one gets a `.workgraph/` that git ignores, unless nothing could ever run there. Throws `graph`.
 */
export async function locateGraph(
  folder: string,
  options: { readonly home: string; readonly create: boolean },
): Promise<LocatedGraph> {
  const start = await realPath(resolve(folder));
  if (start === null) throw new SupervisorError('graph', `there is no folder ${folder}`);
  for (let at = start; ; at = dirname(at)) {
    const found = await graphFolderIn(at, options.home);
    const isRoot = await exists(join(at, '.git'));
    if (found || isRoot) return await locatedAt(at, found, isRoot, options.create);
    if (at === dirname(at)) break;
  }
  throw new SupervisorError('graph', `${folder} is in no git worktree, and no graph lies above it`, {
    hint: 'go into a repository, or name one with --worktree PATH',
  });
}

async function locatedAt(
  at: string,
  found: Awaited<ReturnType<typeof graphFolderIn>>,
  isRoot: boolean,
  create: boolean,
): Promise<LocatedGraph> {
  // In a worktree that was made for a task its graph is where the task is; a copy that was checked out is none.
  const own = isRoot ? ownMarkerOf(at) : null;
  if (own && (await exists(join(own.graph, 'graph.jsonl'))))
    return { graph: own.graph, worktree: dirname(own.graph), created: false, trouble: null };
  const trouble = isRoot ? troubleOf(at) : null;
  if (found && (!create || (await exists(join(found.path, 'graph.jsonl')))))
    return { graph: found.path, worktree: at, created: false, trouble: trouble ?? (await notAtRoot(at)) };
  if (!create)
    throw new SupervisorError('graph', `${at} has neither a .wg nor a .workgraph folder`, {
      hint: '`supervisor add TITLE` makes one, so does `wg init`',
    });
  if (trouble !== null) throw new SupervisorError('graph', `no graph is made here: ${trouble.message}`);
  const graph = found?.path ?? (await makeGraphFolder(at));
  // Before it has its first task: from then on there is something to lose.
  if (isRoot && !found?.alias) await ignoreGraph(at, basename(graph));
  return { graph, worktree: at, created: true, trouble: null };
}

/** How git treats a graph. */
export type GraphInGit = 'ignored' | 'committed' | 'untracked';

/** Creates the empty file of a graph if there is none, and makes git ignore the graph unless it is committed. */
export async function beginGraph({ graph, worktree }: LocatedGraph, git: Git): Promise<GraphInGit> {
  const file = join(graph, 'graph.jsonl');
  await writeFile(file, '', { flag: 'wx' }).catch((thrown: { code?: string }) => {
    // It exists, whichever process created it.
    if (thrown.code !== 'EEXIST') throw thrown;
  });
  if (dirname(graph) !== worktree) return 'untracked';
  const isCommitted = await git.isTracked(worktree, file).catch(() => false);
  if (isCommitted) return 'committed';
  return (await ignoreGraph(worktree, basename(graph))) ? 'ignored' : 'untracked';
}

/** A graph elsewhere than at the root of a worktree is wg's to use; the supervisor only searches there. */
async function notAtRoot(folder: string): Promise<WorktreeTrouble | null> {
  if (await exists(join(folder, '.git'))) return null;
  for (let at = dirname(folder); at !== dirname(at); at = dirname(at))
    if (await exists(join(at, '.git')))
      return {
        code: 'not-at-root',
        message: `the supervisor serves the graph at the root of a worktree, ${at}, and not the one in ${folder}`,
      };
  return {
    code: 'no-worktree',
    message: `${folder} is in no git worktree, and the supervisor serves no other graphs; \`git init ${folder}\` makes it one`,
  };
}

async function makeGraphFolder(worktree: string): Promise<GraphPath> {
  const folder = join(worktree, '.workgraph');
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, '.gitignore'), IGNORED, { flag: 'wx' }).catch((thrown: { code?: string }) => {
    // Another process created it at the same moment: that is as good.
    if (thrown.code !== 'EEXIST') throw thrown;
  });
  return (await realPath(folder)) ?? folder;
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch {
    // Missing, or inaccessible: then it is not a worktree for us.
    return false;
  }
}
