// The outcome of a Claude run: exit status and stream facts judged together. Pure. The rules come from recordings of
// the real CLI; `subtype` is never trusted, since it says `success` for a refused request.

import type { Deferred, Outcome, Usage } from '../../../domain/outcome.ts';
import type { AgentProfile } from '../../../domain/profile.ts';
import { stoppedOutcome } from '../../stopped.ts';
import { describeStatus, interruptedBySignal, vanishedOutcome } from '../lifecycle/exit-text.ts';
import type { AgentEnd } from './agent-cli.ts';
import { deniedOutcome, hasAnswered, providerHold, quotaHold, unavailable, usedIn } from './agent-report.ts';
import type { ClaudeFacts } from './claude-stream.ts';

const SUMMARY_CHARS = 1_000;
const MESSAGE_CHARS = 1_500;

/** The CLI retries for minutes on a wrong key; waiting does not help. */
export function isHopeless(facts: ClaudeFacts): boolean {
  return facts.retry !== null && isRefusal(facts.retry.status);
}

function isRefusal(status: number | null): boolean {
  return status === 401 || status === 403;
}

/** The outcome of a run. */
export function claudeOutcome(end: AgentEnd<ClaudeFacts>): Outcome {
  const { exit, facts, stderr, profile } = end;
  const { result, usage } = facts;
  const used = usedIn(usage);
  if (exit.kind === 'stopped') return stoppedOutcome(exit.reason, used.usage);
  if (exit.kind === 'exited' && exit.code === 0 && result?.isError !== true) {
    if (result !== null && result.denials.length > 0) return deniedOutcome(result.denials, profile, used);
    const summary = (result?.text || facts.lastText || '').trim().slice(0, SUMMARY_CHARS);
    return { kind: 'succeeded', ...(summary === '' ? {} : { summary }), ...used };
  }
  const hold = holdFor(end);
  if (hold !== null) return hold;
  if (exit.kind !== 'exited') return { ...vanishedOutcome(), ...used };
  return interruptedBySignal(exit.code, used) ?? failure(exit.code, facts, stderr, used);
}

/** Why the run says nothing about the task, only about account or set-up. */
function holdFor({ facts, stderr, profile, now }: AgentEnd<ClaudeFacts>): Deferred | null {
  const { result, rateLimit } = facts;
  if (result?.isError !== false && rateLimit?.status === 'rejected') return quota(facts, profile, now);
  // An empty balance is a limit, too: it applies to every task of the account until it is paid.
  if (result?.apiErrorStatus === 429 || facts.error === 'billing_error') return quota(facts, profile, now);
  if (
    isHopeless(facts) ||
    isRefusal(result?.apiErrorStatus ?? null) ||
    facts.error === 'authentication_failed'
  )
    return unavailable(
      profile,
      `Claude was refused (${facts.retry?.error ?? result?.text ?? facts.error}): check the API key, or log in with \`claude /login\` as this user`,
    );
  // The CLI's own message, not the model's: no request was made yet.
  if (result?.isError && /not logged in|please run \/login|invalid api key/i.test(result.text))
    return unavailable(
      profile,
      `Claude says "${result.text.trim().slice(0, 200)}": run \`claude /login\` as this user, or give ANTHROPIC_API_KEY in the profile's env`,
    );
  if (isOutage(facts) && !hasAnswered(facts.usage))
    return providerHold(profile, result?.text || (facts.retry?.error ?? facts.error ?? 'no answer'));
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

/** The provider is down, overloaded or unreachable; there is no status if the connection failed. */
function isOutage({ result, error, retry }: ClaudeFacts): boolean {
  if (result !== null && !result.isError) return false;
  const status = result?.apiErrorStatus ?? retry?.status ?? null;
  return error === 'server_error' || error === 'overloaded' || (status !== null && status >= 500);
}

function quota(facts: ClaudeFacts, profile: AgentProfile, now: number): Deferred {
  const said = facts.result?.text || 'the usage limit is reached';
  const resetsAt = facts.rateLimit?.resetsAt ?? null;
  return quotaHold(profile, said, resetsAt !== null && resetsAt > now ? resetsAt : null);
}

function failure(code: number, facts: ClaudeFacts, stderr: string, used: { usage?: Usage }): Outcome {
  const { result } = facts;
  const said = [...(result?.errors ?? []), result?.text ?? '', stderr.trim(), facts.lastText ?? ''].find(
    (one) => one !== '',
  );
  const how = code === 0 ? 'its result is an error' : describeStatus(code);
  const message = `${how}${said === undefined ? ', no output' : `: ${said.slice(-MESSAGE_CHARS)}`}`;
  const base = { kind: 'failed', message, exitCode: code, ...used } as const;
  if (isOutage(facts)) return { ...base, failure: 'provider', retryable: true };
  // A request the provider considers malformed (e.g. a document too large) stays malformed.
  if (result?.apiErrorStatus === 400) return { ...base, failure: 'refused', retryable: false };
  return { ...base, failure: 'exit', retryable: true };
}
