// Pi: `pi --mode json --print`. Event shapes as recorded from the real CLI, 0.73.

import { sumUsage } from '../../../domain/outcome.ts';
import { type AgentCall, type AgentCli, modelOf } from './agent-cli.ts';
import { NOTHING_REPORTED, type Report, reportedOutcome, shortly } from './agent-report.ts';
import { type Fields, fields, number, parseFields, text } from './stream-fields.ts';

interface PiReport extends Report {
  /** Why the model's last message ended. */
  readonly stopReason: string | null;
}

export const pi: AgentCli<PiReport> = {
  type: 'pi',
  ladder: ['SIGINT', 'SIGTERM', 'SIGKILL'],
  takesSession: false,
  nothing: { ...NOTHING_REPORTED, stopReason: null },
  commandLine(call: AgentCall) {
    const { profile, session, resumed } = call;
    const model = modelOf(call);
    return [
      profile.command,
      ...['--mode', 'json', '--print'],
      // It never asks; it does not get tools it may not use.
      ...(profile.permissionMode === 'all' ? [] : ['--tools', profile.permissionMode]),
      ...(model ? ['--model', model] : []),
      ...(resumed ? ['--session', session] : []),
      ...profile.args,
    ];
  },
  read(facts, line) {
    // Each repeats all text so far.
    if (line.startsWith('{"type":"message_update"') || line.startsWith('{"type":"turn_end"')) return facts;
    const event = parseFields(line);
    switch (event?.type) {
      case 'session':
        return { ...facts, session: text(event.id), doing: 'session started' };
      case 'agent_start':
        return { ...facts, lastWord: null };
      case 'message_end':
        return readMessage(facts, fields(event.message));
      case 'tool_execution_start': {
        const args = fields(event.args);
        const about = text(args.description) ?? text(args.command) ?? text(args.path) ?? '';
        return { ...facts, doing: shortly(`${text(event.toolName) ?? 'a tool'}: ${about}`) };
      }
      case 'auto_retry_start':
        return {
          ...facts,
          lastWord: null,
          doing: shortly(`retry ${number(event.attempt) ?? '?'}: ${text(event.errorMessage) ?? ''}`),
        };
      case 'agent_end':
        return { ...facts, lastWord: facts.stopReason === 'stop' ? 'well' : 'badly' };
      default:
        return facts;
    }
  },
  isUnknownSession: (failure) => /no session found/i.test(failure),
  outcome: reportedOutcome,
};

function readMessage(facts: PiReport, message: Fields): PiReport {
  if (message.role !== 'assistant') return facts;
  const parts = Array.isArray(message.content) ? message.content.map(fields) : [];
  const said = parts
    .map((part) => (part.type === 'text' ? (text(part.text) ?? '') : ''))
    .join('\n')
    .trim();
  const trouble = text(message.errorMessage);
  return {
    ...facts,
    model: text(message.model) ?? facts.model,
    lastText: said === '' ? facts.lastText : said,
    doing: said === '' ? facts.doing : shortly(said),
    stopReason: text(message.stopReason),
    trouble,
    status: statusIn(trouble),
    usage: sumUsage(facts.usage, usageOf(fields(message.usage))),
  };
}

/** Its message begins with the provider's status. */
function statusIn(trouble: string | null): number | null {
  const found = /^(\d{3})\b/.exec(trouble ?? '')?.[1];
  return found === undefined ? null : Number(found);
}

function usageOf(usage: Fields): Report['usage'] {
  return {
    inputTokens: number(usage.input) ?? 0,
    outputTokens: number(usage.output) ?? 0,
    cacheReadInputTokens: number(usage.cacheRead) ?? 0,
    cacheCreationInputTokens: number(usage.cacheWrite) ?? 0,
    costUsd: number(fields(usage.cost).total) ?? 0,
  };
}
