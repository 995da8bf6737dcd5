// Available capacity: four limits (machine, repository, worktree, profile), the slots in use, and which pauses are
// active or expired but untested. Says what a plan lacks; chooses nothing.

import type { RepoSettings } from '../../domain/config.ts';
import { type TaskKey, taskKey } from '../../domain/ids.ts';
import type { Plan } from '../../domain/plan.ts';
import {
  accountOf,
  goesElsewhere,
  hasOwnWorktree,
  isForWorkers,
  type Profile,
  runsHere,
} from '../../domain/profile.ts';
import { holdsSlot, isAtWork, isUnderWay, type Run } from '../../domain/run.ts';
import type { Pause } from '../world.ts';
import type { Budgets } from './budgets.ts';
import { type MachineLack, MachineRoom, type MachineView } from './machine-room.ts';

/** What computing capacity needs from the world. */
export interface RoomState {
  readonly now: number;
  /** The machine's limit. */
  readonly maxConcurrent: number;
  /** Every open run. */
  readonly runs: readonly Run[];
  readonly pauses: readonly Pause[];
  /** Settings of a repository by its id. */
  settingsOf(
    repo: string,
  ): Pick<RepoSettings, 'weight' | 'maxConcurrent' | 'maxConcurrentPerWorktree' | 'worktree'> | null;
  /** The profile a run was started with, for counting; null if it is no longer configured. */
  profileOf(run: Run): Profile | null;
  /** Counts along; absent: there are none. */
  readonly budgets?: Budgets;
  /** The machine; absent: it is not looked at. */
  readonly machine?: MachineView;
}

/** A limit that is reached. */
export interface Full {
  readonly code:
    | 'machine-limit'
    | 'repo-limit'
    | 'worktree-limit'
    | 'profile-limit'
    | 'probe'
    | 'budget'
    | MachineLack;
  readonly because: string;
  /** Absent: `queued`. */
  readonly state?: 'queued' | 'held';
  /** When it ends on its own, ms; null or absent: unknown. */
  readonly nextAt?: number | null;
}

/** Where a task would run: all that limits and pauses need of a plan. */
export type Seat = Pick<Plan, 'graph' | 'worktree' | 'repo' | 'profile'>;

/** A seat and who takes it, where that is known. */
type Taking = Seat & Partial<Pick<Plan, 'task' | 'model'>>;

/** The code of a pause that a person ordered: it covers every profile of that name, wherever it is defined. */
export const BY_A_PERSON = 'paused';

/** Identifies a profile for limits and pauses: a worktree's own profile differs from its namesake elsewhere. */
export function profileKey(profile: Profile, graph: string): string {
  return profile.origin.file.startsWith(`${graph}/`) ? taskKey(graph, profile.name) : profile.name;
}

/** Whether a run uses one of the machine's slots: only work done on this machine does. */
export function occupiesPlace(run: Pick<Run, 'phase' | 'type' | 'waits'>): boolean {
  return holdsSlot(run) && !goesElsewhere(run.type);
}

/** Whether a plan needs one of the machine's slots. */
export function needsPlace(seat: Seat): boolean {
  return !goesElsewhere(seat.profile.type);
}

/** Counts what runs and what is admitted. */
export class Room {
  readonly #state: RoomState;
  #machine = 0;
  readonly #repos = new Map<string, number>();
  readonly #worktrees = new Map<string, number>();
  readonly #profiles = new Map<string, number>();
  readonly #hardware: MachineRoom | null;
  #awaitsMachine = false;
  readonly #pauses: ReadonlyMap<string, Pause>;
  readonly #hasTaskPauses: boolean;
  /**
   * Profiles and accounts whose pause has expired and that no task has used since; whether a task is trying just now.
   */
  readonly #probed = new Map<string, { readonly pause: Pause; isTried: boolean }>();

