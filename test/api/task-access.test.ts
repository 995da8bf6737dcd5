import { expect, test } from '@jest/globals';
import { accessTask } from '../../src/api/task-access.ts';
import { SupervisorError } from '../../src/domain/errors.ts';
import { globalTaskId } from '../../src/run/assignment.ts';

const graph = '/w1/.workgraph';
const access = { kind: 'run', run: 'run_1', task: 'build', graph } as const;
/** A supervisor that has just started, or whose worktree is away for a moment. */
const knowsNothingYet = {
  task: () => Promise.reject(new SupervisorError('not-found', 'there is no task build')),
};

test('a run is let to its own task also while its graph is not there', async () => {
  const own = { query: { task: 'build', worktree: graph }, caller: { kind: 'run', run: 'run_1' } };
  for (const task of ['build', globalTaskId(graph, 'build')])
    expect(await accessTask(knowsNothingYet, access, { task })).toEqual(own);
});

test('a run is let to no other task, whether or not it is there', async () => {
  for (const task of ['deploy', globalTaskId('/w2/.workgraph', 'build'), globalTaskId(graph, 'deploy')])
    await expect(accessTask(knowsNothingYet, access, { task })).rejects.toThrow('of its own run only');
});
