// Which built-in profiles' programs are not installed: nothing is routed to those.

import { AGENT_TYPES } from '../domain/agent-cli.ts';
import type { Profile } from '../domain/profile.ts';
import { type Environment, findOnPath } from '../platform/environment.ts';

/** Names of built-in profiles whose program is not on PATH. Claude is the default, and reports that itself. */
export function missingPrograms(
  profiles: ReadonlyMap<string, Profile>,
  { variables }: Partial<Pick<Environment, 'variables'>>,
): ReadonlySet<string> {
  const missing = new Set<string>();
  if (variables === undefined) return missing;
  const types: ReadonlySet<string> = new Set(AGENT_TYPES);
  for (const profile of profiles.values()) {
    if (profile.origin.file !== 'built-in' || profile.type === 'claude' || !types.has(profile.type)) continue;
    const program = 'command' in profile && typeof profile.command === 'string' ? profile.command : null;
    if (program !== null && findOnPath(program, { variables }) === null) missing.add(profile.name);
  }
  return missing;
}
