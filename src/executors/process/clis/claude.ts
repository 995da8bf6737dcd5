// How the Claude CLI is called. Its output is parsed in claude-stream.ts, the outcome judged in claude-outcome.ts.

import { type AgentCall, type AgentCli, modelOf } from './agent-cli.ts';
import { claudeOutcome, isHopeless } from './claude-outcome.ts';
import { type ClaudeFacts, NO_FACTS, readClaudeLine } from './claude-stream.ts';

/** Tools that would move work out of the supervisor's control; wg forbids the same ones. */
const FORBIDDEN_TOOLS = 'Agent,EnterWorktree,ExitWorktree';
/** Always allowed: an agent that cannot report would count as done. */
const REPORTING_TOOLS = 'Bash(wg:*),Bash(supervisor:*)';

/** For untrusted repositories: none of their hooks, permissions or tool servers; it may report, nothing else. */
const STRANGERS_OPTIONS = [
  ...['--allowedTools', 'Bash(supervisor done:*),Bash(supervisor fail:*)'],
  ...['--disallowedTools', FORBIDDEN_TOOLS],
  ...['--setting-sources', 'user', '--strict-mcp-config'],
] as const;

export const claude: AgentCli<ClaudeFacts> = {
  type: 'claude',
  // SIGINT first: only then does the CLI stop its tools, which run in sessions of their own.
  ladder: ['SIGINT', 'SIGTERM', 'SIGKILL'],
  takesSession: true,
  // A background command is killed when the turn ends, and its task would be mistaken for done.
  environment: { CLAUDE_CODE_DISABLE_BACKGROUND_TASKS: '1' },
  nothing: NO_FACTS,
  commandLine: claudeCommandLine,
  read: readClaudeLine,
  isHopeless,
  isUnknownSession: (failure, session) =>
    failure.includes(`No conversation found with session ID: ${session}`),
  outcome: claudeOutcome,
};

/** The CLI's command line (wg-rules 7.2), by the task's exec_mode: full unless it says light or bare. */
export function claudeCommandLine(call: AgentCall): [string, ...string[]] {
  const { task, profile, session, resumed } = call;
  const model = modelOf(call);
  return [
    profile.command,
    ...[
      '--print',
      '--verbose',
      '--permission-mode',
      profile.permissionMode,
      '--output-format',
      'stream-json',
    ],
    ...(profile.untrusted ? STRANGERS_OPTIONS : toolOptions(task.execMode, profile.permissionMode)),
    '--disable-slash-commands',
    ...(model ? ['--model', model] : []),
    ...(resumed ? ['--resume', session] : ['--session-id', session]),
    ...profile.args,
  ];
}

function toolOptions(mode: string | undefined, permissionMode: string): readonly string[] {
  if (mode === 'bare') return ['--tools', 'Bash', '--allowedTools', REPORTING_TOOLS];
  if (mode === 'light')
    return [
      ...['--allowedTools', `${REPORTING_TOOLS},Read,Glob,Grep,WebFetch,WebSearch`],
      ...['--disallowedTools', `Edit,Write,NotebookEdit,${FORBIDDEN_TOOLS}`],
    ];
  const reporting = permissionMode === 'bypassPermissions' ? [] : ['--allowedTools', REPORTING_TOOLS];
  return [...reporting, '--disallowedTools', FORBIDDEN_TOOLS];
}
