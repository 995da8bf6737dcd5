import { expect, test } from '@jest/globals';
import { accessTask } from '../../../src/api/request/task-access.ts';
import { SupervisorError } from '../../../src/domain/errors.ts';
import { globalTaskId } from '../../../src/run/assignment.ts';

const graph = '/w1/.workgraph';
const access = { kind: 'run', run: 'run_1', task: 'build', graph } as const;
/** A supervisor that has just started, or whose worktree is away for a moment. */
const knowsNothingYet = {
  task: () => Promise.reject(new SupervisorError('not-found', 'there is no task build')),
  heldRun: () => Promise.resolve(null),
};
const reports = { reports: true };

test('a run is let to its own task also while its graph is not there', async () => {
  const own = { query: { task: 'build', worktree: graph }, caller: { kind: 'run', run: 'run_1' } };
  for (const task of ['build', globalTaskId(graph, 'build')])
    expect(await accessTask(knowsNothingYet, access, { task }, reports)).toEqual(own);
});

test('a run is let to no other task, whether or not it is there', async () => {
  for (const task of ['deploy', globalTaskId('/w2/.workgraph', 'build'), globalTaskId(graph, 'deploy')])
    await expect(accessTask(knowsNothingYet, access, { task }, reports)).rejects.toThrow(
      'of its own run only',
    );
});

test('a named token reports as the run that it claimed, and on nothing else; the operator on everything', async () => {
  const held = {
    task: knowsNothingYet.task,
    heldRun: async ({ task }: { task: string }, holder: string) =>
      task === 'build' && holder === 'n8n' ? { run: 'run_1', task, graph } : null,
  };
  const n8n = { kind: 'caller', name: 'n8n', scope: 'worker' } as const;
  expect(await accessTask(held, n8n, { task: 'build' }, reports)).toEqual({
    query: { task: 'build', worktree: graph },
    caller: { kind: 'run', run: 'run_1' },
  });
  await expect(accessTask(held, n8n, { task: 'deploy' }, reports)).rejects.toThrow('only on what it claimed');
  await expect(accessTask(held, { ...n8n, name: 'other' }, { task: 'build' }, reports)).rejects.toThrow(
    'other',
  );
  const all = { query: { task: 'deploy' }, caller: { kind: 'operator' } };
  expect(await accessTask(held, n8n, { task: 'deploy' }, { reports: false })).toEqual(all);
  const operator = { kind: 'caller', name: null, scope: 'operator' } as const;
  expect(await accessTask(held, operator, { task: 'deploy' }, reports)).toEqual(all);
});
