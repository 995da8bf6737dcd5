// How much of each budget is spent, what running work is still expected to take, and whether one more run fits. Nothing
// new starts where spent, running and expected together would pass the cap. Pure: the ledger is asked through `Spending`.

import { amountText, type Budget, type BudgetUnit } from '../../domain/budget.ts';
import { type GraphPath, type TaskId, taskKey } from '../../domain/ids.ts';
import type { Usage } from '../../domain/outcome.ts';
import type { Plan } from '../../domain/plan.ts';
import { accountOf, isAgentProfile, isFree, type Profile } from '../../domain/profile.ts';
import { isAtWork, type Run } from '../../domain/run.ts';
import type { Condition } from '../../domain/verdict.ts';
import { instantText } from '../instant.ts';
import { type WallClock, wallClock } from '../schedules/wall-clock.ts';
import { type BudgetWindow, budgetWindow } from './budget-window.ts';
import type { Learned } from './learn.ts';

/** What runs used together. */
export interface Spent {
  readonly usd: number;
  readonly tokens: number;
  readonly runs: number;
  /** Runs that told no money, and runs that told no tokens. */
  readonly untoldUsd: number;
  readonly untoldTokens: number;
}

/** What the runs of one graph, profile and model used. */
export interface SpentRow extends Spent {
  readonly graph: GraphPath;
  readonly repo: string;
  readonly executor: string;
  readonly model: string | null;
}

export interface LearnedOfProfile {
  /** Finished runs, whatever they reported. */
  readonly runs: number;
  readonly usd: Learned;
  readonly tokens: Learned;
}

/** What the ledger knows of spending. Runs of outside orchestrators are not in it. */
export interface Spending {
  /** What runs used that ended at this instant (ms) or later. */
  since(at: number): readonly SpentRow[];
  /** What all attempts of a task used since a person last said `retry`. */
  ofTask(graph: GraphPath, task: TaskId, createdAt: string | null): Spent;
  learned(executor: string): LearnedOfProfile;
}

/** What judging budgets takes to know. */
export interface BudgetState {
  readonly now: number;
  readonly zone: string;
  readonly budgets: readonly Budget[];
  readonly spending: Spending;
  /** Open runs, and those whose process keeps running. */
  readonly runs: readonly Run[];
  profileOf(run: Pick<Run, 'graph' | 'executor'>): Profile | null;
  /** The names and paths that a repository is known by. */
  namesOf(repo: string): readonly string[];
  createdAtOf(graph: GraphPath, task: TaskId): string | null;
}

/** How one budget stands. */
export interface BudgetStanding {
  readonly budget: Budget;
  /** A budget per task applies to each task separately. */
  readonly task: { readonly graph: GraphPath; readonly task: TaskId } | null;
  readonly window: BudgetWindow;
  /** By finished runs. */
  readonly spent: number;
  /** What running work has used so far. */
  readonly used: number;
  /** What running work is expected to come to, what it used included. */
  readonly running: number;
  readonly runningRuns: number;
  /** Finished runs that did not report their use in this unit. */
  readonly untold: number;
}

/** Why a run does not fit. */
export interface OverBudget {
  readonly code: 'budget';
  readonly state: 'queued' | 'held';
  readonly because: string;
  readonly nextAt: number | null;
}

type Asking = Pick<Plan, 'graph' | 'repo' | 'profile'> & { readonly model?: string | null };

/** No more of a cap than this is left unused for the rare costly run. */
const MOST_KEPT_BACK = 0.1;
/** Sums of money that differ by less are the same. */
const TINY = 1e-9;

interface Counted {
  spent: number;
  used: number;
  running: number;
  runningRuns: number;
  unknown: number;
  untold: number;
}

/** Counts what is spent and what is let in. */
export class Budgets {
  readonly #state: BudgetState;
  readonly #windows: ReadonlyMap<Budget, BudgetWindow>;
  readonly #counted = new Map<string, Counted>();

