// `supervisor service …`: the supervisor as a systemd user unit or a launchd agent.

import { spawn } from 'node:child_process';
import type { SupervisorClient } from '../../api/client/client.ts';
import { mainProgram } from '../../compose/base.ts';
import { missingConfig } from '../../config/config-text.ts';
import { loadMachineConfig } from '../../config/load.ts';
import { SupervisorError } from '../../domain/errors.ts';
import type { ServiceName } from '../../install/service-files.ts';
import type { ServiceManager } from '../../install/service-manager.ts';
import {
  environmentFile,
  refuseFleeting,
  serviceManager,
  serviceVariables,
} from '../../install/this-machine.ts';
import { datagramSender } from '../../platform/datagram.ts';
import { VERSION } from '../../version.ts';
import { connect } from '../connect.ts';
import type { Context } from '../context.ts';

/** Which service is meant. */
export interface WhichService {
  readonly worker?: boolean;
}

const nameOf = ({ worker }: WhichService): ServiceName => (worker ? 'worker' : 'supervisor');

const managerOf = (context: Context, which: WhichService): ServiceManager =>
  serviceManager(context.environment, context.clock, nameOf(which));

/** Installs and starts the service; one that runs with other settings or another version is restarted. */
export async function installService(
  context: Context,
  args: readonly string[],
  which: WhichService,
): Promise<number> {
  const manager = managerOf(context, which);
  if (!which.worker && args.length > 0)
    throw new SupervisorError('usage', `the service takes no arguments, but was given ${args[0]}`, {
      hint: 'those of a worker come after --worker and --',
    });
  refuseFleeting(mainProgram());
  const { logDir, configFile, configNamed } = await context.paths();
  // A configuration that cannot be loaded is better learned here than from a log.
  const { config } = loadMachineConfig(configFile, { home: context.environment.home });
  if (configNamed && config.file === null) throw missingConfig(configFile);
  const global = [
    ...(context.config === undefined ? [] : ['--config', context.config]),
    ...(context.stateDir === undefined ? [] : ['--state-dir', context.stateDir]),
  ];
  const { done, notes } = await manager.install({
    service: nameOf(which),
    command: [process.execPath, mainProgram(), ...global, ...(which.worker ? ['worker', ...args] : ['run'])],
    variables: serviceVariables(context.environment, context.cwd),
    environmentFile: environmentFile(context.environment),
    logDir,
    version: VERSION,
    notifies: !which.worker && datagramSender(context.environment.platform) !== null,
  });
  if (context.json) context.outJson({ file: manager.file, done, notes });
  else {
    const words = {
      started: 'installed and started',
      restarted: 'installed and restarted',
      unchanged: 'nothing to change',
    };
    context.out(`${words[done]}: ${manager.file}\n`);
    for (const note of notes) context.note(`supervisor: ${note}`);
    if (which.worker)
      context.note(
        `supervisor: its token or queue is read from ${environmentFile(context.environment)}: SUPERVISOR_WORKER_TOKEN=…`,
      );
    else if (config.repos.length + config.roots.length === 0)
      context.note(
        `supervisor: it serves nothing yet: name your repositories under [[repos]] in ${configFile}`,
      );
  }
  return 0;
}

/** Stops the service and removes it. Agents keep running. */
export async function uninstallService(context: Context, which: WhichService): Promise<number> {
  const manager = managerOf(context, which);
  const notes = await manager.uninstall();
  if (context.json) context.outJson({ file: manager.file, installed: false, notes });
  else context.out(`${notes.length === 0 ? 'stopped and removed' : 'removed'}: ${manager.file}\n`);
  if (!context.json) for (const note of notes) context.note(`supervisor: ${note}`);
  return 0;
}

const DONE = { start: 'started', stop: 'stopped', restart: 'restarted' } as const;

/** Starts, stops or restarts the installed service. Agents run on. */
export async function steerService(
  context: Context,
  verb: keyof typeof DONE,
  which: WhichService,
): Promise<number> {
  const manager = managerOf(context, which);
  await manager[verb]();
  if (context.json) context.outJson({ file: manager.file, done: DONE[verb] });
  else context.out(`${DONE[verb]}\n`);
  return 0;
}

/**
 * `supervisor restart`: the program that is installed now takes over in the process of the running supervisor, without
 * a refused connection. One that cannot do so is restarted by the service manager. Throws `not-running` where there is
 * neither a service nor a supervisor.
 */
export async function restart(context: Context): Promise<number> {
  const client = await connect(context);
  try {
    if (client && (await succeeded(client, context))) return 0;
  } finally {
    client?.close();
  }
  const manager = managerOf(context, {});
  const status = await manager.status().catch((thrown: unknown) => {
    // Without a service manager there is no service; whether a supervisor runs is another question.
    if (thrown instanceof SupervisorError) return null;
    throw thrown;
  });
  if (status?.installed && (status.running || client === null))
    return await steerService(context, 'restart', {});
  if (client === null)
    throw new SupervisorError('not-running', 'no supervisor is running, and no service is installed', {
      hint: 'start one with `supervisor run`, or install it with `supervisor service install`',
    });
  throw new SupervisorError('service-manager', 'the supervisor that runs is no service', {
    hint: 'end `supervisor run` with Ctrl-C and start it again: agents run on, and what they report meanwhile is kept',
  });
}

/** Whether a successor took over. False where the running supervisor knows no such thing. */
async function succeeded(client: SupervisorClient, context: Context): Promise<boolean> {
  try {
    const { version } = await client.restart();
    if (context.json) context.outJson({ done: 'restarted', version });
    else context.out(`restarted: version ${version}\n`);
    return true;
  } catch (thrown) {
    if (!(thrown instanceof SupervisorError)) throw thrown;
    // Of an earlier version, or without the means: the service manager can do it.
    if (thrown.code === 'not-found' || thrown.details.code === 'no-successor') return false;
    throw thrown;
  }
}

/** What the service manager reports. Exit 5 if it is not running. */
export async function serviceStatus(context: Context, which: WhichService): Promise<number> {
  const status = await managerOf(context, which).status();
  if (context.json) context.outJson(status);
  else {
    const words = status.running ? 'running' : status.installed ? 'installed, not running' : 'not installed';
    context.out(`${words}  ${status.file}\n${status.detail === '' ? '' : `${status.detail}\n`}`);
  }
  return status.running ? 0 : 5;
}

/** The service's log, with the service manager's own tool. */
export async function serviceLogs(
  context: Context,
  options: WhichService & { readonly follow?: boolean },
): Promise<number> {
  const [program, ...args] = managerOf(context, options).logCommand;
  if (program === undefined) return 9;
  const child = spawn(program, options.follow ? [...args, '-f'] : args, { stdio: 'inherit' });
  return await new Promise<number>((resolve) => {
    child.once('error', (error) => {
      context.note(`supervisor: ${program} cannot be started: ${error.message}`);
      resolve(9);
    });
    child.once('exit', (code) => resolve(code === 0 ? 0 : 9));
  });
}
