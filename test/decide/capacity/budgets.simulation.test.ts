// Days of work without end whose costs have heavy tails, through the very code that admits: caps hold, and
// little of them is left unused.

import { expect, test } from '@jest/globals';
import { admit, queuesOf } from '../../../src/decide/capacity/admit.ts';
import { Budgets, type Spending } from '../../../src/decide/capacity/budgets.ts';
import { type Learned, learn } from '../../../src/decide/capacity/learn.ts';
import type { Plan } from '../../../src/domain/plan.ts';
import type { Run } from '../../../src/domain/run.ts';
import { budget, claude, NOW, run } from '../../support/tasks.ts';

/** All of them with BUDGET_DAYS=1000; fewer are enough to notice when it breaks. */
const DAYS = Number(process.env.BUDGET_DAYS ?? 200);
const AT_ONCE = 8;
const PROFILE = claude();

/** Numbers between 0 and 1, the same ones for one seed. */
function dice(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function logNormal(random: () => number): number {
  const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return Math.exp(normal);
}

/** Its third moment is infinite. */
function pareto(random: () => number): number {
  return (1 - random()) ** (-1 / 2.5);
}

const PLANS: readonly Plan[] = Array.from({ length: AT_ONCE }, (_, n) => ({
  graph: '/r/.workgraph',
  task: `t${n}`,
  worktree: '/r',
  repo: '/r/.git',
  profile: PROFILE,
  because: 'test',
  priority: 10,
  occurrence: null,
}));

function simulate(cost: (random: () => number) => number, cap: number) {
  const random = dice(7);
  const past: number[] = [];
  let learned: Learned = learn(past);
  const daily = budget({ cap });
  const result = { over: 0, byMoreThanOne: 0, used: 0 };
  for (let day = 0; day < DAYS; day++) {
    let spent = 0;
    let largest = 0;
    const nothing = { usd: 0, tokens: 0, runs: 0, untoldUsd: 0, untoldTokens: 0 };
    const spending: Spending = {
      since: () => [
        {
          ...nothing,
          usd: spent,
          graph: '/r/.workgraph',
          repo: '/r/.git',
          executor: PROFILE.name,
          model: null,
        },
      ],
      ofTask: () => nothing,
      learned: () => ({ runs: past.length, usd: learned, tokens: learned }),
    };
    /** Who runs, with what it will come to and when it ends. */
    const running: { readonly run: Run; readonly costs: number; readonly until: number }[] = [];
    let now = 0;
    for (;;) {
      const runs = running.map((one) => one.run);
      const budgets = new Budgets({
        now: NOW,
        zone: 'UTC',
        budgets: [daily],
        spending,
        runs,
        profileOf: () => PROFILE,
        namesOf: (repo) => [repo],
        createdAtOf: () => null,
      });
      const state = {
        now: NOW,
        maxConcurrent: AT_ONCE,
        runs,
        pauses: [],
        settingsOf: () => null,
        profileOf: () => PROFILE,
      };
      for (const plan of admit(queuesOf(PLANS), { ...state, budgets }).admitted) {
        const until = now - Math.log(1 - random());
        running.push({ run: run('r', plan.task), costs: cost(random), until });
      }
      running.sort((a, b) => b.until - a.until);
      const ended = running.pop();
      if (!ended) break;
      now = ended.until;
      spent += ended.costs;
      largest = Math.max(largest, ended.costs);
      past.push(ended.costs);
      if (past.length < 50 || past.length % 25 === 0) learned = learn(past.slice(-1000));
    }
    if (spent > cap) result.over++;
    if (spent > cap + largest) result.byMoreThanOne++;
    result.used += spent / cap / DAYS;
  }
  return result;
}

test.each([
  ['log-normal', logNormal, 250],
  ['Pareto', pareto, 250],
] as const)('%s', (_name, cost, cap) => {
  const { over, byMoreThanOne, used } = simulate(cost, cap);
  // The first days teach it what runs take.
  expect(over).toBeLessThanOrEqual(Math.max(3, DAYS / 100));
  expect(byMoreThanOne).toBe(0);
  expect(used).toBeGreaterThanOrEqual(0.9);
});
