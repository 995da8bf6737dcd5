import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { taskKey } from '../../src/domain/ids.ts';
import { systemClock } from '../../src/platform/clock.ts';
import type { RememberedGraph } from '../../src/runs/graph-book.ts';
import { type Ledger, openLedger } from '../../src/runs/ledger.ts';

let folder: string;
let ledger: Ledger;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'graph-book-'));
  ledger = await openLedger({ file: join(folder, 'ledger.sqlite'), clock: systemClock() });
});
afterEach(() => {
  ledger.close();
  rmSync(folder, { recursive: true, force: true });
});

const TO = { graph: '/to/.wg', worktree: '/to', repo: '/r2/.git' };

function begun(id: string, graph: string, task = 't') {
  const opened = ledger.open(
    {
      ...{ id, graph, task, taskCreatedAt: null, worktree: '/from', repo: '/r/.git', executor: 'command' },
      ...{ type: 'command', because: 'a test', attempt: 1, occurrence: null },
    },
    `hash-${id}`,
  );
  return ledger.move(opened.id, 'opened', { agent: 'agent-1', folder: `${graph}/agents/agent-1` });
}

test('what was seen of a graph is kept as it was said last', () => {
  const graph: RememberedGraph = {
    ...{ graph: '/g', worktree: '/w', repo: '/r', branch: null, folder: '1:2' },
    ...{ open: ['a', 'b'], openCount: 12, goneAt: null },
  };
  ledger.rememberGraphs([graph, { ...graph, graph: '/h' }]);
  ledger.rememberGraphs([{ ...graph, branch: 'x', open: [], openCount: 0, goneAt: 5 }]);
  ledger.forgetGraph('/h');
  expect(ledger.rememberedGraphs()).toEqual([{ ...graph, branch: 'x', open: [], openCount: 0, goneAt: 5 }]);
});

test('what is known of finished tasks goes with their graph, for the one who looked before, too', () => {
  const outcome = { kind: 'succeeded' } as const;
  const result = { task: 't', createdAt: 'then', run: 'run_1', agent: 'agent-1', outcome, of: null, at: 5 };
  ledger.noteResult({ ...result, repo: '/r/.git', graph: '/from/.wg' });
  ledger.noteResult({ ...result, repo: '/r/.git', graph: '/other/.wg', task: 'u' });
  const before = ledger.results().revisionOf('/r/.git');
  expect(ledger.results().of('/r/.git', 't')).toMatchObject([{ graph: '/from/.wg' }]);
  ledger.moveGraph('/from/.wg', TO);
  expect(ledger.results().of('/r/.git', 't')).toEqual([]);
  const moved = { graph: TO.graph, run: 'run_1', ended: 'succeeded' };
  expect(ledger.results().of(TO.repo, 't')).toMatchObject([moved]);
  expect(ledger.results().of('/r/.git', 'u')).toHaveLength(1);
  // Everything is to be looked at again.
  const now = ledger.results().revisionOf('/r/.git');
  expect(now).toBeGreaterThan(before);
  expect(ledger.results().changedSince('/r/.git', before)).toBeNull();
  ledger.forgetResult({ repo: '/r/.git', task: 'u', createdAt: 'then' });
  expect([...(ledger.results().changedSince('/r/.git', now) ?? [])]).toEqual(['u']);
});

test('runs, fences, attempts, schedules and pauses go with their graph', () => {
  const run = begun('run_1', '/from/.wg');
  // Known at the new place from long ago, under the same name.
  const old = begun('run_2', TO.graph);
  ledger.move(old.id, 'abandoned');
  ledger.noteSchedule(
    { graph: '/from/.wg', task: 't' },
    { expression: '0 9 * * *', baselineAt: 1, lastNominalAt: 7 },
  );
  expect(ledger.scheduleMemory().size).toBe(1);
  const pause = { scope: 'task', code: 'parked', because: 'b', until: null } as const;
  ledger.setPause({ ...pause, name: taskKey('/from/.wg', 't') });
  ledger.setPause({ ...pause, name: taskKey('/from/.wg2', 't') });
  ledger.moveGraph('/from/.wg', TO);
  const moved = ledger.run(run.id);
  expect(moved).toMatchObject({ ...TO, folder: '/to/.wg/agents/agent-1', agent: 'agent-1' });
  expect(ledger.openRuns()).toEqual([moved]);
  expect(moved?.fence).toBe(2);
  expect([...ledger.scheduleMemory()]).toEqual([
    [taskKey(TO.graph, 't'), { expression: '0 9 * * *', baselineAt: 1, lastNominalAt: 7 }],
  ]);
  expect(ledger.pauses().map(({ name }) => name)).toEqual(
    [taskKey('/from/.wg2', 't'), taskKey(TO.graph, 't')].sort(),
  );
  // The next claim is above all of them.
  ledger.move(run.id, 'abandoned');
  expect(begun('run_3', TO.graph).fence).toBeGreaterThan(moved?.fence ?? 99);
});

test('a task that runs at both places is left where it is, and so is everything else', () => {
  begun('run_1', '/from/.wg');
  begun('run_2', '/from/.wg', 'other');
  begun('run_3', TO.graph);
  expect(() => ledger.moveGraph('/from/.wg', TO)).toThrow(/UNIQUE/);
  expect(ledger.openRuns().map((run) => run.graph)).toEqual(['/from/.wg', '/from/.wg', TO.graph]);
});
