// The key from which the tokens of runs are made, so that a supervisor that was started anew can say them again: an agent
// that is asked how it is getting on, or is sent a message once more, must see the token that it knows. Kept as a file
// that this user alone can read; the ledger has hashes only.

import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { systemCode } from '../domain/errors.ts';
import { newTokenKey } from '../platform/identity.ts';

/**
 * The key in this file, made where there is none of use; the caller holds the machine's lock. Runs that began with another
 * key keep their tokens, which nobody can say again.
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
