// Which ready tasks start now. Four limits (machine, repository, worktree, profile), none ever exceeded, and no place
// left free while something could take it. Between repositories their weights decide: the one with the fewest running
// tasks for its weight is next. Priority decides within a repository; between its worktrees, at equal priority, the
// one with the fewest running tasks is next.

import type { RepoSettings } from '../domain/config.ts';
import { taskKey } from '../domain/ids.ts';
import type { Plan } from '../domain/plan.ts';
import type { Profile } from '../domain/profile.ts';
import { holdsSlot, type Run } from '../domain/run.ts';
import type { VerdictState } from '../domain/verdict.ts';
import { NORMAL_PRIORITY } from './priority.ts';
import type { Pause } from './world.ts';

/** What admitting takes to know of the world. */
export interface AdmitState {
  readonly now: number;
  /** The machine's limit. */
  readonly maxConcurrent: number;
  /** Every open run. */
  readonly runs: readonly Run[];
  readonly pauses: readonly Pause[];
  /** Settings of a repository by its id. */
  settingsOf(
    repo: string,
  ): Pick<RepoSettings, 'weight' | 'maxConcurrent' | 'maxConcurrentPerWorktree'> | null;
  /** The profile that a run was started with, for counting; null when it is configured no more. */
  profileOf(run: Run): Profile | null;
}

/** A ready task that does not start now. */
export interface HeldPlan {
  readonly plan: Plan;
  readonly state: VerdictState;
  readonly code: string;
  readonly because: string;
  readonly nextAt: number | null;
}

export interface Admission {
  /** In the order in which they start. */
  readonly admitted: readonly Plan[];
  readonly held: readonly HeldPlan[];
}

/** A profile by what its limit counts: a worktree's own profile is another one than its namesake elsewhere. */
export function profileKey(profile: Profile, graph: string): string {
  return profile.origin.file.startsWith(`${graph}/`) ? taskKey(graph, profile.name) : profile.name;
}

/** Whether a run takes one of the machine's places: only work that goes on here does. */
export function occupiesPlace(run: Pick<Run, 'phase' | 'type'>): boolean {
  return holdsSlot(run) && run.type !== 'external';
}

/** Chooses what starts. Candidates keep their order where nothing else tells them apart. */
export function admit(candidates: readonly Plan[], state: AdmitState): Admission {
  const admission = new Admitting(state);
  const queues = new Map<string, Map<string, Plan[]>>();
  const placeless: Plan[] = [];
  for (const plan of admission.withoutIdle(admission.withoutPaused(candidates))) {
    if (plan.profile.type === 'external') {
      placeless.push(plan);
      continue;
    }
    const repo = queues.get(plan.repo) ?? new Map<string, Plan[]>();
    queues.set(plan.repo, repo);
    const queue = repo.get(plan.worktree);
    if (queue) queue.push(plan);
    else repo.set(plan.worktree, [plan]);
  }
  for (const plan of placeless.sort(byPriority)) admission.offerPlaceless(plan);
  for (const repo of queues.values()) for (const queue of repo.values()) queue.sort(byPriority).reverse();
  admission.fill(queues);
  return { admitted: admission.admitted, held: admission.held };
}

function byPriority(a: Plan, b: Plan): number {
  return b.priority - a.priority;
}

/** Queues of one repository by worktree, each with its next plan last. */
type Queues = ReadonlyMap<string, Plan[]>;

/** One admission under way: counts, and what was chosen so far. */
class Admitting {
  readonly admitted: Plan[] = [];
  readonly held: HeldPlan[] = [];
  readonly #state: AdmitState;
  #machine = 0;
  readonly #repos = new Map<string, number>();
  readonly #worktrees = new Map<string, number>();
  readonly #profiles = new Map<string, number>();
  readonly #pauses: ReadonlyMap<string, Pause>;

