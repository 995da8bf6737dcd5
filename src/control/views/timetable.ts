// Schedules as a timetable: what is due in the next day, and the results of the last instants. Pure.

import { verdictOf } from '../../decide/judge/verdicts.ts';
import { nextInstant, parseSchedule } from '../../decide/schedules/schedule.ts';
import type { Decision, World } from '../../decide/world.ts';
import { type TaskKey, taskKey } from '../../domain/ids.ts';
import type { TimetableReport, TimetableRow } from '../../domain/overview.ts';
import { isOpenRun, type Run } from '../../domain/run.ts';
import { isoTime } from '../../platform/clock.ts';
import type { LetGo } from './let-go-book.ts';

const DAY_MS = 86_400_000;
/** A schedule that is due every minute has more instants than a strip can show. */
const MOST_NEXT = 300;
const LAST = 10;

/** What the timetable is made of. */
export interface TimetableInput {
  readonly world: World;
  readonly decision: Decision;
  /** The latest runs of a task, latest first. */
  runsOf(graph: string, task: string): readonly Run[];
  letGoOf(key: TaskKey): readonly LetGo[];
}

/** Every schedule, those that are due first on top. */
export function timetableOf({ world, decision, runsOf, letGoOf }: TimetableInput): TimetableReport {
  const to = world.now + DAY_MS;
  const rows = world.graphs.flatMap((view): TimetableRow[] =>
    [...(decision.schedules.get(view.graph) ?? [])].map(([id, { text, zone, nextAt }]) => {
      const verdict = verdictOf(decision.verdicts, view.graph, id);
      return {
        task: id,
        title: (view.snapshot.tasks.get(id)?.title ?? id).slice(0, 500),
        worktree: view.worktree,
        schedule: text,
        zone,
        state: verdict?.state ?? 'waiting',
        because: (verdict?.because ?? '').slice(0, 500),
        next_at: nextAt === null ? null : isoTime(nextAt),
        next: nextOf(text, zone, nextAt, to).map(isoTime),
        last: lastOf(runsOf(view.graph, id), letGoOf(taskKey(view.graph, id))),
      };
    }),
  );
  const time = ({ next_at }: TimetableRow) =>
    next_at === null ? Number.POSITIVE_INFINITY : Date.parse(next_at);
  return {
    from: isoTime(world.now),
    to: isoTime(to),
    zone: world.config.timezone,
    schedules: rows.sort((a, b) => time(a) - time(b)),
  };
}

function nextOf(text: string, zone: string, first: number | null, to: number): number[] {
  if (first === null || first > to) return [];
  const found = [first];
  const parsed = parseSchedule(text, zone);
  if (!parsed.ok || parsed.schedule.kind !== 'cron') return found;
  for (let at: number | null = first; found.length < MOST_NEXT; ) {
    at = nextInstant(parsed.schedule, at);
    if (at === null || at > to) break;
    found.push(at);
  }
  return found;
}

function lastOf(runs: readonly Run[], letGo: readonly LetGo[]): TimetableRow['last'] {
  const ran = runs.flatMap((run) =>
    run.occurrence === null ? [] : [{ at: run.occurrence, result: resultOf(run), because: run.because }],
  );
  const seen = new Set<number>();
  return [...ran, ...letGo]
    .sort((a, b) => b.at - a.at)
    .filter(({ at }) => !seen.has(at) && seen.add(at))
    .slice(0, LAST)
    .reverse()
    .map(({ at, result, because }) => ({ at: isoTime(at), result, because: because.slice(0, 500) }));
}

function resultOf(run: Run): TimetableRow['last'][number]['result'] {
  if (isOpenRun(run)) return 'running';
  if (run.outcome?.kind === 'succeeded') return 'done';
  if (run.outcome?.kind === 'stopped' && run.outcome.reason === 'replaced') return 'replaced';
  return run.outcome?.kind === 'failed' ? 'failed' : 'stopped';
}
