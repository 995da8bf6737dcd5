// Many worktrees with graphs of a given size, and a supervisor over them whose executor does nothing.

import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, realpath, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { composeSupervisor, type RunningSupervisor } from '../src/compose/daemon.ts';
import type { Executor } from '../src/executors/executor.ts';

const run = promisify(execFile);

export interface Farm {
  readonly folder: string;
  readonly config: string;
  readonly stateDir: string;
  readonly worktrees: readonly string[];
  remove(): Promise<void>;
}

/** A repository with this many worktrees, each with a graph of this many finished tasks of about 1.4 KB. */
export async function plantFarm(worktrees: number, tasksEach: number): Promise<Farm> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'supervisor-bench-')));
  const repo = join(folder, 'repo');
  const git = (...args: string[]) => run('git', args, { cwd: folder });
  await git('init', '-q', '-b', 'main', repo);
  await writeFile(join(repo, '.gitignore'), '.workgraph\n');
  await git('-C', repo, 'add', '.');
  await git(
    '-C',
    repo,
    '-c',
    'user.name=bench',
    '-c',
    'user.email=bench@localhost',
    'commit',
    '-q',
    '-m',
    'Begin',
  );
  const paths = [repo];
  if (worktrees > 1) {
    const first = join(folder, 'w1');
    await git('-C', repo, 'worktree', 'add', '-q', '--detach', first);
    paths.push(first);
    for (let n = 2; n < worktrees; n++) paths.push(await copyWorktree(repo, folder, n));
  }
  for (const [n, path] of paths.entries()) await writeTasks(path, doneTasks(tasksEach, n));
  const config = join(folder, 'supervisor.toml');
  await writeFile(config, `[supervisor]\nmax_concurrent = 64\n[[repos]]\npath = ${JSON.stringify(repo)}\n`);
  return {
    folder,
    config,
    stateDir: join(folder, 'state'),
    worktrees: paths,
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

/** One more worktree like `w1`, written by hand, for git takes its time; to git it is one like any other. */
async function copyWorktree(repo: string, folder: string, n: number): Promise<string> {
  const path = join(folder, `w${n}`);
  const admin = join(repo, '.git', 'worktrees', `w${n}`);
  await cp(join(repo, '.git', 'worktrees', 'w1'), admin, { recursive: true });
  await mkdir(path);
  await writeFile(join(admin, 'gitdir'), `${join(path, '.git')}\n`);
  await writeFile(join(path, '.git'), `gitdir: ${admin}\n`);
  await writeFile(join(path, '.gitignore'), '.workgraph\n');
  return path;
}

/** Tasks that are done, with texts as long as real ones. */
export function doneTasks(count: number, salt: number): Record<string, unknown>[] {
  return Array.from({ length: count }, (_, n) => ({
    id: `old-${salt}-${n}`,
    status: 'done',
    description: 'x'.repeat(1200),
    created_at: new Date(1.7e12 + salt * 1e6 + n).toISOString(),
  }));
}

/** Replaces a graph by rename, as wg does. Resolves with the instant just before the rename, ms. */
export async function writeTasks(
  worktree: string,
  tasks: readonly Record<string, unknown>[],
): Promise<number> {
  const graph = join(worktree, '.workgraph');
  await mkdir(graph, { recursive: true });
  const lines = tasks.map((task) =>
    JSON.stringify({ kind: 'task', title: String(task.id), status: 'open', priority: 10, ...task }),
  );
  await writeFile(join(graph, 'graph.next'), `${lines.join('\n')}\n`);
  const at = performance.now();
  await rename(join(graph, 'graph.next'), join(graph, 'graph.jsonl'));
  return at;
}

/** A supervisor over the farm; `begun` hears of every run at the moment its executor starts. */
export async function superviseFarm(farm: Farm, begun: (task: string) => void): Promise<RunningSupervisor> {
  const idle: Executor = {
    type: 'command',
    async begin(assignment) {
      begun(assignment.task.id);
      return { kind: 'ended', outcome: { kind: 'succeeded' } };
    },
    attend: async () => ({ kind: 'succeeded' }),
  };
  const running = await composeSupervisor({
    environment: { variables: process.env, home: farm.folder, platform: process.platform },
    cwd: farm.folder,
    config: farm.config,
    stateDir: farm.stateDir,
    executors: new Map([['command', idle]]),
  });
  await running.start();
  return running;
}
