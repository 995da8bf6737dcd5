// Which profiles pass on the callback URL through a placeholder of their own. Pure.

import { type Placeholder, placeholdersIn } from './placeholder.ts';
import type { Profile } from './profile.ts';

const URLS: ReadonlySet<string> = new Set<Placeholder>(['callback.complete_url', 'callback.a2a_url']);

/** Whether a template of the profile mentions a callback URL: then its agents need a reachable address. */
export function usesCallbackUrl(profile: Profile): boolean {
  return mentions(profile);
}

/** Searches the strings of a value of any depth; keys are not templates. */
function mentions(value: unknown): boolean {
  if (typeof value === 'string') return placeholdersIn(value).some((name) => URLS.has(name));
  return typeof value === 'object' && value !== null && Object.values(value).some(mentions);
}
