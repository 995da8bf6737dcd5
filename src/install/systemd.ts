// The service as a unit of the user's own systemd.

import { rm } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { SupervisorError } from '../domain/errors.ts';
import type { Environment } from '../platform/environment.ts';
import { SERVICES, type ServiceFacts, type ServiceName, systemdUnit } from './service-files.ts';
import {
  callManager,
  ManagerRefusal,
  notInstalled,
  putBack,
  readServiceFile,
  type ServiceManager,
  writeServiceFile,
} from './service-manager.ts';

/** systemctl without a user's systemd behind it. */
const NO_BUS = /Failed to connect to (?:user scope )?bus|DBUS_SESSION_BUS_ADDRESS|No medium found/i;

export function systemd(environment: Environment, service: ServiceName = 'supervisor'): ServiceManager {
  const { unit } = SERVICES[service];
  const { variables, home } = environment;
  const xdg = variables.XDG_CONFIG_HOME;
  const folder = join(xdg && isAbsolute(xdg) ? xdg : join(home, '.config'), 'systemd', 'user');
  const file = join(folder, unit);

  async function systemctl(...args: string[]): Promise<string> {
    try {
      return await callManager(environment, 'systemctl', ['--user', ...args]);
    } catch (thrown) {
      if (thrown instanceof ManagerRefusal && NO_BUS.test(thrown.said)) throw noBus(thrown, environment);
      throw thrown;
    }
  }

  const isRunning = async () =>
    /^ActiveState=(?:active|activating|reloading)$/m.test(
      await systemctl('show', unit, '--property=ActiveState'),
    );

  async function steer(verb: string): Promise<void> {
    if (readServiceFile(file) === null) throw notInstalled();
    await systemctl(verb, unit);
  }

  return {
    file,
    logCommand: ['journalctl', '--user', '-u', unit],
    async install(facts: ServiceFacts) {
      // Asked before anything is written: without a bus nothing is to stay behind.
      const wasRunning = await isRunning();
      const before = readServiceFile(file);
      const text = systemdUnit(facts);
      if (before !== text) await writeServiceFile(file, text);
      try {
        await systemctl('daemon-reload');
        await systemctl('enable', unit);
      } catch (thrown) {
        await putBack(file, before);
        throw thrown;
      }
      const done = !wasRunning ? 'started' : before === text ? 'unchanged' : 'restarted';
      if (done !== 'unchanged') await systemctl('restart', unit);
      return { done, notes: await lingerNote(environment) };
    },
    async uninstall() {
      const notes: string[] = [];
      try {
        await systemctl('disable', '--now', unit);
      } catch (thrown) {
        if (!(thrown instanceof SupervisorError) || readServiceFile(file) === null) throw thrown;
        notes.push(`the files are removed, but ${thrown.message}; a running one keeps running`);
        await rm(join(folder, 'default.target.wants', unit), { force: true });
      }
      await rm(file, { force: true });
      if (notes.length === 0) await systemctl('daemon-reload');
      return notes;
    },
    start: () => steer('start'),
    stop: () => steer('stop'),
    restart: () => steer('restart'),
    async status() {
      const shown = await systemctl(
        'show',
        unit,
        '--property=LoadState,ActiveState,SubState,MainPID,StatusText',
      );
      return {
        installed: /^LoadState=loaded$/m.test(shown),
        running: /^ActiveState=(?:active|reloading)$/m.test(shown),
        file,
        detail: shown.trim().replaceAll('\n', ' '),
      };
    },
  };
}

function noBus(thrown: ManagerRefusal, environment: Environment): SupervisorError {
  const uid = process.getuid?.() ?? 1000;
  const user = userOf(environment) || String(uid);
  return new SupervisorError('service-manager', thrown.message, {
    hint: `this shell has no session of systemd, as after su or sudo: as root run \`loginctl enable-linger ${user}\`, then here \`export XDG_RUNTIME_DIR=/run/user/${uid}\` and try again`,
    cause: thrown,
  });
}

function userOf({ variables }: Environment): string {
  const named = variables.USER || variables.LOGNAME;
  if (named) return named;
  try {
    return userInfo().username;
  } catch {
    // A user without an entry in passwd.
    return '';
  }
}

/** Without lingering a user's services end with the last log-out and do not start with the machine. */
async function lingerNote(environment: Environment): Promise<readonly string[]> {
  try {
    const shown = await callManager(environment, 'loginctl', [
      'show-user',
      userOf(environment),
      '-p',
      'Linger',
    ]);
    if (shown.includes('Linger=yes')) return [];
  } catch {
    // No logind here, or it knows no such user: the advice below is right all the same.
  }
  return ['it stops when you log out; `loginctl enable-linger` lets it start with the machine and stay'];
}
