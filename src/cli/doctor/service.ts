// Checks of the installed service: whether its program is still there, and whether agents are found on its PATH.

import { existsSync } from 'node:fs';
import { SupervisorError } from '../../domain/errors.ts';
import { isAgentProfile, type Profile } from '../../domain/profile.ts';
import { commandIn, variablesIn } from '../../install/service-files.ts';
import { readServiceFile } from '../../install/service-manager.ts';
import { serviceManager } from '../../install/this-machine.ts';
import { findOnPath } from '../../platform/environment.ts';
import type { Context } from '../context.ts';
import type { Finding } from './finding.ts';

const AGAIN = '`supervisor service install` again rewrites it';

/** Nothing where no service is installed. */
export function service(context: Context, profiles: Iterable<Profile>): Finding[] {
  const check = 'service';
  let text: string | null;
  try {
    text = readServiceFile(serviceManager(context.environment, context.clock).file);
  } catch (thrown) {
    if (!(thrown instanceof SupervisorError)) throw thrown;
    return [{ check, result: 'note', because: thrown.message }];
  }
  if (text === null) return [];
  const [missing] = commandIn(text).filter((word) => word.startsWith('/') && !existsSync(word));
  if (missing !== undefined)
    return [{ check, result: 'failed', because: `it starts ${missing}, which is gone; ${AGAIN}` }];
  const variables = variablesIn(text);
  const findings: Finding[] = [];
  for (const profile of profiles) {
    if (!isAgentProfile(profile) || profile.env.PATH !== undefined) continue;
    const here = findOnPath(profile.command, context.environment);
    if (here === null || findOnPath(profile.command, { variables }) !== null) continue;
    const because = `${profile.command} (${here}) is not on the PATH of the service; ${AGAIN}`;
    findings.push({ check, result: 'failed', because });
  }
  return findings.length > 0
    ? findings
    : [{ check, result: 'ok', because: 'it is installed, and finds every agent that this shell finds' }];
}
