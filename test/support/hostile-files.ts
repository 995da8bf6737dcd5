// What a repository may hold where a plain file is expected.

import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Puts something else in the place of a file; `outside` is a folder beyond the graph. */
export type Put = (path: string, outside: string) => void;

/** Makes the folder around and removes what was there. */
export function put(path: string, outside: string, how: Put): void {
  mkdirSync(dirname(path), { recursive: true });
  rmSync(path, { recursive: true, force: true });
  how(path, outside);
}

export const HOSTILE: Readonly<Record<string, Put>> = {
  'a named pipe': (path) => execFileSync('mkfifo', [path]),
  'a link to a device that never ends': (path) => symlinkSync('/dev/zero', path),
  'a link out of the graph': (path, outside) => {
    const target = join(outside, 'secret');
    writeFileSync(target, 'token = "s3cret"\n');
    symlinkSync(target, path);
  },
  'a folder': (path) => mkdirSync(path),
  'a sparse file of two gigabytes': (path) => {
    writeFileSync(path, '');
    truncateSync(path, 2 * 1024 ** 3);
  },
  'random bytes': (path) =>
    writeFileSync(path, Buffer.from(Array.from({ length: 4096 }, (_, i) => (i * 131 + 17) % 256))),
};

/** Takes every right from a file; only processes of other users than root notice. */
export const unreadable: Put = (path) => {
  writeFileSync(path, '');
  chmodSync(path, 0);
};
