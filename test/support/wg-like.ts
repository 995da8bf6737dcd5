// A wg-like command on PATH, and calls to it as a person would make them.

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Playground } from './playground.ts';

const WG = fileURLToPath(new URL('../../fixtures/agents/wg.mjs', import.meta.url));

/** A PATH on which `wg` is the wg-like fixture. */
export async function pathWithWg(playground: Playground): Promise<string> {
  const bin = join(playground.folder, 'wg-bin');
  await mkdir(bin, { recursive: true });
  await writeFile(join(bin, 'wg'), `#!/bin/sh\nexec '${process.execPath}' '${WG}' "$@"\n`);
  await chmod(join(bin, 'wg'), 0o755);
  return `${bin}:${process.env.PATH}`;
}

/** Runs one wg-like command on a graph folder; its exit status and what it printed. */
export function wgLike(
  graph: string,
  ...args: readonly string[]
): Promise<{ readonly status: number; readonly text: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [WG, '--dir', graph, ...args], (error, stdout, stderr) =>
      resolve({ status: error ? Number(error.code) : 0, text: `${stdout}${stderr}` }),
    );
  });
}

/** Starts a wg-like daemon of a graph; resolves when its socket listens. */
export async function startDaemon(graph: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, [WG, '--dir', graph, 'service', 'daemon'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await new Promise<void>((resolve, reject) => {
    child.stdout?.once('data', () => resolve());
    child.once('exit', (status) => reject(new Error(`the daemon ended with ${status}`)));
  });
  return child;
}
