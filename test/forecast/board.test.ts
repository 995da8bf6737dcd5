// Each state of a graph on paper stays what it was, whatever is changed later, and can tell how it differs from an
// earlier one.

import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { changedIds, type Tasks, unfinishedTasks } from '../../src/domain/graph.ts';
import { isTerminal, type Task, type TaskStatus } from '../../src/domain/task.ts';
import { Board } from '../../src/forecast/board.ts';
import { task } from '../support/tasks.ts';

const IDS = ['a', 'b', 'c', 'd'];
const STATUSES: readonly TaskStatus[] = ['open', 'in-progress', 'done', 'failed'];

const edit = fc.record({
  id: fc.constantFrom(...IDS, 'unknown'),
  status: fc.constantFrom(...STATUSES),
  // Several edits may pass before anyone looks.
  isSeen: fc.boolean(),
});

function expectSame(table: Tasks, copy: ReadonlyMap<string, Task>): void {
  expect([...table]).toEqual([...copy]);
  expect([...table.values()]).toEqual([...copy.values()]);
  expect(IDS.map((id) => table.get(id))).toEqual(IDS.map((id) => copy.get(id)));
  expect([...unfinishedTasks(table)]).toEqual([...copy.values()].filter(({ status }) => !isTerminal(status)));
}

test('a state stays what it was, and what differs between any two is found', () => {
  fc.assert(
    fc.property(fc.array(edit, { maxLength: 30 }), (edits) => {
      const tasks = new Map<string, Task>(IDS.map((id) => [id, task(id)]));
      const board = new Board(tasks);
      const states: [Tasks, ReadonlyMap<string, Task>][] = [[board.tasks(), new Map(tasks)]];
      for (const { id, status, isSeen } of edits) {
        const known = tasks.get(id);
        expect(board.edit(id, { status, assigned: 'agent-1' })).toBe(known !== undefined);
        if (known) tasks.set(id, { ...known, status, assigned: 'agent-1' });
        if (isSeen) {
          states.push([board.tasks(), new Map(tasks)]);
          expectSame(board.tasks(), tasks);
        }
      }
      for (const [table, copy] of states) expectSame(table, copy);
      for (const [n, [now, copy]] of states.entries())
        for (const [before, old] of states.slice(0, n)) {
          const changed = new Set(changedIds(before, now));
          for (const id of IDS) if (copy.get(id) !== old.get(id)) expect(changed).toContain(id);
        }
    }),
  );
});

test('what was not changed is no news, and an unchanged state is made once', () => {
  const board = new Board(new Map(IDS.map((id) => [id, task(id)])));
  const before = board.tasks();
  expect(board.tasks()).toBe(before);
  board.edit('b', { status: 'done' });
  const now = board.tasks();
  expect([...changedIds(before, now)]).toEqual(['b']);
  expect(before.get('b')?.status).toBe('open');
  board.edit('b', { drop: ['assigned'], status: 'open' });
  expect([...changedIds(now, board.tasks())]).toEqual(['b']);
  // Asked the other way round, all are to be compared.
  expect([...changedIds(board.tasks(), now)]).toEqual(['b']);
  expect(new Board(new Map()).tasks().changedSince?.(now)).toBeNull();
});
