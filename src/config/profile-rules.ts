// Profile rules beyond a schema of single keys: names, placeholders, URLs, keys that exclude each other.

import { AGENT_CLIS, type AgentType } from '../domain/agent-cli.ts';
import { nearest } from '../domain/nearest.ts';
import { PLACEHOLDERS, placeholdersIn } from '../domain/placeholder.ts';
import type { KeyPath } from './locate.ts';
import type { WrittenProfile } from './profile-schema.ts';
import { isTable } from './toml.ts';

/** A problem inside a profile; the path is relative to the profile's own table. */
export interface Trouble {
  readonly path: KeyPath;
  readonly sentence: string;
}

/** Names are used in tags (`executor:NAME`), and a URL there means an ad-hoc profile. */
export function profileNameTrouble(name: string): string | null {
  if (name === '') return 'a profile needs a name';
  if (/^https?:\/\//.test(name))
    return 'a name that looks like a URL can never be reached: tasks name URLs as they are';
  // biome-ignore lint/suspicious/noControlCharactersInRegex: exactly these would break terminals and tags.
  return /[\u0000-\u001f\u007f\s]/.test(name) ? 'a name may hold no blanks or control characters' : null;
}

/** Rules beyond single keys: placeholders, URLs, keys that exclude each other. */
export function profileTroubles(name: string, written: WrittenProfile): Trouble[] {
  const troubles: Trouble[] = [];
  const texts: [KeyPath, unknown][] = [[['env'], written.env]];
  switch (written.type) {
    case 'command':
      texts.push([['command'], written.command], [['shell'], written.shell]);
      if (written.command !== undefined && written.shell !== undefined)
        troubles.push({ path: ['shell'], sentence: 'stands beside command; only one of them can be run' });
      if (written.untrusted && written.command === undefined && written.shell === undefined)
        troubles.push({
          path: ['untrusted'],
          sentence: "needs command or shell beside it: a stranger's own exec is never run",
        });
      break;
    case 'http':
      texts.push([['endpoint'], written.endpoint], [['headers'], written.headers], [['body'], written.body]);
      texts.push([['status_url'], written.status_url]);
      troubles.push(...httpTroubles(written));
      break;
    case 'schedule':
      if (written.via === name)
        troubles.push({
          path: ['via'],
          sentence: 'names the profile itself; name the one that does the work',
        });
      break;
    case 'external':
      break;
    case 'remote':
    case 'bullmq':
      texts.push([['push'], written.push]);
      if (Object.keys(written.env ?? {}).length > 0)
        troubles.push({
          path: ['env'],
          sentence: "is not sent to other machines; write it into the worker's own profile there",
        });
      break;
    default:
      if (written.untrusted && bypasses(written))
        troubles.push({
          path: ['untrusted'],
          sentence:
            'is not for an agent that may do everything unasked: give another permission_mode, or run it in a sandbox by a profile of type command',
        });
  }
  for (const [path, value] of texts) troubles.push(...placeholderTroubles(path, value));
  return troubles;
}

function bypasses({ type, permission_mode, args }: Extract<WrittenProfile, { type: AgentType }>): boolean {
  if (permission_mode === AGENT_CLIS[type].permissionMode) return true;
  return [permission_mode, ...args].some((word) => /bypass|dangerous|danger-full-access|yolo/i.test(word));
}

function placeholderTroubles(path: KeyPath, value: unknown): Trouble[] {
  if (typeof value === 'string')
    return placeholdersIn(value)
      .filter((name) => !(PLACEHOLDERS as readonly string[]).includes(name))
      .map((name) => {
        const near = nearest(name, PLACEHOLDERS);
        const advice = near === null ? `known are ${PLACEHOLDERS.join(', ')}` : `did you mean {{${near}}}?`;
        return { path, sentence: `unknown placeholder {{${name}}}; ${advice}` };
      });
  if (Array.isArray(value))
    return value.flatMap((inner, index) => placeholderTroubles([...path, index], inner));
  if (isTable(value))
    return Object.entries(value).flatMap(([key, inner]) => placeholderTroubles([...path, key], inner));
  return [];
}

function urlsOf({ endpoint, status_url }: Extract<WrittenProfile, { type: 'http' }>): [string, string][] {
  return [
    ['endpoint', endpoint],
    ...(status_url === undefined ? [] : [['status_url', status_url] as [string, string]]),
  ];
}

/** A status URL may be relative to the endpoint, or begin with `{endpoint}`. */
function isHttpUrl(template: string, endpoint: string): boolean {
  const filled = (text: string) => text.replaceAll(/\{\{[^{}]*\}\}/g, 'x');
  const base = template === endpoint || !URL.canParse(filled(endpoint)) ? undefined : filled(endpoint);
  const url = filled(template.replaceAll('{endpoint}', endpoint));
  return URL.canParse(url, base) && /^https?:$/.test(new URL(url, base).protocol);
}

function httpTroubles(written: WrittenProfile & { readonly type: 'http' }): Trouble[] {
  const troubles: Trouble[] = [];
  for (const [key, url] of urlsOf(written))
    if (!isHttpUrl(url, written.endpoint))
      troubles.push({ path: [key], sentence: `must be an http or https URL, not ${JSON.stringify(url)}` });
  for (const header of Object.keys(written.headers ?? {}))
    if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(header))
      troubles.push({ path: ['headers', header], sentence: 'is no header name' });
  return troubles;
}
