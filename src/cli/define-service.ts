// The commands around the service: names, flags and help.

import type { Command } from 'commander';
import type { Host } from './host.ts';

/** Defines `service …` on the program. */
export function defineServiceCommands(program: Command, host: Host): void {
  program.commandsGroup('Set-up:');
  const service = program
    .command('service')
    .summary('the supervisor as a systemd user unit or launchd agent')
    .description(
      'Installs the supervisor as a service of this user. Stopping the service leaves agents running.',
    );
  const commands = () => import('./commands/service.ts');
  host.on(
    service
      .command('install')
      .summary('install and start it')
      .description('Writes the unit and starts it, with the PATH of this shell.'),
    async (context) => (await commands()).installService(context),
  );
  host.on(
    service
      .command('uninstall')
      .summary('stop and remove it')
      .description('Stops the service and removes its unit.'),
    async (context) => (await commands()).uninstallService(context),
  );
  host.on(
    service
      .command('status')
      .summary('what the service manager says')
      .description('Exit status 5 when it does not run.'),
    async (context) => (await commands()).serviceStatus(context),
  );
  host.on<{ follow?: boolean }>(
    service
      .command('logs')
      .summary('its log')
      .description('The log, by the service manager’s own tool.')
      .option('-f, --follow', 'print new lines as they come'),
    async (context, _args, options) => (await commands()).serviceLogs(context, options),
  );
}
