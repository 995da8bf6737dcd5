// Which test files start no processes and wait for nothing: those of `npm run test:unit`, whose command lists them.

import { readFileSync } from 'node:fs';
import { relative, sep } from 'node:path';

const { scripts } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));

/** How their paths begin, from the project's folder, with slashes. */
export const UNIT = scripts['test:unit'].split(' jest -- ')[1].split(' ');

/** Whether the test file at this path is one of them. */
export function isUnit(rootDir, path) {
  const name = relative(rootDir, path).split(sep).join('/');
  return UNIT.some((unit) => name.startsWith(unit));
}
