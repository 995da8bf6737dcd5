// What git, people and agents do to a repository and its graph files on an ordinary day, one operation each. None may
// throw: a git command that git refuses is a step like any other.

import { existsSync } from 'node:fs';
import {
  appendFile,
  chmod,
  copyFile,
  mkdir,
  open,
  readFile,
  rename,
  rm,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';

/** Where an operation acts. */
export interface Site {
  /** The main worktree. */
  readonly repo: string;
  /** Folder beside the repositories. */
  readonly folder: string;
  /** The worktree that is meant. */
  readonly at: string;
  /** Another one. */
  readonly other: string;
  /** A number of this step's own: names what the step makes. */
  readonly n: number;
  /** Runs git; gives its exit status. */
  git(cwd: string, ...args: string[]): Promise<number>;
  /** The worktree is elsewhere from now on; null: it is gone. */
  moved(from: string, to: string | null): void;
  /** What the graph's folder held besides the graph may be gone: runs of it have lost their files. */
  wiped(at: string): void;
  pause(ms: number): Promise<void>;
}

export interface Operation {
  readonly name: string;
  act(site: Site): Promise<unknown>;
}

export const graphOf = (worktree: string) => join(worktree, '.workgraph', 'graph.jsonl');

const notes = (site: Site) => join(site.at, 'notes.txt');
const jot = (site: Site) => appendFile(notes(site), `line ${site.n}\n`);
const commonDir = (site: Site) => join(site.repo, '.git');
const gitDirOf = async (site: Site, worktree: string) =>
  worktree === site.repo
    ? commonDir(site)
    : (await readFile(join(worktree, '.git'), 'utf8')).trim().replace('gitdir: ', '');
const branchOf = async (site: Site, worktree: string) =>
  (await readFile(join(await gitDirOf(site, worktree), 'HEAD'), 'utf8'))
    .trim()
    .replace('ref: refs/heads/', '');

/** Git commands in the worktree, one after the other. */
const commands =
  (...lines: string[]) =>
  async (site: Site) => {
    for (const line of lines) await site.git(site.at, ...line.replaceAll('$n', String(site.n)).split(' '));
  };

const jotted =
  (...lines: string[]) =>
  async (site: Site) => {
    await jot(site);
    await commands(...lines)(site);
  };

/** A person's hook, there for one commit or checkout. */
const hooked =
  (hook: string, body: string, trigger: (site: Site) => Promise<unknown>) => async (site: Site) => {
    const file = join(commonDir(site), 'hooks', hook);
    await mkdir(join(commonDir(site), 'hooks'), { recursive: true });
    await writeFile(file, `#!/bin/sh\n[ -z "$IN_HOOK" ] || exit 0\nexport IN_HOOK=1\n${body}\nexit 0\n`);
    await chmod(file, 0o755);
    try {
      await trigger(site);
    } finally {
      await rm(file, { force: true });
    }
  };

/** Writes the graph as programs do that know of no lock: in place, `between` at first and the rest after a while. */
const inPlace = (between: (text: string) => string, ms: number) => async (site: Site) => {
  const file = graphOf(site.at);
  const text = await readFile(file, 'utf8');
  const handle = await open(file, 'r+');
  try {
    await handle.truncate(0);
    await handle.write(between(text), 0);
    await site.pause(ms);
    await handle.truncate(0);
    await handle.write(text, 0);
  } finally {
    await handle.close();
  }
};

const flipped = (key: string, value: string, ms: number) => async (site: Site) => {
  await site.git(site.repo, 'config', key, value);
  await site.pause(ms);
  await site.git(site.repo, 'config', '--unset', key);
  if (key === 'core.bare') await site.git(site.repo, 'config', key, 'false');
};

export const OPERATIONS: readonly Operation[] = [
  { name: 'stash', act: jotted('stash') },
  { name: 'stash -u', act: jotted('stash -u') },
  {
    name: 'stash --all',
    async act(site) {
      site.wiped(site.at);
      await site.git(site.at, 'stash', '--all');
    },
  },
  { name: 'stash and pop', act: jotted('stash -u', 'stash pop') },
  { name: 'stash pop', act: commands('stash pop') },
  { name: 'stash apply', act: commands('stash apply') },
  { name: 'stash drop', act: commands('stash drop') },
  { name: 'checkout -- .', act: jotted('checkout -- .') },
  { name: 'restore from the last commit', act: commands('restore --source=HEAD~1 --worktree -- .') },
  { name: 'switch to a new branch', act: commands('switch -c topic-$n') },
  { name: 'switch back', act: commands('switch -') },
  { name: 'switch away and back', act: commands('switch -c side-$n HEAD~1', 'switch -') },
  { name: 'switch -f', act: jotted('switch -f --detach HEAD~1', 'switch -') },
  { name: 'switch --detach', act: commands('switch --detach HEAD~1') },
  { name: 'switch --discard-changes', act: commands('switch --discard-changes -c other-$n') },
  { name: 'reset --hard', act: jotted('reset --hard') },
  { name: 'reset --hard HEAD~1', act: commands('reset --hard HEAD~1') },
  { name: 'reset --mixed HEAD~1', act: commands('reset --mixed HEAD~1') },
  { name: 'reset --soft HEAD~1', act: commands('reset --soft HEAD~1') },
  { name: 'reset --keep', act: commands('reset --keep HEAD~1') },
  { name: 'commit -a', act: jotted('commit -qam work-$n') },
  { name: 'add -A and commit', act: jotted('add -A', 'commit -qm all-$n') },
  { name: 'commit --amend', act: jotted('commit -qa --amend --no-edit') },
  {
    name: 'commit of the graph, then reset',
    act: jotted('add -A', 'commit -qm all-$n', 'reset --hard HEAD~1'),
  },
  { name: 'rebase', act: commands('rebase --autostash main') },
  { name: 'rebase that stops', act: jotted('commit -qam mine-$n', 'rebase main', 'rebase --abort') },
  { name: 'push', act: commands('push -qf origin HEAD') },
  { name: 'pull --rebase --autostash', act: jotted('pull -q --rebase --autostash origin main') },
  { name: 'pull', act: commands('pull -q --no-rebase origin main') },
  {
    name: 'merge',
    act: async (site) => site.git(site.at, 'merge', '-q', '--no-edit', await branchOf(site, site.other)),
  },
  {
    name: 'merge --abort',
    async act(site) {
      await jotted('commit -qam ours-$n')(site);
      await site.git(site.at, 'merge', '--no-commit', await branchOf(site, site.other));
      await site.pause(200);
      await site.git(site.at, 'merge', '--abort');
    },
  },
  {
    name: 'merge -X theirs',
    act: async (site) =>
      site.git(site.at, 'merge', '-X', 'theirs', '--no-edit', await branchOf(site, site.other)),
  },
  {
    name: 'merge with the union driver',
    async act(site) {
      const attributes = join(commonDir(site), 'info', 'attributes');
      await writeFile(attributes, '*.jsonl merge=union\n*.txt merge=union\n');
      await jotted('add -A', 'commit -qm union-$n')(site);
      await site.git(site.at, 'merge', '--no-edit', await branchOf(site, site.other));
      await rm(attributes, { force: true });
    },
  },
  {
    name: 'cherry-pick',
    async act(site) {
      await site.git(site.at, 'cherry-pick', await branchOf(site, site.other));
      await site.git(site.at, 'cherry-pick', '--abort');
    },
  },
  { name: 'revert', act: commands('revert --no-edit HEAD', 'revert --abort') },
  { name: 'clean -fd', act: jotted('clean -fdq') },
  {
    name: 'clean -fdx',
    async act(site) {
      site.wiped(site.at);
      await site.git(site.at, 'clean', '-fdxq');
    },
  },
  { name: 'bisect', act: commands('bisect start HEAD HEAD~2', 'bisect good', 'bisect reset') },
  { name: 'sparse-checkout', act: commands('sparse-checkout set docs', 'sparse-checkout disable') },
  { name: 'branch -m', act: commands('branch -m renamed-$n') },
  { name: 'rm --cached', act: commands('rm -rq --cached .workgraph', 'commit -qm untracked-$n') },
  {
    name: 'update-index --skip-worktree',
    act: commands('update-index --skip-worktree .workgraph/graph.jsonl'),
  },
  { name: 'read-tree', act: commands('read-tree -u --reset HEAD') },
  {
    name: 'the graph of another branch',
    act: async (site) =>
      site.git(site.at, 'checkout', await branchOf(site, site.other), '--', '.workgraph/graph.jsonl'),
  },
  { name: 'gc', act: commands('gc -q --prune=now') },
  { name: 'reflog expire', act: commands('reflog expire --expire=now --all') },
  { name: 'tag', act: commands('tag v-$n') },
  {
    name: 'worktree add',
    act: (site) => site.git(site.repo, 'worktree', 'add', '-q', '--detach', join(site.folder, `x${site.n}`)),
  },
  {
    name: 'worktree add and remove',
    async act(site) {
      const path = join(site.folder, `y${site.n}`);
      await site.git(site.repo, 'worktree', 'add', '-q', '--detach', path);
      await site.pause(200);
      await site.git(site.repo, 'worktree', 'remove', '--force', path);
    },
  },
  {
    name: 'worktree move',
    async act(site) {
      const to = join(site.folder, `m${site.n}`);
      if ((await site.git(site.repo, 'worktree', 'move', site.at, to)) === 0) site.moved(site.at, to);
    },
  },
  {
    name: 'mv and worktree repair',
    async act(site) {
      if (site.at === site.repo) return;
      const to = join(site.folder, `r${site.n}`);
      await rename(site.at, to);
      site.moved(site.at, to);
      await site.pause(300);
      await site.git(site.repo, 'worktree', 'repair', to);
    },
  },
  {
    name: 'mv away and back',
    async act(site) {
      await rename(site.at, `${site.at}-away`);
      await site.pause(400);
      await rename(`${site.at}-away`, site.at);
    },
  },
  {
    name: 'worktree remove --force',
    async act(site) {
      if (site.at === site.repo) return;
      site.wiped(site.at);
      await site.git(site.repo, 'worktree', 'remove', '--force', site.at);
      // Where someone writes into it meanwhile, git says that it failed, and has forgotten the worktree all the same.
      if ((await site.git(site.at, 'rev-parse', '--git-dir')) !== 0) site.moved(site.at, null);
    },
  },
  { name: 'worktree prune', act: commands('worktree prune') },
  {
    name: 'worktree lock',
    async act(site) {
      await site.git(site.repo, 'worktree', 'lock', site.at);
      await site.pause(200);
      await site.git(site.repo, 'worktree', 'unlock', site.at);
    },
  },
  { name: 'core.bare', act: flipped('core.bare', 'true', 700) },
  { name: 'core.autocrlf', act: flipped('core.autocrlf', 'true', 200) },
  { name: 'safe.bareRepository', act: flipped('safe.bareRepository', 'explicit', 300) },
  { name: 'graph emptied for 0.3 s', act: inPlace(() => '', 300) },
  {
    name: 'first lines missing for 0.4 s',
    act: inPlace((text) => text.split('\n').slice(3).join('\n'), 400),
  },
  { name: 'half a graph for 0.2 s', act: inPlace((text) => text.slice(0, text.length / 2), 200) },
  { name: 'the same graph written again', act: inPlace((text) => text, 0) },
  {
    name: 'graph away and back',
    async act(site) {
      await rename(graphOf(site.at), `${graphOf(site.at)}.away`);
      await site.pause(300);
      await rename(`${graphOf(site.at)}.away`, graphOf(site.at));
    },
  },
  {
    name: 'an older copy of the graph',
    async act(site) {
      const copy = join(site.folder, `copy-${site.n}`);
      await copyFile(graphOf(site.at), copy);
      await site.pause(500);
      await rename(copy, graphOf(site.at));
    },
  },
  {
    name: 'touch',
    act: (site) => utimes(graphOf(site.at), new Date(0), new Date(0)),
  },
  { name: 'hook that stashes', act: hooked('post-commit', 'git stash -qu', jotted('commit -qam hooked-$n')) },
  {
    name: 'hook that resets',
    act: hooked('post-checkout', 'git reset -q --hard', commands('switch -c hook-$n')),
  },
  {
    name: 'index.lock held',
    async act(site) {
      const lock = join(commonDir(site), 'index.lock');
      await writeFile(lock, '');
      await site.pause(300);
      await rm(lock, { force: true });
    },
  },
];

/** What git was left in the middle of: the file that says so, in the worktree's git folder, and how a person ends it. */
const MIDDLES = [
  ['MERGE_HEAD', 'merge --abort'],
  ['rebase-merge', 'rebase --abort'],
  ['rebase-apply', 'rebase --abort'],
  ['CHERRY_PICK_HEAD', 'cherry-pick --abort'],
  ['REVERT_HEAD', 'revert --abort'],
  ['BISECT_LOG', 'bisect reset'],
] as const;

/** Ends what git was left in the middle of, as a person would, so that what is then wrong is not git's. */
export async function tidyUp(site: Site): Promise<void> {
  await site.git(site.repo, 'config', 'core.bare', 'false');
  await rm(join(commonDir(site), 'index.lock'), { force: true });
  if (site.at !== site.repo) await site.git(site.repo, 'worktree', 'repair', site.at);
  const gitDir = await gitDirOf(site, site.at);
  for (const [sign, line] of MIDDLES)
    if (existsSync(join(gitDir, sign))) await site.git(site.at, ...line.split(' '));
  const away = `${graphOf(site.at)}.away`;
  if (existsSync(away) && !existsSync(graphOf(site.at))) await rename(away, graphOf(site.at));
}
