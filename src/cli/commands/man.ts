// `supervisor man`: the manual page, made from the commands themselves so that it cannot be out of date.

import type { Command, Help } from 'commander';
import { VERSION } from '../../version.ts';
import { visible } from '../complete/candidates.ts';
import type { Context } from '../context.ts';

/** Prints the page as roff: `supervisor man | man -l -`. */
export async function man(context: Context, program: Command): Promise<number> {
  context.out(manPage(program));
  return 0;
}

/** The page, for man(1). */
export function manPage(program: Command): string {
  const help = program.createHelp();
  return [
    `.TH SUPERVISOR 1 "" "workgraph-supervisor ${VERSION}"`,
    '.SH NAME',
    `supervisor \\- ${roff(program.description())}`,
    '.SH SYNOPSIS',
    '.B supervisor',
    '[\\fIoptions\\fR] \\fIcommand\\fR',
    '.SH OPTIONS',
    ...optionLines(program, help),
    '.SH COMMANDS',
    ...visible(program).flatMap((command) => commandLines(command, help)),
    '.SH EXIT STATUS',
    '0 done, 1 the work failed, 2 usage, 3 configuration, 4 already running, 5 not running, 6 graph or worktree, 7 executor unavailable, 8 not found or ambiguous, 9 service manager, 70 a bug, 124 wait timed out.',
    '.SH FILES',
    '.TP',
    '\\fI~/.config/workgraph\\-supervisor/supervisor.toml\\fR',
    'The configuration; \\fBsupervisor config path\\fR says where it is looked for.',
    '.SH SEE ALSO',
    '.BR wg (1)',
    '',
  ].join('\n');
}

function commandLines(command: Command, help: Help): string[] {
  const below = visible(command);
  const lines = [
    `.SS ${roff(`supervisor ${pathOf(command)}`)} ${roff(
      help
        .commandUsage(command)
        .split(' ')
        .slice(pathOf(command).split(' ').length + 1)
        .join(' '),
    )}`,
    roff(command.description() || command.summary()),
    ...optionLines(command, help),
  ];
  return [
    ...lines,
    ...below.filter((each) => each.name() !== 'help').flatMap((each) => commandLines(each, help)),
  ];
}

function pathOf(command: Command): string {
  const names: string[] = [];
  for (let at = command; at.parent !== null; at = at.parent) names.unshift(at.name());
  return names.join(' ');
}

function optionLines(command: Command, help: Help): string[] {
  return help
    .visibleOptions(command)
    .filter((option) => command.parent === null || option.long !== '--help')
    .flatMap((option) => ['.TP', `\\fB${roff(option.flags)}\\fR`, roff(help.optionDescription(option))]);
}

/** Text that roff shows as it is. */
function roff(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll('`', '\\(ga')
    .replace(/\s*\n\s*/g, ' ')
    .replace(
      /[^\0-~]/gu,
      (char) => `\\[u${(char.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}]`,
    )
    .replace(/^([.'])/, '\\&$1');
}
