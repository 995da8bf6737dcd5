// The graph that somebody who stands in a folder means: that of the git worktree around it. Looks at files only; no git
// is spawned, so that the short commands stay short.

import { mkdir, stat, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { SupervisorError } from '../domain/errors.ts';
import type { GraphPath } from '../domain/ids.ts';
import { graphFolderIn, realPath } from './graph-folder.ts';

export interface LocatedGraph {
  readonly graph: GraphPath;
  /** Root of the worktree. */
  readonly worktree: string;
  /** The graph folder was made just now. */
  readonly created: boolean;
}

/** What wg keeps out of git inside a graph folder, and what we add to it. */
const IGNORED = ['agents/', 'service/', 'log/', 'output/', '*.secret', '*.credentials', ''].join('\n');

/**
 * The graph of the worktree around `folder` (or that folder itself when it is a graph). With `create`, a worktree that
 * has none gets a `.workgraph/`. Throws `graph`.
 */
export async function locateGraph(
  folder: string,
  options: { readonly home: string; readonly create: boolean },
): Promise<LocatedGraph> {
  const start = await realPath(resolve(folder));
  if (start === null) throw new SupervisorError('graph', `there is no folder ${folder}`);
  for (let at = start; ; at = dirname(at)) {
    const found = await graphFolderIn(at, options.home);
    if (found) return { graph: found.path, worktree: at, created: false };
    if (await exists(join(at, '.git'))) {
      if (!options.create)
        throw new SupervisorError('graph', `${at} has neither a .wg nor a .workgraph folder`, {
          hint: '`supervisor add TITLE` makes one, so does `wg init`',
        });
      return { graph: await makeGraphFolder(at), worktree: at, created: true };
    }
    if (at === dirname(at)) break;
  }
  throw new SupervisorError('graph', `${folder} is in no git worktree, and no graph lies above it`, {
    hint: 'go into a repository, or name one with --worktree PATH',
  });
}

async function makeGraphFolder(worktree: string): Promise<GraphPath> {
  const folder = join(worktree, '.workgraph');
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, '.gitignore'), IGNORED, { flag: 'wx' }).catch((thrown: { code?: string }) => {
    // Somebody made it at the same moment: theirs is as good.
    if (thrown.code !== 'EEXIST') throw thrown;
  });
  return (await realPath(folder)) ?? folder;
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch {
    // Not there, or not ours to see: then it is no worktree for us.
    return false;
  }
}
