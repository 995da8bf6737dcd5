// A real repository with real worktrees in a temporary folder, and a supervisor over it.

import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, realpath, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export type TaskLine = { readonly id: string } & Readonly<Record<string, unknown>>;

export interface Playground {
  /** Everything is below it; removed by `remove`. */
  readonly folder: string;
  readonly repo: string;
  readonly stateDir: string;
  readonly configFile: string;
  /** Adds a linked worktree on a branch of its own; gives its path. */
  worktree(name: string): Promise<string>;
  /** Writes a graph as wg does: whole file, by rename. Tasks get kind, title, status and created_at where absent. */
  writeGraph(worktree: string, tasks: readonly TaskLine[]): Promise<void>;
  /** The tasks of a worktree's graph, by id. */
  readGraph(worktree: string): Promise<Map<string, Record<string, unknown>>>;
  writeConfig(toml: string): Promise<void>;
  git(cwd: string, ...args: string[]): Promise<string>;
  remove(): Promise<void>;
}

export async function createPlayground(): Promise<Playground> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'supervisor-test-')));
  const repo = join(folder, 'repo');
  const configFile = join(folder, 'supervisor.toml');
  const git = async (cwd: string, ...args: string[]) => (await run('git', args, { cwd })).stdout;
  await git(folder, 'init', '-q', '-b', 'main', repo);
  await writeFile(join(repo, '.gitignore'), '.workgraph\n.wg\n');
  await git(repo, 'add', '.');
  await git(repo, 'commit', '-q', '-m', 'Begin');
  let created = Date.parse('2026-05-01T00:00:00Z');
  const addWorktree = async (name: string) => {
    const path = join(folder, name);
    await git(repo, 'worktree', 'add', '-q', '-b', name.replaceAll(/[^a-z0-9-]/g, '-'), path);
    return path;
  };
  let lastAdded: Promise<unknown> = Promise.resolve();
  return {
    folder,
    repo,
    configFile,
    stateDir: join(folder, 'state'),
    git,
    worktree(name) {
      // git trips over itself when several are added at once.
      const added = lastAdded.then(() => addWorktree(name));
      lastAdded = added.catch(() => undefined);
      return added;
    },
    async writeGraph(worktree, tasks) {
      const graph = join(worktree, '.workgraph');
      await mkdir(graph, { recursive: true });
      const lines = tasks.map((task) =>
        JSON.stringify({
          kind: 'task',
          title: `Task ${task.id}`,
          status: 'open',
          priority: 10,
          // Distinct instants: equal ids in two worktrees are different tasks unless a test says otherwise.
          created_at: new Date(created++).toISOString(),
          ...task,
        }),
      );
      await writeFile(join(graph, 'graph.next'), lines.map((line) => `${line}\n`).join(''));
      await rename(join(graph, 'graph.next'), join(graph, 'graph.jsonl'));
    },
    async readGraph(worktree) {
      const text = await readFile(join(worktree, '.workgraph', 'graph.jsonl'), 'utf8');
      const tasks = text
        .split('\n')
        .filter((line) => line.startsWith('{'))
        .map((line) => JSON.parse(line) as Record<string, unknown>);
      return new Map(tasks.map((task) => [String(task.id), task]));
    },
    async writeConfig(toml) {
      await writeFile(configFile, `[[repos]]\npath = ${JSON.stringify(repo)}\n${toml}`);
    },
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}
