// One [executors.NAME] table → a profile, or the reason why it is invalid. Shared by supervisor.toml and worktrees.

import type { RetryPolicy } from '../domain/config.ts';
import type { BrokenProfile, Origin, Profile } from '../domain/profile.ts';
import type { ExecutorDefinition } from '../executors/executor-type.ts';
import { EXECUTOR_TYPES, executorTypeNamed, TYPE_NAMES } from '../executors/executor-types.ts';
import type { KeyLines, KeyPath } from './locate.ts';
import { type ConfigProblem, configProblem, describeIssues, keyText, notOneOf } from './problems.ts';
import { isTable } from './toml.ts';

/** Profiles of one file, the broken ones separately. */
export interface ReadProfiles {
  readonly profiles: ReadonlyMap<string, Profile>;
  readonly broken: ReadonlyMap<string, BrokenProfile>;
  readonly problems: readonly ConfigProblem[];
}

/** Types of which a profile exists without configuration, by its name; for these `type` may be omitted. */
const BUILT_IN: ReadonlyMap<string, ExecutorDefinition> = new Map(
  EXECUTOR_TYPES.flatMap((facts) => (facts.builtIn === undefined ? [] : [[facts.builtIn, facts]])),
);

/** The built-in profiles. Defining one of these names replaces it. */
export function builtInProfiles(retry: RetryPolicy): Profile[] {
  return [...BUILT_IN].map(([name, facts]) => {
    const read = facts.read(name, { file: 'built-in' }, {}, retry);
    if (!('profile' in read)) throw new Error(`the built-in profile ${name} is incomplete`);
    return { ...read.profile, overridable: true };
  });
}

/** Reads the `executors` table of a parsed document. A broken profile is reported and affects no other. */
export function readProfiles(
  file: string,
  executors: unknown,
  lines: KeyLines,
  retry: RetryPolicy,
): ReadProfiles {
  const profiles = new Map<string, Profile>();
  const broken = new Map<string, BrokenProfile>();
  const problems: ConfigProblem[] = [];
  if (executors === undefined) return { profiles, broken, problems };
  if (!isTable(executors)) {
    const line = lines.line(['executors']);
    problems.push(configProblem(file, line, 'executors', 'must be tables, written [executors.NAME]'));
    return { profiles, broken, problems };
  }
  for (const [name, written] of Object.entries(executors)) {
    const line = lines.line(['executors', name]);
    const origin: Origin = line === null ? { file } : { file, line };
    const result = readProfile(file, name, written, lines, origin, retry);
    if ('profile' in result) profiles.set(name, result.profile);
    else {
      problems.push(...result.problems);
      broken.set(name, {
        name,
        origin,
        problem: result.problems.map((problem) => problem.message).join('; '),
      });
    }
  }
  return { profiles, broken, problems };
}

type ReadProfile = { readonly profile: Profile } | { readonly problems: readonly ConfigProblem[] };

function readProfile(
  file: string,
  name: string,
  written: unknown,
  lines: KeyLines,
  origin: Origin,
  retry: RetryPolicy,
): ReadProfile {
  const prefix: KeyPath = ['executors', name];
  const problem = (path: KeyPath, sentence: string): ConfigProblem => {
    const whole = [...prefix, ...path];
    return configProblem(file, lines.line(whole), keyText(whole), sentence);
  };
  const nameTrouble = profileNameTrouble(name);
  if (nameTrouble !== null) return { problems: [problem([], nameTrouble)] };
  if (!isTable(written)) return { problems: [problem([], `must be a table, written [executors.${name}]`)] };
  const type = written.type ?? BUILT_IN.get(name)?.type;
  if (type === undefined)
    return { problems: [problem(['type'], `is missing; known types are ${TYPE_NAMES.join(', ')}`)] };
  const facts = executorTypeNamed(type);
  if (!facts) return { problems: [problem(['type'], notOneOf(type, TYPE_NAMES))] };

  const read = facts.read(name, origin, written, retry);
  if ('issues' in read) {
    const { schema } = facts;
    return {
      problems: describeIssues({ file, lines, schema, value: written, issues: read.issues, prefix }),
    };
  }
  if ('troubles' in read)
    return { problems: read.troubles.map(({ path, sentence }) => problem(path, sentence)) };
  return read;
}

/** Names are used in tags (`executor:NAME`), and a URL there means an ad-hoc profile. */
function profileNameTrouble(name: string): string | null {
  if (name === '') return 'a profile needs a name';
  if (/^https?:\/\//.test(name))
    return 'a name that looks like a URL can never be reached: tasks name URLs as they are';
  // biome-ignore lint/suspicious/noControlCharactersInRegex: exactly these would break terminals and tags.
  return /[\u0000-\u001f\u007f\s]/.test(name) ? 'a name may hold no blanks or control characters' : null;
}
