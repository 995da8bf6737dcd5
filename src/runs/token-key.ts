// The key from which run tokens are derived, so that a restarted supervisor can produce them again: an agent that is
// polled, or gets a message once more, must see the token it knows. Kept in a file that only this user can read; the
// ledger has hashes only.

import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { systemCode } from '../domain/errors.ts';
import { newTokenKey } from '../platform/identity.ts';

/**
 * The key in this file, created if there is no usable one; the caller has the machine's lock. Runs that began with
 * another key keep their tokens, which can no longer be produced.
 */
export async function readTokenKey(file: string): Promise<string> {
  const known = await keyIn(file);
  if (known !== null) return known;
  const key = newTokenKey();
  const draft = `${file}.${process.pid}.tmp`;
  await rm(draft, { force: true });
  await writeFile(draft, `${key}\n`, { mode: 0o600, flag: 'wx', flush: true });
  await rename(draft, file);
  return key;
}

async function keyIn(file: string): Promise<string | null> {
  const text = await readFile(file, 'utf8').catch((thrown: unknown) => {
    if (systemCode(thrown) === 'ENOENT') return '';
    throw thrown;
  });
  return /^[0-9a-f]{64}\n$/.test(text) ? text.trim() : null;
}
