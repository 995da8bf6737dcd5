import { describe, expect, test } from '@jest/globals';
import { createCopyMemo, findCopies } from '../../../src/decide/reconcile/identity.ts';
import type { GraphView } from '../../../src/decide/world.ts';
import type { Task } from '../../../src/domain/task.ts';
import { graphView, settings, snapshot, task } from '../../support/tasks.ts';

const MADE = { createdAt: '2027-01-01T00:00:00Z' };

/** Worktrees of one repository, each with its tasks; the first is the main one. */
function repo(worktrees: Record<string, readonly Task[]>, more: Partial<GraphView> = {}): GraphView[] {
  return Object.entries(worktrees).map(([name, tasks], i) =>
    graphView(name, tasks, { repo: '/r/.git', worktreeIsMain: i === 0, tracked: true, ...more }),
  );
}

function held(views: readonly GraphView[], name: string, id = 'a'): string | null {
  const view = views.find((candidate) => candidate.worktree === `/${name}`);
  const one = view?.snapshot.tasks.get(id);
  if (!view || !one) throw new Error(`no ${id} in ${name}`);
  return findCopies(views).holdOf(view, one)?.code ?? null;
}

describe('the home of a task', () => {
  test('is the main worktree', () => {
    const views = repo({ zmain: [task('a', MADE)], feature: [task('a', MADE)] });
    expect([held(views, 'zmain'), held(views, 'feature')]).toEqual([null, 'copy']);
  });

  test('else the first by path', () => {
    const views = repo({ c: [task('a', MADE)], b: [task('a', MADE)] }, { worktreeIsMain: false });
    expect([held(views, 'b'), held(views, 'c')]).toEqual([null, 'copy']);
  });

  test('a copy names its home and how it is there', () => {
    const views = repo({ main: [task('a', { ...MADE, status: 'in-progress' })], feature: [task('a', MADE)] });
    const [, feature] = views;
    if (!feature) throw new Error('no view');
    expect(findCopies(views).holdOf(feature, task('a', MADE))?.because).toBe(
      '/main dispatches this task; there it is in-progress',
    );
  });

  test.each([
    ['in-progress', 'copy-elsewhere'],
    ['done', 'copy-elsewhere'],
    ['waiting', 'copy-elsewhere'],
    ['pending-eval', 'copy-elsewhere'],
    ['pending-validation', 'copy-elsewhere'],
    ['failed-pending-eval', 'copy-elsewhere'],
    ['open', null],
    ['incomplete', null],
    ['failed', null],
    ['abandoned', null],
  ] as const)('a copy elsewhere that is %s: %s', (status, code) => {
    const views = repo({ main: [task('a', MADE)], feature: [task('a', { ...MADE, status })] });
    expect(held(views, 'main')).toBe(code);
  });

  test('system tasks likewise', () => {
    const views = repo({ main: [task('.x', MADE)], feature: [task('.x', MADE)] });
    expect(held(views, 'feature', '.x')).toBe('copy');
  });
});

describe('what is no copy', () => {
  test('another creation', () => {
    const views = repo({
      main: [task('a', MADE)],
      feature: [task('a', { createdAt: '2027-01-02T00:00:00Z' })],
    });
    expect(held(views, 'feature')).toBeNull();
  });
  test('another repository', () => {
    const views = [graphView('one', [task('a', MADE)]), graphView('two', [task('a', MADE)])];
    expect(held(views, 'two')).toBeNull();
  });
  test('no creation, unless both files are committed', () => {
    const both = repo({ main: [task('a')], feature: [task('a')] });
    expect(held(both, 'feature')).toBe('copy');
    expect(held(repo({ main: [task('a')], feature: [task('a')] }, { tracked: false }), 'feature')).toBeNull();
    const [main, feature] = both;
    if (!main || !feature) throw new Error('no views');
    expect(held([{ ...main, tracked: false }, feature], 'feature')).toBeNull();
  });
  test('anything, with duplicates = "each"', () => {
    const each = settings({ duplicates: 'each' });
    expect(
      held(repo({ main: [task('a', MADE)], feature: [task('a', MADE)] }, { settings: each }), 'feature'),
    ).toBeNull();
  });
});

