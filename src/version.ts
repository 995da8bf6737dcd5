// The version of this program, as package.json has it.

import { readFileSync } from 'node:fs';

/** Reads the version; the file lies one folder above both src/ and dist/. */
function packageVersion(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  const { version } = JSON.parse(text) as { readonly version: string };
  return version;
}

export const VERSION = packageVersion();
