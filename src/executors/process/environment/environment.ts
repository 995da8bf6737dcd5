// The environment of a spawned agent: an allow-list of the supervisor's own variables, the profile's values, and the
// agent's identity. An allow-list, because variables that leak from an outer agent or the service manager make an
// agent report to the wrong place. Does not know how the agent is started.

import { AGENT_CLIS } from '../../../domain/agent-cli.ts';
import type { Deferred } from '../../../domain/outcome.ts';
import { fillPlaceholders } from '../../../domain/placeholder.ts';
import { isAgentProfile, isSpawned, type Profile } from '../../../domain/profile.ts';
import type { Assignment } from '../../executor.ts';
import { placeholderValue } from '../../placeholder-values.ts';
import { traceState } from '../../trace-state.ts';

/** In every process of a run and inherited by its children: identifies escaped ones. */
export const RUN_MARK = 'SUPERVISOR_RUN_ID';
/** The run's supervisor: two supervisors never stop each other's agents. */
export const STATE_MARK = 'SUPERVISOR_STATE_DIR';

const ALLOWED = new Set([
  ...[
    'PATH',
    'HOME',
    'USER',
    'LOGNAME',
    'SHELL',
    'LANG',
    'LANGUAGE',
    'TERM',
    'COLORTERM',
    'NO_COLOR',
    'TZ',
    'TMPDIR',
  ],
  ...[
    'SSH_AUTH_SOCK',
    'SSH_AGENT_PID',
    'GNUPGHOME',
    'DBUS_SESSION_BUS_ADDRESS',
    'DISPLAY',
    'WAYLAND_DISPLAY',
  ],
  // The committer, and how git reaches a remote. Not GIT_DIR, GIT_INDEX_FILE and the like: they point at another
  // checkout.
  ...[
    'GIT_AUTHOR_NAME',
    'GIT_AUTHOR_EMAIL',
    'GIT_COMMITTER_NAME',
    'GIT_COMMITTER_EMAIL',
    'GIT_SSH',
    'GIT_SSH_COMMAND',
  ],
  ...['GIT_ASKPASS', 'GIT_TERMINAL_PROMPT', 'GIT_CONFIG_GLOBAL', 'GIT_CONFIG_SYSTEM', 'GIT_CONFIG_NOSYSTEM'],
  ...['NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE', 'SSL_CERT_DIR', 'REQUESTS_CA_BUNDLE', 'CURL_CA_BUNDLE'],
  ...['NIX_SSL_CERT_FILE', 'GIT_SSL_CAINFO', 'HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY', 'NO_PROXY'],
  ...['http_proxy', 'https_proxy', 'all_proxy', 'no_proxy', 'FTP_PROXY', 'ftp_proxy'],
  // Claude: account and provider. Every other CLAUDE_CODE_* describes an outer session.
  ...[
    'CLAUDE_CONFIG_DIR',
    'CLAUDE_CODE_OAUTH_TOKEN',
    'CLAUDE_CODE_USE_BEDROCK',
    'CLAUDE_CODE_USE_VERTEX',
    'IS_SANDBOX',
  ],
  ...['AWS_PROFILE', 'AWS_REGION', 'AWS_DEFAULT_REGION', 'CLOUD_ML_REGION', 'GOOGLE_APPLICATION_CREDENTIALS'],
  ...[
    'CARGO_HOME',
    'RUSTUP_HOME',
    'GOPATH',
    'GOROOT',
    'JAVA_HOME',
    'NVM_DIR',
    'VOLTA_HOME',
    'PNPM_HOME',
    'BUN_INSTALL',
  ],
  ...[
    'PYENV_ROOT',
    'RBENV_ROOT',
    'ASDF_DIR',
    'ASDF_DATA_DIR',
    'MISE_DATA_DIR',
    'DOCKER_HOST',
    'DOCKER_CONFIG',
  ],
]);
const ALLOWED_PREFIXES = ['LC_', 'XDG_', 'ANTHROPIC_'];

/**
 * The supervisor's own variables, which even `pass_env` never passes on: they define an agent's identity and how it
 * reports.
 */
const OURS = /^(SUPERVISOR|WG)_/;

// With all three, `wg done` squash-merges the worktree into whatever the main checkout has and may destroy
// uncommitted work there: only a profile that names all three gets them.
const MERGING = ['WG_WORKTREE_PATH', 'WG_BRANCH', 'WG_PROJECT_ROOT'];

// Not even a profile may set the others: wg would take the worktree for its own and clean it up, and Claude refuses
// to start inside what looks like another session.
const FORBIDDEN = [
  ...MERGING,
  'WG_WORKTREE_ACTIVE',
  ...['CLAUDECODE', 'CLAUDE_CODE_ENTRYPOINT', 'NOTIFY_SOCKET'],
];

