import { expect, test } from '@jest/globals';
import { completionNeed } from '../../../src/decide/readiness/completion-need.ts';
import { detail, tasksById } from '../../support/tasks.ts';

test('a wg that wants candidates is not asked to end a task: what it asks of an end is done here', () => {
  const evaluated = detail('a');
  const evaluation = detail('.evaluate-a');
  const way = (one: ReturnType<typeof detail>, candidates: boolean) =>
    completionNeed(one, tasksById([one, evaluation]), true, { candidates }).way;
  expect([way(evaluated, false), way(evaluated, true)]).toEqual(['wg', 'plain']);
  const verified = detail('a', { verify: 'make test' });
  expect([way(verified, false), way(verified, true)]).toEqual(['wg', 'verify']);
  expect(way(detail('a', { foreignKeys: ['completion_candidate'] }), true)).toBe('wg');
});
