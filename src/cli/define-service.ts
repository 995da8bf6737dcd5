// The commands about the service: names, flags and help.

import type { Command } from 'commander';
import { type Host, listed, wholeNumber } from './bind-command.ts';
import type { WhichService } from './commands/service.ts';

const STEERING = [
  ['start', 'start the installed service'],
  ['stop', 'stop it; it starts again with the next log-in'],
  ['restart', 'stop it and start it again (`supervisor restart` does so without a gap)'],
] as const;

const WORKER = ['--worker', 'the service of a worker (`supervisor worker`) instead'] as const;

/** Defines `service …` and `token …` on the program. */
export function defineServiceCommands(program: Command, host: Host): void {
  program.commandsGroup('Set-up:');
  defineSetup(program, host);
  defineTokenCommands(program, host);
  const service = program
    .command('service')
    .summary('the supervisor as a systemd user unit or launchd agent')
    .description(
      'Installs the supervisor as a service of this user. Stopping the service leaves agents running.',
    );
  const commands = () => import('./commands/service.ts');
  host.on(
    program
      .command('restart')
      .summary('start it again within its process, after an upgrade for instance')
      .description(
        'Has the installed version take over from the running supervisor, service or not. Agents run on; no connection is refused: sockets stay open, and callers wait for a second; a kept connection may be closed, and the call is then sent again. If it would not start, the running one stays.',
      ),
    async (context) => (await commands()).restart(context),
  );
  host.on<WhichService>(
    service
      .command('install')
      .summary('install and start it')
      .description(
        'Writes the unit and starts it, with PATH and all variables of this shell that decide which configuration and state are used. A second time it restarts the service if anything changed.',
      )
      .argument('[options...]', 'with --worker: those of `supervisor worker`, after --')
      .option(...WORKER)
      .addHelpText(
        'after',
        '\nExample:\n  supervisor service install --worker -- --connect https://supervisor.example.net --profile farm --places 4\n',
      ),
    async (context, [args], options) => (await commands()).installService(context, listed(args), options),
  );
  host.on<WhichService>(
    service
      .command('uninstall')
      .summary('stop and remove it')
      .description('Stops the service and removes its unit.')
      .option(...WORKER),
    async (context, _args, options) => (await commands()).uninstallService(context, options),
  );
  for (const [verb, summary] of STEERING)
    host.on<WhichService>(
      service
        .command(verb)
        .summary(summary)
        .description(`${summary[0]?.toUpperCase()}${summary.slice(1)}. Agents run on.`)
        .option(...WORKER),
      async (context, _args, options) => (await commands()).steerService(context, verb, options),
    );
  host.on<WhichService>(
    service
      .command('status')
      .summary('what the service manager says')
      .description('Exit status 5 when it does not run.')
      .option(...WORKER),
    async (context, _args, options) => (await commands()).serviceStatus(context, options),
  );
  host.on<WhichService & { follow?: boolean }>(
    service
      .command('logs')
      .summary('its log')
      .description('The log, by the service manager’s own tool.')
      .option('-f, --follow', 'print new lines as they come')
      .option(...WORKER),
    async (context, _args, options) => (await commands()).serviceLogs(context, options),
  );
}

function defineSetup(program: Command, host: Host): void {
  host.on<{ yes?: boolean; depth?: number; service?: boolean; trust?: boolean }>(
    program
      .command('setup')
      .summary('find repositories, write supervisor.toml, offer the service')
      .description(
        'Finds the repositories below the folders, asks which to serve, and adds them to supervisor.toml. Run again, it adds only what is new; nothing in the file is changed.',
      )
      .argument('[folders...]', 'where your repositories are; default: here')
      .option('-y, --yes', 'serve all that is found, ask nothing')
      .option('--depth <levels>', 'how deep to search', wholeNumber(0))
      .option('--service', 'install the service, too')
      .option('--no-service', 'do not install the service')
      .option('--no-trust', 'commands that the repositories choose do not run'),
    async (context, [folders], options) =>
      (await import('./commands/setup.ts')).setup(context, listed(folders), options),
  );
}

function defineTokenCommands(program: Command, host: Host): void {
  const token = program
    .command('token')
    .summary('tokens of programs that call the API')
    .description(
      'Tokens that outlive a restart of the supervisor. They work over TCP; the socket needs none. A running supervisor notices changes at once.',
    );
  const commands = () => import('./commands/token.ts');
  host.on<{ scope: string }>(
    token
      .command('create')
      .summary('create a token and print it, this once')
      .description(
        'Prints the new token. Only its hash is stored: it is not shown again. operator: everything. worker: reads, claims tasks and reports on them. read-only: reads.',
      )
      .argument('<name>', 'what uses it, for example n8n')
      .option(
        '--scope <scope>',
        'operator, worker, read-only, or remote: for `supervisor worker` on another machine',
        'worker',
      ),
    async (context, [name = ''], options) => (await commands()).createToken(context, name, options),
  );
  host.on(
    token
      .command('list')
      .summary('names, scopes and when each was used last')
      .description('The tokens there are. The tokens themselves are not stored.'),
    async (context) => (await commands()).listTokens(context),
  );
  host.on(
    token
      .command('revoke')
      .summary('take a token away')
      .description('A running supervisor refuses it from the next request on.')
      .argument('<name>', 'the name it was created with'),
    async (context, [name = '']) => (await commands()).revokeToken(context, name),
  );
}
