// What the rest of the program asks of an executor type.

import { expect, test } from '@jest/globals';
import {
  asksService,
  type ExecutorType,
  goesElsewhere,
  isCalledBack,
  isDelivered,
  isDoneElsewhere,
  isForWorkers,
  isFree,
  isHold,
  isOffered,
  runsExec,
  runsHere,
  waitsInQueue,
} from '../../src/domain/profile.ts';
import { claude, command, external, http } from '../support/tasks.ts';

const TRAITS = {
  asksService,
  goesElsewhere,
  isDelivered,
  isDoneElsewhere,
  isForWorkers,
  isFree,
  isHold,
  isOffered,
  runsHere,
  waitsInQueue,
};

test.each<[ExecutorType, (keyof typeof TRAITS)[]]>([
  ['claude', ['runsHere']],
  ['acp', ['runsHere']],
  ['command', ['runsHere']],
  ['http', ['asksService', 'isDelivered', 'isDoneElsewhere']],
  ['schedule', ['isFree']],
  ['external', ['goesElsewhere', 'isDoneElsewhere', 'isFree', 'isHold']],
  ['remote', ['goesElsewhere', 'isDoneElsewhere', 'isForWorkers', 'isOffered']],
  ['bullmq', ['goesElsewhere', 'isDelivered', 'isDoneElsewhere', 'isForWorkers', 'waitsInQueue']],
])('the traits of %s', (type, traits) => {
  const has = Object.entries(TRAITS).flatMap(([name, asked]) => (asked(type) ? [name] : []));
  expect(has).toEqual(traits);
});

test('a command without one of its own runs the task’s; an agent never does', () => {
  expect(runsExec(command())).toBe(true);
  expect(runsExec(command('echo', { command: ['echo'] }))).toBe(false);
  expect(runsExec(command('sh', { shell: 'true' }))).toBe(false);
  expect(runsExec(claude())).toBe(false);
});

test('only a service that was told so calls back', () => {
  expect(isCalledBack(http('agent'))).toBe(true);
  expect(isCalledBack(http('agent', { completion: 'poll' }))).toBe(false);
  expect(isCalledBack(external())).toBe(false);
});
