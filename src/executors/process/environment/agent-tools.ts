// Puts the `supervisor` command where spawned agents find it, whatever the service manager's PATH.

import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Writes `<folder>/supervisor`, which runs `argv` with its arguments; returns the folder, to be put in front of PATH.
 */
export async function writeAgentTools(folder: string, argv: readonly string[]): Promise<string> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, 'supervisor');
  const draft = `${path}.${process.pid}.tmp`;
  await writeFile(draft, `#!/bin/sh\nexec ${argv.map(quoted).join(' ')} "$@"\n`, { mode: 0o700 });
  await rename(draft, path);
  return folder;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
