// `forecast`: when open tasks end, from what earlier runs came to. Works beside a running supervisor and without one, and
// changes nothing.

import { experienceOf } from '../../control/history.ts';
import { RUNS_NEEDED } from '../../forecast/experience.ts';
import { Forecasts, type TargetForecast, type TaskForecast } from '../../forecast/forecast.ts';
import { isoTimeOrNull } from '../../platform/clock.ts';
import { taskQuery, withLookout } from '../connect.ts';
import type { Context } from '../context.ts';
import { chanceOf } from '../drill/chance.ts';
import { forecastView } from '../render/forecast-view.ts';
import { page } from '../render/pager.ts';

/** Flags of `forecast`. */
export interface ForecastOptions {
  readonly worktree?: string;
  readonly draws?: number;
  readonly seed?: number;
}

/** The answer of `forecast`; instants are RFC 3339, null: not within the time that is looked at. */
export interface ForecastReport {
  readonly generated_at: string;
  /** How many courses were drawn; 0: there is not enough history. */
  readonly draws: number;
  readonly seed: number;
  readonly history_runs: number;
  readonly history_needed: number;
  readonly tasks: readonly ForecastRow[];
  readonly target: (ForecastRow & ForecastDetails) | null;
}

export interface ForecastRow {
  readonly task: string;
  readonly worktree: string;
  readonly p10: string | null;
  readonly p50: string | null;
  readonly p80: string | null;
  readonly p90: string | null;
  readonly p95: string | null;
  /** The share of courses in which it ends. */
  readonly ends: number;
  /** What keeps it now. */
  readonly because: string;
}

export interface ForecastDetails {
  readonly cost_usd: { readonly p10: number; readonly p90: number } | null;
  readonly path: readonly { readonly task: string; readonly share: number }[];
  readonly spread: Readonly<Record<string, number>> | null;
}

/** Courses that are drawn unless another number is asked for, and how long that may take, ms. */
const DRAWS = 400;
const DRAWING_MS = 6000;
const FEWEST_DRAWS = 50;

/** `supervisor forecast [TASK]`. */
export async function forecast(
  context: Context,
  task: string | undefined,
  options: ForecastOptions,
): Promise<number> {
  const report = await withLookout(context, async (lookout) => {
    const { world, ledger } = lookout.outlook();
    const asked = task === undefined ? null : lookout.find(taskQuery(context, task, options.worktree));
    const experience = ledger && experienceOf(ledger, world);
    const seed = options.seed ?? context.now() % 1_000_000;
    const head = {
      ...{ generated_at: new Date(context.now()).toISOString(), seed },
      ...{ history_runs: experience?.runs ?? 0, history_needed: RUNS_NEEDED },
    };
    if (!experience?.isEnough) return { ...head, draws: 0, tasks: [], target: null };
    const target = asked && { graph: asked.view.graph, task: asked.task.id };
    const forecasts = new Forecasts({
      ...{ world, experience, random: chanceOf(seed).share },
      ...(target ? { target } : {}),
    });
    await draw(context, forecasts, options.draws);
    const now = new Map(lookout.tasks({}).map((one) => [`${one.worktree}\n${one.task}`, one]));
    const worktreeOf = new Map(world.graphs.map((view) => [view.graph, view.worktree]));
    const nowOf = ({ graph, task: id }: TaskForecast) => now.get(`${worktreeOf.get(graph)}\n${id}`);
    const row = (one: TaskForecast): ForecastRow => ({
      ...rowOf(one),
      worktree: worktreeOf.get(one.graph) ?? '',
      because: nowOf(one)?.because ?? '',
    });
    // A copy ends where it is dispatched.
    const own = forecasts.tasks().filter((one) => nowOf(one)?.state !== 'copy');
    const full = forecasts.target();
    return {
      ...{ ...head, draws: forecasts.draws },
      tasks: target ? [] : own.map(row),
      target: full && { ...row(full), ...detailsOf(full) },
    };
  });
  if (context.json) context.outJson(report);
  else await page(context, forecastView(report, context));
  return report.draws === 0 ? 1 : 0;
}

/** Draws courses until there are enough or it has taken long enough; a turn of the loop between them lets Ctrl-C in. */
async function draw(context: Context, forecasts: Forecasts, asked: number | undefined): Promise<void> {
  const wanted = asked ?? DRAWS;
  const until = context.now() + DRAWING_MS;
  const shows = context.stderr.isTTY && !context.json;
  for (let n = 0; n < wanted; n++) {
    if (asked === undefined && n >= FEWEST_DRAWS && context.now() > until) break;
    forecasts.draw();
    if (shows) context.stderr.write(`\rdrawing courses: ${n + 1} of ${wanted}\u001b[K`);
    await context.clock.sleep(0);
  }
  if (shows) context.stderr.write('\r\u001b[K');
}

function rowOf({ task, p10, p50, p80, p90, p95, ends }: TaskForecast) {
  return {
    task,
    ...{
      p10: isoTimeOrNull(p10),
      p50: isoTimeOrNull(p50),
      p80: isoTimeOrNull(p80),
      p90: isoTimeOrNull(p90),
      p95: isoTimeOrNull(p95),
    },
    ends,
  };
}

function detailsOf({ costUsd, path, spread }: TargetForecast): ForecastDetails {
  return { cost_usd: costUsd, path, spread: spread && { ...spread } };
}
