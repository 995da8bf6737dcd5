// Which system a project's own settings ask for if a task names no model: wg's `[dispatcher]`, `[models.*]` and
// `[agent]`, the graph's over the user's, and a wg profile selected for the graph over both.

import { join } from 'node:path';
import { messageOf, SupervisorError } from '../domain/errors.ts';
import { type ProjectRoute, routeOfHandler, routeOfModel, routeOfProvider } from '../domain/model-route.ts';
import type { ProfileSet } from '../domain/profile.ts';
import { readConfigText } from './config-text.ts';
import { globalFiles, selectionFile } from './route-files.ts';
import { isTable, parseToml } from './toml.ts';

/** A parsed settings file of wg. */
export interface SettingsFile {
  readonly file: string;
  readonly document: Readonly<Record<string, unknown>>;
}

type KeyPath = readonly string[];

const TIERS = ['fast', 'standard', 'premium'] as const;

/** Where a model may be named, highest precedence first. A worker's own tier is the standard one unless it names another. */
function modelsIn(files: readonly SettingsFile[]): readonly KeyPath[] {
  const tier = firstOf([['models', 'task_agent', 'tier']], files)?.text ?? 'standard';
  return [
    ['dispatcher', 'model'],
    ['coordinator', 'model'],
    ['models', 'task_agent', 'model'],
    ['tiers', tier],
    ['models', 'default', 'model'],
    ['agent', 'model'],
  ];
}

/** Where a program may be named, as in earlier ages of wg. */
const EXECUTORS: readonly KeyPath[] = [
  ['dispatcher', 'executor'],
  ['coordinator', 'executor'],
  ['agent', 'executor'],
];

/** Reads what a project asks for. `home`: the user's home folder. */
export function readProjectRoute(
  graph: string,
  home: string,
): Pick<ProfileSet, 'project' | 'tiers' | 'projectUnread'> {
  try {
    const files = settingsFiles(graph, home);
    const project = projectRoute(files);
    const tiers = tierRoutes(files);
    return {
      ...(project === null ? {} : { project }),
      ...(Object.keys(tiers).length === 0 ? {} : { tiers }),
    };
  } catch (thrown) {
    if (!(thrown instanceof SupervisorError)) throw thrown;
    return { projectUnread: thrown.message };
  }
}

/** What the settings ask for, later files taking precedence; null: nothing. */
export function projectRoute(files: readonly SettingsFile[]): ProjectRoute | null {
  const model = firstOf(modelsIn(files), files);
  const executor = firstOf(EXECUTORS, files);
  const provider = model && textAt(model.document, [...model.path.slice(0, -1), 'provider']);
  const asked =
    model && (routeOfModel(model.text) ?? (provider ? routeOfProvider(provider, model.text) : null));
  if (asked) return { ...asked, from: placeOf(model) };
  if (executor) {
    const text = model?.text ?? null;
    const route = routeOfHandler(executor.text, text) ?? routeOfProvider(executor.text, text);
    return { ...route, from: placeOf(executor) };
  }
  if (!model) return null;
  // A bare name is one of Claude's.
  const route = routeOfHandler('claude', model.text);
  return route && { ...route, from: placeOf(model) };
}

/** What `[tiers]` asks for, by tier. A bare name is one of Claude's. */
export function tierRoutes(files: readonly SettingsFile[]): Readonly<Record<string, ProjectRoute>> {
  const found: Record<string, ProjectRoute> = {};
  for (const tier of TIERS) {
    const setting = firstOf([['tiers', tier]], files);
    const route = setting && (routeOfModel(setting.text) ?? routeOfHandler('claude', setting.text));
    if (setting && route) found[tier] = { ...route, from: placeOf(setting) };
  }
  return found;
}

interface Setting extends SettingsFile {
  readonly path: KeyPath;
  readonly text: string;
}

function firstOf(paths: readonly KeyPath[], files: readonly SettingsFile[]): Setting | null {
  for (const path of paths)
    for (const file of files.toReversed()) {
      const text = textAt(file.document, path);
      if (text !== null) return { ...file, path, text };
    }
  return null;
}

/** A non-empty text that can be a name; one that begins with a dash could be an option instead. */
function textAt(document: Readonly<Record<string, unknown>>, path: KeyPath): string | null {
  let value: unknown = document;
  for (const key of path) value = isTable(value) ? value[key] : undefined;
  const text = typeof value === 'string' ? value.trim() : '';
  return text === '' || text.startsWith('-') ? null : text;
}

function placeOf({ path, file }: Setting): string {
  return `[${path.slice(0, -1).join('.')}] ${path.at(-1)} of ${file}`;
}

/** Throws SupervisorError `config` for a file that exists and is unreadable. */
function settingsFiles(graph: string, home: string): SettingsFile[] {
  const local = join(graph, 'config.toml');
  const global = globalFiles(home)
    .filter((file) => file !== local)
    .map((file) => settingsFile(file, readConfigText(file)))
    .find((file) => file !== null);
  return [
    ...(global ? [global] : []),
    ...listed(settingsFile(local, readConfigText(local))),
    ...listed(selectedProfile(graph, home)),
  ];
}

function listed<T>(value: T | null): T[] {
  return value === null ? [] : [value];
}

function settingsFile(file: string, text: string | null): SettingsFile | null {
  if (text === null) return null;
  const toml = parseToml(text);
  if (toml.ok) return { file, document: toml.document };
  const line = toml.line === null ? '' : ` line ${toml.line}`;
  throw new SupervisorError('config', `${file}${line}: ${toml.message}`);
}

/** The profile that was selected for the graph. If it is missing or unreadable, no other replaces it. */
function selectedProfile(graph: string, home: string): SettingsFile | null {
  const selection = selectionFile(graph);
  const text = readConfigText(selection);
  if (text === null) return null;
  const name = profileIn(text);
  if (name === null) throw new SupervisorError('config', `${selection} names no profile`);
  const file = join(home, '.wg', 'profiles', `${name}.toml`);
  const profile = settingsFile(file, readConfigText(file));
  if (profile !== null) return profile;
  throw new SupervisorError('config', `${selection} names the profile ${name}, and there is no ${file}`);
}

function profileIn(text: string): string | null {
  try {
    const value: unknown = JSON.parse(text);
    const name = isTable(value) ? value.profile : null;
    return typeof name === 'string' && /^[\w-]+$/.test(name) ? name : null;
  } catch (thrown) {
    throw new SupervisorError('config', `the selected profile cannot be read: ${messageOf(thrown)}`);
  }
}
