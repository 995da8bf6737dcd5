import { expect, test } from '@jest/globals';
import { GraphVerdicts, verdictOf } from '../../../src/decide/judge/graph-verdicts.ts';
import type { Task } from '../../../src/domain/task.ts';
import type { Verdict } from '../../../src/domain/verdict.ts';
import { task, tasksById } from '../../support/tasks.ts';

const said = (one: Task, because: string) =>
  verdictOf('/g', one, null, { state: 'waiting', code: 'dependency', because, nextAt: null });
const ofOthers = (one: Task) => said(one, 'of others');

test('thousands of changes, one after the other: every task has its last verdict, in the order of the tasks', () => {
  let tasks = tasksById(Array.from({ length: 3000 }, (_, n) => task(`t${n}`)));
  const model = new Map<string, string>();
  const first = new Map<string, Verdict>();
  for (const one of tasks.values()) if (one.id.endsWith('7')) first.set(one.id, said(one, 'first'));
  for (const id of first.keys()) model.set(id, 'first');
  let verdicts = GraphVerdicts.of(tasks, first, ofOthers);
  const kept = verdicts;
  for (let round = 0; round < 60; round++) {
    const fresh = new Map<string, Verdict>();
    for (let n = 0; n < 70; n++) {
      const one = tasks.get(`t${(round * 41 + n * 17) % 3000}`);
      if (!one) continue;
      fresh.set(one.id, said(one, `round ${round}`));
      model.set(one.id, `round ${round}`);
    }
    tasks = new Map(tasks);
    tasks.delete(`t${round * 3}`);
    const added = task(`new-${round}`);
    tasks.set(added.id, added);
    fresh.set(added.id, said(added, 'new'));
    model.set(added.id, 'new');
    verdicts = verdicts.with(tasks, fresh);
    const expected = [...tasks.keys()].map((id) => [id, model.get(id) ?? 'of others']);
    expect([...verdicts].map(([id, { because }]) => [id, because])).toEqual(expected);
    expect([...verdicts.values()].map(({ task: id }) => id)).toEqual([...tasks.keys()]);
    expect(verdicts.size).toBe(tasks.size);
    expect(verdicts.get(`t${round * 3}`)).toBeUndefined();
    expect(verdicts.has(`t${round * 3}`)).toBe(false);
  }
  expect(kept.get('t0')?.because).toBe('of others');
  expect(kept.get('t7')?.because).toBe('first');
  expect(kept.size).toBe(3000);
});
