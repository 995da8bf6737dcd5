import { describe, expect, test } from '@jest/globals';
import { explainTask } from '../../src/decide/explain.ts';
import type { World } from '../../src/decide/world.ts';
import { claude, config, graphView, NOW, profiles, run, task, world } from '../support/tasks.ts';

const unmet = (at: World, name: string, id: string) =>
  explainTask(at, `/${name}/.workgraph`, id)
    .conditions.filter((condition) => !condition.met)
    .map((condition) => condition.name);

describe('why', () => {
  test('a task that starts meets every condition, and says by which rule and with what priority', () => {
    const { verdict, conditions } = explainTask(world([graphView('g', [task('a')])]), '/g/.workgraph', 'a');
    expect(verdict).toMatchObject({ state: 'ready', code: 'dispatched' });
    expect(conditions.filter((condition) => !condition.met)).toEqual([]);
    const text = conditions.map((condition) => condition.because).join('\n');
    expect(text).toContain('claude (claude), because of the built-in default');
    expect(text).toContain('0 of 8 places are taken (its priority is 10)');
  });

  test('everything that stands in the way is named, in order', () => {
    const waiting = task('a', { after: ['gone'], paused: true, schedule: '14:00' });
    const busy = run('h', 'z');
    const at = world([graphView('g', [waiting]), graphView('h', [])], {
      config: config({ maxConcurrent: 1 }),
      runs: [busy],
      pauses: [{ scope: 'profile', name: 'claude', code: 'quota', because: 'used up', until: NOW + 1000 }],
      dispatchBlocked: { code: 'draining', because: 'it is draining' },
    });
    expect(unmet(at, 'g', 'a')).toEqual([
      'paused',
      'dependencies',
      'schedule',
      'not held back',
      'room',
      'dispatching',
    ]);
  });

  test('the graph, a copy, a run and a missing executor', () => {
    const made = { createdAt: '2027-01-01T00:00:00Z' };
    const place = { repo: '/r/.git', tracked: true };
    const at = world(
      [
        graphView('main', [task('a', made)], place),
        graphView('feature', [task('a', { ...made, executor: 'cluade' })], {
          ...place,
          worktreeIsMain: false,
          hold: { code: 'wg-daemon', because: 'a daemon' },
        }),
      ],
      { runs: [run('feature', 'a', { phase: 'opened' })] },
    );
    expect(unmet(at, 'feature', 'a')).toEqual(['graph', 'only copy', 'no open run', 'executor']);
    const { conditions } = explainTask(at, '/feature/.workgraph', 'a');
    expect(conditions.find((condition) => condition.name === 'executor')?.because).toContain(
      'did you mean claude?',
    );
  });

  test('a profile that is full', () => {
    const full = graphView('g', [task('a')], {
      profiles: profiles([claude('claude', { maxConcurrent: 1 })]),
    });
    expect(unmet(world([full], { runs: [run('g', 'z')] }), 'g', 'a')).toEqual(['room']);
  });

  test('a task that is not there has no verdict', () => {
    expect(explainTask(world([graphView('g', [])]), '/g/.workgraph', 'a')).toEqual({
      verdict: null,
      conditions: [],
    });
    expect(explainTask(world([]), '/g/.workgraph', 'a')).toEqual({ verdict: null, conditions: [] });
  });
});