/** The part of an environment that agents may see. */
export function allowedEnvironment(
  variables: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(variables)) {
    if (value === undefined) continue;
    if (ALLOWED.has(name) || ALLOWED_PREFIXES.some((prefix) => name.startsWith(prefix))) kept[name] = value;
  }
  return kept;
}

/** The variables that a profile's agents get besides the allow-list: its CLI's own, and those in `pass_env`. */
export function passedNames(
  profile: Profile,
  variables: Readonly<Record<string, string | undefined>>,
): readonly string[] {
  const own = isAgentProfile(profile) ? AGENT_CLIS[profile.type].environment : [];
  const asked = isSpawned(profile) ? profile.passEnv : [];
  const patterns = [...own, ...asked];
  const fits = (name: string) =>
    patterns.some((pattern) =>
      pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern,
    );
  return Object.keys(variables).filter(
    (name) => variables[name] !== undefined && fits(name) && !OURS.test(name) && !FORBIDDEN.includes(name),
  );
}

/** As far as it is the same for all runs of a profile: without what placeholders fill in and the identity of a run. */
export function profileEnvironment(
  profile: Profile,
  place: {
    readonly environment: Readonly<Record<string, string>>;
    readonly variables: Readonly<Record<string, string | undefined>>;
  },
  defaults: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const variables: Record<string, string> = allowedEnvironment(place.environment);
  for (const name of passedNames(profile, place.variables)) variables[name] = place.variables[name] ?? '';
  Object.assign(variables, defaults);
  for (const [name, setting] of Object.entries(profile.env)) {
    const value = typeof setting === 'string' ? setting : place.variables[setting.env];
    if (value !== undefined && !value.includes('{{')) variables[name] = value.replaceAll('\0', '');
  }
  for (const name of FORBIDDEN) delete variables[name];
  return variables;
}

/** The agent's environment, or why it cannot be built. */
export type AgentEnvironment =
  | { readonly kind: 'environment'; readonly variables: Readonly<Record<string, string>> }
  | { readonly kind: 'deferred'; readonly outcome: Deferred };

/**
 * The environment of one run's agent: `assignment.environment` reduced to the allow-list, what the profile's CLI
 * needs and what its `pass_env` names, `defaults`, the profile's `env` (`{ env = "NAME" }` read from `base`, the
 * supervisor's own variables), and last, never overridden, the agent's identity. A variable that a profile's `env`
 * names and `base` lacks defers the profile.
 */
export function agentEnvironment(
  base: Readonly<Record<string, string | undefined>>,
  assignment: Assignment,
  defaults: Readonly<Record<string, string>> = {},
): AgentEnvironment {
  const { profile, callback } = assignment;
  const variables: Record<string, string> = allowedEnvironment(assignment.environment);
  for (const name of passedNames(profile, base)) variables[name] = base[name] ?? '';
  Object.assign(variables, defaults);
  const value = placeholderValue(assignment);
  for (const [name, setting] of Object.entries(profile.env)) {
    if (typeof setting === 'string') {
      variables[name] = fillPlaceholders(setting, value);
      continue;
    }
    const found = base[setting.env] ?? assignment.environment[setting.env];
    if (found === undefined)
      return { kind: 'deferred', outcome: missingVariable(assignment, name, setting.env) };
    variables[name] = found;
  }
  const merges = MERGING.every((name) => Object.hasOwn(profile.env, name));
  for (const name of FORBIDDEN) if (!merges || !MERGING.includes(name)) delete variables[name];
  const api = callback.socket ?? callback.url;
  Object.assign(variables, {
    WG_DIR: assignment.graph,
    WG_TASK_ID: assignment.task.id,
    WG_AGENT_ID: assignment.agent,
    [RUN_MARK]: assignment.run,
    SUPERVISOR_ATTEMPT: String(assignment.attempt),
    SUPERVISOR_TOKEN: callback.token,
    TRACEPARENT: assignment.traceparent,
    TRACESTATE: traceState(assignment.run),
    ...(assignment.ports === undefined
      ? {}
      : { WG_PORT_BASE: String(assignment.ports.base), WG_PORT_COUNT: String(assignment.ports.count) }),
    ...(api === null ? {} : { SUPERVISOR_API: api }),
    ...(callback.url === null ? {} : { SUPERVISOR_TASK_URL: callback.url }),
  });
  // The kernel allows no NUL in a variable; a task's text may contain one.
  for (const [name, text] of Object.entries(variables)) variables[name] = text.replaceAll('\0', '');
  return { kind: 'environment', variables };
}

function missingVariable(assignment: Assignment, name: string, wanted: string): Deferred {
  return {
    kind: 'deferred',
    code: 'executor-unavailable',
    because:
      `profile ${assignment.profile.name} (${assignment.profile.origin.file}) takes ${name} from the environment ` +
      `variable ${wanted}, which the supervisor does not have: set it where the supervisor is started`,
    scope: 'profile',
  };
}
