// Any agent that speaks ACP (Agent Client Protocol): what our client for it (acp-client.ts) prints.

import { fileURLToPath } from 'node:url';
import type { Failed, Outcome } from '../../../domain/outcome.ts';
import type { AgentProfile } from '../../../domain/profile.ts';
import { orderArguments } from './acp-order.ts';
import type { AgentCall, AgentCli, AgentEnd } from './agent-cli.ts';
import {
  ANSWERED,
  isWaiting,
  NOTHING_REPORTED,
  type Report,
  reportedOutcome,
  shortly,
  unavailable,
  usedIn,
} from './agent-report.ts';
import { type Fields, fields, number, parseFields, text } from './stream-fields.ts';

/** The client, as a program. */
const CLIENT = fileURLToPath(new URL('./acp-client.js', import.meta.url));

/** What an ACP agent reported of one run. */
interface AcpReport extends Report {
  /** The mode of its session, and those it could be in; null: it has none. */
  readonly mode: string | null;
  readonly modes: readonly string[];
  /** One of its tools ran to its end. */
  readonly hasRun: boolean;
  /** Why it cannot work as its profile has it. */
  readonly unusable: string | null;
}

const NOTHING: AcpReport = { ...NOTHING_REPORTED, mode: null, modes: [], hasRun: false, unusable: null };

/** Modes of agents in which nothing can be changed: Codex's read-only, the plan modes of others. */
const READ_ONLY = /^(?:read[-_ ]?only|plan)$/i;

export const acp: AgentCli<AcpReport> = {
  type: 'acp',
  // The first tells the agent to cancel its turn, which ends its tools; the second ends the client.
  ladder: ['SIGINT', 'SIGTERM', 'SIGKILL'],
  takesSession: false,
  nothing: NOTHING,
  commandLine({ profile, session, resumed }: AgentCall) {
    const { permissionMode } = profile;
    const permission = permissionMode === 'ask' || permissionMode === 'deny' ? permissionMode : 'allow';
    const argv = [profile.command, ...profile.args];
    return [
      process.execPath,
      CLIENT,
      ...orderArguments({
        permission,
        session: resumed ? session : null,
        mode: profile.mode ?? null,
        argv,
      }),
    ];
  },
  read(facts, line) {
    const event = parseFields(line);
    switch (event?.type) {
      case 'session':
        // What was replayed before is of an earlier run.
        return { ...NOTHING, session: text(event.id), mode: text(event.mode), modes: texts(event.modes) };
      case 'unusable':
        return { ...facts, unusable: text(event.message) };
      case 'update':
        return readUpdate(facts, fields(event.update));
      case 'asking':
        return { ...facts, doing: shortly(`asks: ${text(event.what) ?? ''}`) };
      case 'denied':
        return { ...facts, denials: [...facts.denials, shortly(text(event.what) ?? 'a tool')] };
      case 'retry': {
        const message = `the provider answered ${number(event.status) ?? ''} ${text(event.message) ?? ''}`;
        return { ...facts, trouble: shortly(message), status: number(event.status), doing: shortly(message) };
      }
      case 'usage':
        return { ...facts, usage: { ...facts.usage, ...usageOf(fields(event.usage)) } };
      case 'end':
        if (event.stopReason === 'end_turn') return { ...facts, ...ANSWERED, lastWord: 'well' };
        return {
          ...facts,
          lastWord: 'badly',
          // A turn that waits for its provider in vain is cancelled by us: that is not what was wrong.
          trouble: facts.trouble ?? `its turn ended: ${text(event.stopReason) ?? 'unknown'}`,
        };
      case 'error':
        return readError(facts, event);
      default:
        return facts;
    }
  },
  isWaiting,
  isHopeless: ({ lastWord, status }) => lastWord === null && (status === 401 || status === 403),
  isUnknownSession: (failure) => /session.{0,40}(not found|unknown|invalid)|no such session/i.test(failure),
  outcome,
};

function outcome(end: AgentEnd<AcpReport>): Outcome {
  const { facts, profile } = end;
  if (facts.unusable !== null) return unavailable(profile, facts.unusable);
  const reported = reportedOutcome(end);
  return reported.kind === 'succeeded' && onlySpoke(facts, profile)
    ? { ...readOnlyOutcome(facts, profile), ...usedIn(facts.usage) }
    : reported;
}

/** It could change nothing, the profile does not name that mode, and none of its tools ran: it cannot have done a task. */
function onlySpoke({ mode, hasRun }: AcpReport, profile: AgentProfile): boolean {
  return mode !== null && READ_ONLY.test(mode) && profile.mode !== mode && !hasRun;
}

function readOnlyOutcome({ mode, modes }: AcpReport, { name }: AgentProfile): Failed {
  const others = modes.filter((one) => !READ_ONLY.test(one)).map((one) => `"${one}"`);
  const instead =
    others.length === 0 ? 'its args may change that' : `mode = ${others.join(' or ')} changes that`;
  return {
    kind: 'failed',
    failure: 'reported',
    message: `its session was in its mode ${mode}, no tool of it ran and it reported nothing; in profile ${name} ${instead}, and mode = "${mode}" says that it is meant`,
    // It would be the same again.
    retryable: false,
  };
}

function readUpdate(facts: AcpReport, update: Fields): AcpReport {
  switch (update.sessionUpdate) {
    case 'agent_message_chunk': {
      const said = text(fields(update.content).text) ?? '';
      const lastText = `${facts.lastText ?? ''}${said}`;
      return { ...facts, ...ANSWERED, lastText, doing: shortly(lastText.slice(-400)) };
    }
    case 'tool_call':
    case 'tool_call_update': {
      const title = text(update.title);
      const seen = update.status === 'completed' ? { ...facts, hasRun: true } : facts;
      // What it says after a tool is a new text.
      return title === null ? seen : { ...seen, lastText: null, doing: shortly(title) };
    }
    case 'current_mode_update':
      return { ...facts, mode: text(update.currentModeId) ?? facts.mode };
    case 'usage_update': {
      const cost = fields(update.cost);
      const usd = cost.currency === 'USD' ? number(cost.amount) : null;
      return usd === null ? facts : { ...facts, usage: { ...facts.usage, costUsd: usd } };
    }
    default:
      return facts;
  }
}

/** Agents put the provider's status into the code, or say it in words somewhere in the data. */
function readError(facts: AcpReport, event: Fields): AcpReport {
  const code = number(event.code);
  const data = event.data === null || event.data === undefined ? '' : JSON.stringify(event.data);
  const said = `${text(event.message) ?? 'it failed'}${data === '' ? '' : ` ${data}`}`;
  const status = code !== null && code >= 400 && code < 600 ? code : statusIn(said);
  return { ...facts, lastWord: 'badly', trouble: said, status };
}

function texts(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.map(text).filter((one) => one !== null) : [];
}

function statusIn(said: string): number | null {
  const found = /\b(4\d\d|5\d\d)\b/.exec(said)?.[1];
  return found === undefined ? null : Number(found);
}

function usageOf(usage: Fields): Report['usage'] {
  const used = {
    inputTokens: number(usage.inputTokens),
    outputTokens: number(usage.outputTokens),
    cacheReadInputTokens: number(usage.cachedReadTokens),
    cacheCreationInputTokens: number(usage.cachedWriteTokens),
  };
  return Object.fromEntries(Object.entries(used).filter(([, amount]) => amount !== null));
}
