// The ready set of every real graph, against fixtures that were checked by hand: for each open task its state and
// code, for the others how many have which status. The graphs themselves are not part of this repository.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { decide } from '../../../src/decide/decide.ts';
import { assessReadiness, readinessView } from '../../../src/decide/readiness/readiness.ts';
import { parseGraph } from '../../../src/graph/format.ts';
import { graphView, world } from '../../support/tasks.ts';

const real = join(import.meta.dirname, '../../../../shared/graphs');
const fixtures = join(import.meta.dirname, '../../../fixtures/ready');

interface Reviewed {
  readonly at: string;
  readonly open: Readonly<Record<string, string>>;
  readonly others: Readonly<Record<string, number>>;
}

const names = readdirSync(fixtures).map((file) => file.replace(/\.json$/, ''));

if (!existsSync(real)) {
  test.skip(`real graphs: ${real} is not there, so their ready sets are not checked`, () => {});
} else {
  test('every real graph has a reviewed fixture', () => {
    const graphs = readdirSync(real).filter((file) => file.endsWith('.jsonl'));
    expect(names.sort()).toEqual(graphs.map((file) => file.replace(/\.jsonl$/, '')).sort());
  });

  describe.each(names)('%s', (name) => {
    const reviewed = JSON.parse(readFileSync(join(fixtures, `${name}.json`), 'utf8')) as Reviewed;
    const bytes = readFileSync(join(real, `${name}.jsonl`));
    const { snapshot } = parseGraph('/g', bytes, { revision: '1', maxLineBytes: 10_000_000 });
    const now = Date.parse(reviewed.at);

    test('its ready set', () => {
      const view = readinessView(snapshot.tasks, now);
      const open: Record<string, string> = {};
      const others: Record<string, number> = {};
      for (const task of snapshot.tasks.values()) {
        const readiness = assessReadiness(task, view);
        if (task.status === 'open' || task.status === 'incomplete')
          open[task.id] = readiness.ready ? 'ready' : `${readiness.state}/${readiness.code}`;
        else others[task.status] = (others[task.status] ?? 0) + 1;
      }
      expect({ at: reviewed.at, open, others }).toEqual(reviewed);
    });

    test('decided, exactly the ready ones start', () => {
      const { actions, verdicts } = decide(world([graphView('g', [...snapshot.tasks.values()])], { now }));
      const started = actions.flatMap((action) => (action.kind === 'dispatch' ? [action.plan.task] : []));
      const ready = Object.keys(reviewed.open).filter((id) => reviewed.open[id] === 'ready');
      expect(started.sort()).toEqual(ready.sort());
      expect(verdicts.size).toBe(snapshot.tasks.size);
    });
  });
}
