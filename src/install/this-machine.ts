// Which service manager this machine has, and what a service of this shell is to be given.

import { dirname, isAbsolute, join } from 'node:path';
import { SupervisorError } from '../domain/errors.ts';
import type { Clock } from '../platform/clock.ts';
import type { Environment } from '../platform/environment.ts';
import { launchd } from './launchd.ts';
import type { ServiceName } from './service-files.ts';
import type { ServiceManager } from './service-manager.ts';
import { systemd } from './systemd.ts';

/** The service manager of this platform. Throws `service-manager` where there is none that we know. */
export function serviceManager(
  environment: Environment,
  clock: Clock,
  service: ServiceName = 'supervisor',
): ServiceManager {
  switch (environment.platform) {
    case 'linux':
      return systemd(environment, service);
    case 'darwin':
      return launchd(environment, clock, service);
    default:
      throw new SupervisorError(
        'service-manager',
        `no service manager is known for ${environment.platform}`,
        {
          hint: 'start `supervisor run` by your own means',
        },
      );
  }
}

/** What decides which configuration and state are used, where the socket is, and in which zone schedules count. */
const DECIDING = [
  'XDG_CONFIG_HOME',
  'XDG_STATE_HOME',
  'XDG_RUNTIME_DIR',
  'SUPERVISOR_CONFIG',
  'SUPERVISOR_STATE_DIR',
  'TZ',
] as const;

/**
 * The variables of the service: it is to see the same files as the commands of this shell. `cwd` makes relative paths
 * absolute.
 */
export function serviceVariables(environment: Environment, cwd: string): Record<string, string> {
  const { variables, home } = environment;
  const found: Record<string, string> = {
    PATH: variables.PATH || '/usr/local/bin:/usr/bin:/bin',
    HOME: home,
  };
  for (const name of DECIDING) {
    const value = variables[name];
    if (!value) continue;
    const isRelative =
      name.startsWith('SUPERVISOR_') && !isAbsolute(value) && value !== '~' && !value.startsWith('~/');
    found[name] = isRelative ? join(cwd, value) : value;
  }
  return found;
}

/** The file of further variables, beside where the configuration is by default. */
export function environmentFile({ variables, home }: Environment): string {
  const xdg = variables.XDG_CONFIG_HOME;
  return join(xdg && isAbsolute(xdg) ? xdg : join(home, '.config'), 'workgraph-supervisor', 'env');
}

/** Throws where this copy of the program is not there to stay: npx clears its cache, and the service would be gone. */
export function refuseFleeting(program: string): void {
  if (!/[\\/]_npx[\\/]/.test(program)) return;
  throw new SupervisorError(
    'service-manager',
    `this is a copy in the cache of npx (${dirname(program)}), which npm clears when it likes`,
    { hint: 'install it first, `npm install -g workgraph-supervisor`, then run `wgs service install`' },
  );
}
