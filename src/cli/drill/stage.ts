// The drill's throw-away world: one repository with ten worktrees, half of them with graphs that git tracks, tasks of
// every executor type that needs nothing from outside, and a configuration with short intervals.

import { execFile, spawn } from 'node:child_process';
import { appendFile, chmod, mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { Environment } from '../../platform/environment.ts';
import { writeStandInClaude } from '../demo/agents.ts';
import type { Chance } from './chance.ts';
import { agentScript } from './journal.ts';
import { graphOf } from './operations.ts';

/** Where everything of one drill is. */
export interface Place {
  /** Everything is below it. */
  readonly folder: string;
  readonly repo: string;
  readonly config: string;
  readonly stateDir: string;
  readonly journal: string;
  /** What programs of the drill see: a home of their own, and nothing of the user's git or supervisor. */
  readonly variables: Readonly<Record<string, string | undefined>>;
}

export interface DrillWorktree {
  readonly path: string;
  readonly branch: string;
  /** Its graph is committed: git takes it back and brings it again. */
  readonly tracked: boolean;
}

export interface DrillTask {
  readonly id: string;
  readonly worktree: string;
  /** Its first attempt fails on purpose. */
  readonly failsFirst: boolean;
}

export interface Stage {
  readonly place: Place;
  readonly worktrees: readonly DrillWorktree[];
  readonly tasks: readonly DrillTask[];
  /** Where the supervisor listens. */
  readonly port: number;
}

/** What the world is built from. */
export interface StageNeeds {
  readonly place: Place;
  readonly worktrees: number;
  readonly tasks: number;
  /** How long one agent works, s. */
  readonly workS: number;
  /** How long after now the last scheduled task is due, ms. */
  readonly forMs: number;
  readonly port: number;
  /** Where the web service takes tasks. */
  readonly web: string;
  readonly now: number;
  readonly chance: Chance;
}

/** The place below a folder that exists. */
export function placeIn(folder: string, environment: Pick<Environment, 'variables'>): Place {
  const { PATH, LANG, LC_ALL, TMPDIR, NODE_OPTIONS } = environment.variables;
  return {
    folder,
    repo: join(folder, 'repo'),
    config: join(folder, 'supervisor.toml'),
    stateDir: join(folder, 'state'),
    journal: join(folder, 'journal'),
    variables: {
      PATH,
      LANG,
      LC_ALL,
      TMPDIR,
      NODE_OPTIONS,
      HOME: folder,
      XDG_CONFIG_HOME: join(folder, '.config'),
      XDG_STATE_HOME: join(folder, '.local', 'state'),
      XDG_RUNTIME_DIR: join(folder, 'run'),
      GIT_CONFIG_GLOBAL: '/dev/null',
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_EDITOR: 'true',
      GIT_SEQUENCE_EDITOR: 'true',
      GIT_TERMINAL_PROMPT: '0',
      // Marks the processes of this drill that are not agents.
      SUPERVISOR_DRILL: folder,
    },
  };
}

/** Git as a person runs it in the drill; gives its exit status. What git refuses is its own affair. */
export function runGit(place: Place, cwd: string, ...args: readonly string[]): Promise<number> {
  return new Promise((resolve) => {
    const options = { cwd, env: place.variables, timeout: 20_000, killSignal: 'SIGKILL' as const };
    execFile('git', args, options, (error) =>
      resolve(error === null ? 0 : typeof error.code === 'number' ? error.code : 1),
    );
  });
}

/** A port that is free now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('the system gave no port');
  return address.port;
}

/** Builds it. Needs git, nothing else; throws if git cannot make the repository. */
export async function buildStage(needs: StageNeeds): Promise<Stage> {
  const { place, port } = needs;
  const { folder, repo } = place;
  const git = async (cwd: string, ...args: string[]) => {
    const status = await runGit(place, cwd, ...args);
    if (status !== 0) throw new Error(`git ${args.join(' ')} ended with ${status}`);
  };
  const agent = join(folder, 'agent');
  await writeFile(agent, agentScript(place.journal));
  await chmod(agent, 0o755);
  const claude = await writeStandInClaude(folder, `${agent} ${needs.workS / 2}`);
  await mkdir(join(folder, 'run'), { recursive: true, mode: 0o700 });

  const worktrees = Array.from({ length: needs.worktrees }, (_, n): DrillWorktree => {
    const branch = n === 0 ? 'main' : `w${n}`;
    return { path: n === 0 ? repo : join(folder, branch), branch, tracked: n % 2 === 1 };
  });
  const tasks: DrillTask[] = [];
  const graphs: string[] = [];
  for (const [n, worktree] of worktrees.entries()) {
    const count = Math.ceil((needs.tasks - tasks.length) / (worktrees.length - n));
    const lines = linesOf(n, count, agent, needs);
    for (const { id, failsFirst } of lines) tasks.push({ id, worktree: worktree.path, failsFirst });
    graphs.push(graphText(lines));
  }
  const history = worktrees.flatMap((worktree, n) => branchHistory(worktree, graphs[n] ?? '', needs.now));
  await git(folder, 'init', '-q', '-b', 'main', repo);
  await appendFile(
    join(repo, '.git', 'config'),
    '[user]\n\tname = drill\n\temail = drill@localhost\n[gc]\n\tauto = 0\n[commit]\n\tgpgsign = false\n',
  );
  // As `supervisor init` does: a .gitignore would come and go with the commits. What is committed stays tracked.
  await appendFile(join(repo, '.git', 'info', 'exclude'), '.workgraph/\n');
  await importHistory(place, history.join(''));
  await git(repo, 'reset', '-q', '--hard');
  for (const [n, { path, branch, tracked }] of worktrees.entries()) {
    if (n > 0) await git(repo, 'worktree', 'add', '-q', path, branch);
    if (tracked) continue;
    await mkdir(join(path, '.workgraph'));
    await writeFile(graphOf(path), graphs[n] ?? '');
  }
  await writeFile(place.config, configuration(port, claude, needs.web, repo));
  return { place, worktrees, tasks, port };
}

/** Enough commits to go back to, all of them with the graph if it is tracked, and a tag that is never moved. */
function branchHistory({ branch, tracked }: DrillWorktree, graph: string, now: number): string[] {
  const data = (text: string) => `data ${Buffer.byteLength(text)}\n${text}\n`;
  const commit = (message: string, files: Readonly<Record<string, string>>) =>
    [
      `commit refs/heads/${branch}\n`,
      `committer drill <drill@localhost> ${Math.floor(now / 1000)} +0000\n`,
      data(message),
      ...Object.entries(files).map(([name, text]) => `M 100644 inline ${name}\n${data(text)}`),
    ].join('');
  return [
    commit('Plan', {
      'notes.txt': 'begin\n',
      ...(tracked ? { '.workgraph/graph.jsonl': graph } : {}),
    }),
    ...Array.from({ length: 6 }, (_, n) => commit(`Day ${n}`, { 'notes.txt': `day ${n}\n` })),
    `reset refs/tags/drill-${branch}\nfrom refs/heads/${branch}\n\n`,
  ];
}

/** All commits in one process: a hundred commands of git take seconds. */
async function importHistory(place: Place, stream: string): Promise<void> {
  const child = spawn('git', ['fast-import', '--quiet'], {
    cwd: place.repo,
    env: place.variables,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  child.stdin.on('error', () => {
    // It has ended; its exit status says more.
  });
  child.stdin.end(stream);
  const status = await ended;
  if (status !== 0) throw new Error(`git fast-import ended with ${status}`);
}

interface Line {
  readonly id: string;
  readonly failsFirst: boolean;
  readonly fields: Readonly<Record<string, unknown>>;
}

function graphText(lines: readonly Line[]): string {
  return lines
    .map(({ id, fields }) =>
      JSON.stringify({ kind: 'task', id, title: id, status: 'open', priority: 10, ...fields }),
    )
    .map((line) => `${line}\n`)
    .join('');
}

/** What an agent says to git in the middle of its work. */
const SAID_TO_GIT = ['stash -u', 'commit -qam agent', 'add -A', 'reset -q --hard', 'checkout -q -- .'];

/** In a session of its own where the system can do that. */
const LEFT_BEHIND =
  '{ command -v setsid >/dev/null && exec setsid sleep 600; exec sleep 600; } >/dev/null 2>&1';

function linesOf(worktree: number, count: number, agent: string, needs: StageNeeds): Line[] {
  const { chance, workS, now, forMs } = needs;
  const lines: Line[] = [];
  const line = (n: number): Line => {
    const made = (kind: string, fields: Record<string, unknown>): Line => ({
      id: `w${worktree}-${n}-${kind}`,
      failsFirst: kind === 'again',
      fields: { created_at: new Date(now - 60_000 + n).toISOString(), ...fields },
    });
    const half = (workS * (0.3 + chance.below(100) / 140)).toFixed(2);
    // Each worktree begins with another kind, so that a short drill has all of them.
    switch ((n + worktree) % 10) {
      case 0:
      case 5:
        return made('command', { exec: `${agent} ${half}` });
      case 1:
        return made('claude', { tags: ['executor:claude'] });
      case 2:
      case 7:
        return made('http', { tags: ['executor:web'] });
      case 3:
        return made('external', { tags: ['executor:external'] });
      case 4: {
        const due = new Date(now + chance.below(forMs)).toISOString();
        return made('schedule', {
          exec: `${agent} ${half}`,
          tags: ['executor:scheduled', `schedule:${due}`],
        });
      }
      case 6:
        return made('again', { exec: `${agent} ${half} fails-first` });
      case 8:
        return made('git', { exec: `${agent} ${half} ${chance.pick(SAID_TO_GIT)}` });
      default:
        // A child in a session of its own is left behind, and has to be found by its mark.
        return made('leaves', {
          exec: `${LEFT_BEHIND} & ${agent} ${half}`,
          after: lines.slice(-1).map(({ id }) => id),
        });
    }
  };
  for (let n = 0; n < count; n++) lines.push(line(n));
  return lines;
}

const configuration = (port: number, claude: string, web: string, repo: string) => `
[supervisor]
max_concurrent = 10
[retry]
attempts = 6
backoff = "500ms"
max_backoff = "1s"
[limits]
safety_pass = "1s"
relist = "2s"
rewind_grace = "1s"
[shutdown]
grace = "1s"
linger = "1s"
[api]
listen = "127.0.0.1:${port}"
[[repos]]
path = ${JSON.stringify(repo)}
[executors.claude]
type = "claude"
command = ${JSON.stringify(claude)}
[executors.scheduled]
type = "schedule"
via = "command"
[executors.web]
type = "http"
endpoint = ${JSON.stringify(web)}
`;