  constructor(state: AdmitState) {
    this.#state = state;
    for (const run of state.runs) {
      if (occupiesPlace(run)) this.#takePlace(run.repo, run.worktree);
      if (holdsSlot(run) || run.phase === 'handed-off') {
        const profile = state.profileOf(run);
        add(this.#profiles, profile ? profileKey(profile, run.graph) : run.executor);
      }
    }
    const standing = state.pauses.filter((pause) => pause.until === null || pause.until > state.now);
    this.#pauses = new Map(standing.map((pause) => [`${pause.scope} ${pause.name}`, pause]));
  }

  withoutPaused(candidates: readonly Plan[]): readonly Plan[] {
    if (this.#pauses.size === 0) return candidates;
    return candidates.filter((plan) => {
      const pause = this.#pauseOf(plan);
      if (pause) this.#hold(plan, pause.code, pause.because, 'held', pause.until);
      return !pause;
    });
  }

  /** wg: while a graph has ready work of normal priority, its idle work waits. */
  withoutIdle(candidates: readonly Plan[]): readonly Plan[] {
    const busy = new Set<string>();
    for (const plan of candidates) if (plan.priority >= NORMAL_PRIORITY) busy.add(plan.graph);
    return candidates.filter((plan) => {
      if (plan.priority > 0 || !busy.has(plan.graph)) return true;
      this.#hold(plan, 'idle', 'its priority is idle, and its graph has other work that is ready');
      return false;
    });
  }

  /** Work that goes on elsewhere takes no place here; only its profile can be full. */
  offerPlaceless(plan: Plan): void {
    const full = this.#fullProfile(plan);
    if (full !== null) {
      this.#hold(plan, 'profile-limit', full);
      return;
    }
    add(this.#profiles, profileKey(plan.profile, plan.graph));
    this.admitted.push(plan);
  }

  /** Fills the free places, then says of everything that is left what it lacks. */
  fill(queues: ReadonlyMap<string, Queues>): void {
    while (this.#machine < this.#state.maxConcurrent) {
      const plan = this.#next(queues);
      if (!plan) return;
      this.#takePlace(plan.repo, plan.worktree);
      add(this.#profiles, profileKey(plan.profile, plan.graph));
      this.admitted.push(plan);
    }
    const because = `the machine runs ${this.#machine} of ${this.#state.maxConcurrent} at once (max_concurrent)`;
    for (const repo of queues.values())
      for (const queue of repo.values())
        for (const plan of queue.reverse()) {
          const full = this.#full(plan);
          if (full) this.#hold(plan, full.code, full.because);
          else this.#hold(plan, 'machine-limit', because);
        }
  }

  #next(queues: ReadonlyMap<string, Queues>): Plan | null {
    let best: { queue: Plan[]; plan: Plan; share: number } | null = null;
    for (const [repo, worktrees] of queues) {
      const queue = this.#headOf(worktrees);
      const plan = queue?.at(-1);
      if (!queue || !plan) continue;
      const weight = Math.max(this.#state.settingsOf(repo)?.weight ?? 1, 1e-6);
      const share = (this.#repos.get(repo) ?? 0) / weight;
      if (!best || share < best.share || (share === best.share && plan.priority > best.plan.priority))
        best = { queue, plan, share };
    }
    best?.queue.pop();
    return best?.plan ?? null;
  }

  /** The queue of a repository whose head is next. Heads that have no room never will have in this admission. */
  #headOf(worktrees: Queues): Plan[] | null {
    let best: Plan[] | null = null;
    for (const queue of worktrees.values()) {
      let head = queue.at(-1);
      while (head) {
        const full = this.#full(head);
        if (!full) break;
        this.#hold(head, full.code, full.because);
        queue.pop();
        head = queue.at(-1);
      }
      if (head && this.#isBefore(head, best?.at(-1))) best = queue;
    }
    return best;
  }

  #isBefore(plan: Plan, other: Plan | undefined): boolean {
    if (!other || plan.priority !== other.priority) return !other || plan.priority > other.priority;
    return (this.#worktrees.get(plan.worktree) ?? 0) < (this.#worktrees.get(other.worktree) ?? 0);
  }

  /** The narrowest limit that has no room for the plan; the machine's own is looked at elsewhere. */
  #full(plan: Plan): { code: string; because: string } | null {
    const profile = this.#fullProfile(plan);
    if (profile !== null) return { code: 'profile-limit', because: profile };
    const settings = this.#state.settingsOf(plan.repo);
    const inWorktree = this.#worktrees.get(plan.worktree) ?? 0;
    const worktreeLimit = settings?.maxConcurrentPerWorktree ?? Number.POSITIVE_INFINITY;
    if (inWorktree >= worktreeLimit)
      return {
        code: 'worktree-limit',
        because: `worktree ${plan.worktree} runs ${inWorktree} of ${worktreeLimit} at once (max_concurrent_per_worktree)`,
      };
    const inRepo = this.#repos.get(plan.repo) ?? 0;
    const repoLimit = settings?.maxConcurrent ?? Number.POSITIVE_INFINITY;
    if (inRepo >= repoLimit)
      return {
        code: 'repo-limit',
        because: `the repository runs ${inRepo} of ${repoLimit} at once (max_concurrent in [[repos]])`,
      };
    return null;
  }

  #fullProfile(plan: Plan): string | null {
    const limit = plan.profile.maxConcurrent;
    if (limit === null) return null;
    const running = this.#profiles.get(profileKey(plan.profile, plan.graph)) ?? 0;
    if (running < limit) return null;
    return `executor ${plan.profile.name} has ${running} of ${limit} under way (its max_concurrent)`;
  }

  #pauseOf(plan: Plan): Pause | undefined {
    const { profile } = plan;
    return (
      this.#pauses.get('machine ') ??
      this.#pauses.get(`repo ${plan.repo}`) ??
      this.#pauses.get(`profile ${profile.name}`) ??
      (profile.type === 'claude' ? this.#pauses.get(`account ${profile.account}`) : undefined) ??
      this.#pauses.get(`task ${taskKey(plan.graph, plan.task)}`)
    );
  }

  #takePlace(repo: string, worktree: string): void {
    this.#machine++;
    add(this.#repos, repo);
    add(this.#worktrees, worktree);
  }

  #hold(
    plan: Plan,
    code: string,
    because: string,
    state: VerdictState = 'queued',
    nextAt: number | null = null,
  ): void {
    this.held.push({ plan, state, code, because, nextAt });
  }
}

function add(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
