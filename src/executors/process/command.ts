// Runs a command of the profile, or the task's own `exec`, in the worktree. The output is the log; the exit status is
// the result. Knows only how a command is to be stopped.

import { join, resolve } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { messageOf } from '../../domain/errors.ts';
import type { Deferred, Outcome } from '../../domain/outcome.ts';
import { fillPlaceholders, placeholdersIn } from '../../domain/placeholder.ts';
import type { CommandProfile } from '../../domain/profile.ts';
import type { Clock } from '../../platform/clock.ts';
import { redact } from '../../platform/log.ts';
import { appendText } from '../../platform/regular-file.ts';
import type { Assignment, Executor, RunControl } from '../executor.ts';
import { placeholderValue } from '../placeholder-values.ts';
import { stoppedOutcome } from '../stopped.ts';
import { agentEnvironment } from './environment/environment.ts';
import { lacksProgram } from './environment/find-program.ts';
import { describeStatus, vanishedOutcome } from './lifecycle/exit-text.ts';
import { asItSaid } from './lifecycle/last-word.ts';
import { patience } from './lifecycle/patience.ts';
import { readInPlace } from './lifecycle/run-folder.ts';
import type { Exit, ProcessMeans, Subprocesses, Watch } from './lifecycle/subprocess.ts';
import { followLines, sizeOf, tailOf } from './output/tail.ts';
import { writePrompt } from './prompt.ts';
import { shellScript } from './shell-script.ts';

/** Signals that stop a command, from polite to hard. */
const LADDER = ['SIGTERM', 'SIGKILL'] as const;
const TAIL_BYTES = 16 * 1024;
/** A summary is one line of the graph's log. */
const SUMMARY_CHARS = 500;
const MESSAGE_CHARS = 1_500;

const NO_OUTPUT = { word: null, tail: '' } as const;

/** The file with everything that a command prints. */
export function outputLog(assignment: Pick<Assignment, 'folder'>): string {
  return join(assignment.folder, 'output.log');
}

/** The executor of `type = "command"`. */
export function createCommandExecutor(means: ProcessMeans, subprocesses: Subprocesses): Executor {
  return {
    type: 'command',
    recover: (run) => subprocesses.recover(run),
    async lacks(profile, place) {
      if (profile.type !== 'command' || profile.command === null) return null;
      const [program = ''] = profile.command;
      const folder = resolve(place.worktree, profile.cwd ?? '.');
      return await lacksProgram(program, profile, { ...place, worktree: folder });
    },
    async begin(assignment, control) {
      const { profile } = assignment;
      if (profile.type !== 'command') throw new Error(`profile ${profile.name} is no command profile`);
      const argv = commandLine(assignment, profile);
      if (argv === null) return { kind: 'ended', outcome: noCommand(assignment) };
      const environment = agentEnvironment(means.variables, assignment);
      if (environment.kind === 'deferred') return { kind: 'ended', outcome: environment.outcome };
      if (usesPrompt(profile)) {
        const unwritten = await writePrompt(assignment, means.clock.now());
        if (unwritten) return { kind: 'ended', outcome: unwritten };
      }
      const output = outputLog(assignment);
      const begun = await subprocesses.launch(
        assignment,
        {
          argv,
          cwd: resolve(assignment.worktree.path, profile.cwd ?? '.'),
          environment: environment.variables,
          stdin: null,
          stdout: output,
          stderr: output,
        },
        control,
      );
      if (begun.kind === 'running') await noteForWg(assignment, means.clock.now(), control);
      return begun;
    },
    async attend(assignment, handle, control) {
      const watch = watchOutput(assignment, control, means.clock);
      const exit = await subprocesses.attend(assignment, handle, control, watch);
      const output = await readInPlace(
        () => assignment.folder,
        async () => ({
          word: await watch.lastWord(),
          tail: await tailOf(outputLog(assignment), TAIL_BYTES),
        }),
      );
      if (output === 'away' && exit.kind === 'exited' && handle.adopted) return stoppedOutcome('detached');
      const { word, tail } = output === 'away' ? NO_OUTPUT : output;
      const said = asItSaid(exit, word === null ? null : 'well');
      // Output after the end line is about how it was stopped.
      return commandOutcome(said, said === exit || word === null ? tail : word);
    },
  };
}

