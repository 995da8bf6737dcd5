// Which system a task's model asks for, or the project's settings where it names none, and which profile serves that. A
// system that nobody serves is said; its work never goes to the account of another one.

import {
  fittingPattern,
  handlerOfProfile,
  type ModelRoute,
  routeOfHandler,
  routeOfModel,
  routeOfProvider,
} from '../domain/model-route.ts';
import type { Profile, ProfileSet } from '../domain/profile.ts';
import type { Task } from '../domain/task.ts';
import type { Unrouted } from './route.ts';

/** The keys of a task that say which system is to run it. */
export type AskingTask = Pick<Task, 'model' | 'provider' | 'execMode' | 'wgProfile'>;

/** A system that is asked for, and by what. */
export interface Asked {
  readonly route: ModelRoute;
  /** `the task's model`, `the project's model`, … */
  readonly by: string;
  /** What it says, or where. */
  readonly words: string;
  /** The project says so of all its tasks, not the task of itself. */
  readonly isProjects: boolean;
}

/** The profile that serves what is asked for. */
export interface Served {
  readonly name: string;
  readonly because: string;
}

/** What is asked for; null: any executor will do, as for a bare model name. */
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
  const named = task.wgProfile?.trim() ?? '';
  if (model !== '' || named === '') return null;
  const route = { handler: named, names: [named], spellings: [], model: null };
  return { route, by: "the task's wg profile", words: named, isProjects };
}

/** A colon may be part of a model's name; with a profile of that name before it, it is not. */
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

/** A profile of this name is there; one that nobody configured counts only where its program does. */
function serves(name: string, profiles: ProfileSet): boolean {
  const isMissing = profiles.missing?.has(name) && profiles.byName.get(name)?.origin.file === 'built-in';
  return !isMissing && isKnown(name, profiles);
}

/** The profile one of whose patterns fits the model, the first configured one first. */
export function fittingProfile(spellings: readonly string[], profiles: ProfileSet): Served | null {
  for (const profile of profiles.byName.values()) {
    const pattern = fittingPattern(profile, spellings);
    if (pattern !== null) return { name: profile.name, because: `fits "${pattern}" of ${profile.name}` };
  }
  return null;
}

/**
 * Whether the default profile may stand in. What the user made the default of this machine goes before a project's
 * wish and before Claude, unless it would spend the account of another system.
 */
function mayServe(fallback: Profile | undefined, { route, isProjects }: Asked): boolean {
  const account = fallback === undefined ? null : handlerOfProfile(fallback);
  if (account !== null) return account === route.handler;
  return isProjects || route.handler === 'claude';
}

/** Said where nobody serves what is asked for. */
export function nobodyServes({ route, by, words }: Asked): Unrouted {
  return {
    routed: false,
    code: 'no-route',
    because: `${by} asks for ${route.handler}; add [executors.${route.handler}] (${words})`,
  };
}

/** Why a profile must not run the task: it would spend another account than the one that the task's model asks for. */
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

/** Somebody configured it, though it may be broken or not trusted. */
export function isKnown(name: string, profiles: ProfileSet): boolean {
  return profiles.byName.has(name) || profiles.broken.has(name) || profiles.untrusted.includes(name);
}
