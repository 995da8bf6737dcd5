// One repository with three worktrees, its tasks, a configuration with short intervals, agents of every executor type,
// and the built supervisor as a process that can be killed and started again.

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Chance } from '../../src/cli/drill/chance.ts';
import { agentScript, createJournal, type Journal } from '../../src/cli/drill/journal.ts';
import { startWorkers, type Workers } from '../../src/cli/drill/workers.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { markedProcesses } from '../crash/campaign.ts';
import { freePort } from '../crash/outside-agent.ts';
import { FAKE_CLAUDE, personEnvironment } from '../support/actors.ts';
import { createPlayground, type Playground, type TaskLine } from '../support/playground.ts';

const BUILD = process.env.CRASH_BUILD ?? fileURLToPath(new URL('../../dist', import.meta.url));

export interface Stage {
  readonly playground: Playground;
  readonly journal: Journal;
  readonly workers: Workers;
  /** Whether the graph is in git, so that every worktree has a copy of the same tasks. */
  readonly committed: boolean;
  /** Task id → how often it is started when all goes well, and the worktree that its graph was in at first. */
  readonly tasks: ReadonlyMap<string, { readonly starts: number; readonly home: string }>;
  /** The worktrees at first. */
  readonly worktrees: readonly string[];
  readonly log: string;
  git(cwd: string, ...args: string[]): Promise<number>;
  start(): void;
  kill(signal: NodeJS.Signals): Promise<void>;
  /** What a command prints, as JSON; null when it failed. */
  ask(...args: string[]): Promise<unknown>;
  remove(): Promise<void>;
}

