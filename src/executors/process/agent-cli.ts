// What an adapter of an agent CLI has to know: how the CLI is called, what a line of its output tells, and what came of
// a run. Everything else about running one is the shared executor's (agent.ts).

import type { AgentType } from '../../domain/agent-cli.ts';
import { modelOfTask } from '../../domain/model-route.ts';
import type { Outcome, Usage } from '../../domain/outcome.ts';
import type { AgentProfile } from '../../domain/profile.ts';
import type { Assignment } from '../executor.ts';
import type { Exit } from './subprocess.ts';

/** What every adapter folds its lines into; an adapter's own facts are these and more. */
export interface AgentFacts {
  readonly session: string | null;
  readonly model: string | null;
  /** One short line on what it is doing. */
  readonly doing: string | null;
  readonly usage: Usage;
  /** That it has finished, and how; null while it has not said so. What it does after that is no work any more. */
  readonly lastWord: 'well' | 'badly' | null;
}

/** One call of a CLI. */
export interface AgentCall {
  readonly task: Assignment['task'];
  readonly profile: AgentProfile;
  /** The project's, where neither task nor profile names one. */
  readonly projectModel?: string | null;
  /** The session to take up again, or what a new one is to be called where the CLI lets us choose. */
  readonly session: string;
  readonly resumed: boolean;
}

/** How a run ended, and what is known of it. */
export interface AgentEnd<F> {
  readonly exit: Exit;
  readonly facts: F;
  /** The end of what it printed to standard error, without secrets. */
  readonly stderr: string;
  readonly profile: AgentProfile;
  /** ms since the epoch. */
  readonly now: number;
}

export interface AgentCli<F extends AgentFacts> {
  readonly type: AgentType;
  /** Signals that end it, from polite to hard. */
  readonly ladder: readonly NodeJS.Signals[];
  /** Whether a new session takes the id that we give it. */
  readonly takesSession: boolean;
  /** Set for it unless the profile says otherwise. */
  readonly environment?: Readonly<Record<string, string>>;
  /** What is known before the first line. */
  readonly nothing: F;
  /** The prompt comes on standard input. */
  commandLine(call: AgentCall): [string, ...string[]];
  /** The facts after one more line. A line that it does not understand changes nothing. */
  read(facts: F, line: string): F;
  /** The same for a line of standard error, where that tells something. */
  readError?(facts: F, line: string): F;
  /** It waits for what will not come: a wrong key does not get better. */
  isHopeless?(facts: F): boolean;
  /** Its provider did not answer the last request, and it will ask again, where nothing but our patience ends that. */
  isWaiting?(facts: F): boolean;
  /** Whether an earlier attempt failed because the CLI does not know this session (any more). */
  isUnknownSession(failure: string, session: string): boolean;
  outcome(end: AgentEnd<F>): Outcome;
}

/** The model of a call, without the name of a system before it (`claude:opus`, `pi:…`); null: the program's own. */
export function modelOf({ task, profile, projectModel }: AgentCall): string | null {
  return modelOfTask(task.model) ?? modelOfTask(profile.model ?? projectModel ?? undefined);
}