  constructor(state: BudgetState) {
    this.#state = state;
    const clock = clockOf(state.zone);
    this.#windows = new Map(
      state.budgets.map((budget) => [budget, budgetWindow(budget.per, state.now, clock)]),
    );
  }

  /** Whether budgets ask about the task itself, not only about where it would run. */
  get asksTasks(): boolean {
    return this.#state.budgets.some(isOfTask);
  }

  /** When the first of the windows ends, ms; null: none does. */
  get nextWindowAt(): number | null {
    const ends = [...this.#windows.values()].flatMap(({ until }) => (until === null ? [] : [until]));
    return ends.length === 0 ? null : Math.min(...ends);
  }

  /** The first budget that leaves no room for one more run of a profile, or null. */
  lacks(asking: Asking): OverBudget | null {
    if (isFree(asking.profile.type)) return null;
    for (const budget of this.#state.budgets)
      if (!isOfTask(budget) && this.#isFor(budget, asking)) {
        const over = this.#over(budget, asking, null);
        if (over) return over;
      }
    return null;
  }

  /** The same by budgets that ask about the task: its model, its earlier attempts. */
  lacksForTask(plan: Asking & Pick<Plan, 'task'>): OverBudget | null {
    if (isFree(plan.profile.type)) return null;
    for (const budget of this.#state.budgets)
      if (isOfTask(budget) && this.#isFor(budget, plan)) {
        const over = this.#over(budget, plan, plan.task);
        if (over) return over;
      }
    return null;
  }

  /** Lets a run in. */
  take(plan: Asking & { readonly task?: TaskId }): void {
    if (isFree(plan.profile.type)) return;
    for (const budget of this.#state.budgets) {
      if (!this.#isFor(budget, plan) || (budget.per === 'task' && plan.task === undefined)) continue;
      const counted = this.#count(budget, plan.graph, plan.task ?? null);
      this.#addRunning(counted, budget, plan.profile.name, 0);
    }
  }

  /** How the budgets stand that are for such a run, for `why` and for its prompt. */
  standingsOf(plan: Asking & Pick<Plan, 'task'>): BudgetStanding[] {
    if (isFree(plan.profile.type)) return [];
    return this.#state.budgets
      .filter((budget) => this.#isFor(budget, plan))
      .map((budget) => this.#standing(budget, plan.graph, plan.task));
  }

  /** What each budget that is for such a run says of one more, for `why`. */
  conditions(plan: Asking & Pick<Plan, 'task'>): Condition[] {
    if (isFree(plan.profile.type)) return [];
    return this.#state.budgets
      .filter((budget) => this.#isFor(budget, plan))
      .map((budget) => {
        const over = this.#over(budget, plan, plan.task);
        const expected = this.expected(budget, plan.profile.name);
        const one =
          expected === null ? 'an amount not known yet' : `about ${amountText(expected, budget.unit)}`;
        const fine = `${spentText(this.#standing(budget, plan.graph, plan.task))}; one more takes ${one}`;
        return { name: `budget ${budget.name}`, met: over === null, because: over?.because ?? fine };
      });
  }

  /** How every budget stands; those per task for the tasks that run. */
  standings(): BudgetStanding[] {
    return this.#state.budgets.flatMap((budget) => {
      if (budget.per !== 'task') return [this.#standing(budget, '', null)];
      const tasks = new Map(
        this.#state.runs
          .filter((run) => isAtWork(run) && this.#isForRun(budget, run))
          .map((run) => [taskKey(run.graph, run.task), run]),
      );
      return [...tasks.values()].map((run) => this.#standing(budget, run.graph, run.task));
    });
  }

  /** Running work that is to be ended, because a budget is spent that says so. */
  toStop(): { readonly run: Run; readonly because: string }[] {
    const stops = new Map<string, { readonly run: Run; readonly because: string }>();
    for (const standing of this.standings()) {
      const { budget, spent, used, task } = standing;
      if (budget.onSpent !== 'stop' || budget.unit === 'runs' || spent + used < budget.cap) continue;
      const because = `budget ${budget.name} is spent: ${spentText(standing)}`;
      for (const run of this.#state.runs)
        if (isAtWork(run) && this.#isForRun(budget, run))
          if (task === null || (task.graph === run.graph && task.task === run.task))
            stops.set(run.id, { run, because });
    }
    return [...stops.values()];
  }

  /** What one more run of a profile is expected to take; null: nothing is known of it. */
  expected(budget: Budget, executor: string): number | null {
    if (budget.unit === 'runs') return 1;
    const learned = this.#state.spending.learned(executor);
    const { told, mean, most } = learned[budget.unit];
    // Who never tells what it used is not counted, and does not keep others waiting.
    if (told === 0) return learned.runs > 0 ? 0 : null;
    return Math.max(mean, Math.min(most, budget.cap * MOST_KEPT_BACK));
  }

  #over(budget: Budget, { graph, profile }: Asking, task: TaskId | null): OverBudget | null {
    const counted = this.#count(budget, graph, task);
    const { spent, running, runningRuns, unknown } = counted;
    const taken = spent + running;
    const expected = this.expected(budget, profile.name);
    const standing = this.#standing(budget, graph, task);
    // The first one may always begin: what one takes may be more than what the cap keeps back for it.
    const isFirst = taken <= TINY && runningRuns === 0 && budget.cap > 0;
    if (expected === null) {
      if (taken >= budget.cap - TINY && !isFirst) return this.#overBudget(standing, null);
      if (unknown === 0) return null;
      return this.#overBudget(
        standing,
        () => `what a run of ${profile.name} takes is not known yet, so one goes first`,
      );
    }
    if (isFirst || taken + expected <= budget.cap + TINY) return null;
    return this.#overBudget(standing, () => `one more takes about ${amountText(expected, budget.unit)}`);
  }

  #overBudget(standing: BudgetStanding, more: (() => string) | null): OverBudget {
    const { budget, window, runningRuns } = standing;
    return {
      code: 'budget',
      // Only a person can continue a task whose own budget is spent; a day passes on its own.
      state: window.until === null && runningRuns === 0 ? 'held' : 'queued',
      // Most are asked only whether they fit.
      get because() {
        const next =
          window.until === null
            ? 'raise it, or `supervisor retry` counts from zero'
            : `the next ${budget.per} begins ${instantText(window.until)}`;
        const one = more === null ? '' : `, ${more()}`;
        return `budget ${budget.name}: ${spentText(standing)}${one}; ${next}`;
      },
      nextAt: window.until,
    };
  }

  #standing(budget: Budget, graph: GraphPath, task: TaskId | null): BudgetStanding {
    const { spent, used, running, runningRuns, untold } = this.#count(budget, graph, task);
    const window = this.#windows.get(budget) ?? { from: 0, until: null };
    const of = budget.per === 'task' && task !== null ? { graph, task } : null;
    return { budget, task: of, window, spent, used, running, runningRuns, untold };
  }

  #count(budget: Budget, graph: GraphPath, task: TaskId | null): Counted {
    const isTasks = budget.per === 'task' && task !== null;
    const key = isTasks ? `${budget.name}\n${taskKey(graph, task)}` : budget.name;
    const known = this.#counted.get(key);
    if (known) return known;
    const counted: Counted = { spent: 0, used: 0, running: 0, runningRuns: 0, unknown: 0, untold: 0 };
    this.#counted.set(key, counted);
    const add = (spent: Spent) => {
      counted.spent += spent[budget.unit];
      if (budget.unit !== 'runs')
        counted.untold += budget.unit === 'usd' ? spent.untoldUsd : spent.untoldTokens;
    };
    if (isTasks) add(this.#state.spending.ofTask(graph, task, this.#state.createdAtOf(graph, task)));
    else
      for (const row of this.#state.spending.since(this.#windows.get(budget)?.from ?? 0))
        if (this.#isForRow(budget, row)) add(row);
    for (const run of this.#state.runs) {
      if (!isAtWork(run) || !this.#isForRun(budget, run)) continue;
      if (isTasks && (run.graph !== graph || run.task !== task)) continue;
      // A process that runs on after its report has finished in the ledger, and its use is counted there as far as it is reported.
      if (run.finishedAt === null)
        this.#addRunning(counted, budget, run.executor, usedBy(run.usage, budget.unit));
      else if (run.usage === undefined && budget.unit !== 'runs')
        this.#addRunning(counted, budget, run.executor, 0);
    }
    return counted;
  }

  #addRunning(counted: Counted, budget: Budget, executor: string, used: number): void {
    const expected = this.expected(budget, executor);
    counted.runningRuns++;
    counted.used += used;
    counted.running += Math.max(used, expected ?? 0);
    if (expected === null) counted.unknown++;
  }

  #isForRun(budget: Budget, run: Run): boolean {
    const profile = this.#state.profileOf(run);
    if (isFree(run.type)) return false;
    const model = run.model ?? (profile && isAgentProfile(profile) ? profile.model : null);
    return this.#fits(budget, run.repo, run.executor, profile, model ?? null);
  }

  #isForRow(budget: Budget, row: SpentRow): boolean {
    return this.#fits(budget, row.repo, row.executor, this.#state.profileOf(row), row.model);
  }

  #isFor(budget: Budget, { repo, profile, model }: Asking): boolean {
    return this.#fits(budget, repo, profile.name, profile, model ?? null);
  }

  #fits(
    budget: Budget,
    repo: string,
    executor: string,
    profile: Profile | null,
    model: string | null,
  ): boolean {
    if (budget.profile !== null && budget.profile !== executor) return false;
    if (budget.account !== null && budget.account !== accountOf(profile)) return false;
    if (budget.model !== null && !isModel(budget.model, model)) return false;
    return budget.repo === null || this.#state.namesOf(repo).includes(budget.repo);
  }
}

/** `3.20 of 20.00 USD are spent, 1.50 USD for 1 that runs`. */
export function spentText({ budget, spent, running, runningRuns, untold }: BudgetStanding): string {
  const { unit, cap } = budget;
  const parts = [`${amountText(spent, unit)} of ${amountText(cap, unit)} spent`];
  if (runningRuns > 0)
    parts.push(
      `about ${amountText(running, unit)} for ${runningRuns} that run${runningRuns === 1 ? 's' : ''}`,
    );
  if (untold > 0) parts.push(`${untold} told nothing of it`);
  return parts.join(', ');
}

/** Part of the cap that is spent or taken by running work, as far as they have used it. */
export function usedPart({ budget, spent, used }: BudgetStanding): number {
  return budget.cap === 0 ? 1 : (spent + used) / budget.cap;
}

/** What a run used in a unit; 0 where it told nothing. */
export function usedBy(usage: Usage | undefined, unit: BudgetUnit): number {
  if (unit === 'runs') return 1;
  if (usage === undefined) return 0;
  if (unit === 'usd') return usage.costUsd ?? 0;
  const { inputTokens, outputTokens, cacheReadInputTokens, cacheCreationInputTokens } = usage;
  return (
    (inputTokens ?? 0) + (outputTokens ?? 0) + (cacheReadInputTokens ?? 0) + (cacheCreationInputTokens ?? 0)
  );
}

/** Creating one takes longer than everything asked of it. */
const clocks = new Map<string, WallClock>();

function clockOf(zone: string): WallClock {
  const known = clocks.get(zone);
  if (known) return known;
  const made = wallClock(zone) ?? wallClock('UTC');
  if (!made) throw new Error('there is no time zone UTC');
  clocks.set(zone, made);
  return made;
}

function isOfTask(budget: Budget): boolean {
  return budget.per === 'task' || budget.model !== null;
}

/** `claude-opus-*` fits by its beginning; without a star the whole name must be the same. */
function isModel(pattern: string, model: string | null): boolean {
  if (model === null) return false;
  const parts = pattern
    .toLowerCase()
    .split('*')
    .map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`).test(model.toLowerCase());
}
