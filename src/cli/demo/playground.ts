// The demo's throw-away world: one repository, three worktrees, a graph in each, and a configuration with a profile
// of every executor type.

import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface Playground {
  readonly folder: string;
  readonly config: string;
  readonly stateDir: string;
  /** The main worktree and the two linked ones. */
  readonly worktrees: { readonly main: string; readonly feature: string; readonly hotfix: string };
  remove(): Promise<void>;
}

/** The targets of the demo's profiles. */
export interface DemoTargets {
  readonly researchUrl: string;
  readonly translateUrl: string;
  readonly claude: string;
}

/** Builds it. Needs git, nothing else. */
export async function buildPlayground(targets: DemoTargets, now: number): Promise<Playground> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'supervisor-demo-')));
  const main = join(folder, 'shop');
  const worktrees = { main, feature: join(folder, 'shop-feature'), hotfix: join(folder, 'shop-hotfix') };
  await git(folder, 'init', '-q', '-b', 'main', main);
  await writeFile(join(main, 'README.md'), '# shop\n');
  await writeFile(join(main, '.gitignore'), '.workgraph\n');
  await git(main, 'add', '.');
  await git(main, '-c', 'user.name=demo', '-c', 'user.email=demo@localhost', 'commit', '-q', '-m', 'Begin');
  await git(main, 'worktree', 'add', '-q', '-b', 'feature', worktrees.feature);
  await git(main, 'worktree', 'add', '-q', '-b', 'hotfix', worktrees.hotfix);
  await writeGraph(worktrees.main, mainTasks(now), now);
  await writeGraph(worktrees.feature, featureTasks(), now);
  await writeGraph(worktrees.hotfix, hotfixTasks(), now);
  const config = join(folder, 'supervisor.toml');
  await writeFile(config, configText(main, targets));
  return {
    folder,
    config,
    stateDir: join(folder, 'state'),
    worktrees,
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

type DemoTask = { readonly id: string; readonly title: string } & Readonly<Record<string, unknown>>;

function mainTasks(now: number): DemoTask[] {
  return [
    { id: 'research-market', title: 'Research competitors', tags: ['executor:research-agent'] },
    { id: 'translate-page', title: 'Translate the landing page', tags: ['category:text'] },
    {
      id: 'build-site',
      title: 'Build the site',
      after: ['research-market', 'translate-page'],
      exec: 'echo building in $PWD; echo site.tar > site.tar; echo built site.tar',
    },
    {
      id: 'nightly-report',
      title: 'Report, two seconds from now',
      tags: ['executor:build', `schedule:${new Date(now + 2500).toISOString()}`],
    },
    { id: 'sign-off', title: 'A person signs off', after: ['build-site'], tags: ['executor:external'] },
    {
      id: 'announce',
      title: 'Announce it',
      after: ['sign-off', 'nightly-report'],
      exec: 'echo announced',
    },
  ];
}

function featureTasks(): DemoTask[] {
  return [
    { id: 'fix-greeting', title: 'Fix the greeting', tags: ['executor:writer'] },
    {
      id: 'test-greeting',
      title: 'Test the greeting; $(whoami) `stays` text',
      after: ['fix-greeting'],
      tags: ['executor:build'],
    },
  ];
}

function hotfixTasks(): DemoTask[] {
  return [
    { id: 'patch', title: 'Patch the leak', exec: 'echo patched' },
    { id: 'verify-patch', title: 'Verify the patch', after: ['patch'], exec: 'echo verified' },
  ];
}

function configText(repository: string, targets: DemoTargets): string {
  return `[supervisor]
max_concurrent = 4

[[repos]]
path = ${JSON.stringify(repository)}

[executors.research-agent]      # answers 202 and calls back
type = "http"
endpoint = ${JSON.stringify(targets.researchUrl)}

[executors.translator]          # answers with the result
type = "http"
endpoint = ${JSON.stringify(targets.translateUrl)}
completion = "response"
match = ["category:text"]

[executors.build]               # a program with arguments of the task
type = "command"
command = ["echo", "worked on:", "{{task.title}}"]

[executors.writer]
type = "claude"
command = ${JSON.stringify(targets.claude)}
timeout = "5m"
`;
}

async function writeGraph(worktree: string, tasks: readonly DemoTask[], now: number): Promise<void> {
  const folder = join(worktree, '.workgraph');
  await mkdir(folder, { recursive: true });
  const created_at = new Date(now).toISOString();
  const lines = tasks.map(({ id, title, ...rest }) =>
    JSON.stringify({ kind: 'task', id, title, status: 'open', priority: 10, ...rest, created_at }),
  );
  await writeFile(join(folder, 'graph.jsonl'), `${lines.join('\n')}\n`);
}

async function git(cwd: string, ...args: string[]): Promise<void> {
  await run('git', args, { cwd });
}
