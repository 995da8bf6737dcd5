// The agent CLIs with an executor type of their own, and what is known of each before it starts. The adapters are
// among the executors: another CLI is one more entry here, one file there, and its line in adapters.ts.

/** The facts about a CLI. */
export interface AgentCliFacts {
  /** Display name. */
  readonly title: string;
  /** The program its profile runs by default. */
  readonly program: string;
  /** Its default permissions, in the CLI's own terms. */
  readonly permissionMode: string;
  /** The account its profiles share by default. */
  readonly account: string;
  /** Variables for its account and provider that are passed on to it, besides those that every agent gets. */
  readonly environment: readonly string[];
}

const OPENAI = ['OPENAI_API_KEY', 'OPENAI_BASE_URL', 'OPENAI_ORGANIZATION', 'OPENAI_PROJECT'];
/** For CLIs without a provider of their own. */
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
    // ANTHROPIC_* and CLAUDE_CONFIG_DIR are on every agent's list.
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
  acp: {
    title: 'an agent by ACP (Agent Client Protocol)',
    // Each profile names its own.
    program: '',
    permissionMode: 'allow',
    account: 'acp',
    environment: [
      ...['CODEX_HOME', 'CODEX_API_KEY', 'GOOGLE_API_KEY', 'GOOGLE_GEMINI_BASE_URL', 'GOOGLE_CLOUD_PROJECT'],
      ...['OPENCODE_CONFIG', 'OPENCODE_CONFIG_DIR', 'OPENAI_MODEL', ...PROVIDERS],
    ],
  },
} as const satisfies Record<string, AgentCliFacts>;

export type AgentType = keyof typeof AGENT_CLIS;

/** The types, in display order. */
export const AGENT_TYPES = Object.keys(AGENT_CLIS) as readonly AgentType[];

/** Whether an executor type runs an agent CLI. */
export function isAgentType(type: string): type is AgentType {
  return Object.hasOwn(AGENT_CLIS, type);
}
