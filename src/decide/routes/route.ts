// Which profile runs a task, and by which rule (README, "How a task finds its executor"). The first match wins; a
// task is never sent to another executor than the one it names.

import type { RetryPolicy } from '../../domain/config.ts';
import { handlerOfProfile, patternFits } from '../../domain/model-route.ts';
import { nearest } from '../../domain/nearest.ts';
import {
  type HttpProfile,
  isHold,
  type Profile,
  type ProfileSet,
  runsExec,
  type ScheduleProfile,
} from '../../domain/profile.ts';
import type { Run } from '../../domain/run.ts';
import { type Task, tagValue } from '../../domain/task.ts';
import type { VerdictCode } from '../codes.ts';
import { askedRoute, fittingProfile, isKnown, nobodyServes, whoServes, wrongAccount } from './asked-route.ts';

/** A profile for a task, or the reason why there is none. */
export type Route = Routed | Unrouted;

export interface Routed {
  readonly routed: true;
  /** The profile that does the work. */
  readonly profile: Profile;
  /** The schedule profile that delays the task until its time, if it was routed to one. */
  readonly scheduleProfile: ScheduleProfile | null;
  /** Names the rule, e.g. `tag executor:deploy-agent`. */
  readonly because: string;
}

export interface Unrouted {
  readonly routed: false;
  readonly code: VerdictCode;
  readonly because: string;
}

type RoutedTask = Pick<
  Task,
  'executor' | 'tags' | 'exec' | 'agent' | 'model' | 'provider' | 'execMode' | 'wgProfile' | 'tier' | 'verify'
>;

/** The name of a profile and the rule that gave it, or why there is none. */
type Choice = { readonly name: string; readonly because: string; readonly owner?: true } | Unrouted;

/** For URLs that tasks name themselves, without any configuration. */
const AD_HOC_RETRY: RetryPolicy = { attempts: 3, backoffMs: 10_000, maxBackoffMs: 300_000 };

/** Finds the profile of a task. `retry`: the machine's default, for URLs that a task names itself. */
export function routeTask(task: RoutedTask, profiles: ProfileSet, retry: RetryPolicy = AD_HOC_RETRY): Route {
  const route = routeTrusting(task, profiles, retry);
  if (!route.routed || !profiles.repositoryUntrusted) return route;
  const refusal = strangersRefusal(task, route.profile);
  if (refusal === null) return route;
  const because = `its repository is not trusted, so ${refusal}: ${howToTrust(profiles)}`;
  return { routed: false, code: 'untrusted', because };
}

/** What must not run for an untrusted repository; null: all of it may. */
function strangersRefusal(task: RoutedTask, profile: Profile): string | null {
  if (task.verify?.trim()) return 'its verify command is not run';
  if (isHold(profile.type) || profile.untrusted) return null;
  if (profile.origin.file === 'task') return `nothing is sent to ${profile.name}`;
  return runsExec(profile) ? 'its exec command is not run' : `${profile.name} does not work for it`;
}

function howToTrust(profiles: ProfileSet): string {
  return `\`supervisor trust ${profiles.trustPath ?? 'PATH'}\` trusts it`;
}

function routeTrusting(task: RoutedTask, profiles: ProfileSet, retry: RetryPolicy): Route {
  const chosen = chooseName(task, profiles);
  if (!('name' in chosen)) return chosen;
  if (chosen.owner === true && !isKnown(chosen.name, profiles))
    return {
      routed: false,
      code: 'owner',
      because: `it belongs to ${chosen.name} (its agent field), who has no profile: it waits for them; \`supervisor edit\` with --executor sends it elsewhere`,
    };
  const found = findProfile(chosen.name, task, profiles, retry);
  if (!found.routed) return { ...found, because: `${found.because} (${chosen.because})` };
  const route =
    found.profile.type === 'schedule'
      ? routeVia(found.profile, task, profiles, retry, chosen.because)
      : { ...found, because: chosen.because };
  return (route.routed ? wrongAccount(task, route.profile, profiles) : null) ?? route;
}

