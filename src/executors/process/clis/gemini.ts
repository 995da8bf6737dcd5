// Gemini CLI: `--output-format stream-json`. Event shapes as recorded from the real CLI, 0.61.

import { type AgentCall, type AgentCli, modelOf } from './agent-cli.ts';
import { ANSWERED, REPORTING, type Report, shortly, usageOf } from './agent-report.ts';
import { type Fields, fields, number, parseFields, text } from './stream-fields.ts';

const TEXT_CHARS = 4_000;

export const gemini: AgentCli<Report> = {
  ...REPORTING,
  type: 'gemini',
  takesSession: true,
  commandLine(call: AgentCall) {
    const { profile, session, resumed } = call;
    const model = modelOf(call);
    return [
      profile.command,
      ...['--approval-mode', profile.permissionMode, '--skip-trust', '--output-format', 'stream-json'],
      ...(model ? ['--model', model] : []),
      ...(resumed ? ['--resume', session] : ['--session-id', session]),
      ...profile.args,
    ];
  },
  read(facts, line) {
    const event = parseFields(line);
    switch (event?.type) {
      case 'init':
        return {
          ...facts,
          session: text(event.session_id),
          model: text(event.model),
          doing: 'session started',
        };
      case 'message':
        return event.role === 'assistant' ? readMessage(facts, event) : facts;
      case 'tool_use': {
        const about = text(fields(event.parameters).description) ?? '';
        // Text after a tool call is a new message.
        return {
          ...facts,
          ...ANSWERED,
          lastText: null,
          doing: shortly(`${text(event.tool_name) ?? 'a tool'}: ${about}`),
        };
      }
      case 'result':
        return readResult(facts, event);
      default:
        return facts;
    }
  },
  /** It retries refused requests for minutes; only standard error says so. */
  readError(facts, line) {
    const found = /^Attempt \d+ failed(?: with status (\d+))?/.exec(line);
    if (found === null) return facts;
    return { ...facts, doing: shortly(line), trouble: shortly(line), status: Number(found[1] ?? 0) || null };
  },
  isUnknownSession: (failure) => /Error resuming session|Invalid session/i.test(failure),
};

function readMessage(facts: Report, event: Fields): Report {
  const so = event.delta === true ? (facts.lastText ?? '') : '';
  const said = `${so}${text(event.content) ?? ''}`.slice(0, TEXT_CHARS);
  return { ...facts, ...ANSWERED, lastText: said, doing: shortly(said) };
}

function readResult(facts: Report, event: Fields): Report {
  const isWell = event.status === 'success';
  const error = fields(event.error);
  const message = text(error.message);
  const stats = fields(event.stats);
  return {
    ...facts,
    lastWord: isWell ? 'well' : 'badly',
    trouble: isWell ? null : (message ?? text(error.type) ?? 'it failed'),
    status: isWell ? null : (statusIn(message) ?? facts.status),
    usage: {
      ...usageOf({
        input: number(stats.input_tokens),
        output: number(stats.output_tokens),
        cached: number(stats.cached),
      }),
      ...(number(stats.duration_ms) === null ? {} : { durationMs: number(stats.duration_ms) ?? 0 }),
    },
  };
}

/** The message quotes the provider's answer, with its status. */
function statusIn(message: string | null): number | null {
  const found =
    /"code":\s*(\d{3})\b/.exec(message ?? '')?.[1] ?? /\bstatus:? (\d{3})\b/.exec(message ?? '')?.[1];
  return found === undefined ? null : Number(found);
}
