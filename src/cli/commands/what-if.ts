// `whatif`: the recorded past with another configuration. Works beside a running supervisor and without one, and changes
// nothing.

import { resolve } from 'node:path';
import { recordedOf } from '../../control/history.ts';
import { SupervisorError } from '../../domain/errors.ts';
import { type Replay, replayOf } from '../../forecast/replay.ts';
import { type CourseSums, compare, type Waiting, type WhatIf } from '../../forecast/what-if.ts';
import { isoTimeOrNull } from '../../platform/clock.ts';
import { withLookout } from '../connect.ts';
import type { Context } from '../context.ts';
import { page } from '../render/pager.ts';
import { whatIfView } from '../render/what-if-view.ts';
import { sinceInstant } from '../since.ts';

/** Flags of `whatif`; `--config` names the other configuration. */
export interface WhatIfOptions {
  readonly since: string;
  /** The configuration that is compared with; absent: the one in use. */
  readonly base?: string;
}

/** `supervisor whatif --config FILE`. */
export async function whatIf(context: Context, options: WhatIfOptions): Promise<number> {
  const { config, ...rest } = context;
  if (config === undefined)
    throw new SupervisorError('usage', 'whatif compares with another configuration, and none is named', {
      hint: 'write --config new.toml',
    });
  const now = context.now();
  const from = sinceInstant(options.since, now);
  const base = options.base === undefined ? undefined : resolve(context.cwd, options.base);
  const before = await replayWith({ ...rest, config: base }, from, now);
  const after = await replayWith(context, from, now);
  if (!before || !after || before.runs.length === 0)
    throw new SupervisorError('usage', 'nothing was run in that time, so there is nothing to replay', {
      hint: 'say an earlier --since',
    });
  const result = compare(before, after, now);
  const names = new Map(before.world.graphs.map(({ repo, repoName }) => [repo, repoName]));
  const worktrees = new Map(before.world.graphs.map(({ graph, worktree }) => [graph, worktree]));
  const report = reportOf(result, { from, now, config }, names, worktrees);
  if (context.json) context.outJson(report);
  else await page(context, whatIfView(report, context));
  return 0;
}

/** The record as the configuration of a context would have it; null: there is no ledger. */
function replayWith(context: Context, from: number, now: number): Promise<Replay | null> {
  return withLookout(context, (lookout) => {
    const { world, ledger } = lookout.outlook();
    return ledger && replayOf(world, recordedOf(ledger, from, now));
  });
}

/** The answer of `whatif`: durations in seconds, instants RFC 3339. */
export type WhatIfReport = ReturnType<typeof reportOf>;

function reportOf(
  result: WhatIf,
  { from, now, config }: { readonly from: number; readonly now: number; readonly config: string },
  names: ReadonlyMap<string, string>,
  worktrees: ReadonlyMap<string, string>,
) {
  const { reproduced, leftOut, repos, before, after, moved, movedCount } = result;
  return {
    ...{ since: isoTimeOrNull(from), until: isoTimeOrNull(now), config },
    reproduced: { ...reproduced, left_out: leftOut },
    repos: repos.map((one) => ({
      ...{ repo: names.get(one.repo) ?? one.repo, before: waiting(one.before), after: waiting(one.after) },
    })),
    ...{ before: sums(before), after: sums(after), moved_count: movedCount },
    moved: moved.map((one) => ({
      ...{ task: one.task, worktree: worktrees.get(one.graph) ?? one.graph, run: one.run },
      ...{ before: isoTimeOrNull(one.before), after: isoTimeOrNull(one.after), because: one.because },
    })),
  };
}

function waiting({ runs, p50, p95, longest }: Waiting) {
  return { runs, p50_s: p50 / 1000, p95_s: p95 / 1000, longest_s: longest / 1000 };
}

function sums({ runs, costUsd, lastEnd, quotaStops, quotaMs, open }: CourseSums) {
  return {
    ...{ runs, cost_usd: costUsd, last_end: isoTimeOrNull(lastEnd) },
    ...{ quota_stops: quotaStops, quota_s: quotaMs / 1000, unfinished_runs: open },
  };
}
