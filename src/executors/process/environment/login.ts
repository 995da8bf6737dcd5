// Whether an agent CLI is logged in, asked before any task is claimed for it. Each CLI is asked as cheaply as it can be:
// a command of its own that starts no work and asks no model, or, where it has none, the files and variables that it reads
// itself. Only a clear no counts; whatever else it answers, the run will tell.

import { homedir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { execa } from 'execa';
import type { AgentType } from '../../../domain/agent-cli.ts';
import type { AgentProfile } from '../../../domain/profile.ts';
import { readText } from '../../../platform/regular-file.ts';
import { findProgram } from './find-program.ts';

/** Where and as whom the CLI would run. */
export interface LoginPlace {
  readonly program: string;
  readonly profile: AgentProfile;
  readonly worktree: string;
  /** As its agent would see it. */
  readonly environment: Readonly<Record<string, string>>;
}

/** What is known. `how`: the command that was asked, or what was looked at. */
export interface LoginAnswer {
  readonly state: 'yes' | 'no' | 'unknown';
  readonly how: string;
  /** What to do about a no. */
  readonly remedy: string;
}

/** A CLI that takes longer is not asked any further, ms. */
const PATIENCE_MS = 20_000;
const ANSWER_BYTES = 64 * 1024;

interface Question {
  readonly remedy: string;
  ask(place: LoginPlace): Promise<Omit<LoginAnswer, 'remedy'>>;
}

const QUESTIONS: Partial<Record<AgentType, Question>> = {
  claude: { remedy: 'run `claude auth login`', ask: askClaude },
  codex: { remedy: 'run `codex login`', ask: askCodex },
  pi: { remedy: 'run `pi` and /login in it, or set the key of a provider', ask: askPi },
  gemini: { remedy: 'run `gemini` once and choose how to log in, or set GEMINI_API_KEY', ask: lookAtGemini },
};

/**
 * Asks the CLI of a profile. Never rejects. Unknown without asking for CLIs that need no login (opencode has free models)
 * or tell none (ACP), for a program of another name (a wrapper may take any call for work), and where the profile turns
 * it off.
 */
export async function askLogin(
  profile: AgentProfile,
  { worktree, environment }: Pick<LoginPlace, 'worktree' | 'environment'>,
): Promise<LoginAnswer> {
  const unknown = (how: string): LoginAnswer => ({ state: 'unknown', how, remedy: '' });
  const question = QUESTIONS[profile.type];
  if (!question || profile.loginCheck === false) return unknown('it is not asked');
  if (basename(profile.command) !== profile.type) return unknown(`${profile.command} is not asked`);
  const program = await findProgram(profile.command, worktree, environment);
  if (program === null) return unknown('it is not installed');
  try {
    const answer = await question.ask({ program, profile, worktree, environment });
    return { ...answer, remedy: question.remedy };
  } catch {
    // It was replaced meanwhile, or the machine has no process left: the run will tell.
    return unknown('it could not be asked');
  }
}

async function askClaude(place: LoginPlace) {
  const how = '`claude auth status`';
  // Where it has no such command, the words would be a prompt. Help is never work.
  const help = await called(place, ['auth', 'status', '--help']);
  if (!help.out.includes('auth status')) return { state: 'unknown', how: 'it has no `auth status`' } as const;
  const { out } = await called(place, ['auth', 'status', '--json']);
  const loggedIn = /"loggedIn":\s*(true|false)/.exec(out)?.[1];
  return { state: loggedIn === undefined ? 'unknown' : loggedIn === 'true' ? 'yes' : 'no', how } as const;
}

async function askCodex(place: LoginPlace) {
  const how = '`codex login status`';
  const { profile, environment } = place;
  // Keys and providers of its own are not what it calls a login.
  if (environment.CODEX_API_KEY || environment.OPENAI_API_KEY)
    return { state: 'unknown', how: 'it has a key in its environment' } as const;
  const home = environment.CODEX_HOME ?? join(homeOf(environment), '.codex');
  const config = `${profile.args.join('\n')}\n${await contentOf(join(home, 'config.toml'))}`;
  if (
    /\bmodel_provider|\boss_provider|^--oss$|^--(?:local-provider|profile)\b|^-p$|^profile\s*=/m.test(config)
  )
    return { state: 'unknown', how: 'it may use another provider' } as const;
  const { out, err } = await called(place, ['login', 'status']);
  const said = `${out}\n${err}`;
  const state = /^Not logged in\b/m.test(said) ? 'no' : /^Logged in\b/m.test(said) ? 'yes' : 'unknown';
  return { state, how } as const;
}

async function askPi(place: LoginPlace) {
  const { out, err, code } = await called(place, ['--list-models']);
  const state = /^No models available\b.*\/login/m.test(`${out}\n${err}`)
    ? 'no'
    : code === 0
      ? 'yes'
      : 'unknown';
  return { state, how: '`pi --list-models`' } as const;
}

const GEMINI_VARIABLES = [
  ...['GEMINI_API_KEY', 'GOOGLE_API_KEY', 'GOOGLE_GENAI_USE_GCA', 'GOOGLE_GENAI_USE_VERTEXAI'],
  ...['GOOGLE_GEMINI_BASE_URL', 'GEMINI_DEFAULT_AUTH_TYPE', 'CLOUD_SHELL', 'GEMINI_CLI_USE_COMPUTE_ADC'],
];

/** Gemini CLI has no such question; without any of these it ends at once, with status 41. */
async function lookAtGemini({ environment, worktree }: LoginPlace) {
  const how = 'its settings.json, .env files and variables';
  if (GEMINI_VARIABLES.some((name) => environment[name])) return { state: 'yes', how } as const;
  const home = environment.GEMINI_CLI_HOME ?? homeOf(environment);
  const settings = [
    environment.GEMINI_CLI_SYSTEM_SETTINGS_PATH ?? '/etc/gemini-cli/settings.json',
    '/Library/Application Support/GeminiCli/settings.json',
    join(home, '.gemini', 'settings.json'),
    join(worktree, '.gemini', 'settings.json'),
  ];
  for (const file of settings) {
    const content = await contentOf(file);
    if (content === null || /"(?:selectedType|selectedAuthType|enforcedType)"/.test(content))
      return { state: content === null ? 'unknown' : 'yes', how } as const;
  }
  for (const folder of [...upwards(worktree), home])
    for (const file of [join(folder, '.gemini', '.env'), join(folder, '.env')])
      if ((await contentOf(file)) !== '') return { state: 'unknown', how } as const;
  return { state: 'no', how } as const;
}

function homeOf(environment: Readonly<Record<string, string>>): string {
  return environment.HOME ?? homedir();
}

function upwards(folder: string): string[] {
  const parent = dirname(folder);
  return parent === folder ? [folder] : [folder, ...upwards(parent)];
}

/** '' if there is no such file, null if it cannot be read. */
async function contentOf(file: string): Promise<string | null> {
  try {
    return (await readText(file, { maxBytes: 1024 * 1024 })) ?? '';
  } catch {
    // A pipe, a folder, someone else's: it cannot be known from here.
    return null;
  }
}

async function called(
  { program, environment }: LoginPlace,
  args: readonly string[],
): Promise<{ readonly out: string; readonly err: string; readonly code: number | null }> {
  const { stdout, stderr, exitCode } = await execa(program, args, {
    cwd: homeOf(environment),
    env: { ...environment, NO_COLOR: '1' },
    extendEnv: false,
    stdin: 'ignore',
    reject: false,
    timeout: PATIENCE_MS,
    killSignal: 'SIGKILL',
    maxBuffer: ANSWER_BYTES,
  });
  return { out: stdout, err: stderr, code: exitCode ?? null };
}
