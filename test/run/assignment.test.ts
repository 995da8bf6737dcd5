// Which words of wg an agent is told: those that end its task with the wg that it finds.

import { expect, test } from '@jest/globals';
import { wgWords } from '../../src/run/assignment.ts';

const plain = { fields: {} };
const ofCycle = { fields: { cycle_config: { max_iterations: 3 } } };
const ends = { wgOnPath: true, wgCan: { candidates: false } };
const wantsCandidates = { wgOnPath: true, wgCan: { candidates: true } };

test.each([
  ['a wg that ends tasks', plain, ends, ['done', 'fail']],
  ['one that wants candidates', plain, wantsCandidates, ['fail']],
  ['a cycle, which the oldest refuses to end', ofCycle, ends, ['fail']],
  ['a cycle that was taken away', { fields: { cycle_config: null } }, ends, ['done', 'fail']],
  ['no wg', plain, {}, []],
  ['a wg that is gone since it was asked', plain, { ...ends, wgOnPath: false }, []],
  ['a wg that does not say what it can', plain, { wgOnPath: true }, []],
])('%s', (_name, task, graph, words) => {
  expect(wgWords(task, graph)).toEqual(words);
});
