// The [executors.*] of a worktree's own config.toml, and which of them count beside the machine's. Every other section
// of that file belongs to wg and is not looked at, however odd it is.

import type { Config, RetryPolicy } from '../domain/config.ts';
import type { BrokenProfile, Profile, ProfileSet } from '../domain/profile.ts';
import { locateKeys } from './locate.ts';
import { type ConfigProblem, configProblem } from './problems.ts';
import { type ReadProfiles, readProfiles } from './profiles.ts';
import { parseToml } from './toml.ts';

/** Reads profiles from the text of a `.workgraph/config.toml`. What a profile's `retry` leaves out comes from `retry`. */
export function loadWorktreeProfiles(file: string, text: string, retry: RetryPolicy): ReadProfiles {
  const toml = parseToml(text);
  if (toml.ok) return ofStrangers(readProfiles(file, toml.document.executors, locateKeys(text), retry));
  return withoutProfiles([configProblem(file, toml.line, '', toml.message)]);
}

/** A repository does not say of itself that it may be worked for though it is not trusted. */
function ofStrangers({ profiles, ...rest }: ReadProfiles): ReadProfiles {
  const plain = ({ untrusted: _, ...profile }: Profile): Profile => profile as Profile;
  return { ...rest, profiles: new Map([...profiles].map(([name, profile]) => [name, plain(profile)])) };
}

/** A worktree file that gives no profiles, for the reasons given. */
export function withoutProfiles(problems: readonly ConfigProblem[]): ReadProfiles {
  return { profiles: new Map(), broken: new Map(), problems };
}

/**
 * The profiles that count for one graph. The machine's win over a worktree's of the same name unless they are
 * overridable (the built-in ones are); where the worktree is not trusted its own are only named.
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
    // A machine profile that is broken was meant to win; letting another step in would send tasks elsewhere.
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
