// The facts and the judgement shared by CLIs that report errors as text. Pure. Which texts mean quota, login or an
// outage was taken from recordings of the real programs; the model's own text is never judged.

import { AGENT_CLIS } from '../../../domain/agent-cli.ts';
import type { Deferred, Outcome, Usage } from '../../../domain/outcome.ts';
import type { AgentProfile } from '../../../domain/profile.ts';
import { stoppedOutcome } from '../../stopped.ts';
import { describeStatus, interruptedBySignal, vanishedOutcome } from '../lifecycle/exit-text.ts';
import type { AgentCli, AgentEnd, AgentFacts } from './agent-cli.ts';

/** What a CLI reported of one run. */
export interface Report extends AgentFacts {
  /** The model's last text. */
  readonly lastText: string | null;
  /** Its last error message. */
  readonly trouble: string | null;
  /** The HTTP status in that message, if any. */
  readonly status: number | null;
  /** Actions that the agent was denied. */
  readonly denials: readonly string[];
}

export const NOTHING_REPORTED: Report = {
  session: null,
  model: null,
  doing: null,
  usage: {},
  lastWord: null,
  lastText: null,
  trouble: null,
  status: null,
  denials: [],
};

const SUMMARY_CHARS = 1_000;
const MESSAGE_CHARS = 1_500;
const SAID_CHARS = 200;
const DOING_CHARS = 200;

/** A text as one short line. */
export function shortly(text: string): string {
  return text.replace(/\s+/g, ' ').trim().slice(0, DOING_CHARS);
}

/** The usage part of an outcome; empty if unknown. */
export function usedIn(usage: Usage): { readonly usage?: Usage } {
  return Object.keys(usage).length === 0 ? {} : { usage };
}

/** The meaning of a refusal: the account's quota, its login, the provider, or the request itself. */
export type TroubleKind = 'quota' | 'login' | 'provider' | 'request';

const WORDS: readonly (readonly [TroubleKind, RegExp])[] = [
  ['quota', /quota|usage limit|rate.?limit|too many requests|resource.?exhausted|credit balance|billing/i],
  [
    'login',
    /unauthori[sz]ed|authenticat|invalid.{0,20}api key|api key (not valid|not found)|no api key|incorrect api key|missing environment variable|not logged in|log ?in again|auth method|forbidden|permission.?denied/i,
  ],
  [
    'provider',
    /overloaded|high demand|internal (server )?error|server (had an )?error|service unavailable|bad gateway|stream disconnected|connection|network|fetch failed|ECONN|ENOTFOUND|ETIMEDOUT|unable to connect/i,
  ],
  ['request', /context.?length|context window|prompt is too long|invalid_request_error/i],
];

/** Classifies a CLI's error, by its status if it has one, else by its text. */
export function kindOfTrouble(said: string, status: number | null): TroubleKind | null {
  if (status === 429) return 'quota';
  if (status === 401 || status === 403) return 'login';
  if (status !== null && status >= 500) return 'provider';
  const found = WORDS.find(([, words]) => words.test(said))?.[0] ?? null;
  if (found !== null) return found;
  return status === 400 || status === 413 || status === 422 ? 'request' : null;
}

/** It reported a problem, and continues. */
export function isWaiting({ trouble, lastWord }: Report): boolean {
  return trouble !== null && lastWord === null;
}

/** Input includes what was read from the cache, which counts on its own. */
export function usageOf(counts: {
  readonly input: number | null;
  readonly output: number | null;
  readonly cached: number | null;
}): Usage {
  const cached = counts.cached ?? 0;
  return {
    inputTokens: Math.max(0, (counts.input ?? 0) - cached),
    outputTokens: counts.output ?? 0,
    cacheReadInputTokens: cached,
  };
}

/** The facts once the model answered. */
export const ANSWERED = { trouble: null, status: null } as const;

/** The outcome of a run, from its CLI's report and its exit. */
export function reportedOutcome(end: AgentEnd<Report>): Outcome {
  const { exit, facts, stderr, profile } = end;
  const used = usedIn(facts.usage);
  if (exit.kind === 'stopped') return stoppedOutcome(exit.reason, used.usage);
  if (exit.kind === 'exited' && exit.code === 0 && facts.lastWord === 'well' && facts.denials.length === 0) {
    const summary = (facts.lastText ?? '').trim().slice(0, SUMMARY_CHARS);
    return { kind: 'succeeded', ...(summary === '' ? {} : { summary }), ...used };
  }
  if (facts.denials.length > 0) return deniedOutcome(facts.denials, profile, used);
  const said = facts.trouble ?? (stderr.trim() || null);
  const kind = facts.lastWord === 'well' || said === null ? null : kindOfTrouble(said, facts.status);
  const failure = { kind: 'failed', message: messageOf(end, said), ...exitOf(end), ...used } as const;
  switch (kind) {
    case 'quota':
      return quotaHold(profile, said ?? '', toldReset(said ?? '', end.now));
    case 'login':
      return loginHold(profile, said ?? '');
    case 'provider':
      return hasAnswered(facts.usage)
        ? { ...failure, failure: 'provider', retryable: true }
        : providerHold(profile, said ?? '');
    case 'request':
      return { ...failure, failure: 'refused', retryable: false };
    case null:
      if (exit.kind !== 'exited') return { ...vanishedOutcome(), ...used };
      return interruptedBySignal(exit.code, used) ?? { ...failure, failure: 'exit', retryable: true };
  }
}