/** The profile a run was started with, by the name the run carries; null if it is no longer configured. */
export function profileNamed(
  name: string,
  profiles: ProfileSet,
  retry: RetryPolicy = AD_HOC_RETRY,
): Profile | null {
  return profiles.byName.get(name) ?? (isAddress(name) ? adHocProfile(name, retry) : null);
}

/**
 * The profile for attending to a run that is under way. Its name may mean another kind of executor by now, or
 * nothing: then the built-in profile of the run's own type is enough.
 */
export function profileOfRun(run: Pick<Run, 'executor' | 'type'>, profiles: ProfileSet): Profile | null {
  const named = profileNamed(run.executor, profiles);
  if (named?.type === run.type) return named;
  const builtIn = profiles.byName.get(run.type);
  if (builtIn?.type === run.type) return builtIn;
  return run.type === 'http' ? adHocProfile(run.executor, AD_HOC_RETRY) : null;
}

function chooseName(task: RoutedTask, profiles: ProfileSet): Choice {
  const key = task.executor?.trim();
  if (key) return { name: key, because: `key executor = ${key}` };
  const tagged = tagValue(task, 'executor:')?.trim();
  if (tagged) return { name: tagged, because: `tag executor:${tagged}` };
  const matched = matchingProfile(task.tags, profiles);
  if (matched) return matched;
  const agent = agentTag(task.tags, profiles);
  if (agent !== null) return { name: agent, because: `tag agent:${agent}` };
  const owner = ownerOf(task);
  if (owner !== null) return { name: owner, because: `its owner ${owner} (agent field)`, owner: true };
  return defaultName(task, profiles);
}

/** What runs a task that names no executor: its own command, else what its model or the project asks for. */
function defaultName(task: RoutedTask, profiles: ProfileSet): Choice {
  if (task.exec?.trim()) return { name: 'command', because: 'its own exec command' };
  const asked = askedRoute(task, profiles);
  if (asked) return whoServes(asked, profiles) ?? nobodyServes(asked);
  const model = task.model?.trim() ?? '';
  const fitting = model === '' ? null : fittingProfile([model], profiles);
  if (fitting) return { ...fitting, because: `the task's model ${model}, which ${fitting.because}` };
  return unreadProject(profiles) ?? plainDefault(profiles);
}

function plainDefault(profiles: ProfileSet): Choice {
  if (isKnown('default', profiles)) return { name: 'default', because: 'the default profile' };
  return { name: 'claude', because: 'the built-in default' };
}

/** No account is spent on a guess: the project's settings must be known first. */
function unreadProject({ projectUnread, byName }: ProfileSet): Unrouted | null {
  if (projectUnread === undefined) return null;
  const fallback = byName.get('default') ?? byName.get('claude');
  if (!fallback || handlerOfProfile(fallback) === null) return null;
  return {
    routed: false,
    code: 'no-route',
    because: `which system the project asks for cannot be read: ${projectUnread}; put that right, or name the task's executor`,
  };
}

/** The first configured profile with a pattern that matches one of the tags. */
function matchingProfile(
  tags: readonly string[],
  profiles: ProfileSet,
): { name: string; because: string } | null {
  if (tags.length === 0) return null;
  for (const profile of profiles.byName.values()) {
    if (profile.match.length === 0) continue;
    for (const pattern of profile.match) {
      const tag = tags.find((candidate) => patternFits(pattern, candidate));
      if (tag !== undefined)
        return { name: profile.name, because: `tag ${tag} matches "${pattern}" of ${profile.name}` };
    }
  }
  return null;
}

function agentTag(tags: readonly string[], profiles: ProfileSet): string | null {
  for (const tag of tags) {
    const name = tag.startsWith('agent:') ? tag.slice('agent:'.length).trim() : '';
    if (name !== '' && isKnown(name, profiles)) return name;
  }
  return null;
}

/** What wg's agency writes into the same field: a content hash, or the older pair of role and motivation. */
const PERSONA = /^[0-9a-f]{7,64}$|\//i;

