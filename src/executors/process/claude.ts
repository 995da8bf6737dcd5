// Runs the Claude CLI without a terminal: prompt on standard input, stream-json out, followed while it grows. How the
// stream is judged is claude-outcome.ts.

import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { messageOf } from '../../domain/errors.ts';
import type { RunId } from '../../domain/ids.ts';
import { modelOfTask } from '../../domain/model-route.ts';
import type { ClaudeProfile } from '../../domain/profile.ts';
import { redact } from '../../seams/log.ts';
import { writeText } from '../../seams/regular-file.ts';
import type { Assignment, Begun, Executor, RunControl } from '../executor.ts';
import { claudeOutcome, isHopeless } from './claude-outcome.ts';
import { type ClaudeFacts, NO_FACTS, readClaudeLine } from './claude-stream.ts';
import { agentEnvironment } from './environment.ts';
import { renderPrompt } from './prompt.ts';
import type { ProcessMeans, Subprocesses, Watch } from './subprocess.ts';
import { followLines, sizeOf, tailOf } from './tail.ts';

/** SIGINT first: only on that does the CLI end its tools, which live in sessions of their own. */
const LADDER = ['SIGINT', 'SIGTERM', 'SIGKILL'] as const;
const STDERR_BYTES = 8 * 1024;

/** Tools that would take work away from under the supervisor; wg forbids the same ones. */
const FORBIDDEN_TOOLS = 'Agent,EnterWorktree,ExitWorktree';

/** The executor of `type = "claude"`. */
export function createClaudeExecutor(means: ProcessMeans, subprocesses: Subprocesses): Executor {
  return {
    type: 'claude',
    recover: (run) => subprocesses.recover(run),
    async begin(assignment, control) {
      const { profile, folder } = assignment;
      if (profile.type !== 'claude') throw new Error(`profile ${profile.name} is no claude profile`);
      const environment = agentEnvironment(means.variables, assignment, {});
      if (environment.kind === 'deferred') return { kind: 'ended', outcome: environment.outcome };
      const prompt = join(folder, 'prompt.txt');
      try {
        await writeText(prompt, renderPrompt(assignment));
      } catch (thrown) {
        return cannotWrite(prompt, thrown, means.clock.now());
      }
      const resume = sessionToResume(assignment);
      const session = resume ?? sessionOf(assignment.run);
      const begun = await subprocesses.launch(
        assignment,
        {
          argv: claudeCommandLine(assignment, profile, session, resume !== null),
          cwd: assignment.worktree.path,
          environment: environment.variables,
          stdin: prompt,
          stdout: join(folder, 'raw_stream.jsonl'),
          stderr: join(folder, 'output.log'),
        },
        control,
      );
      if (begun.kind === 'running') control.note({ session });
      return begun;
    },

    async attend(assignment, handle, control) {
      const { folder, profile } = assignment;
      const silenceMs = profile.type === 'claude' ? profile.silenceTimeoutMs : 0;
      const stream = readStream(join(folder, 'raw_stream.jsonl'), control);
      const watch = watchClaude(stream, join(folder, 'output.log'), silenceMs, control, means);
      const exit = await subprocesses.attend(assignment, handle, control, watch);
      await stream.finish();
      const stderr = redact(await tailOf(join(folder, 'output.log'), STDERR_BYTES));
      return claudeOutcome(exit, stream.facts(), stderr, profile, means.clock.now());
    },
  };
}

function cannotWrite(path: string, thrown: unknown, now: number): Begun {
  const because = `the prompt could not be written to ${path}: ${messageOf(thrown)}`;
  return {
    kind: 'ended',
    outcome: { kind: 'deferred', code: 'executor-unavailable', because, until: now + 60_000, scope: 'task' },
  };
}

/** The session id of a run: one of its own for each, since the CLI refuses an id that was used before. */
export function sessionOf(run: RunId): string {
  const hex = createHash('sha256').update(run).digest('hex');
  const variant = ((Number.parseInt(hex.charAt(16), 16) & 0x3) | 0x8).toString(16);
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `4${hex.slice(13, 16)}`,
    variant + hex.slice(17, 20),
    hex.slice(20, 32),
  ].join('-');
}

/** The session that the task carries, unless the last attempt failed because Claude does not know it (any more). */
function sessionToResume({ resumeSession, previousFailure }: Assignment): string | null {
  if (resumeSession === null) return null;
  return previousFailure?.includes(`No conversation found with session ID: ${resumeSession}`)
    ? null
    : resumeSession;
}

/** The CLI's command line (wg-rules 7.2), by the task's exec_mode: full unless it says light or bare. */
export function claudeCommandLine(
  { task, projectModel }: Pick<Assignment, 'task' | 'projectModel'>,
  profile: ClaudeProfile,
  session: string,
  resumed: boolean,
): [string, ...string[]] {
  const model = modelOfTask(task.model) ?? modelOfTask(profile.model ?? projectModel ?? undefined);
  return [
    profile.command,
    ...[
      '--print',
      '--verbose',
      '--permission-mode',
      profile.permissionMode,
      '--output-format',
      'stream-json',
    ],
    ...toolOptions(task.execMode),
    '--disable-slash-commands',
    ...(model ? ['--model', model] : []),
    ...(resumed ? ['--resume', session] : ['--session-id', session]),
    ...profile.args,
  ];
}

function toolOptions(mode: string | undefined): readonly string[] {
  const reporting = 'Bash(wg:*),Bash(supervisor:*)';
  if (mode === 'bare') return ['--tools', 'Bash', '--allowedTools', reporting];
  if (mode !== 'light') return ['--disallowedTools', FORBIDDEN_TOOLS];
  return [
    ...['--allowedTools', `${reporting},Read,Glob,Grep,WebFetch,WebSearch`],
    ...['--disallowedTools', `Edit,Write,NotebookEdit,${FORBIDDEN_TOOLS}`],
  ];
}

interface Stream {
  facts(): ClaudeFacts;
  /** Takes in what is new; true when there was something. */
  read(): Promise<boolean>;
  finish(): Promise<void>;
}

function readStream(path: string, control: RunControl): Stream {
  let facts = NO_FACTS;
  let noted: string | null = null;
  const follower = followLines(path, (line) => {
    const before = facts;
    facts = readClaudeLine(facts, line);
    if (facts.session !== null && facts.session !== noted) {
      noted = facts.session;
      control.note({ session: facts.session });
    }
    if (facts.doing !== null && facts.doing !== before.doing) control.progress(redact(facts.doing));
    // Tokens are counted when the model has answered, not when the CLI has merely begun.
    if ((before.usage.outputTokens ?? 0) === 0 && (facts.usage.outputTokens ?? 0) > 0) control.works?.();
  });
  return { facts: () => facts, ...follower };
}

function watchClaude(
  stream: Stream,
  errors: string,
  silenceMs: number,
  control: RunControl,
  { clock }: ProcessMeans,
): Watch {
  let heardAt = clock.now();
  let lookedAt = heardAt;
  let errorBytes = 0;
  return {
    ladder: LADDER,
    async look() {
      const now = clock.now();
      // The machine slept, or we did: nobody was there to hear anything.
      if (now - lookedAt > 10_000) heardAt += now - lookedAt;
      lookedAt = now;
      const grown = await stream.read();
      const size = await sizeOf(errors);
      if (grown || size !== errorBytes) heardAt = now;
      errorBytes = size;
      if (isHopeless(stream.facts())) {
        control.progress('the provider refuses this account; ending the run');
        return 'end';
      }
      return silenceMs > 0 && now - heardAt > silenceMs ? 'silent' : 'go-on';
    },
  };
}
