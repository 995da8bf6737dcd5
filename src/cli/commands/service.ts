// `supervisor service install|uninstall|status|logs`: the supervisor as a systemd user unit or a launchd agent.

import { spawn } from 'node:child_process';
import { mainProgram } from '../../compose/base.ts';
import { loadMachineConfig } from '../../config/load.ts';
import { serviceManager } from '../../install/service-manager.ts';
import type { Context } from '../context.ts';

/** Installs and starts the service. */
export async function installService(context: Context): Promise<number> {
  const manager = serviceManager(context.environment);
  const { logDir, configFile } = await context.paths();
  // An invalid configuration is better reported here than in a log.
  const { config } = loadMachineConfig(configFile, { home: context.environment.home });
  const global = [
    ...(context.config === undefined ? [] : ['--config', context.config]),
    ...(context.stateDir === undefined ? [] : ['--state-dir', context.stateDir]),
  ];
  const notes = await manager.install({
    command: [process.execPath, mainProgram(), ...global, 'run'],
    path: context.environment.variables.PATH ?? '/usr/local/bin:/usr/bin:/bin',
    logDir,
  });
  if (context.json) context.outJson({ file: manager.file, notes });
  else {
    context.out(`installed and started: ${manager.file}\n`);
    for (const note of notes) context.note(`supervisor: ${note}`);
    if (config.repos.length + config.roots.length === 0)
      context.note(
        `supervisor: it serves nothing yet: name your repositories under [[repos]] in ${configFile}`,
      );
  }
  return 0;
}

/** Stops the service and removes it. Agents keep running. */
export async function uninstallService(context: Context): Promise<number> {
  const manager = serviceManager(context.environment);
  await manager.uninstall();
  if (context.json) context.outJson({ file: manager.file, installed: false });
  else context.out(`stopped and removed: ${manager.file}\n`);
  return 0;
}

/** What the service manager reports. Exit 5 if it is not running. */
export async function serviceStatus(context: Context): Promise<number> {
  const status = await serviceManager(context.environment).status();
  if (context.json) context.outJson(status);
  else {
    const words = status.running ? 'running' : status.installed ? 'installed, not running' : 'not installed';
    context.out(`${words}  ${status.file}\n${status.detail === '' ? '' : `${status.detail}\n`}`);
  }
  return status.running ? 0 : 5;
}

/** The service's log, with the service manager's own tool. */
export async function serviceLogs(context: Context, options: { readonly follow?: boolean }): Promise<number> {
  const [program, ...args] = serviceManager(context.environment).logCommand;
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
