// Who takes part in scenarios beside the supervisor: the built command itself, an HTTP agent, wg rewriting a graph.

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { PATIENCE } from './patience.mjs';
import type { Playground } from './playground.ts';

/** The built command. */
export const BUILT = fixture('../../dist/cli/main.js');
export const FAKE_CLAUDE = fixture('../../fixtures/agents/claude.mjs');
const HTTP_AGENT = fixture('../../fixtures/agents/http-agent.mjs');
const PLAYS_WG = fixture('../../fixtures/agents/plays-wg.mjs');

function fixture(path: string): string {
  return fileURLToPath(new URL(path, import.meta.url));
}

/** What a command printed, and how it ended. */
export interface Ended {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A program that continues until it is asked to end. */
export interface Started {
  readonly pid: number;
  /** All that it printed so far, standard output and standard error. */
  text(): string;
  /** Resolves when it has printed this; rejects when it ends before. */
  prints(text: string): Promise<void>;
  /** Resolves when it has ended, as `ended` does. */
  kill(signal: NodeJS.Signals): Promise<Ended>;
  readonly ended: Promise<Ended>;
}

/** What a program needs to run at all; the day that it is for the tests is the day for what they start. */
export function bareEnvironment(home: string) {
  const { PATH, TEST_CLOCK, NODE_OPTIONS } = process.env;
  return {
    ...{ PATH, TEST_CLOCK, NODE_OPTIONS, HOME: home },
    ...{ GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_NOSYSTEM: '1' },
  };
}

/** The environment of a person of their own, with nothing of the supervisor in it. */
export function personEnvironment(home: string, more: Record<string, string | undefined> = {}) {
  return {
    ...bareEnvironment(home),
    XDG_CONFIG_HOME: join(home, '.config'),
    XDG_STATE_HOME: join(home, '.local', 'state'),
    XDG_RUNTIME_DIR: join(home, 'run'),
    TZ: 'UTC',
    LC_ALL: 'C.UTF-8',
    ...more,
  };
}

/** Runs the built command on a playground and waits for its end. */
export function supervisor(
  playground: Playground,
  args: readonly string[],
  options: { cwd?: string; stateDir?: string; env?: Record<string, string> } = {},
): Promise<Ended> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [BUILT, ...place(playground, options.stateDir), ...args], {
      cwd: options.cwd ?? playground.repo,
      env: personEnvironment(playground.folder, options.env),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    collect(child).then(resolve);
  });
}

/** Starts the built command on a playground and lets it continue. */
export function startSupervisor(
  playground: Playground,
  args: readonly string[],
  options: { cwd?: string; stateDir?: string; env?: Record<string, string> } = {},
): Started {
  const child = spawn(process.execPath, [BUILT, ...place(playground, options.stateDir), ...args], {
    cwd: options.cwd ?? playground.repo,
    env: personEnvironment(playground.folder, options.env),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  const looks = new Set<() => void>();
  const heard = (data: Buffer) => {
    text += data.toString();
    for (const look of [...looks]) look();
  };
  child.stdout?.on('data', heard);
  child.stderr?.on('data', heard);
  const ended = collect(child);
  return {
    pid: child.pid ?? 0,
    text: () => text,
    prints(wanted) {
      return new Promise((resolve, reject) => {
        const look = () => {
          if (!text.includes(wanted)) return;
          looks.delete(look);
          resolve();
        };
        looks.add(look);
        look();
        void ended.then(() => reject(new Error(`it ended before it printed ${wanted}:\n${text}`)));
      });
    },
    kill(signal) {
      child.kill(signal);
      return ended;
    },
    ended,
  };
}

/** The options that put a command onto a playground. */
export function place(playground: Playground, stateDir?: string): string[] {
  const config = existsSync(playground.configFile) ? ['--config', playground.configFile] : [];
  return [...config, '--state-dir', stateDir ?? playground.stateDir];
}

function collect(child: ChildProcess): Promise<Ended> {
  let stdout = '';
  let stderr = '';
  child.stdout?.on('data', (data: Buffer) => {
    stdout += data.toString();
  });
  child.stderr?.on('data', (data: Buffer) => {
    stderr += data.toString();
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status, signal) => resolve({ status, signal, stdout, stderr }));
  });
}

/** A request as an agent saw it. */
export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
}

export interface HttpAgent {
  readonly url: string;
  requests(): Promise<readonly SeenRequest[]>;
  stop(): Promise<void>;
}

/** An HTTP agent in a process of its own (fixtures/agents/http-agent.mjs). */
export async function startHttpAgent(): Promise<HttpAgent> {
  const child = spawn(process.execPath, [HTTP_AGENT], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout });
  const [line] = await Promise.race([
    new Promise<string[]>((resolve) => lines.once('line', (text) => resolve([text]))),
    new Promise<never>((_, reject) =>
      child.once('close', () => reject(new Error('the agent did not start'))),
    ),
  ]);
  const { url } = JSON.parse(line ?? '{}') as { url: string };
  return {
    url,
    requests: async () => (await (await fetch(`${url}/requests`)).json()) as SeenRequest[],
    stop: () =>
      new Promise((resolve) => {
        child.once('close', () => resolve());
        child.stdin.end();
      }),
  };
}

/** Another process changes a graph as wg does: unknown keys dropped, lines shuffled, the lock held. */
export function wg(graphFolder: string, ...args: string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [PLAYS_WG, graphFolder, ...args], (error, _out, stderr) =>
      error ? reject(new Error(stderr || error.message)) : resolve(),
    );
  });
}

/** How long something that no event tells may take to happen, ms: far more than it should, less than a test may take. */
const PATIENCE_MS = 20_000 * PATIENCE;

/** Waits until `look` gives something; asks again every few milliseconds, for what no event tells. */
export async function eventually<T>(
  look: () => Promise<T | null | undefined | false> | T | null | undefined | false,
): Promise<T> {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > end) throw new Error(`this did not happen: ${look}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
