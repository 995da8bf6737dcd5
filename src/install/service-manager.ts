// Installs, removes and queries the service, through systemctl --user or launchctl. Writes one file; everything else
// is up to the service manager.

import { execFile } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, isAbsolute, join } from 'node:path';
import { promisify } from 'node:util';
import { messageOf, SupervisorError, systemCode } from '../domain/errors.ts';
import type { Environment } from '../platform/environment.ts';
import { LAUNCHD_LABEL, launchdPlist, type ServiceFacts, systemdUnit, UNIT_NAME } from './service-files.ts';

const run = promisify(execFile);

/** The service's state according to the service manager. */
export interface ServiceStatus {
  readonly installed: boolean;
  readonly running: boolean;
  /** The unit or property list. */
  readonly file: string;
  /** The service manager's own text. */
  readonly detail: string;
}

export interface ServiceManager {
  /** Path of the file that `install` writes. */
  readonly file: string;
  /** The command that shows the service's log. */
  readonly logCommand: readonly string[];
  /** Writes the file and starts the service; returns notes for the user. Throws `service-manager`. */
  install(facts: ServiceFacts): Promise<readonly string[]>;
  uninstall(): Promise<void>;
  status(): Promise<ServiceStatus>;
}

/** The service manager of this platform. Throws `service-manager` if it is unknown. */
export function serviceManager(environment: Environment): ServiceManager {
  switch (environment.platform) {
    case 'linux':
      return systemd(environment);
    case 'darwin':
      return launchd(environment);
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

function systemd(environment: Environment): ServiceManager {
  const { variables, home } = environment;
  const xdg = variables.XDG_CONFIG_HOME;
  const file = join(xdg && isAbsolute(xdg) ? xdg : join(home, '.config'), 'systemd', 'user', UNIT_NAME);
  const systemctl = (...args: string[]) => call(environment, 'systemctl', ['--user', ...args]);
  return {
    file,
    logCommand: ['journalctl', '--user', '-u', UNIT_NAME],
    async install(facts) {
      await writeServiceFile(file, systemdUnit(facts));
      await systemctl('daemon-reload');
      await systemctl('enable', '--now', UNIT_NAME);
      return await lingerNote(environment);
    },
    async uninstall() {
      await systemctl('disable', '--now', UNIT_NAME);
      await rm(file, { force: true });
      await systemctl('daemon-reload');
    },
    async status() {
      const shown = await systemctl('show', UNIT_NAME, '--property=LoadState,ActiveState,SubState,MainPID');
      return {
        installed: /^LoadState=loaded$/m.test(shown),
        running: /^ActiveState=active$/m.test(shown),
        file,
        detail: shown.trim().replaceAll('\n', ' '),
      };
    },
  };
}

function launchd(environment: Environment): ServiceManager {
  const file = join(environment.home, 'Library', 'LaunchAgents', `${LAUNCHD_LABEL}.plist`);
  const domain = `gui/${process.getuid?.() ?? 501}`;
  const launchctl = (...args: string[]) => call(environment, 'launchctl', args);
  return {
    file,
    logCommand: ['tail', '-n', '200', join(environment.home, 'Library/Logs/workgraph-supervisor/stderr.log')],
    async install(facts) {
      await mkdir(facts.logDir, { recursive: true, mode: 0o700 });
      await writeServiceFile(file, launchdPlist(facts));
      await launchctl('bootstrap', domain, file);
      return [];
    },
    async uninstall() {
      await launchctl('bootout', `${domain}/${LAUNCHD_LABEL}`);
      await rm(file, { force: true });
    },
    async status() {
      try {
        const shown = await launchctl('print', `${domain}/${LAUNCHD_LABEL}`);
        return {
          installed: true,
          running: /state = running/.test(shown),
          file,
          detail: shown.split('\n')[0] ?? '',
        };
      } catch (thrown) {
        return { installed: false, running: false, file, detail: messageOf(thrown) };
      }
    },
  };
}

/** Without lingering a user's services stop with the last log-out and do not start with the machine. */
async function lingerNote(environment: Environment): Promise<readonly string[]> {
  const user = environment.variables.USER ?? environment.variables.LOGNAME ?? '';
  try {
    const shown = await call(environment, 'loginctl', ['show-user', user, '-p', 'Linger']);
    if (shown.includes('Linger=yes')) return [];
  } catch {
    // No logind here, or it does not know the user: the advice below applies all the same.
  }
  return ['it stops when you log out; `loginctl enable-linger` lets it start with the machine and stay'];
}

async function writeServiceFile(file: string, text: string): Promise<void> {
  try {
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text, { mode: 0o644 });
  } catch (thrown) {
    throw new SupervisorError('service-manager', `${file} cannot be written: ${messageOf(thrown)}`);
  }
}

async function call(environment: Environment, program: string, args: readonly string[]): Promise<string> {
  try {
    const { stdout } = await run(program, [...args], { env: environment.variables, timeout: 30_000 });
    return stdout;
  } catch (thrown) {
    const said =
      typeof thrown === 'object' && thrown !== null && 'stderr' in thrown ? String(thrown.stderr).trim() : '';
    const missing = systemCode(thrown) === 'ENOENT';
    throw new SupervisorError(
      'service-manager',
      missing
        ? `${program} is not here`
        : `${program} ${args.join(' ')} failed: ${said || messageOf(thrown)}`,
      { hint: missing ? 'start `supervisor run` by your own means' : 'try it by hand to see more' },
    );
  }
}
