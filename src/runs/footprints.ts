// What the processes of a profile's runs took, as far as they were measured.

import type { LearnedFootprint } from '../domain/machine.ts';
import type { Database } from './database.ts';

/** This many of a profile's last measured runs tell what one takes. */
const LEARNED_FROM = 200;
/** Among this many of all, as short ones are not measured. */
const LOOKED_AT = 1000;
/** Fewer than this tell nothing. */
const TOO_FEW = 3;
/** Nine of ten took less. */
const SHARE = 0.9;

/** The asking side over an open database. */
export function readFootprints(database: Database): (executor: string) => LearnedFootprint | null {
  const measured = database.prepare(
    `SELECT json_extract(footprint, '$.peakBytes') AS bytes,
       1.0 * json_extract(footprint, '$.cpuMs') / max(1000, finished_at - started_at) AS cores
     FROM (SELECT * FROM runs WHERE executor = ? ORDER BY seq DESC LIMIT ${LOOKED_AT})
     WHERE footprint IS NOT NULL AND finished_at > started_at LIMIT ${LEARNED_FROM}`,
  );
  const version = database.prepare('SELECT total_changes() AS changes');
  const answers = new Map<string, LearnedFootprint | null>();
  let known: unknown;
  return (executor) => {
    const now = version.one()?.changes;
    if (now !== known) answers.clear();
    known = now;
    const answer = answers.get(executor);
    if (answer !== undefined) return answer;
    const rows = measured.all(executor);
    const learned =
      rows.length < TOO_FEW
        ? null
        : {
            runs: rows.length,
            bytes: quantile(rows.map(({ bytes }) => Number(bytes))),
            cores: quantile(rows.map(({ cores }) => Number(cores))),
          };
    answers.set(executor, learned);
    return learned;
  };
}

function quantile(amounts: readonly number[]): number {
  const sorted = [...amounts].sort((a, b) => a - b);
  return sorted[Math.ceil(SHARE * sorted.length) - 1] ?? 0;
}
