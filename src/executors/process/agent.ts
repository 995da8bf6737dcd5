// Runs an agent CLI without a terminal: prompt on standard input, events out as JSON lines, followed while they grow.
// The adapter knows which CLI it is and what its lines mean.

import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import type { RunId } from '../../domain/ids.ts';
import { lessUsage } from '../../domain/outcome.ts';
import { type AgentProfile, isAgentProfile } from '../../domain/profile.ts';
import { redact } from '../../platform/log.ts';
import type { Assignment, Executor, RunControl } from '../executor.ts';
import { promptFile } from '../placeholder-values.ts';
import { stoppedOutcome } from '../stopped.ts';
import type { AgentCli, AgentFacts } from './clis/agent-cli.ts';
import { usedIn } from './clis/agent-report.ts';
import { agentEnvironment } from './environment/environment.ts';
import { lacksProgram } from './environment/find-program.ts';
import { LoginBook } from './environment/login-book.ts';
import { asItSaid } from './lifecycle/last-word.ts';
import { patience } from './lifecycle/patience.ts';
import { readInPlace } from './lifecycle/run-folder.ts';
import type { ProcessMeans, Subprocesses, Watch } from './lifecycle/subprocess.ts';
import { followLines, tailOf } from './output/tail.ts';
import { writePrompt } from './prompt.ts';

const STDERR_BYTES = 8 * 1024;
/** How long a CLI may wait for its provider: some would wait for ever, and keep their slot all the while. */
const PROVIDER_PATIENCE_MS = 3 * 60_000;
/** How often what a running agent used is written down: budgets count it. */
const USE_NOTED_MS = 1_000;

/** The executor of an agent CLI's type. */
export function createAgentExecutor<F extends AgentFacts>(
  cli: AgentCli<F>,
  means: ProcessMeans,
  subprocesses: Subprocesses,
  logins: Pick<LoginBook, 'lacks'> = new LoginBook(means.clock, means.variables),
): Executor {
  const profileOf = ({ profile }: Assignment): AgentProfile => {
    if (isAgentProfile(profile)) return profile;
    throw new Error(`profile ${profile.name} is no profile of an agent`);
  };

  return {
    type: cli.type,
    recover: (run) => subprocesses.recover(run),
    async lacks(profile, place) {
      if (!isAgentProfile(profile)) return null;
      const missing = await lacksProgram(profile.command, profile, place);
      return missing ?? (await logins.lacks(profile, place, cli.environment));
    },
    async begin(assignment, control) {
      const { folder, task, projectModel = null } = assignment;
      const profile = profileOf(assignment);
      const environment = agentEnvironment(means.variables, assignment, cli.environment);
      if (environment.kind === 'deferred') return { kind: 'ended', outcome: environment.outcome };
      const unwritten = await writePrompt(assignment, means.clock.now());
      if (unwritten) return { kind: 'ended', outcome: unwritten };
      // An untrusted task must not choose which conversation continues.
      const resume = profile.untrusted ? null : sessionToResume(assignment, cli);
      const session = resume ?? sessionOf(assignment.run);
      const begun = await subprocesses.launch(
        assignment,
        {
          argv: cli.commandLine({ task, profile, projectModel, session, resumed: resume !== null }),
          cwd: assignment.worktree.path,
          environment: environment.variables,
          stdin: promptFile(assignment),
          stdout: join(folder, 'raw_stream.jsonl'),
          stderr: join(folder, 'output.log'),
        },
        control,
      );
      if (begun.kind === 'running' && (cli.takesSession || resume !== null)) control.note({ session });
      return begun;
    },

    async attend(assignment, handle, control) {
      // Looked up each time: a worktree may be moved while its agent runs.
      const at = (name: string) => () => join(assignment.folder, name);
      const profile = profileOf(assignment);
      const stream = readStream(countingAlone(cli, assignment), at, control);
      const watch = watchAgent(cli, stream, profile, control, means);
      const exit = await subprocesses.attend(assignment, handle, control, watch);
      const errors = await readInPlace(
        () => assignment.folder,
        async () => {
          await stream.finish();
          return await tailOf(at('output.log')(), STDERR_BYTES);
        },
      );
      const facts = stream.facts();
      // Its output is out of reach, so its result is unknown, unless it was read before.
      if (errors === 'away' && exit.kind === 'exited' && facts.lastWord === null)
        return stoppedOutcome('detached');
      const { model, usage } = facts;
      control.note({ ...(model === null ? {} : { model }), ...usedIn(usage) });
      const stderr = redact(stripVTControlCharacters(errors === 'away' ? '' : errors));
      return cli.outcome({
        exit: asItSaid(exit, facts.lastWord),
        facts,
        stderr,
        profile,
        now: means.clock.now(),
      });
    },
  };
}