function exitOf({ exit }: Pick<AgentEnd<Report>, 'exit'>): { readonly exitCode?: number } {
  return exit.kind === 'exited' ? { exitCode: exit.code } : {};
}

function messageOf({ exit, facts }: AgentEnd<Report>, said: string | null): string {
  const words = said ?? facts.lastText;
  const how =
    exit.kind !== 'exited' || exit.code === 0
      ? 'it did not say that it has finished'
      : describeStatus(exit.code);
  return `${how}${words === null ? ', no output' : `: ${words.trim().slice(-MESSAGE_CHARS)}`}`;
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const TOLD =
  /try again at (?:([A-Z][a-z]{2})[a-z]* (\d{1,2})(?:st|nd|rd|th)?,? (\d{4}),? (?:at )?)?(\d{1,2}):(\d{2}) ?([AP])M/;
/** A time of day that passed this recently is not meant for tomorrow, ms. */
const JUST_PASSED_MS = 15 * 60_000;
/** No quota lasts longer, ms: then it was read wrongly. */
const LONGEST_TOLD_MS = 8 * 86_400_000;

/**
 * When a used-up quota is there again, ms: Codex says so by the clock of this machine, without a zone, and without a date
 * where it is today or tomorrow. Null: it does not say.
 */
export function toldReset(said: string, now: number): number | null {
  const found = TOLD.exec(said);
  if (!found) return null;
  const [, month, day, year, hour, minute, half] = found;
  const at = new Date(now);
  if (month !== undefined) at.setFullYear(Number(year), MONTHS.indexOf(month), Number(day));
  at.setHours((Number(hour) % 12) + (half === 'P' ? 12 : 0), Number(minute), 0, 0);
  if (month === undefined && at.getTime() < now - JUST_PASSED_MS) at.setDate(at.getDate() + 1);
  const isLikely = at.getTime() >= now - JUST_PASSED_MS && at.getTime() <= now + LONGEST_TOLD_MS;
  return isLikely ? Math.max(at.getTime(), now) : null;
}

/** Whether the model did anything: then a later error is not about the account alone. */
export function hasAnswered(usage: Usage): boolean {
  return (usage.outputTokens ?? 0) > 0;
}

/** An agent that was denied what it needs, and does not report that, has not done its task. */
export function deniedOutcome(
  denials: readonly string[],
  profile: AgentProfile,
  used: { readonly usage?: Usage },
): Outcome {
  const times = denials.length === 1 ? 'a tool was' : `${denials.length} tools were`;
  return {
    kind: 'failed',
    failure: 'reported',
    message:
      `${times} denied to it and it reported nothing: ${denials.slice(0, 5).join('; ')}; ` +
      `change permission_mode (now ${profile.permissionMode}) or args of profile ${profile.name}`,
    // The same would be denied again.
    retryable: false,
    ...used,
  };
}

/** Pauses the account until `until`, or for a time that grows with each attempt that meets the limit again. */
export function quotaHold(profile: AgentProfile, said: string, until: number | null): Deferred {
  const when =
    until === null
      ? 'when it ends is not known, so it is tried again soon'
      : 'until the provider accepts requests again';
  return {
    kind: 'deferred',
    code: 'quota',
    because: `account ${profile.account}: ${shortWords(said)}; ${when}`,
    ...(until === null ? {} : { until }),
    scope: 'account',
  };
}

/** Pauses the account while its provider does not answer: that says nothing about any task. */
export function providerHold(profile: AgentProfile, said: string): Deferred {
  return {
    kind: 'deferred',
    code: 'provider',
    because: `account ${profile.account}: its provider does not answer (${shortWords(said)}); it is tried again soon`,
    scope: 'account',
  };
}

/** Blocks the profile whose login or key is refused. */
export function loginHold(profile: AgentProfile, said: string): Deferred {
  const { title } = AGENT_CLIS[profile.type];
  return unavailable(profile, `${title} was refused (${shortWords(said)}): log it in, or check its key`);
}

/** Blocks the profile until its configuration changes. */
export function unavailable(profile: AgentProfile, because: string): Deferred {
  return {
    kind: 'deferred',
    code: 'executor-unavailable',
    because: `profile ${profile.name}: ${because}`,
    scope: 'profile',
  };
}

function shortWords(said: string): string {
  return said.replace(/\s+/g, ' ').trim().slice(0, SAID_CHARS);
}

/** What adapters share whose CLI prints one event per line and ends its tools with itself. */
export const REPORTING = {
  // It exits at once on either without further output; its tools exit with it.
  ladder: ['SIGINT', 'SIGTERM', 'SIGKILL'],
  nothing: NOTHING_REPORTED,
  isWaiting,
  outcome: reportedOutcome,
} as const satisfies Partial<AgentCli<Report>>;
