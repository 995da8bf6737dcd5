// The commands around the shell: completion and the manual page.

import { Argument, type Command } from 'commander';
import { examples, type Host, listed } from './bind-command.ts';
import { SHELLS, type Shell } from './complete/scripts.ts';

/** Defines them on the program. */
export function defineShellCommands(program: Command, host: Host): void {
  program.commandsGroup('Set-up:');
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
