// Where work waits for room: the machine, its profiles, accounts and repositories, what is paused, and the reasons that
// keep tasks waiting, each with how many tasks it keeps. Pure.

import { toldPause } from '../../decide/capacity/pauses.ts';
import { occupiesPlace, profileKey } from '../../decide/capacity/room.ts';
import type { Decision, GraphView, Pause, World } from '../../decide/world.ts';
import type { LearnedFootprint } from '../../domain/machine.ts';
import type {
  PauseReport,
  PressureReport,
  ProfilePressure,
  ReasonReport,
  RepoPressure,
} from '../../domain/overview.ts';
import { accountOf, type Profile, runsHere } from '../../domain/profile.ts';
import type { Run } from '../../domain/run.ts';
import { isoTime } from '../../platform/clock.ts';
import { machineReport } from '../reports/machine-report.ts';

const MOST_REASONS = 40;

/** What the pressure is made of. `spent`: runs that ended or are open since a day ago. */
export interface PressureInput {
  /** What runs of a profile take; null: too few were measured. */
  readonly footprintOf: (executor: string) => LearnedFootprint | null;
  readonly world: World;
  readonly decision: Decision;
  readonly spent: readonly Run[];
}

/** The pressure as it stands. */
export function pressureOf({ world, decision, spent, footprintOf }: PressureInput): PressureReport {
  const pauses = world.pauses.filter(({ until }) => until === null || until > world.now);
  const pausedBy = (fits: (pause: Pause) => boolean): PauseReport | null => {
    const found = pauses.find(fits);
    return found ? pauseReport(toldPause(found, world.graphs)) : null;
  };
  const queued = { total: 0, byExecutor: new Map<string, number>(), byRepo: new Map<string, number>() };
  const reasons = new Map<string, ReasonReport>();
  const repoOf = new Map(world.graphs.map(({ graph, repo }) => [graph, repo]));
  for (const { state, code, because, executor, graph } of decision.verdicts.values()) {
    if (state === 'finished' || state === 'running') continue;
    noteReason(reasons, state, code, because);
    if (state !== 'queued') continue;
    queued.total++;
    add(queued.byExecutor, executor ?? '');
    add(queued.byRepo, repoOf.get(graph) ?? '');
  }
  return {
    generated_at: isoTime(world.now),
    max_concurrent: world.config.maxConcurrent,
    running: world.runs.filter(occupiesPlace).length,
    queued: queued.total,
    paused: pausedBy(({ scope }) => scope === 'machine'),
    ...(world.machine ? { machine: machineReport(world.machine) } : {}),
    profiles: profilesOf(world, queued.byExecutor, spent, pausedBy, footprintOf),
    repos: reposOf(world, queued.byRepo, pausedBy),
    reasons: [...reasons.values()].sort((a, b) => b.tasks - a.tasks).slice(0, MOST_REASONS),
  };
}

function pauseReport({ code, because, until }: Pause): PauseReport {
  return { code, because, until: until === null ? null : isoTime(until) };
}

/** Equal reasons count together; of those that differ in a number or a name only, the first stands for all. */
function noteReason(reasons: Map<string, ReasonReport>, state: string, code: string, because: string): void {
  const key = `${state} ${code} ${code === 'dependency' || code === 'schedule' ? '' : because}`;
  const known = reasons.get(key);
  reasons.set(key, { state, code, because: known?.because ?? because, tasks: (known?.tasks ?? 0) + 1 });
}

function profilesOf(
  world: World,
  queued: ReadonlyMap<string, number>,
  spent: readonly Run[],
  pausedBy: (fits: (pause: Pause) => boolean) => PauseReport | null,
  footprintOf: PressureInput['footprintOf'],
): ProfilePressure[] {
  const found = new Map<string, { profile: Profile; graphs: GraphView[] }>();
  for (const view of world.graphs)
    for (const profile of view.profiles.byName.values()) {
      const key = `${profile.name} ${profile.origin.file}`;
      const known = found.get(key);
      if (known) known.graphs.push(view);
      else found.set(key, { profile, graphs: [view] });
    }
  const rows = [...found.values()].map(({ profile, graphs }): ProfilePressure => {
    const here = new Set(graphs.map(({ graph }) => graph));
    const isOf = (run: Run) => run.executor === profile.name && here.has(run.graph);
    const runs = world.runs.filter(isOf);
    const account = accountOf(profile);
    const footprint = runsHere(profile.type) ? footprintOf(profile.name) : null;
    const keys = new Set([profile.name, ...graphs.map(({ graph }) => profileKey(profile, graph))]);
    return {
      name: profile.name,
      type: profile.type,
      origin: profile.origin.file,
      max_concurrent: profile.maxConcurrent,
      running: runs.filter(occupiesPlace).length,
      elsewhere: runs.filter((run) => !occupiesPlace(run)).length,
      queued: queued.get(profile.name) ?? 0,
      account,
      paused:
        pausedBy(({ scope, name }) => scope === 'profile' && keys.has(name)) ??
        pausedBy(({ scope, name }) => scope === 'account' && name === account),
      day: dayOf(spent.filter(isOf)),
      ...(footprint ? { footprint } : {}),
    };
  });
  // Built-in profiles that nothing uses say nothing.
  const isTold = (row: ProfilePressure) =>
    row.origin !== 'built-in' || row.running + row.elsewhere + row.queued + row.day.runs > 0 || row.paused;
  return rows
    .filter(isTold)
    .sort((a, b) => b.running + b.queued - (a.running + a.queued) || a.name.localeCompare(b.name));
}

function dayOf(runs: readonly Run[]): ProfilePressure['day'] {
  const used = runs.map(
    ({ usage, outcome }) => usage ?? (outcome && 'usage' in outcome ? outcome.usage : undefined),
  );
  return {
    runs: runs.length,
    failed: runs.filter(({ outcome }) => outcome?.kind === 'failed').length,
    cost_usd: used.reduce((sum, one) => sum + (one?.costUsd ?? 0), 0),
    tokens: used.reduce((sum, one) => sum + (one?.inputTokens ?? 0) + (one?.outputTokens ?? 0), 0),
  };
}

function reposOf(
  world: World,
  queued: ReadonlyMap<string, number>,
  pausedBy: (fits: (pause: Pause) => boolean) => PauseReport | null,
): RepoPressure[] {
  const repos = new Map(world.graphs.map((view) => [view.repo, view]));
  return [...repos.values()].map((view) => ({
    repo: view.repoName,
    running: world.runs.filter((run) => run.repo === view.repo && occupiesPlace(run)).length,
    queued: queued.get(view.repo) ?? 0,
    max_concurrent: view.settings.maxConcurrent,
    paused: pausedBy(({ scope, name }) => scope === 'repo' && name === view.repo),
  }));
}

function add(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