/** The argv to run, or null if neither the profile nor the task has a command. */
function commandLine(assignment: Assignment, profile: CommandProfile): [string, ...string[]] | null {
  const value = placeholderValue(assignment);
  if (profile.command !== null) {
    const [program, ...args] = profile.command.map((part) =>
      fillPlaceholders(part, value).replaceAll('\0', ''),
    );
    return program === undefined ? null : [program, ...args];
  }
  if (profile.shell !== null) {
    const script = shellScript(profile.shell, value);
    return ['/bin/sh', '-c', script.text, 'supervisor-shell', ...script.values];
  }
  const exec = assignment.task.exec?.replaceAll('\0', '');
  return exec === undefined || exec.trim() === '' ? null : ['/bin/sh', '-c', exec, 'supervisor-exec'];
}

/** Whether it is given the file with the prompt that agents get. */
function usesPrompt({ command, shell }: CommandProfile): boolean {
  return [...(command ?? []), shell ?? ''].some((text) => placeholdersIn(text).includes('prompt.file'));
}

function noCommand({ task, profile }: Assignment): Deferred {
  return {
    kind: 'deferred',
    code: 'no-command',
    because:
      `profile ${profile.name} has neither \`command\` nor \`shell\` and task ${task.id} has no \`exec\`: ` +
      'give one of them, or route the task to another executor',
    scope: 'task',
  };
}

/** wg stops agents that printed nothing for five minutes, unless their stream says that they have begun. */
async function noteForWg(assignment: Assignment, now: number, control: RunControl): Promise<void> {
  const init = { type: 'init', executor_type: 'command', timestamp_ms: now };
  try {
    await appendText(join(assignment.folder, 'stream.jsonl'), `${JSON.stringify(init)}\n`);
  } catch (thrown) {
    // The command is running already; a note for another program is no reason to fail it.
    control.progress(`stream.jsonl could not be written: ${messageOf(thrown)}`);
  }
}

interface CommandWatch extends Watch {
  /** The output line that contains the profile's `end_line`; null: there was none. */
  lastWord(): Promise<string | null>;
}

function watchOutput(assignment: Assignment, control: RunControl, clock: Clock): CommandWatch {
  const { profile } = assignment;
  const { endLine = null, endGraceMs = 0 } = profile.type === 'command' ? profile : {};
  const leaving = patience(endGraceMs);
  let seen = 0;
  let word: string | null = null;
  const lines = followLines(
    () => outputLog(assignment),
    (line) => {
      if (endLine !== null && line.includes(endLine)) word = line;
    },
  );
  return {
    ladder: LADDER,
    async look() {
      const path = outputLog(assignment);
      const size = await sizeOf(path);
      if (size !== seen) {
        seen = size;
        if (endLine !== null) await lines.read();
        const line = lastLine(await tailOf(path, 4_096));
        if (line !== null) control.progress(line.slice(0, 200));
      }
      return leaving.isOver(word !== null, clock.now()) ? 'end' : 'go-on';
    },
    async lastWord() {
      if (endLine !== null) await lines.finish();
      return word;
    },
  };
}

/** The lines at the end of an output, without terminal codes, secrets or empty ones. */
function linesOf(tail: string): string[] {
  return redact(stripVTControlCharacters(tail))
    .split(/\r?\n|\r/)
    .map((line) => line.trimEnd())
    .filter((line) => line.trim() !== '');
}

function lastLine(tail: string): string | null {
  return linesOf(tail).at(-1)?.trim() ?? null;
}

/** The outcome of a command: status 0 is success, its last output line the summary. */
export function commandOutcome(exit: Exit, tail: string): Outcome {
  switch (exit.kind) {
    case 'stopped':
      return stoppedOutcome(exit.reason);
    case 'exited': {
      const last = lastLine(tail);
      if (exit.code === 0)
        return { kind: 'succeeded', ...(last === null ? {} : { summary: last.slice(0, SUMMARY_CHARS) }) };
      return {
        kind: 'failed',
        failure: 'exit',
        message: `${describeStatus(exit.code)}${saying(linesOf(tail))}`,
        retryable: true,
        exitCode: exit.code,
      };
    }
    case 'ended':
    case 'vanished':
      return vanishedOutcome();
  }
}

function saying(lines: readonly string[]): string {
  if (lines.length === 0) return ', no output';
  return `: ${lines.slice(-10).join('\n').slice(-MESSAGE_CHARS)}`;
}
