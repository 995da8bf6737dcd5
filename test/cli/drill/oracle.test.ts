import { expect, test } from '@jest/globals';
import type { Entry } from '../../../src/cli/drill/journal.ts';
import { type Evidence, findingsOf } from '../../../src/cli/drill/oracle.ts';

const TASK = { id: 't', worktree: '/w', failsFirst: false };

const journal = (...lines: string[]): Entry[] =>
  lines.map((line) => {
    const [word = '', run = ''] = line.split(' ');
    return { word: word as Entry['word'], run, task: 't', pid: 7, at: 0 };
  });

const evidence = (
  entries: readonly Entry[],
  status: string | null,
  more: Partial<Evidence> = {},
): Evidence => ({
  tasks: [TASK],
  entries,
  graphs: new Map([['/w', status === null ? null : new Map([['t', status]])]]),
  refusals: [],
  missingEdits: [],
  crashes: [],
  left: [],
  ...more,
});

const kinds = (given: Evidence) => findingsOf(given).map(({ kind }) => kind);

test.each([
  ['done once', journal('start a', 'end a'), 'done', []],
  ['killed without warning, and done again', journal('start a', 'shot a', 'start b', 'end b'), 'done', []],
  ['it had ended as it was killed', journal('start a', 'end a', 'shot a'), 'done', []],
  [
    'it had ended as it was killed, and the status was lost',
    journal('start a', 'end a', 'shot a', 'start b', 'end b'),
    'done',
    [],
  ],
  ['started again after its end', journal('start a', 'end a', 'start b', 'end b'), 'done', ['twice']],
  ['started while it runs', journal('start a', 'start b', 'end a', 'end b'), 'done', ['twice']],
  ['one run started twice', journal('start a', 'start a', 'end a'), 'done', ['twice']],
  ['done while it works', journal('start a', 'shot a', 'start b'), 'done', ['twice']],
  [
    'failed, and failed again',
    journal('start a', 'fail a', 'start b', 'fail b', 'start c', 'end c'),
    'done',
    ['twice'],
  ],
  ['an agent ended for nothing', journal('start a', 'killed a', 'start b', 'end b'), 'done', ['lost']],
  ['a result that is not in the graph', journal('start a', 'end a'), 'open', ['lost']],
  ['done by no one', journal(), 'done', ['lost']],
  ['never started', journal(), 'open', ['stranded']],
  ['in progress without an agent', journal('start a', 'shot a'), 'in-progress', ['stranded']],
  ['failed for good', journal('start a', 'shot a'), 'failed', ['stranded']],
  ['a graph that cannot be read', journal('start a', 'end a'), null, ['lost', 'broken']],
] as const)('%s', (_name, entries, status, expected) => {
  expect(kinds(evidence(entries, status))).toEqual(expected);
});

test('what does not belong to one task', () => {
  const fine = journal('start a', 'end a');
  expect(kinds(evidence(fine, 'done', { refusals: ['t: 404'] }))).toEqual(['lost']);
  expect(kinds(evidence(fine, 'done', { missingEdits: ['edit-1 of t'] }))).toEqual(['lost']);
  expect(kinds(evidence(fine, 'done', { crashes: ['exit status 70'] }))).toEqual(['broken']);
  const left = [{ pid: 9, isAgent: true, what: 'sleep 600' }];
  expect(kinds(evidence(fine, 'done', { left }))).toEqual(['orphan']);
});

test('a task whose first attempt fails may fail once', () => {
  const tasks = [{ ...TASK, failsFirst: true }];
  const once = journal('start a', 'fail a', 'start b', 'end b');
  expect(kinds(evidence(once, 'done', { tasks }))).toEqual([]);
  expect(kinds(evidence(once, 'done'))).toEqual(['twice']);
});