describe('status elsewhere', () => {
  test('is that of the home, seen from a copy only', () => {
    const views = repo({
      main: [task('a', { ...MADE, status: 'done' })],
      feature: [task('a', MADE), task('b', MADE)],
    });
    const copies = findCopies(views);
    const [main, feature] = views;
    if (!main || !feature) throw new Error('no views');
    expect(copies.statusElsewhere(feature, 'a')).toBe('done');
    expect(copies.statusElsewhere(main, 'a')).toBeNull();
    expect(copies.statusElsewhere(feature, 'b')).toBeNull();
    expect(copies.statusElsewhere(feature, 'gone')).toBeNull();
    expect(copies.statusElsewhere(graphView('nowhere', []), 'a')).toBeNull();
  });
});

describe('from look to look', () => {
  test('the version of a graph changes when a copy of its tasks changes, and only then', () => {
    const memo = createCopyMemo();
    const look = (mainTasks: readonly Task[], featureTasks: readonly Task[]) => {
      const copies = findCopies(repo({ main: mainTasks, feature: featureTasks }), memo);
      return [copies.version('/main/.workgraph'), copies.version('/feature/.workgraph')];
    };
    const own = task('own', { createdAt: '2027-02-02T00:00:00Z' });
    const first = look([task('a', MADE), own], [task('a', MADE)]);
    expect(
      look([task('a', { ...MADE, title: 'new title' }), { ...own, status: 'done' }], [task('a', MADE)])[1],
    ).toBe(first[1]);
    const started = look([task('a', { ...MADE, status: 'in-progress' }), own], [task('a', MADE)]);
    expect(started[1]).not.toBe(first[1]);
    const gone = look([own], [task('a', MADE)]);
    expect(gone[1]).not.toBe(started[1]);
    const back = look([task('a', MADE), own], [task('a', MADE)]);
    expect(back[1]).not.toBe(gone[1]);
  });

  test('a worktree that goes away leaves the other its own', () => {
    const memo = createCopyMemo();
    const views = repo({ main: [task('a', MADE)], feature: [task('a', MADE)] });
    const [, feature] = views;
    if (!feature) throw new Error('no view');
    const before = findCopies(views, memo);
    expect(before.holdOf(feature, task('a', MADE))?.code).toBe('copy');
    const version = before.version(feature.graph);
    const after = findCopies([feature], memo);
    expect(after.holdOf(feature, task('a', MADE))).toBeNull();
    expect(after.version(feature.graph)).not.toBe(version);
  });

  test('an index that was kept answers as a fresh one does', () => {
    const memo = createCopyMemo();
    const statuses = ['open', 'done', 'in-progress', 'abandoned'] as const;
    for (let step = 0; step < 64; step++) {
      const at = (shift: number) => statuses[(step >> shift) & 3] ?? 'open';
      const views = repo({
        main: [task('a', { ...MADE, status: at(0) })],
        feature: [task('a', MADE)],
        other: [],
      });
      const [main, feature, other] = views;
      if (!main || !feature || !other) throw new Error('no views');
      const changed = snapshot(other.graph, step % 5 === 0 ? [] : [task('a', { ...MADE, status: at(4) })]);
      const world = [main, feature, { ...other, snapshot: changed }];
      const kept = findCopies(world, memo);
      const fresh = findCopies(world);
      for (const view of world)
        for (const one of view.snapshot.tasks.values()) {
          expect(kept.holdOf(view, one)).toEqual(fresh.holdOf(view, one));
          expect(kept.statusElsewhere(view, one.id)).toBe(fresh.statusElsewhere(view, one.id));
        }
    }
  });
});