export async function setStage(chance: Chance): Promise<Stage> {
  const playground = await createPlayground();
  const { repo, folder, stateDir, configFile } = playground;
  const committed = chance.below(2) === 0;
  const journal = createJournal(join(folder, 'journal'), systemClock());
  const agent = join(folder, 'agent');
  await writeFile(agent, agentScript(journal.file));
  await chmod(agent, 0o755);
  const port = await freePort();
  const api = `http://127.0.0.1:${port}`;
  const workers = await startWorkers({ journal, stateDir, api, workMs: 1500, clock: systemClock() });
  const environment = {
    ...personEnvironment(folder),
    GIT_EDITOR: 'true',
    GIT_SEQUENCE_EDITOR: 'true',
    GIT_TERMINAL_PROMPT: '0',
  };
  /** Git as a person or an agent runs it: what it refuses is its own affair. */
  const git = (cwd: string, ...args: string[]) =>
    new Promise<number>((resolve) => {
      execFile('git', args, { cwd, env: environment, timeout: 20_000, killSignal: 'SIGKILL' }, (error) =>
        resolve(error === null ? 0 : typeof error.code === 'number' ? error.code : 1),
      );
    });
  await plantHistory(playground, git);
  const tasks = new Map<string, { starts: number; home: string }>();
  const soon = () => new Date(Date.now() + 1500 + chance.below(3000)).toISOString();
  const plant = async (home: string, prefix: string, count: number) => {
    const lines = tasksOf(prefix, count, agent, soon);
    await playground.writeGraph(home, lines);
    for (const { id } of lines) tasks.set(id, { starts: id.includes('-again') ? 2 : 1, home });
  };
  const worktrees = [repo];
  if (committed) {
    await writeFile(join(repo, '.gitignore'), '.workgraph/*\n!.workgraph/graph.jsonl\n');
    await plant(repo, 'c', 9);
    await git(repo, 'add', '-A');
    await git(repo, 'commit', '-qm', 'Plan');
    await git(repo, 'commit', '-q', '--allow-empty', '-m', 'Begin work');
  }
  for (const name of ['w1', 'w2']) worktrees.push(await playground.worktree(name));
  if (!committed) for (const [n, path] of worktrees.entries()) await plant(path, `w${n}`, 7);
  await playground.git(folder, 'clone', '-q', '--bare', repo, join(folder, 'origin'));
  await git(repo, 'remote', 'add', 'origin', join(folder, 'origin'));
  await playground.writeConfig(configuration(port, agent, workers.url));

  const log = join(folder, 'supervisor.log');
  const place = ['--config', configFile, '--state-dir', stateDir];
  const cli = (...args: string[]) => [join(BUILD, 'cli', 'main.js'), ...args, ...place];
  let child: ChildProcess | null = null;
  const stage: Stage = {
    playground,
    journal,
    workers,
    committed,
    tasks,
    worktrees,
    log,
    git,
    start() {
      const output = createWriteStream(log, { flags: 'a' });
      child = spawn(process.execPath, cli('run'), {
        cwd: folder,
        env: personEnvironment(folder),
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      child.stderr?.pipe(output);
    },
    async kill(signal) {
      const dying = child;
      child = null;
      if (dying === null || dying.exitCode !== null || dying.signalCode !== null) return;
      const dead = new Promise((resolve) => dying.once('close', resolve));
      dying.kill(signal);
      await dead;
    },
    ask: (...args) =>
      new Promise((resolve) => {
        const options = { cwd: folder, env: personEnvironment(folder), maxBuffer: 64 * 1024 * 1024 };
        execFile(process.execPath, cli(...args, '--json'), options, (_error, out) => {
          try {
            resolve(JSON.parse(out));
          } catch {
            resolve(null);
          }
        });
      }),
    async remove() {
      await stage.kill('SIGKILL');
      await workers.stop();
      for (const pid of await markedProcesses(stateDir)) end(pid);
      await playground.remove();
    },
  };
  return stage;
}

/** Enough commits to go back to, on branches that differ. */
async function plantHistory(
  playground: Playground,
  git: (cwd: string, ...args: string[]) => Promise<number>,
): Promise<void> {
  const { repo } = playground;
  for (const [key, value] of [
    ['user.name', 'somebody'],
    ['user.email', 'somebody@localhost'],
    ['gc.auto', '0'],
    ['commit.gpgsign', 'false'],
  ] as const)
    await git(repo, 'config', key, value);
  for (const text of ['one', 'two', 'three']) {
    await writeFile(join(repo, 'notes.txt'), `${text}\n`);
    await git(repo, 'add', '-A');
    await git(repo, 'commit', '-qm', text);
  }
}

/** What an agent of a task says to git in the middle of its work. */
const SAID_TO_GIT = ['stash -u', 'commit -qam agent', 'add -A', 'reset -q --hard', 'checkout -q -- .'];

/** Tasks of every executor type; the same for every seed, so that only the walk differs. */
function tasksOf(prefix: string, count: number, agent: string, soon: () => string): TaskLine[] {
  return Array.from({ length: count }, (_, n) => {
    const created_at = new Date(Date.now() - 60_000 + n).toISOString();
    const id = (kind: string) => `${prefix}-${n}-${kind}`;
    switch (n) {
      case 0:
        return { id: id('command'), created_at, exec: `${agent} 0.8` };
      case 1:
        return { id: id('claude'), created_at };
      case 2:
        return { id: id('http'), created_at, tags: ['executor:web'] };
      case 3:
        return { id: id('external'), created_at, tags: ['executor:external'] };
      case 4:
        return {
          id: id('schedule'),
          created_at,
          exec: `${agent} 0.3`,
          tags: ['executor:scheduled', `schedule:${soon()}`],
        };
      case 5:
        return {
          id: id('again'),
          created_at,
          exec: `${agent} 0.2; [ "$SUPERVISOR_ATTEMPT" = 2 ] || exit 3`,
        };
      case 6:
        return {
          id: id('git'),
          created_at,
          exec: `${agent} 0.6 ${SAID_TO_GIT[prefix.charCodeAt(prefix.length - 1) % SAID_TO_GIT.length]}`,
        };
      default:
        return {
          id: id('after'),
          created_at,
          exec: `${agent} 0.4 ${SAID_TO_GIT[n % SAID_TO_GIT.length]}`,
          after: [`${prefix}-${n - 7}-${n === 7 ? 'command' : 'claude'}`],
        };
    }
  });
}

const configuration = (port: number, agent: string, web: string) => `
[supervisor]
max_concurrent = 6
[retry]
attempts = 2
backoff = "1s"
max_backoff = "2s"
[limits]
safety_pass = "1s"
relist = "2s"
[shutdown]
grace = "1s"
linger = "1s"
[api]
listen = "127.0.0.1:${port}"
[executors.default]
type = "claude"
command = ${JSON.stringify(FAKE_CLAUDE)}
env = { FAKE_CLAUDE = ${JSON.stringify(`run ${agent} 0.7`)} }
[executors.scheduled]
type = "schedule"
via = "command"
[executors.web]
type = "http"
endpoint = "${web}"
`;

function end(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It ended on its own meanwhile.
  }
}
