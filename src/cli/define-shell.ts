// Commands of the set-up that are about one's repositories and shell.

import { Argument, type Command } from 'commander';
import { examples, type Host, listed } from './bind-command.ts';
import { SHELLS, type Shell } from './complete/scripts.ts';

/** Defines them on the program. */
export function defineShellCommands(program: Command, host: Host): void {
  program.commandsGroup('Set-up:');
  defineRepoCommands(program, host);
  host.on(
    program
      .command('completion')
      .summary('the completion script of a shell')
      .description('Prints the script that completes commands, flags and task ids in a shell.')
      .addArgument(new Argument('<shell>', 'which shell').choices(SHELLS))
      .addHelpText(
        'after',
        examples('source <(supervisor completion bash)', 'supervisor completion fish | source'),
      ),
    async (context, [shell]) =>
      (await import('./commands/completion.ts')).completion(context, shell as Shell),
  );
  host.on(
    program
      .command('man')
      .summary('the manual page')
      .description('Prints the manual page of all commands.')
      .addHelpText('after', examples('supervisor man | man -l -')),
    async (context) => (await import('./commands/man.ts')).man(context, program),
  );
  host.on(
    program.command('__complete', { hidden: true }).argument('<shell>').argument('[words...]'),
    async (context, [shell = '', words]) =>
      (await import('./commands/completion.ts')).complete(context, program, shell, listed(words)),
  );
}

function defineRepoCommands(program: Command, host: Host): void {
  const commands = () => import('./commands/repos.ts');
  const repos = program
    .command('repos')
    .summary('which repositories are served')
    .description('Lists the repositories that are served, and the setting that says so.')
    .addHelpText('after', examples('supervisor repos add', 'supervisor repos remove ~/src/shop'));
  host.on(repos, async (context) => (await commands()).listRepos(context));
  host.on(repos.command('list').description('The same.'), async (context) =>
    (await commands()).listRepos(context),
  );
  host.on<{ trust?: boolean }>(
    repos
      .command('add')
      .summary('serve a repository')
      .description('Adds repositories to supervisor.toml. A running supervisor serves them at once.')
      .argument('[folders...]', 'their folders (default: the current one)')
      .option('--no-trust', 'what their content chooses does not run'),
    async (context, [folders], options) =>
      (await commands()).addRepositories(context, listed(folders), options),
  );
  host.on(
    repos
      .command('remove')
      .alias('rm')
      .summary('no longer serve a repository')
      .description('Takes repositories out of supervisor.toml. Their graphs stay as they are.')
      .argument('<folders...>', 'their folders'),
    async (context, [folders]) => (await commands()).removeRepositories(context, listed(folders)),
  );
}
