// What runs spent, when some of them are on paper only: budgets judge a course as they judge the program.

import type { LearnedOfProfile, Spending, SpentRow } from '../decide/capacity/budgets.ts';
import { learn } from '../decide/capacity/learn.ts';
import type { GraphPath, TaskId } from '../domain/ids.ts';
import type { Usage } from '../domain/outcome.ts';
import type { Run } from '../domain/run.ts';
import { sum } from './statistics.ts';

type Spender = Pick<Run, 'graph' | 'task' | 'repo' | 'executor' | 'model'>;

const NOTHING: Spending = {
  since: () => [],
  ofTask: () => ({ usd: 0, tokens: 0, runs: 0, untoldUsd: 0, untoldTokens: 0 }),
  learned: () => ({ runs: 0, usd: learn([]), tokens: learn([]) }),
};

/** What the world's runs spent, and those of the course. */
export class PaperSpending implements Spending {
  readonly #before: Spending;
  readonly #runs: { readonly run: Spender; readonly usage: Usage; readonly at: number }[] = [];
  readonly #learned = new Map<string, LearnedOfProfile>();

  constructor(before: Spending = NOTHING) {
    this.#before = before;
  }

  /** A run that ended at this instant, ms. */
  add(run: Spender, usage: Usage, at: number): void {
    this.#runs.push({ run, usage, at });
  }

  since(at: number): SpentRow[] {
    const rows = this.#runs
      .filter((one) => one.at >= at)
      .map(({ run, usage }) => ({
        ...{ graph: run.graph, repo: run.repo, executor: run.executor, model: run.model ?? null },
        ...{ usd: usage.costUsd ?? 0, tokens: tokensOf(usage), runs: 1 },
        ...{ untoldUsd: usage.costUsd === undefined ? 1 : 0, untoldTokens: 0 },
      }));
    return [...this.#before.since(at), ...rows];
  }

  ofTask(graph: GraphPath, task: TaskId, createdAt: string | null) {
    const known = this.#before.ofTask(graph, task, createdAt);
    const more = this.#runs.filter(({ run }) => run.graph === graph && run.task === task);
    return {
      usd: known.usd + sum(more.map(({ usage }) => usage.costUsd ?? 0)),
      tokens: known.tokens + sum(more.map(({ usage }) => tokensOf(usage))),
      runs: known.runs + more.length,
      ...{ untoldUsd: known.untoldUsd, untoldTokens: known.untoldTokens },
    };
  }

  learned(executor: string): LearnedOfProfile {
    const known = this.#learned.get(executor);
    if (known) return known;
    const before = this.#before.learned(executor);
    const usages = this.#runs.filter(({ run }) => run.executor === executor).map(({ usage }) => usage);
    const learned =
      before.runs > 0 || usages.length === 0
        ? before
        : {
            runs: usages.length,
            usd: learn(usages.map(({ costUsd = 0 }) => costUsd)),
            tokens: learn(usages.map(tokensOf)),
          };
    if (before.runs > 0) this.#learned.set(executor, learned);
    return learned;
  }
}

function tokensOf({ inputTokens = 0, outputTokens = 0 }: Usage): number {
  return inputTokens + outputTokens;
}
