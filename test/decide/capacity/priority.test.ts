import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  agedPriority,
  dependentPriorities,
  effectivePriority,
  madeAt,
  nextAgingAt,
} from '../../../src/decide/capacity/priority.ts';
import { NOW, task, tasksById } from '../../support/tasks.ts';

const DAY = 86_400_000;
const old = (days: number) => NOW - days * DAY;

describe('effective priority', () => {
  test.each([
    [0.99, 0, 0],
    [1, 0, 5],
    [1, 5, 10],
    [1, 3, 10],
    [1, 10, 50],
    [1, 50, 100],
    [1, 11, 100],
    [1, 51, 51],
    [2, 0, 10],
    [3, 0, 50],
    [4, 0, 100],
    [400, 0, 100],
    [400, 1000, 1000],
    [-5, 0, 0],
  ])('%d days old with priority %d: %d', (days, priority, expected) => {
    expect(agedPriority(priority, old(days), NOW)).toBe(expected);
  });

  test('a task that does not know its age does not age', () => {
    expect(agedPriority(0, madeAt(task('a')), NOW)).toBe(0);
    expect(nextAgingAt(0, madeAt(task('a', { createdAt: 'long ago' })), NOW)).toBeNull();
  });

  test('direct dependents raise it; those that have finished and those further off do not', () => {
    const tasks = tasksById([
      task('a', { priority: 5 }),
      task('b', { priority: 50, after: ['a'] }),
      task('c', { priority: 100, after: ['b'] }),
      task('d', { priority: 100, after: ['a'], status: 'done' }),
    ]);
    const dependents = dependentPriorities(tasks);
    expect(effectivePriority(task('a', { priority: 5 }), NOW, NOW, dependents)).toBe(50);
    expect(effectivePriority(task('b', { priority: 200 }), null, NOW, dependents)).toBe(200);
  });

  test('an edge that only the mirror knows counts, as for wg', () => {
    const tasks = tasksById([task('a', { priority: 5, before: ['b', 'gone'] }), task('b', { priority: 50 })]);
    expect(dependentPriorities(tasks).get('a')).toBe(50);
  });

  test('property: it changes at the instant that is named, and not before', () => {
    const days = fc.double({ min: -2, max: 10, noNaN: true });
    fc.assert(
      fc.property(days, fc.integer({ min: 0, max: 120 }), (age, priority) => {
        const made = old(age);
        const at = nextAgingAt(priority, made, NOW);
        if (at === null)
          expect(agedPriority(priority, made, NOW + 50 * DAY)).toBe(agedPriority(priority, made, NOW));
        else {
          expect(at).toBeGreaterThan(NOW);
          expect(agedPriority(priority, made, at - 1)).toBe(agedPriority(priority, made, NOW));
          expect(agedPriority(priority, made, at)).toBeGreaterThan(agedPriority(priority, made, NOW));
        }
      }),
    );
  });
});
