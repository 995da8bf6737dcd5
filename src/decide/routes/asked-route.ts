// Which system a task's model asks for (or the project's settings, if the task names none), and which profile serves
// it. If no profile does, the task is held: its work never goes to another system's account.

import {
  fittingPattern,
  handlerOfProfile,
  type ModelRoute,
  type ProjectRoute,
  routeOfHandler,
  routeOfModel,
  routeOfProvider,
} from '../../domain/model-route.ts';
import type { Profile, ProfileSet } from '../../domain/profile.ts';
import type { Task } from '../../domain/task.ts';
import type { Unrouted } from './route.ts';

/** The task keys that choose the system. */
export type AskingTask = Pick<Task, 'model' | 'provider' | 'execMode' | 'wgProfile' | 'tier'>;

/** A requested system, and what requested it. */
export interface Asked {
  readonly route: ModelRoute;
  /** `the task's model`, `the project's model`, … */
  readonly by: string;
  /** The requested value, or where it stands. */
  readonly words: string;
  /** The request is the project's, for all its tasks, not the task's own. */
  readonly isProjects: boolean;
}

/** The profile that serves the request. */
export interface Served {
  readonly name: string;
  readonly because: string;
}

/** What is requested; null: any executor will do, as for a bare model name. */
export function askedRoute(task: AskingTask, profiles: ProfileSet): Asked | null {
  const own = ownRoute(task, profiles);
  if (own) return own;
  const { project } = profiles;
  if (!project || (task.model?.trim() && isOfClaude(task.model))) return null;
  return { route: project, by: "the project's model", words: project.from, isProjects: true };
}

function ownRoute(task: AskingTask, profiles: ProfileSet): Asked | null {
  const model = task.model?.trim() ?? '';
  const provider = task.provider?.trim() ?? '';
  const isProjects = false;
  const mode = routeOfHandler(task.execMode ?? '', model);
  if (mode) return { route: mode, by: "the task's exec_mode", words: task.execMode ?? '', isProjects };
  if (model !== '') {
    const route = routeOfModel(model) ?? routeToNamed(model, profiles);
    if (route) return { route, by: "the task's model", words: model, isProjects };
  }
  if (provider !== '') {
    const route = routeOfProvider(provider, model || null);
    return { route, by: "the task's provider", words: provider, isProjects };
  }
  const tier = model === '' ? tierRoute(task, profiles) : null;
  if (tier) return { route: tier, by: `the task's tier ${task.tier}`, words: tier.from, isProjects: true };
  const named = task.wgProfile?.trim() ?? '';
  if (model !== '' || named === '') return null;
  const route = { handler: named, names: [named], spellings: [], model: null };
  return { route, by: "the task's wg profile", words: named, isProjects };
}

/** What the project's settings name for the tier of a task; null where it has none, or a model of its own. */
export function tierRoute(
  task: Pick<Task, 'model' | 'tier'>,
  profiles: Pick<ProfileSet, 'tiers'>,
): ProjectRoute | null {
  if (task.tier === undefined || task.model?.trim()) return null;
  return profiles.tiers?.[task.tier.trim().toLowerCase()] ?? null;
}

/** A colon may be part of a model's name; after the name of a profile it is a separator. */
function routeToNamed(model: string, profiles: ProfileSet): ModelRoute | null {
  const name = model.slice(0, Math.max(0, model.indexOf(':')));
  if (name === '' || !isKnown(name, profiles)) return null;
  return { handler: name, names: [name], spellings: [model], model: model.slice(name.length + 1) || null };
}

function isOfClaude(model: string): boolean {
  return /^(opus|sonnet|haiku|fable)\b|claude/i.test(model);
}

/** The profile that serves a system, by its patterns, else by its name. */
export function whoServes(asked: Asked, profiles: ProfileSet): Served | null {
  const because = asked.isProjects ? `${asked.by} (${asked.words})` : `${asked.by} ${asked.words}`;
  const fitting = fittingProfile(asked.route.spellings, profiles);
  if (fitting) return { ...fitting, because: `${because}, which ${fitting.because}` };
  if (isKnown('default', profiles) && mayServe(profiles.byName.get('default'), asked))
    return { name: 'default', because: `the default profile, for ${because}` };
  const name = asked.route.names.find((candidate) => serves(candidate, profiles));
  return name === undefined ? null : { name, because };
}

/** Whether this profile exists; a built-in one counts only if its program is installed. */
function serves(name: string, profiles: ProfileSet): boolean {
  const isMissing = profiles.missing?.has(name) && profiles.byName.get(name)?.origin.file === 'built-in';
  return !isMissing && isKnown(name, profiles);
}

/** The first configured profile with a pattern that matches the model. */
export function fittingProfile(spellings: readonly string[], profiles: ProfileSet): Served | null {
  for (const profile of profiles.byName.values()) {
    const pattern = fittingPattern(profile, spellings);
    if (pattern !== null) return { name: profile.name, because: `fits "${pattern}" of ${profile.name}` };
  }
  return null;
}

/**
 * Whether the default profile may stand in. The machine's configured default takes precedence over a project's
 * settings and over Claude, unless it would spend another system's account.
 */
function mayServe(fallback: Profile | undefined, { route, isProjects }: Asked): boolean {
  const account = fallback === undefined ? null : handlerOfProfile(fallback);
  if (account !== null) return account === route.handler;
  return isProjects || route.handler === 'claude';
}

/** The reason when no profile serves the requested system. */
export function nobodyServes({ route, by, words }: Asked): Unrouted {
  return {
    routed: false,
    code: 'no-route',
    because: `${by} asks for ${route.handler}; add [executors.${route.handler}] (${words})`,
  };
}

/** Why a profile must not run the task: it would spend another account than the one the task's model asks for. */
export function wrongAccount(task: AskingTask, profile: Profile, profiles: ProfileSet): Unrouted | null {
  const account = handlerOfProfile(profile);
  const asked = account === null ? null : ownRoute(task, profiles);
  if (asked === null || asked.route.handler === account) return null;
  if (asked.route.names.includes(profile.name) || fittingPattern(profile, asked.route.spellings) !== null)
    return null;
  const { route, by, words } = asked;
  return {
    routed: false,
    code: 'no-route',
    because: `${by} asks for ${route.handler} (${words}), and its executor ${profile.name} runs ${account}; name an executor for ${route.handler}, or change the model`,
  };
}

/** Configured by the user, even if broken or not trusted. */
export function isKnown(name: string, profiles: ProfileSet): boolean {
  return profiles.byName.has(name) || profiles.broken.has(name) || profiles.untrusted.includes(name);
}
