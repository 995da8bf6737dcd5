// The [executors.*] of a worktree's own config.toml, and which of them apply besides the machine's. Every other
// section of that file belongs to wg and is ignored.

import type { Config, RetryPolicy } from '../domain/config.ts';
import type { BrokenProfile, Profile, ProfileSet } from '../domain/profile.ts';
import { locateKeys } from './locate.ts';
import { type ConfigProblem, configProblem } from './problems.ts';
import { type ReadProfiles, readProfiles } from './profiles.ts';
import { parseToml } from './toml.ts';

/**
 * Reads profiles from the text of a `.workgraph/config.toml`. Keys missing in a profile's `retry` come from `retry`.
 */
export function loadWorktreeProfiles(file: string, text: string, retry: RetryPolicy): ReadProfiles {
  const toml = parseToml(text);
  if (toml.ok) return ofStrangers(readProfiles(file, toml.document.executors, locateKeys(text), retry));
  return withoutProfiles([configProblem(file, toml.line, '', toml.message)]);
}

/** A repository cannot declare itself exempt from trust. */
function ofStrangers({ profiles, ...rest }: ReadProfiles): ReadProfiles {
  const plain = ({ untrusted: _, ...profile }: Profile): Profile => profile as Profile;
  return { ...rest, profiles: new Map([...profiles].map(([name, profile]) => [name, plain(profile)])) };
}

/** A worktree file without usable profiles, for the reasons given. */
export function withoutProfiles(problems: readonly ConfigProblem[]): ReadProfiles {
  return { profiles: new Map(), broken: new Map(), problems };
}

/**
 * The profiles that apply to one graph. The machine's take precedence over a worktree's of the same name unless they
 * are overridable (the built-in ones are); in an untrusted worktree its own are only listed.
 */
export function mergeProfiles(
  config: Pick<Config, 'profiles' | 'brokenProfiles'>,
  worktree: ReadProfiles | null,
  trusted: boolean,
): ProfileSet {
  const byName = new Map<string, Profile>(config.profiles);
  const broken = new Map<string, BrokenProfile>(config.brokenProfiles);
  const untrusted: string[] = [];
  const counts = (name: string): boolean => {
    // A broken machine profile was meant to take precedence; using another instead would send tasks elsewhere.
    if (config.brokenProfiles.has(name)) return false;
    if (config.profiles.get(name)?.overridable === false) return false;
    if (!trusted) untrusted.push(name);
    return trusted;
  };
  for (const [name, profile] of worktree?.profiles ?? []) if (counts(name)) byName.set(name, profile);
  for (const [name, profile] of worktree?.broken ?? []) {
    if (!counts(name)) continue;
    byName.delete(name);
    broken.set(name, profile);
  }
  return { byName, broken, untrusted: untrusted.sort() };
}