  constructor(state: RoomState) {
    this.#state = state;
    for (const run of state.runs) {
      if (occupiesPlace(run)) this.#takePlace(run.repo, run.place ?? run.worktree);
      if (isAtWork(run)) {
        const profile = state.profileOf(run);
        add(this.#profiles, profile ? profileKey(profile, run.graph) : run.executor);
      }
    }
    const locals = state.runs.filter((run) => occupiesPlace(run) && runsHere(run.type));
    this.#hardware = state.machine
      ? new MachineRoom(
          state.machine,
          locals.map(({ id, executor }) => ({ run: id, executor })),
        )
      : null;
    const standing = state.pauses.filter((pause) => pause.until === null || pause.until > state.now);
    this.#pauses = new Map(standing.map((pause) => [`${pause.scope} ${pause.name}`, pause]));
    this.#hasTaskPauses = standing.some((pause) => pause.scope === 'task');
    this.#noteProbed();
  }

  /** Admits a plan. */
  take(seat: Taking): void {
    this.#state.budgets?.take(seat);
    // One of its own is no one else's.
    if (needsPlace(seat)) this.#takePlace(seat.repo, this.#hasOwnWorktree(seat) ? null : seat.worktree);
    if (runsHere(seat.profile.type)) this.#hardware?.take({ run: null, executor: seat.profile.name });
    add(this.#profiles, profileKey(seat.profile, seat.graph));
    for (const probed of this.#probedOf(seat)) probed.isTried = true;
  }

  /** The narrowest limit that leaves no slot for it, or null. */
  full(seat: Seat): Full | null {
    const profile = this.#tried(seat) ?? this.#state.budgets?.lacks(seat) ?? this.#fullProfile(seat);
    if (profile || !needsPlace(seat)) return profile;
    return this.#fullWorktree(seat) ?? this.#fullRepo(seat) ?? this.#fullMachine() ?? this.#lacks(seat);
  }

  /** Whether anything was refused for what the machine lacks. */
  get awaitsMachine(): boolean {
    return this.#awaitsMachine;
  }

  /** Running tasks of a repository divided by its weight: the lowest is next. */
  shareOf(repo: string): number {
    return (this.#repos.get(repo) ?? 0) / Math.max(this.#state.settingsOf(repo)?.weight ?? 1, 1e-6);
  }

  /** Running tasks of a worktree. */
  runningIn(worktree: string): number {
    return this.#worktrees.get(worktree) ?? 0;
  }

  /** What blocks everything of this graph and profile. */
  pauseOf(seat: Seat): Pause | null {
    if (this.#pauses.size === 0) return null;
    const { profile, repo, worktree, graph } = seat;
    const named = this.#pauses.get(`profile ${profile.name}`);
    return (
      this.#pauses.get('machine ') ??
      this.#pauses.get(`repo ${repo}`) ??
      this.#pauses.get(`worktree ${worktree}`) ??
      (named?.code === BY_A_PERSON ? named : this.#pauses.get(`profile ${profileKey(profile, graph)}`)) ??
      ofAccount(this.#pauses, profile) ??
      null
    );
  }

  /** A budget of this one task, or of its model, that has no room for it. */
  taskBudgetOf(plan: Plan): Full | null {
    return this.#state.budgets?.asksTasks ? this.#state.budgets.lacksForTask(plan) : null;
  }

  /** The tasks for which there are pauses of their own; null: budgets ask for each task. */
  get tasksApart(): readonly TaskKey[] | null {
    if (this.#state.budgets?.asksTasks) return null;
    if (!this.#hasTaskPauses) return [];
    return [...this.#pauses.values()].flatMap(({ scope, name }) => (scope === 'task' ? [name] : []));
  }

  /** What blocks this one task. */
  taskPauseOf(plan: Pick<Plan, 'graph' | 'task'>): Pause | null {
    if (!this.#hasTaskPauses) return null;
    return this.#pauses.get(`task ${taskKey(plan.graph, plan.task)}`) ?? null;
  }

  /** After a pause of a profile or an account one task tries first; it lifts the pause, or brings the next one. */
  #noteProbed(): void {
    const { pauses, now, runs, profileOf } = this.#state;
    for (const pause of pauses)
      if (
        (pause.scope === 'profile' || pause.scope === 'account') &&
        pause.until !== null &&
        pause.until <= now
      )
        this.#probed.set(`${pause.scope} ${pause.name}`, { pause, isTried: false });
    if (this.#probed.size === 0) return;
    for (const run of runs) {
      // What a worker has taken shows in time whether its account works; other work elsewhere shows nothing more.
      const tries = isUnderWay(run) || (isAtWork(run) && isForWorkers(run.type));
      const profile = tries ? profileOf(run) : null;
      if (!profile) continue;
      for (const probed of this.#probedOf({ profile, graph: run.graph }))
        if (run.openedAt >= (probed.pause.until ?? 0)) probed.isTried = true;
    }
  }

  #probedOf({ profile, graph }: Pick<Seat, 'profile' | 'graph'>) {
    if (this.#probed.size === 0) return [];
    const ofProfile = this.#probed.get(`profile ${profileKey(profile, graph)}`);
    return [ofProfile, ofAccount(this.#probed, profile)].filter((found) => found !== undefined);
  }

  #tried(seat: Seat): Full | null {
    const tried = this.#probedOf(seat).find((probed) => probed.isTried);
    if (!tried) return null;
    const { scope, because } = tried.pause;
    const name = scope === 'profile' ? seat.profile.name : tried.pause.name;
    return { code: 'probe', because: `one task tries ${scope} ${name} first, which was paused: ${because}` };
  }

  #fullProfile({ profile, graph }: Seat): Full | null {
    const limit = profile.maxConcurrent;
    if (limit === null) return null;
    const running = this.#profiles.get(profileKey(profile, graph)) ?? 0;
    if (running < limit) return null;
    const because = `executor ${profile.name} has ${running} of ${limit} under way (its max_concurrent)`;
    return { code: 'profile-limit', because };
  }

  #fullWorktree(seat: Seat): Full | null {
    const { repo, worktree } = seat;
    if (this.#hasOwnWorktree(seat)) return null;
    const limit = this.#state.settingsOf(repo)?.maxConcurrentPerWorktree ?? Number.POSITIVE_INFINITY;
    const running = this.runningIn(worktree);
    if (running < limit) return null;
    const because = `worktree ${worktree} runs ${running} of ${limit} at once (max_concurrent_per_worktree)`;
    return { code: 'worktree-limit', because };
  }

  #fullRepo({ repo }: Seat): Full | null {
    const limit = this.#state.settingsOf(repo)?.maxConcurrent ?? Number.POSITIVE_INFINITY;
    const running = this.#repos.get(repo) ?? 0;
    if (running < limit) return null;
    const because = `the repository runs ${running} of ${limit} at once (max_concurrent in [[repos]])`;
    return { code: 'repo-limit', because };
  }

  #fullMachine(): Full | null {
    const limit = this.#state.maxConcurrent;
    if (this.#machine < limit) return null;
    return {
      code: 'machine-limit',
      because: `the machine runs ${this.#machine} of ${limit} at once (max_concurrent)`,
    };
  }

  #lacks({ profile, worktree }: Seat): Full | null {
    if (!this.#hardware || !runsHere(profile.type)) return null;
    const lack = this.#hardware.lacks(profile.name, worktree);
    if (lack) this.#awaitsMachine = true;
    return lack;
  }

  #hasOwnWorktree({ profile, repo }: Seat): boolean {
    return hasOwnWorktree(profile, this.#state.settingsOf(repo));
  }

  #takePlace(repo: string, worktree: string | null): void {
    this.#machine++;
    add(this.#repos, repo);
    if (worktree !== null) add(this.#worktrees, worktree);
  }
}

function add(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

/** What is kept for the account of a profile; undefined: it has none, or nothing is. */
function ofAccount<T>(kept: ReadonlyMap<string, T>, profile: Profile): T | undefined {
  const account = accountOf(profile);
  return account === null ? undefined : kept.get(`account ${account}`);
}
