// A supervisor's repository with a remote that workers can reach, and workers as processes of their own.

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { command } from '../cli/fake-surroundings.ts';
import { builtCli } from './built-cli.ts';
import type { Playground } from './playground.ts';

/** Pushes the playground's repository to a bare one beside it, which is its `origin`; gives that one's path. */
export async function withRemote(playground: Playground): Promise<string> {
  const remote = join(playground.folder, 'origin.git');
  await playground.git(playground.folder, 'init', '-q', '--bare', '-b', 'main', remote);
  await playground.git(playground.repo, 'remote', 'add', 'origin', remote);
  await playground.git(playground.repo, 'push', '-q', 'origin', 'main');
  return remote;
}

/** A token of the scope that workers need. */
export async function workerToken(playground: Playground, name = 'worker'): Promise<string> {
  const made = await command(
    { cwd: playground.repo, home: playground.folder },
    ...['--state-dir', playground.stateDir, 'token', 'create', name, '--scope', 'remote'],
  );
  if (made.status !== 0) throw new Error(made.err);
  return made.out.trim();
}

export interface WorkerProcess {
  readonly process: ChildProcess;
  readonly stateDir: string;
  /** What it wrote so far. */
  readonly said: () => string;
  /** Resolves when it wrote this. */
  says(text: string): Promise<void>;
  /** Resolves with its exit status, or the signal that ended it. */
  readonly ended: Promise<number | string>;
  kill(signal: NodeJS.Signals): void;
}

/** Starts `supervisor worker` with a state folder of its own, in which `config` is its supervisor.toml. */
export async function startWorker(
  playground: Pick<Playground, 'folder'>,
  options: {
    readonly name: string;
    readonly args: readonly string[];
    readonly config?: string;
    readonly env?: Readonly<Record<string, string>>;
  },
): Promise<WorkerProcess> {
  const stateDir = join(playground.folder, options.name);
  const configFile = join(playground.folder, `${options.name}.toml`);
  await mkdir(stateDir, { recursive: true });
  if (options.config !== undefined) await writeFile(configFile, options.config);
  const process = spawn(
    globalThis.process.execPath,
    [
      builtCli(),
      ...(options.config === undefined ? [] : ['--config', configFile]),
      ...['--state-dir', stateDir, 'worker', '--name', options.name, ...options.args],
    ],
    {
      cwd: playground.folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: globalThis.process.env.PATH ?? '',
        HOME: playground.folder,
        GIT_CONFIG_GLOBAL: '/dev/null',
        ...options.env,
      },
    },
  );
  let text = '';
  const waiting = new Set<() => void>();
  for (const stream of [process.stdout, process.stderr])
    stream?.setEncoding('utf8').on('data', (more: string) => {
      text += more;
      for (const look of [...waiting]) look();
    });
  const ended = new Promise<number | string>((resolve) => {
    process.once('close', (status, signal) => resolve(status ?? signal ?? -1));
  });
  return {
    process,
    stateDir,
    said: () => text,
    says: (wanted) =>
      new Promise((resolve, reject) => {
        const look = () => {
          if (!text.includes(wanted)) return;
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
        void ended.then((how) => {
          if (waiting.delete(look))
            reject(new Error(`the worker ended (${how}) without "${wanted}":\n${text}`));
        });
      }),
    ended,
    kill: (signal) => void process.kill(signal),
  };
}
