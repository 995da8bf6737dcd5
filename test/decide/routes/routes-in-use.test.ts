import { expect, test } from '@jest/globals';
import { routesInUse } from '../../../src/decide/routes/routes-in-use.ts';
import { routeOfModel } from '../../../src/domain/model-route.ts';
import type { ProfileSet } from '../../../src/domain/profile.ts';
import { command, profiles, task } from '../../support/tasks.ts';

test('each system once, with who serves it and who asks', () => {
  const route = routeOfModel('pi:x');
  const project: Partial<ProfileSet> = route ? { project: { ...route, from: '[agent] model of /a' } } : {};
  const tasks = [
    task('one', { model: 'pi:a' }),
    task('two', { model: 'pi:b' }),
    task('own', { model: 'pi:b', exec: 'make' }),
    task('codex', { model: 'codex:gpt' }),
    task('bare', { model: 'opus' }),
    task('none'),
  ];
  const here = { tasks, profiles: profiles([command('pi')], project) };
  const elsewhere = { tasks: [task('one', { model: 'pi:a' })], profiles: profiles() };
  expect(
    routesInUse([here, elsewhere]).map((one) => [
      one.route,
      one.executor,
      one.state,
      one.tasks,
      one.settings,
    ]),
  ).toEqual([
    ['codex', null, 'held', 1, []],
    ['pi', 'pi', 'ok', 2, ['[agent] model of /a']],
    ['pi', null, 'held', 1, []],
  ]);
  expect(routesInUse([elsewhere])[0]?.because).toContain('add [executors.pi]');
  expect(routesInUse([])).toEqual([]);
});
