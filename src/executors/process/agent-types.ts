// The executor types that run an agent CLI.

import { z } from 'zod';
import { AGENT_CLIS, AGENT_TYPES, type AgentType } from '../../domain/agent-cli.ts';
import { parseDuration } from '../../domain/duration.ts';
import { duration, optional, required, text, withDefault } from '../../settings/setting.ts';
import {
  type ExecutorDefinition,
  executorType,
  type ProfileSchema,
  profileSchema,
} from '../executor-type.ts';
import { spawned, spawnedShape } from '../shared-settings.ts';

const TIMEOUT = {
  is: '2h',
  why: 'Two hours are more than nearly every task takes and less than a night lost to a stuck one.',
};

function agentSchema<const T extends AgentType>(type: T) {
  const { title, program, account, permissionMode } = AGENT_CLIS[type];
  return profileSchema(type, `Spawns ${title}.`, TIMEOUT, {
    command: withDefault(text, program, 'The program: a name found in PATH, or a path.'),
    args: withDefault(z.array(z.string()), [], 'Further arguments, after the built-in ones.'),
    model: optional(text, {
      text: "The model; a task's own model wins. Default: the program's.",
      example: 'sonnet',
    }),
    permission_mode: withDefault(
      text,
      permissionMode,
      'What the agent may do unasked. No one is there to answer, so anything less stops at its first question.',
    ),
    silence_timeout: withDefault(
      duration,
      '0',
      'Ends a run that said nothing for this long; "0": never, because long tool calls are silent and legitimate.',
    ),
    resume: withDefault(
      z.boolean(),
      false,
      'Whether the attempt after one that failed or was stopped continues in its session, with all that it read and tried. false: only after one whose time ran out; others begin afresh.',
    ),
    login_check: withDefault(
      z.boolean(),
      true,
      'Whether the CLI is asked before the first task whether it is logged in, where it has a question that costs nothing. false: a run finds out.',
    ),
    account: withDefault(text, account, 'Tasks of one account share its quota pause.'),
    ...spawnedShape,
  });
}

type Written = z.output<ReturnType<typeof agentSchema>>;

/** ACP has three answers to what an agent may do, and no default program. */
const acpSchema = agentSchema('acp').extend({
  command: required(text, {
    text: 'A program that speaks ACP on its standard input and output: a name found in PATH, or a path.',
    example: 'goose',
  }),
  args: withDefault(z.array(z.string()), [], 'Its arguments, such as ["acp"].'),
  permission_mode: withDefault(
    z.enum(['allow', 'ask', 'deny']),
    'allow',
    'What happens to its permission requests: "ask" makes each a question that `supervisor answer` settles.',
  ),
  mode: optional(text, {
    text: "The mode of its session, as the agent calls it. Default: the agent's own, which may be one that changes nothing.",
    example: 'full-access',
  }),
});

/** Default permissions of an agent that works for strangers; the other CLIs have none, so they must be set. */
const STRANGERS_MODES: Partial<Record<AgentType, string>> = {
  claude: 'default',
  codex: 'read-only',
  gemini: 'default',
  acp: 'deny',
};

/** Names in the example, where they are not the type's own. */
const EXAMPLES: Partial<Record<AgentType, string>> = { claude: 'default', acp: 'goose' };

function agentType<S extends ProfileSchema & z.ZodType<Written>>(
  type: AgentType,
  schema: S,
): ExecutorDefinition {
  const mode = STRANGERS_MODES[type];
  return executorType({
    schema,
    // Which program speaks ACP, only a profile can say.
    ...(type === 'acp' ? {} : { builtIn: type }),
    examples: [{ name: EXAMPLES[type] ?? type }],
    ...(mode === undefined ? {} : { untrustedDefaults: { permission_mode: mode } }),
    troubles: ({ untrusted, permission_mode, args, ...more }) =>
      untrusted && bypasses(type, permission_mode, [...args, modeOf(more).mode ?? ''])
        ? [
            {
              path: ['untrusted'],
              sentence:
                'is not for an agent that may do everything unasked: give another permission_mode, or run it in a sandbox by a profile of type command',
            },
          ]
        : [],
    profile: (written, base) => ({
      ...base,
      ...spawned(written),
      type,
      command: written.command,
      args: written.args,
      model: written.model ?? null,
      permissionMode: written.permission_mode,
      ...modeOf(written),
      silenceTimeoutMs: parseDuration(written.silence_timeout),
      ...(written.resume ? { resume: true } : {}),
      ...(written.login_check ? {} : { loginCheck: false }),
      account: written.account,
    }),
    create: async (means) => (await import('./agents.ts')).agentExecutor(type, means),
  });
}

/** Only profiles of ACP agents have one. */
function modeOf({ mode }: Readonly<Record<string, unknown>>): { readonly mode?: string } {
  return typeof mode === 'string' ? { mode } : {};
}

function bypasses(type: AgentType, mode: string, args: readonly string[]): boolean {
  if (mode === AGENT_CLIS[type].permissionMode) return true;
  return [mode, ...args].some((word) => /bypass|dangerous|full-access|yolo/i.test(word));
}

/** One for each CLI. */
export const agentTypes: readonly ExecutorDefinition[] = AGENT_TYPES.map((type) =>
  type === 'acp' ? agentType(type, acpSchema) : agentType(type, agentSchema(type)),
);
