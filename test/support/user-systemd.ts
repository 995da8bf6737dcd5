// A real `systemd --user` of a test's own, in a mount namespace: nothing of the machine's own systemd is touched, and
// none need be running. Needs root, unshare, nsenter, systemd and the unified control groups.

import { execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from './actors.ts';
import { builtCli, type Ended } from './built-cli.ts';

const SYSTEMD = ['/usr/lib/systemd/systemd', '/lib/systemd/systemd'].find((path) => existsSync(path));

/** Where the unified control groups are mounted; null: nowhere. */
function controlGroups(): string | null {
  const mounts = existsSync('/proc/self/mounts') ? readFileSync('/proc/self/mounts', 'utf8') : '';
  return /^\S+ (\S+) cgroup2 rw/m.exec(mounts)?.[1] ?? null;
}

const SET_UP = `set -e
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/systemd/system /run/user/0
chmod 700 /run/user/0
echo $$ > "$1/cgroup.procs"
mount -t cgroup2 cgroup2 /sys/fs/cgroup
exec "$2" --user --log-target=null`;

/** Why no systemd can be started here; null: one can. */
export const NO_SYSTEMD: string | null = (() => {
  if (SYSTEMD === undefined) return 'there is no systemd here';
  if (process.getuid?.() !== 0) return 'only root can make a namespace for it';
  if (controlGroups() === null) return 'there are no unified control groups';
  if (spawnSync('unshare', ['-m', 'true']).status !== 0) return 'there is no unshare that may be used';
  return null;
})();

export interface UserSystemd {
  /** A program inside, with this systemd as its service manager. */
  run(program: string, args: readonly string[], env?: Record<string, string>): Promise<Ended>;
  /** The built command line inside. */
  cli(args: readonly string[], env?: Record<string, string>): Promise<Ended>;
  /** A property of a unit. */
  show(unit: string, property: string): Promise<string>;
  stop(): Promise<void>;
}

/** Starts it; `home` is the user's home folder. */
export async function startUserSystemd(home: string): Promise<UserSystemd> {
  const root = controlGroups();
  if (root === null || SYSTEMD === undefined) throw new Error('no systemd can be started here');
  const group = join(root, `supervisor-test-${process.pid}`);
  spawnSync('mkdir', ['-p', group]);
  const variables = {
    PATH: process.env.PATH ?? '',
    HOME: home,
    XDG_RUNTIME_DIR: '/run/user/0',
    GIT_CONFIG_GLOBAL: '/dev/null',
  };
  const manager = spawn('unshare', ['-m', 'sh', '-c', SET_UP, 'sh', group, SYSTEMD], {
    env: variables,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const ended = once(manager, 'exit');
  const run: UserSystemd['run'] = (program, args, env = {}) =>
    new Promise((resolve) => {
      execFile(
        'nsenter',
        ['-t', String(manager.pid), '-m', program, ...args],
        { env: { ...variables, ...env }, cwd: home, timeout: 60_000 },
        (error, out, err) => {
          const status = error === null ? 0 : typeof error.code === 'number' ? error.code : null;
          resolve({ status, signal: error?.signal ?? null, out, err });
        },
      );
    });
  // Its socket is there when it answers.
  await eventually(async () => {
    if (manager.exitCode !== null) throw new Error(`systemd ended with ${manager.exitCode}`);
    return (await run('systemctl', ['--user', 'show', '--property=Version'])).status === 0;
  });
  return {
    run,
    cli: (args, env) => run(process.execPath, [builtCli(), ...args], env),
    async show(unit, property) {
      return (
        await run('systemctl', ['--user', 'show', unit, `--property=${property}`, '--value'])
      ).out.trim();
    },
    async stop() {
      manager.kill('SIGTERM');
      await ended;
      removeGroup(group);
    },
  };
}

/** The folders of a control group go from the leaves on; the kernel's files in them are not to be removed. */
function removeGroup(group: string): void {
  for (const entry of readdirSync(group, { withFileTypes: true }))
    if (entry.isDirectory()) removeGroup(join(group, entry.name));
  rmdirSync(group);
}
