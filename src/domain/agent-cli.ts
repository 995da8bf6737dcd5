// The agent CLIs that have an executor type of their own, and what is known of each before it is started. How each is
// spoken to is its adapter among the executors; one more CLI is one more entry here and one file there.

/** What a CLI is known by. */
export interface AgentCliFacts {
  /** As people call it. */
  readonly title: string;
  /** The program that its profile runs unless it says otherwise. */
  readonly program: string;
  /** What it may do unasked unless its profile says otherwise, in its own words. */
  readonly permissionMode: string;
  /** Whose quota its profiles share unless they say otherwise. */
  readonly account: string;
  /** Its own account and provider: variables that are handed on to it, beside what every agent gets. */
  readonly environment: readonly string[];
}

const OPENAI = ['OPENAI_API_KEY', 'OPENAI_BASE_URL', 'OPENAI_ORGANIZATION', 'OPENAI_PROJECT'];
/** For CLIs that bring no provider of their own. */
const PROVIDERS = [
  ...OPENAI,
  ...['GEMINI_API_KEY', 'OPENROUTER_API_KEY', 'GROQ_API_KEY', 'MISTRAL_API_KEY', 'XAI_API_KEY'],
  ...['DEEPSEEK_API_KEY', 'CEREBRAS_API_KEY', 'OPENCODE_API_KEY'],
];

export const AGENT_CLIS = {
  claude: {
    title: 'Claude Code',
    program: 'claude',
    permissionMode: 'bypassPermissions',
    account: 'default',
    // ANTHROPIC_* and CLAUDE_CONFIG_DIR are on the list of every agent.
    environment: [],
  },
  codex: {
    title: 'Codex',
    program: 'codex',
    permissionMode: 'danger-full-access',
    account: 'codex',
    environment: ['CODEX_HOME', 'CODEX_API_KEY', ...OPENAI],
  },
  pi: {
    title: 'Pi',
    program: 'pi',
    permissionMode: 'all',
    account: 'pi',
    environment: ['PI_CODING_AGENT_DIR', 'PI_OFFLINE', ...PROVIDERS],
  },
  gemini: {
    title: 'Gemini CLI',
    program: 'gemini',
    permissionMode: 'yolo',
    account: 'gemini',
    environment: [
      ...['GEMINI_API_KEY', 'GOOGLE_API_KEY', 'GOOGLE_GEMINI_BASE_URL', 'GOOGLE_CLOUD_PROJECT'],
      ...['GOOGLE_CLOUD_LOCATION', 'GOOGLE_GENAI_USE_VERTEXAI', 'GOOGLE_GENAI_USE_GCA'],
    ],
  },
  opencode: {
    title: 'OpenCode',
    program: 'opencode',
    permissionMode: 'auto',
    account: 'opencode',
    environment: ['OPENCODE_CONFIG', 'OPENCODE_CONFIG_DIR', ...PROVIDERS],
  },
} as const satisfies Record<string, AgentCliFacts>;

export type AgentType = keyof typeof AGENT_CLIS;

/** The types in the order in which they are told. */
export const AGENT_TYPES = Object.keys(AGENT_CLIS) as readonly AgentType[];

/** Whether an executor type runs an agent CLI. */
export function isAgentType(type: string): type is AgentType {
  return Object.hasOwn(AGENT_CLIS, type);
}
