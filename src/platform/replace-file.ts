// Replaces a file of the supervisor's own as a whole: a reader sees the old text or the new one.

import { rename, rm, writeFile } from 'node:fs/promises';

/** Writes the text, readable by its owner alone, and puts it in the file's place once it is on the disk. */
export async function replaceFile(file: string, text: string): Promise<void> {
  const draft = `${file}.${process.pid}.tmp`;
  await rm(draft, { force: true });
  await writeFile(draft, text, { mode: 0o600, flag: 'wx', flush: true });
  await rename(draft, file);
}
