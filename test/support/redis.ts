// A real Redis (Debian's redis-server, or Valkey) on a free port, started and ended by a test.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';

/** The program, or null where none is installed. */
export const redisProgram = found('redis-server') ?? found('valkey-server');

/** Says in one line why suites that need a Redis do nothing here. */
export const WITHOUT_REDIS = 'skipped: no redis-server or valkey-server on PATH';

/** `describe` or `test` where there is a Redis; where there is none it skips, and that is said. */
export function someRedis<T extends { readonly skip: unknown }>(all: T): T | T['skip'] {
  if (redisProgram !== null) return all;
  process.stderr.write(`${WITHOUT_REDIS}\n`);
  return all.skip;
}

export interface RedisServer {
  readonly url: string;
  readonly port: number;
  /** Ends it with this signal and resolves once it has ended. */
  end(signal?: NodeJS.Signals): Promise<void>;
  /** Starts it again on the same port. */
  start(): Promise<void>;
  /** What it was told to keep is thrown away, as on a machine that lost its disk. Only while it is ended. */
  forget(): void;
}

/** Starts one below a folder. `settings`: more of its command line. */
export async function startRedis(
  folder: string,
  options: {
    readonly persistent?: boolean;
    readonly settings?: readonly string[];
    readonly tls?: boolean;
  } = {},
): Promise<RedisServer> {
  const program = redisProgram;
  if (program === null) throw new Error(WITHOUT_REDIS);
  const dir = join(folder, 'redis');
  mkdirSync(dir, { recursive: true });
  const port = await freePort();
  const persistent = options.persistent ?? true;
  let process: ChildProcess | null = null;
  let ended: Promise<void> = Promise.resolve();
  const start = async () => {
    const child = spawn(
      program,
      [
        ...(options.tls ? ['--port', '0', '--tls-port', String(port)] : ['--port', String(port)]),
        ...['--bind', '127.0.0.1', '--dir', dir, '--save', '', '--maxmemory-policy', 'noeviction'],
        ...['--appendonly', persistent ? 'yes' : 'no'],
        ...(options.settings ?? []),
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    process = child;
    ended = new Promise((resolve) => child.once('close', () => resolve()));
    await new Promise<void>((resolve, reject) => {
      let said = '';
      child.stdout?.setEncoding('utf8').on('data', (more: string) => {
        said += more;
        if (said.includes('eady to accept connections')) resolve();
      });
      child.once('close', (status) => reject(new Error(`redis-server ended with ${status}:\n${said}`)));
    });
  };
  await start();
  return {
    url: `${options.tls ? 'rediss' : 'redis'}://127.0.0.1:${port}`,
    port,
    start,
    async end(signal = 'SIGTERM') {
      process?.kill(signal);
      await ended;
      process = null;
    },
    forget: () => {
      rmSync(dir, { recursive: true, force: true });
      mkdirSync(dir);
    },
  };
}

/** A port that was free a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}

function found(program: string): string | null {
  try {
    return execFileSync('/bin/sh', ['-c', `command -v ${program}`], { encoding: 'utf8' }).trim() || null;
  } catch {
    return null;
  }
}
