// The program as it is installed: bundled.

import { fileURLToPath } from 'node:url';

export const MAIN = fileURLToPath(new URL('../bundle/cli/main.js', import.meta.url));