/** The durable owner of a task: the name of a person or agent; null for none, and for a persona of wg's agency. */
export function ownerOf(task: Pick<Task, 'agent'>): string | null {
  const agent = task.agent?.trim() ?? '';
  return agent === '' || PERSONA.test(agent) ? null : agent;
}

type Found = { readonly routed: true; readonly profile: Profile; readonly scheduleProfile: null } | Unrouted;

function findProfile(name: string, task: RoutedTask, profiles: ProfileSet, retry: RetryPolicy): Found {
  const profile = profiles.byName.get(name);
  if (profile) return { routed: true, profile, scheduleProfile: null };
  if (isAddress(name)) {
    if (!URL.canParse(name))
      return { routed: false, code: 'bad-url', because: `${name} is not a valid address` };
    return { routed: true, profile: adHocProfile(name, retry), scheduleProfile: null };
  }
  const broken = profiles.broken.get(name);
  if (broken) return { routed: false, code: 'broken-profile', because: broken.problem };
  if (profiles.untrusted.includes(name))
    return {
      routed: false,
      code: 'untrusted',
      because: `executor ${name} is configured in this worktree, which is not trusted: ${howToTrust(profiles)}`,
    };
  if (name === 'default') return findDefault(task, profiles, retry);
  const known = [...profiles.byName.keys(), ...profiles.broken.keys(), ...profiles.untrusted];
  const near = nearest(name, known);
  const hint = near === null ? 'add [executors.NAME] to supervisor.toml' : `did you mean ${near}?`;
  return { routed: false, code: 'no-profile', because: `no executor ${name} is configured; ${hint}` };
}

/** What a task sent to the default gets if none is configured. */
function findDefault(task: RoutedTask, profiles: ProfileSet, retry: RetryPolicy): Found {
  const chosen = defaultName(task, profiles);
  return 'name' in chosen ? findProfile(chosen.name, task, profiles, retry) : chosen;
}

/** Follows `via` to the profile that does the work; circular chains are refused. */
function routeVia(
  schedule: ScheduleProfile,
  task: RoutedTask,
  profiles: ProfileSet,
  retry: RetryPolicy,
  because: string,
): Route {
  const passed = [schedule.name];
  let via = schedule.via;
  for (;;) {
    // The default executor of a task with a command of its own is that command.
    const found =
      via === 'default' ? findDefault(task, profiles, retry) : findProfile(via, task, profiles, retry);
    if (!found.routed)
      return { ...found, because: `${found.because} (via of ${passed.join(' → ')}; ${because})` };
    if (found.profile.type !== 'schedule')
      return {
        routed: true,
        profile: found.profile,
        scheduleProfile: schedule,
        because: `${because}, then ${found.profile.name}`,
      };
    if (passed.includes(found.profile.name)) {
      const loop = [...passed, found.profile.name].join(' → ');
      return { routed: false, code: 'profile-loop', because: `schedule profiles lead in a circle: ${loop}` };
    }
    passed.push(found.profile.name);
    via = found.profile.via;
  }
}

function isAddress(name: string): boolean {
  return /^https?:\/\//i.test(name);
}

/** How long an agent at a task's own URL may take until it calls back. */
const AD_HOC_TIMEOUT_MS = 86_400_000;
const AD_HOC_POLL_MS = 30_000;

/** The http profile of a URL that a task names itself. */
function adHocProfile(url: string, retry: RetryPolicy): HttpProfile {
  return {
    type: 'http',
    name: url,
    origin: { file: 'task' },
    maxConcurrent: null,
    timeoutMs: AD_HOC_TIMEOUT_MS,
    retry,
    match: [],
    env: {},
    overridable: false,
    endpoint: url,
    method: 'POST',
    headers: {},
    body: null,
    completion: 'callback',
    statusUrl: null,
    pollIntervalMs: AD_HOC_POLL_MS,
    secrets: [],
    format: 'standard',
  };
}
