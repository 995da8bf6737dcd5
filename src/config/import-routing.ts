// Converts an existing `[routing]` table (enabled, default_executor, [routing.executors.NAME] with type, endpoint,
// tag_match) into profiles. Returns text; writes no file.

import { SupervisorError } from '../domain/errors.ts';
import { TYPE_NAMES } from '../executors/executor-types.ts';
import { isTable, parseToml, tomlKey, tomlValue } from './toml.ts';

/** The result of an import. */
export interface ImportedRouting {
  /** `[executors.NAME]` tables, ready for supervisor.toml. */
  readonly toml: string;
  readonly names: readonly string[];
  /** What could not be imported, one sentence each. */
  readonly notes: readonly string[];
}

/** Other tools' names for our types. */
const OTHER_NAMES: Readonly<Record<string, string>> = {
  webhook: 'http',
  https: 'http',
  shell: 'command',
  cli: 'claude',
  manual: 'external',
  human: 'external',
  scheduled: 'schedule',
  cron: 'schedule',
};

/** Keys that profiles have under the same name. */
const SAME_KEYS = [
  'endpoint',
  'method',
  'headers',
  'completion',
  'status_url',
  'poll_interval',
  'command',
  'args',
  'model',
  'shell',
  'cwd',
  'timeout',
  'max_concurrent',
  'schedule',
  'via',
  'env',
];

/** Converts the text of a routing file to profiles. Throws `config` for text without a `[routing]` table. */
export function importRouting(file: string, text: string): ImportedRouting {
  const toml = parseToml(text);
  if (!toml.ok)
    throw new SupervisorError(
      'config',
      `${file}${toml.line === null ? '' : ` line ${toml.line}`}: ${toml.message}`,
    );
  const { routing } = toml.document;
  if (!isTable(routing))
    throw new SupervisorError('config', `${file} has no [routing] table`, {
      hint: 'give the file whose [routing.executors.NAME] tables are to be taken over',
    });
  const notes: string[] = [];
  if (routing.enabled === false)
    notes.push('[routing] is switched off there (enabled = false); its profiles are given all the same');
  const executors = isTable(routing.executors) ? routing.executors : {};
  const blocks: string[] = [];
  const names: string[] = [];
  for (const [name, value] of Object.entries(executors)) {
    const block = isTable(value) ? profileText(name, value, notes) : null;
    if (block === null) continue;
    names.push(name);
    blocks.push(block);
  }
  const fallback = routing.default_executor;
  if (typeof fallback === 'string' && fallback !== 'default' && !names.includes('default')) {
    const chosen = isTable(executors[fallback]) ? executors[fallback] : { type: fallback };
    const { tag_match: _tags, match: _match, ...rest } = chosen;
    const block = profileText('default', rest, notes);
    if (block !== null) {
      blocks.push(`# default_executor = ${tomlValue(fallback)}\n${block}`);
      names.push('default');
    }
  }
  if (names.length === 0) notes.push(`${file} names no executor that could be taken over`);
  return { toml: blocks.join('\n'), names, notes };
}

function profileText(name: string, table: Readonly<Record<string, unknown>>, notes: string[]): string | null {
  const said = typeof table.type === 'string' ? table.type : table.endpoint === undefined ? 'claude' : 'http';
  const type = OTHER_NAMES[said] ?? said;
  if (!TYPE_NAMES.some((known) => known === type)) {
    notes.push(`${name} is left out: there is no executor type ${said} (${TYPE_NAMES.join(', ')})`);
    return null;
  }
  const lines = [`[executors.${tomlKey(name)}]`, `type = ${tomlValue(type)}`];
  for (const key of SAME_KEYS) if (table[key] !== undefined) lines.push(`${key} = ${tomlValue(table[key])}`);
  const match = [table.tag_match, table.match].flat().filter((tag): tag is string => typeof tag === 'string');
  if (match.length > 0) lines.push(`match = ${tomlValue(match)}`);
  const rest = Object.keys(table).filter(
    (key) => !['type', 'tag_match', 'match', ...SAME_KEYS].includes(key),
  );
  if (rest.length > 0) notes.push(`${name}: not taken over: ${rest.join(', ')}`);
  return `${lines.join('\n')}\n`;
}