/** The session id of a run: a new one for each, since CLIs refuse an id that was used before. */
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

/** The session that the task carries, unless the last attempt failed because the CLI does not know it (any more). */
function sessionToResume<F extends AgentFacts>(
  { resumeSession, previousFailure }: Assignment,
  cli: AgentCli<F>,
): string | null {
  if (resumeSession === null) return null;
  return previousFailure !== null && cli.isUnknownSession(previousFailure, resumeSession)
    ? null
    : resumeSession;
}

/** A CLI that counts a whole session, reduced to what the run adds to it. */
function countingAlone<F extends AgentFacts>(cli: AgentCli<F>, { sessionUsage }: Assignment): AgentCli<F> {
  if (cli.countsSession !== true || sessionUsage === undefined) return cli;
  return {
    ...cli,
    read(facts, line) {
      const next = cli.read(facts, line);
      return next.usage === facts.usage ? next : { ...next, usage: lessUsage(next.usage, sessionUsage) };
    },
  };
}

interface Stream<F> {
  facts(): F;
  /** Reads new output; true if there was any. */
  read(): Promise<boolean>;
  /** Notes what was used so far, where that is more than was noted. */
  noteUse(): void;
  /** Later output is ignored: it was stopped, and has nothing to add. */
  close(): void;
  finish(): Promise<void>;
}

function readStream<F extends AgentFacts>(
  cli: AgentCli<F>,
  at: (name: string) => () => string,
  control: RunControl,
): Stream<F> {
  let facts = cli.nothing;
  let noted: string | null = null;
  let used = facts.usage;
  let isClosed = false;
  const take = (read: ((facts: F, line: string) => F) | undefined, line: string) => {
    if (isClosed || read === undefined) return;
    const before = facts;
    facts = read(facts, line);
    if (facts.session !== null && facts.session !== noted) {
      noted = facts.session;
      control.note({ session: facts.session });
    }
    if (facts.doing !== null && facts.doing !== before.doing) control.progress(redact(facts.doing));
    // Tokens are counted once the model has answered, not when the CLI has merely started.
    if ((before.usage.outputTokens ?? 0) === 0 && (facts.usage.outputTokens ?? 0) > 0) control.works?.();
  };
  const output = followLines(at('raw_stream.jsonl'), (line) => take(cli.read, line));
  const errors = followLines(at('output.log'), (line) => take(cli.readError, line));
  return {
    facts: () => facts,
    async read() {
      const grown = await output.read();
      return (await errors.read()) || grown;
    },
    noteUse() {
      if (facts.usage === used) return;
      used = facts.usage;
      control.note(usedIn(used));
    },
    close() {
      isClosed = true;
    },
    async finish() {
      await output.finish();
      await errors.finish();
    },
  };
}

function watchAgent<F extends AgentFacts>(
  cli: AgentCli<F>,
  stream: Stream<F>,
  { silenceTimeoutMs: silenceMs, endGraceMs }: AgentProfile,
  control: RunControl,
  { clock }: ProcessMeans,
): Watch {
  let heardAt = clock.now();
  let lookedAt = heardAt;
  let usedAt = heardAt;
  const leaving = patience(endGraceMs);
  const waiting = patience(PROVIDER_PATIENCE_MS);
  return {
    ladder: cli.ladder,
    async look() {
      const now = clock.now();
      // The machine or this process was suspended: no output could be observed.
      if (now - lookedAt > 10_000) {
        heardAt += now - lookedAt;
        leaving.shift(now - lookedAt);
        waiting.shift(now - lookedAt);
      }
      lookedAt = now;
      if (await stream.read()) heardAt = now;
      if (now - usedAt >= USE_NOTED_MS || now < usedAt) {
        usedAt = now;
        stream.noteUse();
      }
      if (leaving.isOver(stream.facts().lastWord !== null, now)) {
        stream.close();
        control.progress('it has finished and does not leave; ending its processes');
        return 'end';
      }
      if (waiting.isOver(cli.isWaiting?.(stream.facts()) ?? false, now)) {
        control.progress('the provider does not answer; ending the run');
        return 'end';
      }
      if (cli.isHopeless?.(stream.facts()) ?? false) {
        control.progress('the provider refuses this account; ending the run');
        return 'end';
      }
      return silenceMs > 0 && now - heardAt > silenceMs ? 'silent' : 'go-on';
    },
  };
}
