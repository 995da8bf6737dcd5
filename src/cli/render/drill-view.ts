// What a drill did and found, for people and as JSON.

import type { Context } from '../context.ts';
import type { Drilled, Progress } from '../drill/drill.ts';
import type { FindingKind } from '../drill/oracle.ts';
import type { Paint } from './color.ts';
import { plain } from './plain.ts';

const BAR_WIDTH = 24;
/** One cause usually breaks many tasks: the first ones tell enough. */
const SHOWN = 12;

/** One line for a terminal, without a line feed. */
export function progressBar(
  now: Progress,
  fireMs: number,
  { paint, width }: Pick<Context, 'paint' | 'width'>,
): string {
  const filled = Math.min(BAR_WIDTH, Math.round((now.elapsedMs / fireMs) * BAR_WIDTH));
  const bar = `${paint.busy('━'.repeat(filled))}${paint.faint('─'.repeat(BAR_WIDTH - filled))}`;
  const text = ` ${progressLine(now)}`;
  return width < BAR_WIDTH + text.length ? text.trim().slice(0, Math.max(0, width - 1)) : bar + text;
}

/** How far it is, in words. */
export function progressLine({ phase, elapsedMs, kills, done, tasks }: Progress): string {
  const what = phase === 'fire' ? `${kills} kills` : 'no more kills, everyone may finish';
  return `${Math.round(elapsedMs / 1000)} s, ${done} of ${tasks} done, ${what}`;
}

const COUNTED: readonly (readonly [FindingKind, string])[] = [
  ['twice', 'run twice'],
  ['lost', 'lost'],
  ['stranded', 'stranded'],
  ['orphan', 'orphans'],
];

const countOf = ({ findings }: Drilled, kind: FindingKind) =>
  findings.filter((finding) => finding.kind === kind).length;

/** The value below which this share of the numbers lies; 0 without any. */
function quantile(numbers: readonly number[], share: number): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

/** The answer of `drill --json`. */
export function drillReport(drilled: Drilled) {
  return {
    ok: drilled.findings.length === 0,
    seed: drilled.seed,
    seconds: drilled.seconds,
    worktrees: drilled.worktrees,
    tasks: drilled.tasks,
    done: drilled.done,
    runs: drilled.runs,
    kills: drilled.kills,
    stops: drilled.stops,
    agent_kills: drilled.agentKills,
    git_operations: drilled.gitOperations,
    edits: drilled.edits,
    run_twice: countOf(drilled, 'twice'),
    lost: countOf(drilled, 'lost'),
    stranded: countOf(drilled, 'stranded'),
    orphans: countOf(drilled, 'orphan'),
    restart_ms: {
      count: drilled.restarts.length,
      p50: quantile(drilled.restarts, 0.5),
      p99: quantile(drilled.restarts, 0.99),
    },
    disk_bytes: drilled.diskBytes,
    findings: drilled.findings,
  };
}

/** The report for people. */
export function drillView(drilled: Drilled, { paint }: Pick<Context, 'paint'>): string {
  const { restarts } = drilled;
  const row = (name: string, value: string, colour: Paint = (text) => text) =>
    `  ${name.padEnd(22)}${colour(value)}\n`;
  const seconds = (ms: number) => `${(ms / 1000).toFixed(2)} s`;
  const did = [
    row(
      'kills',
      `${drilled.kills} of the supervisor, ${drilled.agentKills} of agents; ${drilled.stops} stops`,
    ),
    row('git operations', `${drilled.gitOperations} in ${drilled.worktrees} worktrees`),
    row('edits by another', String(drilled.edits)),
    row('tasks', `${drilled.done} of ${drilled.tasks} done in ${drilled.runs} runs`),
    row(
      'restart',
      `p50 ${seconds(quantile(restarts, 0.5))}, p99 ${seconds(quantile(restarts, 0.99))} (${restarts.length} starts)`,
    ),
    row('disk', `${(drilled.diskBytes / 1e6).toFixed(0)} MB`),
  ].join('');
  const counted = COUNTED.map(([kind, name]) => {
    const count = countOf(drilled, kind);
    return row(name, count === 0 ? '✔ 0' : `✘ ${count}`, count === 0 ? paint.good : paint.bad);
  }).join('');
  const found = drilled.findings
    .slice(0, SHOWN)
    .map(({ kind, what }) => `${paint.bad(kind)} ${plain(what)}\n`)
    .join('');
  const more = drilled.findings.length > SHOWN ? `and ${drilled.findings.length - SHOWN} more\n` : '';
  const last =
    drilled.findings.length === 0
      ? paint.good(`Nothing was run twice, lost or left. Seed ${drilled.seed}\n`)
      : `${found}${more}Run it again with \`supervisor drill --seed ${drilled.seed} --keep FOLDER\`, and report it with that folder.\n`;
  return `${did}${counted}${last}`;
}
