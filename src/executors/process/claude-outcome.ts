// What came of a Claude run: exit status and stream facts judged together. Pure. The rules come from recordings of the
// real CLI; `subtype` is never believed, since a refused request says `success` there.

import type { Deferred, Outcome, Usage } from '../../domain/outcome.ts';
import type { Profile } from '../../domain/profile.ts';
import { stoppedOutcome } from '../stopped.ts';
import type { ClaudeFacts } from './claude-stream.ts';
import { describeStatus, vanishedOutcome } from './exit-text.ts';
import type { Exit } from './subprocess.ts';

const SUMMARY_CHARS = 1_000;
const MESSAGE_CHARS = 1_500;

/** The CLI waits for minutes on a wrong key; that will not get better by waiting. */
export function isHopeless(facts: ClaudeFacts): boolean {
  return facts.retry !== null && isRefusal(facts.retry.status);
}

function isRefusal(status: number | null): boolean {
  return status === 401 || status === 403;
}

/** The outcome of a run. `stderr` is the end of what it printed there, `now` ms since the epoch. */
export function claudeOutcome(
  exit: Exit,
  facts: ClaudeFacts,
  stderr: string,
  profile: Profile,
  now: number,
): Outcome {
  const { result, usage } = facts;
  const used = Object.keys(usage).length === 0 ? {} : { usage };
  if (exit.kind === 'stopped') return stoppedOutcome(exit.reason, used.usage);
  if (exit.kind === 'exited' && exit.code === 0 && result?.isError !== true) {
    const summary = (result?.text || facts.lastText || '').trim().slice(0, SUMMARY_CHARS);
    return { kind: 'succeeded', ...(summary === '' ? {} : { summary }), ...used };
  }
  const hold = holdFor(facts, stderr, profile, now);
  if (hold !== null) return hold;
  if (exit.kind !== 'exited') return { ...vanishedOutcome(), ...used };
  return failure(exit.code, facts, stderr, used);
}

/** Why the run says nothing about the task, only about account or set-up. */
function holdFor(facts: ClaudeFacts, stderr: string, profile: Profile, now: number): Deferred | null {
  const { result, rateLimit } = facts;
  if (result?.isError !== false && rateLimit?.status === 'rejected') return quota(facts, profile, now);
  if (result?.apiErrorStatus === 429) return quota(facts, profile, now);
  if (
    isHopeless(facts) ||
    isRefusal(result?.apiErrorStatus ?? null) ||
    facts.error === 'authentication_failed'
  )
    return unavailable(
      profile,
      `Claude was refused (${facts.retry?.error ?? result?.text ?? facts.error}): check the API key, or log in with \`claude /login\` as this user`,
    );
  // What the CLI says itself, not the model: nothing was asked yet.
  if (result?.isError && /not logged in|please run \/login|invalid api key/i.test(result.text))
    return unavailable(
      profile,
      `Claude says "${result.text.trim().slice(0, 200)}": run \`claude /login\` as this user, or give ANTHROPIC_API_KEY in the profile's env`,
    );
  if (result !== null) return null;
  if (/cannot be used with root/i.test(stderr))
    return unavailable(
      profile,
      'Claude refuses to skip permission questions as root: run the supervisor as an ordinary user, or, inside a sandbox, set IS_SANDBOX=1 in the profile (env = { IS_SANDBOX = "1" })',
    );
  const option = /error: (unknown option|option .*(invalid|missing)|.* argument .*)[^\n]*/i.exec(stderr);
  if (option !== null)
    return unavailable(
      profile,
      `Claude does not take its command line (${option[0].slice(0, 200)}): change args of the profile, or update Claude`,
    );
  return null;
}

function quota(facts: ClaudeFacts, profile: Profile, now: number): Deferred {
  const account = profile.type === 'claude' ? profile.account : profile.name;
  const said = (facts.result?.text || 'the usage limit is reached').trim().slice(0, 200);
  const resetsAt = facts.rateLimit?.resetsAt ?? null;
  const known = resetsAt !== null && resetsAt > now;
  const when = known
    ? 'until the provider lets it go on'
    : 'when it ends is not known, so it is tried again soon';
  return {
    kind: 'deferred',
    code: 'quota',
    because: `account ${account}: ${said}; ${when}`,
    // Unknown: the pause grows with each try that meets the limit again.
    ...(known ? { until: resetsAt } : {}),
    scope: 'account',
  };
}

function unavailable(profile: Profile, because: string): Deferred {
  return {
    kind: 'deferred',
    code: 'executor-unavailable',
    because: `profile ${profile.name}: ${because}`,
    scope: 'profile',
  };
}

function failure(code: number, facts: ClaudeFacts, stderr: string, used: { usage?: Usage }): Outcome {
  const { result, retry } = facts;
  const said = [...(result?.errors ?? []), result?.text ?? '', stderr.trim(), facts.lastText ?? ''].find(
    (one) => one !== '',
  );
  const message = `${describeStatus(code)}${said === undefined ? ', no output' : `: ${said.slice(-MESSAGE_CHARS)}`}`;
  const base = { kind: 'failed', message, exitCode: code, ...used } as const;
  const status = result?.apiErrorStatus ?? retry?.status ?? null;
  if (status !== null && status >= 500) return { ...base, failure: 'provider', retryable: true };
  // A request that the provider takes for malformed (a document too large, say) stays so.
  if (result?.apiErrorStatus === 400) return { ...base, failure: 'refused', retryable: false };
  return { ...base, failure: 'exit', retryable: true };
}
