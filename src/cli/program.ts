// The command line as a whole: global options, the layout of help and errors, and all exit statuses.

import { Command, CommanderError } from 'commander';
import { nearest } from '../domain/nearest.ts';
import { VERSION } from '../version.ts';
import { createHost } from './bind-command.ts';
import type { ProcessIo } from './context.ts';
import { defineSupervisorCommands } from './define-running.ts';
import { defineRunCommands } from './define-runs.ts';
import { defineServiceCommands } from './define-service.ts';
import { defineShellCommands } from './define-shell.ts';
import { defineTaskCommands } from './define-tasks.ts';
import { EXIT_USAGE, explainFailure } from './exit-status.ts';
import { plain } from './render/plain.ts';

/** Runs one command line and returns its exit status. Never rejects. */
export async function runCommandLine(argv: readonly string[], around: ProcessIo): Promise<number> {
  let status = 0;
  const program = createProgram(around, (given) => {
    status = given;
  });
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return status;
  } catch (thrown) {
    // commander has printed everything; a missing command shows the help and is wrong usage, too.
    if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? 0 : EXIT_USAGE;
    const failure = explainFailure(thrown, Boolean(around.environment.variables.SUPERVISOR_DEBUG));
    around.stderr.write(failure.text);
    return failure.status;
  }
}

/** Every command with its help. */
export function createProgram(around: ProcessIo, finish: (status: number) => void): Command {
  const program = new Command('supervisor');
  program
    .exitOverride()
    .configureOutput({
      writeOut: (text) => around.stdout.write(text),
      writeErr: (text) => around.stderr.write(text),
      outputError: (text, write) => write(usageSentence(text)),
      getOutHelpWidth: () => helpWidth(around.stdout.columns),
      getErrHelpWidth: () => helpWidth(around.stderr.columns),
      // The help has no colours of its own, so nothing is stripped or kept by guessing.
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .configureHelp({ showGlobalOptions: true })
    .description(
      'One supervisor per machine for wg task graphs: sends each ready task to the executor it names.',
    )
    .version(VERSION, '-V, --version', 'print the version')
    .option('--config <file>', 'the supervisor.toml to use')
    .option('--state-dir <dir>', 'the folder for ledger, tokens and socket')
    .option('--json', 'print JSON')
    .option('--no-color', 'print no colours')
    .helpOption('-h, --help', 'print help')
    .addHelpText(
      'after',
      `
Exit status: 0 done, 1 the work failed, 2 usage, 3 configuration, 4 already running, 5 not running, 6 graph or
worktree, 7 executor unavailable, 8 not found or ambiguous, 9 service manager, 70 a bug, 124 wait timed out.
`,
    );
  const host = createHost(around, finish);
  defineSupervisorCommands(program, host);
  defineServiceCommands(program, host);
  defineShellCommands(program, host);
  defineTaskCommands(program, host);
  defineRunCommands(program, host);
  program.helpCommand('help [command]', 'help for a command').commandsGroup('');
  return program;
}

/** commander's error text in the form of all our errors: one sentence that contains the next step. */
export function usageSentence(text: string): string {
  const suggestion = near(/'(.+?)'/s.exec(text)?.[1], /\(Did you mean (.+?)\?\)/s.exec(text)?.[1]);
  const sentence = plain(text.replace(/\(Did you mean .+?\?\)/s, ''))
    .replace(/^error: /, '')
    .replace(/\.$/, '');
  const step =
    suggestion === null ? '`supervisor --help` lists what there is' : `did you mean ${plain(suggestion)}?`;
  return `supervisor: ${sentence}; ${step}\n`;
}

/** commander suggests words that have little in common; null where none is near. */
function near(word: string | undefined, suggested: string | undefined): string | null {
  if (word === undefined || suggested === undefined) return null;
  return nearest(word, suggested.replace(/^one of /, '').split(', '));
}

function helpWidth(columns: number | undefined): number {
  return Math.max(40, Math.min(columns ?? 80, 120));
}
