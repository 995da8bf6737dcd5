// OpenCode: `opencode run --format json`. Event shapes as recorded from the real CLI, 1.18.

import { sumUsage } from '../../../domain/outcome.ts';
import { type AgentCall, type AgentCli, modelOf } from './agent-cli.ts';
import {
  ANSWERED,
  isWaiting,
  NOTHING_REPORTED,
  type Report,
  reportedOutcome,
  shortly,
} from './agent-report.ts';
import { type Fields, fields, number, parseFields, text } from './stream-fields.ts';

export const opencode: AgentCli<Report> = {
  type: 'opencode',
  // It ignores SIGINT.
  ladder: ['SIGTERM', 'SIGKILL'],
  takesSession: false,
  nothing: NOTHING_REPORTED,
  commandLine(call: AgentCall) {
    const { profile, session, resumed } = call;
    const model = modelOf(call);
    return [
      profile.command,
      // Its retries appear in its log only.
      ...['run', '--format', 'json', '--print-logs', '--log-level', 'ERROR'],
      ...(profile.permissionMode === 'auto' ? ['--auto'] : []),
      ...(model ? ['--model', model] : []),
      ...(resumed ? ['--session', session] : []),
      ...profile.args,
    ];
  },
  read(facts, line) {
    const event = parseFields(line);
    if (event === null) return facts;
    const session = text(event.sessionID) ?? facts.session;
    const part = fields(event.part);
    switch (event.type) {
      case 'step_start':
        return { ...facts, ...ANSWERED, session, lastWord: null };
      case 'text': {
        const said = text(part.text);
        return said === null ? facts : { ...facts, session, lastText: said, doing: shortly(said) };
      }
      case 'tool_use':
        return readTool({ ...facts, session }, part);
      case 'step_finish': {
        const isWell = part.reason === 'stop';
        const usage = sumUsage(facts.usage, usageOf(part));
        return { ...facts, session, lastWord: isWell ? 'well' : null, usage };
      }
      case 'error':
        return readError({ ...facts, session }, fields(event.error));
      default:
        return facts;
    }
  },
  /** It retries refused requests for ever; only its log says so. */
  readError(facts, line) {
    if (!line.includes('message="stream error"') || !line.includes('small=false')) return facts;
    const error = /error\.error="([^"]*)"/.exec(line)?.[1];
    if (error === undefined) return facts;
    return { ...facts, trouble: error, status: null, doing: shortly(error) };
  },
  isWaiting,
  isUnknownSession: (failure) => /session not found|NotFoundError/i.test(failure),
  outcome: reportedOutcome,
};

function readTool(facts: Report, part: Fields): Report {
  const state = fields(part.state);
  const name = text(part.tool) ?? 'a tool';
  const about = text(state.title) ?? text(fields(state.input).description) ?? '';
  const doing = shortly(about === '' ? name : `${name}: ${about}`);
  const error = text(state.error) ?? '';
  if (state.status !== 'error' || !/rejected permission|prevents you from using/i.test(error))
    return { ...facts, doing };
  return { ...facts, doing, denials: [...facts.denials, shortly(`${name} ${about}`)] };
}

function readError(facts: Report, error: Fields): Report {
  const data = fields(error.data);
  return {
    ...facts,
    lastWord: 'badly',
    trouble: text(data.message) ?? text(error.name) ?? 'it failed',
    status: number(data.statusCode),
  };
}

function usageOf(part: Fields): Report['usage'] {
  const tokens = fields(part.tokens);
  const cache = fields(tokens.cache);
  return {
    inputTokens: number(tokens.input) ?? 0,
    outputTokens: (number(tokens.output) ?? 0) + (number(tokens.reasoning) ?? 0),
    cacheReadInputTokens: number(cache.read) ?? 0,
    cacheCreationInputTokens: number(cache.write) ?? 0,
    costUsd: number(part.cost) ?? 0,
  };
}
