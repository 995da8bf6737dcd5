// `executors` and `executors test NAME`: which profiles exist, from which file, and whether they are usable.

import { createConfigSource } from '../../config/source.ts';
import type { RouteInUse } from '../../decide/routes/routes-in-use.ts';
import { SupervisorError } from '../../domain/errors.ts';
import { nearest } from '../../domain/nearest.ts';
import { isAgentProfile, isHold, isSpawned, type Profile } from '../../domain/profile.ts';
import { allowedEnvironment, passedNames } from '../../executors/process/environment/environment.ts';
import { type Context, shortPath } from '../context.ts';
import { findProgram, loginOf, probe } from '../probe.ts';
import { plain } from '../render/plain.ts';
import { renderTable } from '../render/table.ts';
import { isTrusted, renderRoutes, routesOf, worktreesWithGraphs } from '../routes.ts';

/** One profile as listed. Public in JSON. */
interface ListedProfile {
  readonly name: string;
  readonly type: string;
  /** Where it is defined: a file, or `built-in`. */
  readonly file: string;
  readonly line: number | null;
  /** The worktree it applies to; null: everywhere. */
  readonly worktree: string | null;
  /** ok, broken, untrusted, missing, no-login. */
  readonly state: string;
  readonly because: string;
  readonly max_concurrent: number | null;
  /** It also works for untrusted repositories. */
  readonly untrusted: boolean;
  readonly match: readonly string[];
  readonly route: readonly string[];
}

/** `supervisor executors`. */
export async function executors(context: Context): Promise<number> {
  const { listed, routes } = await findProfiles(context);
  if (context.json) {
    context.outJson({ executors: listed, routes });
    return 0;
  }
  context.out(
    renderTable({
      columns: [
        { head: 'EXECUTOR', min: 10 },
        { head: 'TYPE' },
        { head: 'STATE' },
        { head: 'LIMIT', align: 'right', drop: 3 },
        { head: 'MATCH', min: 8, drop: 4 },
        { head: 'WORKTREE', min: 10, cut: 'start', drop: 2 },
        { head: 'FROM', min: 10, cut: 'start', drop: 1 },
        { head: 'BECAUSE', min: 14 },
      ],
      rows: listed.map((each) => [
        each.name,
        each.type,
        { text: each.state, paint: each.state === 'ok' ? context.paint.good : context.paint.bad },
        each.max_concurrent ?? '',
        [...each.match, ...each.route].join(' '),
        each.worktree === null ? '' : shortPath(each.worktree, context),
        `${shortPath(each.file, context)}${each.line === null ? '' : `:${each.line}`}`,
        each.because,
      ]),
      width: context.width,
      head: context.paint.faint,
    }),
  );
  const table = renderRoutes(routes, context);
  if (table !== '') context.out(`\n${table}`);
  return 0;
}

/** `supervisor executors test NAME`. Exit 7 if it is not usable. */
export async function testExecutor(context: Context, name: string): Promise<number> {
  const { listed, profiles } = await findProfiles(context);
  const listing = listed.find((each) => each.name === name);
  const profile = profiles.get(name);
  if (!listing) {
    const close = nearest(
      name,
      listed.map((each) => each.name),
    );
    throw new SupervisorError('not-found', `there is no executor ${name}`, {
      hint: close === null ? '`supervisor executors` lists them' : `did you mean ${close}?`,
    });
  }
  const answer =
    listing.state !== 'ok' || !profile
      ? { ok: false, because: listing.because }
      : await probe(profile, profiles, context.environment);
  const names = profile ? namesFor(profile, context) : null;
  if (context.json)
    context.outJson({
      ...{ executor: name, type: listing.type, ...answer },
      ...(names === null ? {} : { environment: names }),
    });
  else if (answer.ok) {
    context.out(`${plain(name)}: ${plain(answer.because)}\n`);
    if (names !== null) context.out(`environment: ${plain(names.join(' '))}\n`);
  } else throw new SupervisorError('executor-unavailable', `${name} is not available: ${answer.because}`);
  return answer.ok ? 0 : 7;
}

