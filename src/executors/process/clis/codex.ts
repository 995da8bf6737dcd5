// Codex: `codex exec` with events as JSON lines. Event shapes as recorded from the real CLI, 0.171.

import { type AgentCall, type AgentCli, modelOf } from './agent-cli.ts';
import { ANSWERED, REPORTING, type Report, shortly, usageOf } from './agent-report.ts';
import { type Fields, fields, number, parseFields, text } from './stream-fields.ts';

export const codex: AgentCli<Report> = {
  ...REPORTING,
  type: 'codex',
  takesSession: false,
  countsSession: true,
  commandLine(call: AgentCall) {
    const { profile, session, resumed } = call;
    const model = modelOf(call);
    return [
      profile.command,
      ...['exec', '--json', '--skip-git-repo-check', '--sandbox', profile.permissionMode],
      // A login shell resets PATH, and the agent would not find the `supervisor` command.
      ...['-c', 'allow_login_shell=false'],
      ...(model ? ['--model', model] : []),
      ...profile.args,
      // "-": the prompt is read from standard input.
      ...(resumed ? ['resume', session, '-'] : ['-']),
    ];
  },
  read(facts, line) {
    const event = parseFields(line);
    switch (event?.type) {
      case 'thread.started':
        return { ...facts, session: text(event.thread_id), doing: 'session started' };
      case 'turn.started':
        return { ...facts, ...ANSWERED, lastWord: null };
      case 'item.started':
      case 'item.completed':
        return readItem(facts, fields(event.item));
      // It retries after these; turn.failed repeats the last one.
      case 'error': {
        const message = text(event.message);
        return { ...facts, ...troubleOf(message), doing: shortly(message ?? '') };
      }
      case 'turn.completed':
        return { ...facts, lastWord: 'well', usage: usageIn(fields(event.usage)) };
      case 'turn.failed':
        return { ...facts, lastWord: 'badly', ...troubleOf(text(fields(event.error).message)) };
      default:
        return facts;
    }
  },
  isUnknownSession: (failure, session) => failure.includes('no rollout found') && failure.includes(session),
};

function readItem(facts: Report, item: Fields): Report {
  const said = text(item.text);
  if (item.type === 'agent_message' && said !== null)
    return { ...facts, ...ANSWERED, lastText: said, doing: shortly(said) };
  if (item.type === 'command_execution')
    return { ...facts, ...ANSWERED, doing: shortly(`shell: ${text(item.command) ?? ''}`) };
  // An item of type `error` is a warning: the run continues.
  return facts;
}

function troubleOf(message: string | null): Pick<Report, 'trouble' | 'status'> {
  const status = /\bstatus:? (\d{3})\b/.exec(message ?? '')?.[1];
  return { trouble: message ?? 'the turn failed', status: status === undefined ? null : Number(status) };
}

function usageIn({ input_tokens, output_tokens, cached_input_tokens }: Fields): Report['usage'] {
  return usageOf({
    input: number(input_tokens),
    output: number(output_tokens),
    cached: number(cached_input_tokens),
  });
}
