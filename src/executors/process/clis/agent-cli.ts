// The interface of an agent CLI's adapter: how the CLI is called, what an output line means, and the outcome of a
// run. Everything else is in the shared executor (agent.ts).

import type { AgentType } from '../../../domain/agent-cli.ts';
import { modelOfTask } from '../../../domain/model-route.ts';
import type { Outcome, Usage } from '../../../domain/outcome.ts';
import type { AgentProfile } from '../../../domain/profile.ts';
import type { Assignment } from '../../executor.ts';
import type { Exit } from '../lifecycle/subprocess.ts';

/** What every adapter reduces its lines to; adapters may add facts of their own. */
export interface AgentFacts {
  readonly session: string | null;
  readonly model: string | null;
  /** One short line about its current activity. */
  readonly doing: string | null;
  readonly usage: Usage;
  /** That it has finished, and how; null until it says so. Anything after that is not work. */
  readonly lastWord: 'well' | 'badly' | null;
}

/** One call of a CLI. */
export interface AgentCall {
  readonly task: Assignment['task'];
  readonly profile: AgentProfile;
  /** The project's, if neither task nor profile names one. */
  readonly projectModel?: string | null;
  /** The session to resume, or the id for a new one if the CLI lets us choose. */
  readonly session: string;
  readonly resumed: boolean;
}

/** How a run exited, and what is known of it. */
export interface AgentEnd<F> {
  readonly exit: Exit;
  readonly facts: F;
  /** The end of its standard error, without secrets. */
  readonly stderr: string;
  readonly profile: AgentProfile;
  /** ms since the epoch. */
  readonly now: number;
}

export interface AgentCli<F extends AgentFacts> {
  readonly type: AgentType;
  /** Signals that stop it, from polite to hard. */
  readonly ladder: readonly NodeJS.Signals[];
  /** Whether a new session accepts our id. */
  readonly takesSession: boolean;
  /** What it says that it used is that of the whole session, resumed or not. */
  readonly countsSession?: boolean;
  /** Set for it unless the profile says otherwise. */
  readonly environment?: Readonly<Record<string, string>>;
  /** The facts before the first line. */
  readonly nothing: F;
  /** The prompt is passed on standard input. */
  commandLine(call: AgentCall): [string, ...string[]];
  /** The facts after one more line. An unknown line changes nothing. */
  read(facts: F, line: string): F;
  /** The same for a line of standard error, if that is informative. */
  readError?(facts: F, line: string): F;
  /** It waits in vain: a wrong key does not get better. */
  isHopeless?(facts: F): boolean;
  /** Its provider did not answer the last request, and it will retry without a limit of its own. */
  isWaiting?(facts: F): boolean;
  /** Whether an earlier attempt failed because the CLI does not know this session (any more). */
  isUnknownSession(failure: string, session: string): boolean;
  outcome(end: AgentEnd<F>): Outcome;
}

/** The model of a call, without a system's prefix (`claude:opus`, `pi:…`); null: the program's default. */
export function modelOf({ task, profile, projectModel }: AgentCall): string | null {
  return modelOfTask(task.model) ?? modelOfTask(profile.model ?? projectModel ?? undefined);
}