/** The variables of this shell that agents of the profile would see; null if it starts none. */
function namesFor(profile: Profile, context: Context): readonly string[] | null {
  if (!isSpawned(profile)) return null;
  const { variables } = context.environment;
  const names = [
    ...Object.keys(allowedEnvironment(variables)),
    ...passedNames(profile, variables),
    ...Object.keys(profile.env),
  ];
  return [...new Set(names)].sort();
}

/** The machine's profiles, then those of each worktree with its own, and what models ask for. */
async function findProfiles(context: Context): Promise<{
  readonly listed: readonly ListedProfile[];
  readonly profiles: ReadonlyMap<string, Profile>;
  readonly routes: readonly RouteInUse[];
}> {
  const paths = await context.paths();
  const source = createConfigSource({ paths, environment: context.environment });
  const { profiles: machine, brokenProfiles } = source.current();
  const profiles = new Map(machine);
  const listed = await Promise.all(
    [...machine.values()].map(async (profile) =>
      listing(profile, null, ...(await stateOf(profile, context))),
    ),
  );
  for (const { name, origin, problem } of brokenProfiles.values())
    listed.push({ ...unknown(name, origin.file, origin.line), state: 'broken', because: problem });

  const worktrees = await worktreesWithGraphs(context);
  for (const worktree of worktrees) {
    const trusted = isTrusted(worktree);
    const set = source.profilesFor(worktree.graph, { trust: true });
    for (const profile of set.byName.values()) {
      if (profile === machine.get(profile.name)) continue;
      const because = trusted ? '' : `\`supervisor trust ${worktree.path}\` allows it`;
      const state = trusted ? await stateOf(profile, context) : (['untrusted', because] as const);
      listed.push(listing(profile, worktree.path, ...state));
      // The worktree that the command stands in takes precedence over others.
      const isFirst = context.cwd.startsWith(worktree.path) || !profiles.has(profile.name);
      if (trusted && isFirst) profiles.set(profile.name, profile);
    }
    for (const { name, origin, problem } of set.broken.values())
      if (!brokenProfiles.has(name))
        listed.push({
          ...unknown(name, origin.file, origin.line),
          worktree: worktree.path,
          state: 'broken',
          because: problem,
        });
  }
  return { listed, profiles, routes: await routesOf(worktrees, source) };
}

/** Whether the program of a profile exists and is logged in, as far as that can be determined without giving it work. */
async function stateOf(profile: Profile, context: Context): Promise<readonly [string, string]> {
  const name = programOf(profile);
  const answer = name === null ? null : findProgram(name, context.environment);
  if (answer?.ok === false) return ['missing', answer.because];
  const login = isAgentProfile(profile) ? await loginOf(profile, context.environment) : null;
  if (login?.state === 'no') return ['no-login', `by ${login.how}: ${login.remedy}`];
  return ['ok', profile.untrusted ? 'for repositories that are not trusted, too' : ''];
}

/** What a profile starts; null if its task decides, and if it starts nothing. */
function programOf(profile: Profile): string | null {
  if (isAgentProfile(profile)) return profile.command;
  const first = profile.type === 'command' ? profile.command?.[0] : undefined;
  // A path is relative to the worktree, and a PATH of its own is not ours to search.
  const isPlain = first !== undefined && !first.startsWith('.') && profile.env.PATH === undefined;
  return isPlain ? first : null;
}

function listing(profile: Profile, worktree: string | null, state: string, because: string): ListedProfile {
  return {
    name: profile.name,
    type: profile.type,
    file: profile.origin.file,
    line: profile.origin.line ?? null,
    worktree,
    state,
    because,
    max_concurrent: profile.maxConcurrent,
    untrusted: isHold(profile.type) || profile.untrusted === true,
    match: profile.match,
    route: profile.route ?? [],
  };
}

function unknown(name: string, file: string, line: number | undefined): ListedProfile {
  return {
    name,
    type: '',
    file,
    line: line ?? null,
    worktree: null,
    state: 'broken',
    because: '',
    max_concurrent: null,
    untrusted: false,
    match: [],
    route: [],
  };
}
