import { describe, expect, test } from '@jest/globals';
import { claimRefusal } from '../../../src/decide/readiness/claim-refusal.ts';
import type { Task } from '../../../src/domain/task.ts';
import { graphView, snapshot, task, world } from '../../support/tasks.ts';

const MADE = { createdAt: '2027-01-01T00:00:00Z' };

/** Two worktrees of one repository; the claim is in the second one, on the bytes that were read just now. */
function refusal(
  main: readonly Task[],
  before: readonly Task[],
  now: readonly Task[],
  id = 'a',
): string | null {
  const place = { repo: '/r/.git', tracked: true };
  const feature = graphView('feature', before, { ...place, worktreeIsMain: false });
  const at = world([graphView('main', main, place), feature]);
  return claimRefusal(at, { ...feature, snapshot: snapshot(feature.graph, now) }, id);
}

describe('asked again under the lock', () => {
  test('nothing against a task that is still ready', () => {
    expect(refusal([], [task('a')], [task('a')])).toBeNull();
  });

  test('the fresh bytes count, not what was known before', () => {
    expect(refusal([], [task('a')], [])).toBe('the task is gone');
    expect(refusal([], [task('a')], [task('a', { status: 'in-progress', assigned: 'agent-9' })])).toBe(
      'claimed by agent-9',
    );
    expect(refusal([], [task('a')], [task('a', { assigned: 'agent-9' })])).toContain('assigned to agent-9');
    expect(refusal([], [task('a')], [task('a', { after: ['b'] }), task('b')])).toBe('waits for b (open)');
    expect(refusal([], [task('a', { paused: true })], [task('a')])).toBeNull();
  });

  test('a copy is claimed at its home only', () => {
    expect(refusal([task('a', MADE)], [task('a', MADE)], [task('a', MADE)])).toContain(
      '/main dispatches this task',
    );
    expect(refusal([task('a')], [], [task('a', MADE)])).toBeNull();
  });

  test('what is done at home is done, its evaluation too', () => {
    const own = task('a', { after: ['b'], createdAt: '2027-02-02T00:00:00Z' });
    const stale = [own, task('b', MADE), task('.evaluate-b', MADE)];
    const home = (status: 'open' | 'done') => [
      task('b', { ...MADE, status: 'done' }),
      task('.evaluate-b', { ...MADE, status }),
    ];
    expect(refusal(home('done'), stale, stale)).toBeNull();
    expect(refusal(home('open'), stale, stale)).toContain('the evaluation of b');
  });
});
