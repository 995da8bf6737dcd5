// The one home of the process environment and of facts about this machine's user.

import { homedir } from 'node:os';

export interface Environment {
  readonly variables: Readonly<Record<string, string | undefined>>;
  readonly home: string;
  readonly platform: NodeJS.Platform;
}

export function processEnvironment(): Environment {
  return { variables: process.env, home: homedir(), platform: process.platform };
}
