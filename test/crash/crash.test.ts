// The built supervisor is killed at random moments and at every step of the order of writes, and started again: each
// attempt runs once, each result is kept, no process is left. CRASH_KILLS=500 makes it the long form.

import { afterEach, describe, expect, test } from '@jest/globals';
import { replay } from '../model/replay.ts';
import { beginCampaign, type Campaign, type Mine, STEPS } from './campaign.ts';

const KILLS = Number(process.env.CRASH_KILLS ?? 0);
const LONG = KILLS > 0;

let campaign: Campaign | null = null;
afterEach(async () => {
  await campaign?.remove();
  campaign = null;
});

/** Kills at random moments of a supervisor's life, its start included. */
async function killAtRandom(kills: number, campaign: Campaign): Promise<void> {
  for (let n = 0; n < kills; n++) {
    await campaign.round({ killAfterMs: 150 + Math.random() * 1000 });
    expect(await campaign.violations(false)).toEqual([]);
  }
}

async function stepOn(mines: readonly Mine[], campaign: Campaign): Promise<void> {
  for (const mine of mines) {
    await campaign.round({ mine, atMostMs: 2500 });
    const found = await campaign.violations(false);
    expect({ mine, found }).toEqual({ mine, found: [] });
  }
}

/** The short form: after every step, and before those two where most depends on it. */
const FEW: readonly Mine[] = [
  ...STEPS.map((step): Mine => ({ step, side: 'after', nth: 2 })),
  { step: 'begun', side: 'before', nth: 2 },
  { step: 'ledger-finished', side: 'before', nth: 2 },
];

function mines(nths: readonly number[]): Mine[] {
  return STEPS.flatMap((step) =>
    (['before', 'after'] as const).flatMap((side) => nths.map((nth) => ({ step, side, nth }))),
  );
}

async function toTheEnd(campaign: Campaign): Promise<void> {
  await campaign.finish(60_000);
  // The first few tell enough: one cause usually breaks many tasks.
  expect((await campaign.violations(true)).slice(0, 5)).toEqual([]);
  const { refused } = await replay(await campaign.lives());
  expect(refused.slice(0, 3)).toEqual([]);
}

describe('killed and started again', () => {
  test('at random moments', async () => {
    const rounds = LONG ? Math.ceil(KILLS / 2 / 20) : 1;
    for (let n = 0; n < rounds; n++) {
      campaign = await beginCampaign({ worktrees: 3, tasksEach: LONG ? 24 : 12 });
      await killAtRandom(LONG ? 20 : 4, campaign);
      await toTheEnd(campaign);
      await campaign.remove();
    }
  }, 3_600_000);

  test('at every step of the order of writes', async () => {
    const all = LONG ? mines([1, 2, 3, 5]) : FEW;
    const rounds = LONG ? Math.ceil(KILLS / 2 / all.length) : 1;
    const each = LONG ? 22 : all.length;
    for (let n = 0; n < rounds; n++)
      for (let from = 0; from < all.length; from += each) {
        campaign = await beginCampaign({ worktrees: 3, tasksEach: LONG ? 24 : 12 });
        await stepOn(all.slice(from, from + each), campaign);
        await toTheEnd(campaign);
        await campaign.remove();
      }
  }, 3_600_000);
});
