// The built program as another process. Compiled once, and only when a source is newer than what was built.

import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { bareEnvironment } from './actors.ts';

const ROOT = join(import.meta.dirname, '../..');
const MAIN = join(ROOT, 'dist/cli/main.js');

/** Path of the built `main.js`. */
export function builtCli(): string {
  const isStale = () => !existsSync(MAIN) || newest(join(ROOT, 'src'), '.ts') > statSync(MAIN).mtimeMs;
  if (!isStale()) return MAIN;
  // Types that do not fit are another check's business: the compiler then writes the program all the same.
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
  const built = spawnSync(process.execPath, [tsc, '-p', ROOT, '--noCheck'], { cwd: ROOT, encoding: 'utf8' });
  if (isStale()) throw new Error(`the program could not be built:\n${built.stdout}${built.stderr}`);
  return MAIN;
}

function newest(folder: string, suffix: string): number {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(suffix))
    .reduce((latest, name) => Math.max(latest, statSync(join(folder, name)).mtimeMs), 0);
}

/** How the program ended, and all it wrote. */
export interface Ended {
  readonly status: number | null;
  readonly signal: string | null;
  readonly out: string;
  readonly err: string;
}

/** Runs the program with nothing in its environment but what is given, PATH, and the folder above `cwd` as its home. */
export function runCli(
  argv: readonly string[],
  options: { readonly cwd: string; readonly env?: Record<string, string>; readonly input?: string },
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [builtCli(), ...argv], {
      cwd: options.cwd,
      env: { ...bareEnvironment(dirname(options.cwd)), ...options.env },
    });
    let out = '';
    let err = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      err += text;
    });
    child.once('error', reject);
    child.once('close', (status, signal) => resolve({ status, signal, out, err }));
    child.stdin.end(options.input ?? '');
  });
}
