// Which test files start no processes and wait for nothing: those of `npm run test:unit`, whose command lists them.

import { readFileSync } from 'node:fs';

const { scripts } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));

/** How their paths begin, from the project's folder, with slashes. */
export const UNIT = scripts['test:unit'].split(' jest -- ')[1].split(' ');
