// Records every move of every run in the ledger itself, by triggers: what is committed is recorded with it, whatever
// kills the supervisor a moment later, and nothing else is.

import { join } from 'node:path';
import type { Entry } from '../../src/cli/drill/journal.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { openDatabase } from '../../src/runs/database.ts';
import { openLedger } from '../../src/runs/ledger.ts';
import type { Word } from './life.ts';

/** The time of a statement, ms since the epoch with a fraction. */
const NOW = `(julianday('now') - 2440587.5) * 86400000.0`;
const MOVE = `INSERT INTO trace (at, run, graph, task, fence, phase, agent, type, outcome)
  SELECT ${NOW}, new.id, new.graph, new.task, new.fence, new.phase, new.agent, new.type, json_extract(new.outcome, '$.kind')`;

/** Makes the ledger, with the triggers in it. No supervisor may run yet. */
export async function recordMoves(stateDir: string): Promise<void> {
  const file = join(stateDir, 'ledger.sqlite');
  (await openLedger({ file, clock: systemClock() })).close();
  const database = await openDatabase(file, false);
  database.exec(`
    CREATE TABLE trace (seq INTEGER PRIMARY KEY, at REAL NOT NULL, run TEXT, graph TEXT, task TEXT, fence INTEGER,
      phase TEXT, agent TEXT, type TEXT, outcome TEXT);
    CREATE TRIGGER trace_opened AFTER INSERT ON runs BEGIN ${MOVE}; END;
    CREATE TRIGGER trace_moved AFTER UPDATE ON runs WHEN new.phase <> old.phase OR new.agent <> old.agent
      BEGIN ${MOVE}; END;
    CREATE TRIGGER trace_began AFTER UPDATE ON meta WHEN new.key = 'starts' BEGIN
      INSERT INTO trace (at) SELECT ${NOW}; END;
    INSERT INTO meta (key, value) VALUES ('starts', '0');
  `);
  database.close();
}

/** What was recorded, in order. `by` names the ledger. */
export async function recordedMoves(stateDir: string, by: 'a' | 'b' = 'a'): Promise<Word[]> {
  const database = await openDatabase(join(stateDir, 'ledger.sqlite'), true);
  const rows = database.prepare('SELECT * FROM trace ORDER BY seq').all();
  database.close();
  return rows.map((row): Word => {
    const at = Number(row.at);
    if (row.run === null) return { kind: 'began', at, by };
    return {
      ...{ kind: 'move', at, by, run: String(row.run), task: `${String(row.graph)} ${String(row.task)}` },
      ...{ fence: Number(row.fence), phase: String(row.phase), hasAgent: row.agent !== '' },
      type: String(row.type),
      outcome: row.outcome === null ? null : String(row.outcome),
    };
  });
}

/** An entry of the agents' journal. */
export const agentWords = ({ word, run, at }: Entry): Word => ({ kind: 'agent', at, run, word });
