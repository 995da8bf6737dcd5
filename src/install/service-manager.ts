// The supervisor as a service of this user: what every service manager can do with it, and how one is called.

import { execFile } from 'node:child_process';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { messageOf, SupervisorError, systemCode } from '../domain/errors.ts';
import type { Environment } from '../platform/environment.ts';
import { readTextNow } from '../platform/regular-file.ts';
import type { ServiceFacts } from './service-files.ts';

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

/** What an installation came to. */
export interface Installed {
  /** `unchanged`: the same service was already running, and keeps running. */
  readonly done: 'started' | 'restarted' | 'unchanged';
  /** What the user should know. */
  readonly notes: readonly string[];
}

/** Every method throws `service-manager` when the manager refuses or cannot be reached. */
export interface ServiceManager {
  /** Path of the file that `install` writes. */
  readonly file: string;
  /** The command that shows the service's log. */
  readonly logCommand: readonly string[];
  /** Writes the file and starts the service; one that runs with another file is restarted. Leaves nothing behind when it fails. */
  install(facts: ServiceFacts): Promise<Installed>;
  /** Stops and removes it; gives notes for the user. */
  uninstall(): Promise<readonly string[]>;
  start(): Promise<void>;
  stop(): Promise<void>;
  restart(): Promise<void>;
  status(): Promise<ServiceStatus>;
}

/** A service file is a page or two; more is not ours, bytes. */
const MAX_FILE_BYTES = 1024 * 1024;

/** The text of the service's file as it is, or null. */
export function readServiceFile(file: string): string | null {
  try {
    return readTextNow(file, { maxBytes: MAX_FILE_BYTES, links: 'follow' });
  } catch (thrown) {
    throw new SupervisorError('service-manager', messageOf(thrown), { hint: `move ${file} away` });
  }
}

/** Writes it whole or not at all. */
export async function writeServiceFile(file: string, text: string): Promise<void> {
  const fresh = `${file}.${process.pid}.new`;
  try {
    await mkdir(dirname(file), { recursive: true });
    await writeFile(fresh, text, { mode: 0o644, flag: 'wx' });
    await rename(fresh, file);
  } catch (thrown) {
    await rm(fresh, { force: true }).catch(() => {});
    throw new SupervisorError('service-manager', `${file} cannot be written: ${messageOf(thrown)}`, {
      hint: 'make its folder writable',
    });
  }
}

/** What stood there before an installation that failed. */
export async function putBack(file: string, before: string | null): Promise<void> {
  if (before === null) await rm(file, { force: true });
  else await writeServiceFile(file, before);
}

/** The error of a command that needs the service and finds none. */
export function notInstalled(): SupervisorError {
  return new SupervisorError('service-manager', 'the service is not installed', {
    hint: 'install it with `supervisor service install`',
  });
}

/** The manager said no. `said` is what it wrote, `hint` the next step. */
export class ManagerRefusal extends SupervisorError {
  readonly said: string;

  constructor(message: string, said: string, hint: string) {
    super('service-manager', message, { hint });
    this.said = said;
  }
}

/** A start waits until the supervisor has looked at everything. */
const TIMEOUT_MS = 600_000;

/** Calls the service manager's program and gives what it printed. Throws `ManagerRefusal`. */
export async function callManager(
  environment: Environment,
  program: string,
  args: readonly string[],
): Promise<string> {
  try {
    const { stdout } = await run(program, [...args], { env: environment.variables, timeout: TIMEOUT_MS });
    return stdout;
  } catch (thrown) {
    if (systemCode(thrown) === 'ENOENT')
      throw new ManagerRefusal(`${program} is not here`, '', 'start `supervisor run` by your own means');
    const output = (name: 'stderr' | 'stdout') =>
      typeof thrown === 'object' && thrown !== null && name in thrown
        ? String((thrown as Record<string, unknown>)[name]).trim()
        : '';
    const said = output('stderr');
    const first = said.split('\n')[0] || messageOf(thrown);
    throw new ManagerRefusal(
      `${program} ${args.join(' ')} failed: ${first}`,
      `${said}\n${output('stdout')}`,
      'see `supervisor service logs`',
    );
  }
}
