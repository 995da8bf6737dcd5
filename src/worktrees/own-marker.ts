// How a worktree that was made for one task is known: a file in git's own folder for it, where no checkout and no
// `git status` sees it, and which goes with the worktree.

import { existsSync, readdirSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { GIT_FILE_MAX_BYTES } from '../domain/graph-files.ts';
import type { GraphPath, TaskId } from '../domain/ids.ts';
import { readTextNow, writeTextNow } from '../platform/regular-file.ts';
import { linkedGitDirOf } from './common-dir.ts';

/** What it was made for. */
export interface OwnMarker {
  readonly graph: GraphPath;
  readonly task: TaskId;
  readonly createdAt: string | null;
  readonly branch: string;
  /** False: its making has not ended. */
  readonly made: boolean;
}

/** A worktree of a task, as git keeps it. */
export interface OwnEntry {
  /** git's folder for it. */
  readonly gitDir: string;
  readonly path: string;
  readonly marker: OwnMarker;
}

const FILE = 'workgraph-task.json';
const TERMS = { maxBytes: GIT_FILE_MAX_BYTES } as const;

/** The marker of the worktree at this path; null: it is no task's own, or cannot be read. */
export function ownMarkerOf(worktree: string): OwnMarker | null {
  const gitDir = linkedGitDirOf(worktree);
  return gitDir === null ? null : markerIn(gitDir);
}

/** Every worktree of a task in the repository with this common git dir, also those whose folder is gone. */
export function ownEntries(commonDir: string): readonly OwnEntry[] {
  return gitDirs(commonDir).flatMap((gitDir) => {
    const marker = markerIn(gitDir);
    const path = marker && pathOf(gitDir);
    return marker && path !== null ? [{ gitDir, path, marker }] : [];
  });
}

/** git's folders of worktrees at these paths, whatever they are. */
export function gitDirAt(commonDir: string, path: string): string | null {
  return gitDirs(commonDir).find((gitDir) => pathOf(gitDir) === path) ?? null;
}

/** Writes what a worktree was made for. */
export function writeMarker(gitDir: string, marker: OwnMarker): void {
  writeTextNow(join(gitDir, FILE), `${JSON.stringify(marker)}\n`);
}

/** Whether git is in the middle of something there: a merge, a rebase, a bisection. */
export function isInMiddle(gitDir: string): boolean {
  return ['MERGE_HEAD', 'REBASE_HEAD', 'rebase-merge', 'rebase-apply', 'CHERRY_PICK_HEAD', 'BISECT_LOG'].some(
    (name) => existsSync(join(gitDir, name)),
  );
}

function gitDirs(commonDir: string): readonly string[] {
  try {
    return readdirSync(join(commonDir, 'worktrees')).map((name) => join(commonDir, 'worktrees', name));
  } catch {
    // There never was a linked worktree.
    return [];
  }
}

function pathOf(gitDir: string): string | null {
  try {
    const dotGit = readTextNow(join(gitDir, 'gitdir'), TERMS)?.replace(/\n$/, '');
    return dotGit && basename(dotGit) === '.git' ? dirname(resolve(gitDir, dotGit)) : null;
  } catch {
    // Being made or removed just now.
    return null;
  }
}

/** The marker in git's folder for a worktree. */
export function markerIn(gitDir: string): OwnMarker | null {
  try {
    if (!existsSync(join(gitDir, FILE))) return null;
    const { graph, task, createdAt, branch, made } = JSON.parse(
      readTextNow(join(gitDir, FILE), TERMS) ?? '',
    ) as Record<string, unknown>;
    if (typeof graph !== 'string' || typeof task !== 'string' || typeof branch !== 'string') return null;
    return {
      ...{ graph, task, branch },
      createdAt: typeof createdAt === 'string' ? createdAt : null,
      made: made === true,
    };
  } catch {
    // Torn by a crash, or not ours.
    return null;
  }
}
