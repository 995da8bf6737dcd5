// Any agent that speaks ACP (Agent Client Protocol): what our client for it (acp-client.ts) prints.

import { fileURLToPath } from 'node:url';
import { orderArguments } from './acp-order.ts';
import type { AgentCall, AgentCli } from './agent-cli.ts';
import {
  ANSWERED,
  isWaiting,
  NOTHING_REPORTED,
  type Report,
  reportedOutcome,
  shortly,
} from './agent-report.ts';
import { type Fields, fields, number, parseFields, text } from './stream-fields.ts';

/** The client, as a program. */
const CLIENT = fileURLToPath(new URL('./acp-client.js', import.meta.url));

export const acp: AgentCli<Report> = {
  type: 'acp',
  // The first tells the agent to cancel its turn, which ends its tools; the second ends the client.
  ladder: ['SIGINT', 'SIGTERM', 'SIGKILL'],
  takesSession: false,
  nothing: NOTHING_REPORTED,
  commandLine({ profile, session, resumed }: AgentCall) {
    const { permissionMode } = profile;
    const permission = permissionMode === 'ask' || permissionMode === 'deny' ? permissionMode : 'allow';
    const argv = [profile.command, ...profile.args];
    return [
      process.execPath,
      CLIENT,
      ...orderArguments({ permission, session: resumed ? session : null, argv }),
    ];
  },
  read(facts, line) {
    const event = parseFields(line);
    switch (event?.type) {
      case 'session':
        // What was replayed before is of an earlier run.
        return { ...NOTHING_REPORTED, session: text(event.id) };
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
  outcome: reportedOutcome,
};

function readUpdate(facts: Report, update: Fields): Report {
  switch (update.sessionUpdate) {
    case 'agent_message_chunk': {
      const said = text(fields(update.content).text) ?? '';
      const lastText = `${facts.lastText ?? ''}${said}`;
      return { ...facts, ...ANSWERED, lastText, doing: shortly(lastText.slice(-400)) };
    }
    case 'tool_call':
    case 'tool_call_update': {
      const title = text(update.title);
      // What it says after a tool is a new text.
      return title === null ? facts : { ...facts, lastText: null, doing: shortly(title) };
    }
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
function readError(facts: Report, event: Fields): Report {
  const code = number(event.code);
  const data = event.data === null || event.data === undefined ? '' : JSON.stringify(event.data);
  const said = `${text(event.message) ?? 'it failed'}${data === '' ? '' : ` ${data}`}`;
  const status = code !== null && code >= 400 && code < 600 ? code : statusIn(said);
  return { ...facts, lastWord: 'badly', trouble: said, status };
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
