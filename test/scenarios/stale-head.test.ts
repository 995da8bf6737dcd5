// What agents are told of their worktree's commit and branch is what git says when they are told.

import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { callerOf } from '../support/api-calls.ts';
import { createPlayground, type Playground } from '../support/playground.ts';
import { type Supervised, supervise } from '../support/supervised.ts';

let playground: Playground;
let supervised: Supervised | null = null;

beforeEach(async () => {
  playground = await createPlayground();
});
afterEach(async () => {
  await supervised?.stop({ cancelAgents: true });
  supervised = null;
  await playground.remove();
});

test('a claim after a commit on another branch, before git was listed again', async () => {
  const git = (...args: string[]) => playground.git(playground.repo, ...args);
  await playground.writeGraph(
    playground.repo,
    ['first', 'second'].map((id) => ({ id, tags: ['executor:external'] })),
  );
  await playground.writeConfig('[limits]\nrelist = "1h"\n[api]\nlisten = "127.0.0.1:0"\n');
  supervised = await supervise(playground);
  const api = await callerOf(supervised);
  const claim = async (task: string) => {
    await supervised?.event('run.handed-off', task);
    return (await api.post(`/api/task/${task}/claim`, { worker_id: 'w' })).json.worktree;
  };
  const truth = async () => ({
    head: (await git('rev-parse', 'HEAD')).trim(),
    branch: (await git('branch', '--show-current')).trim(),
  });
  expect(await claim('first')).toMatchObject(await truth());
  await git('checkout', '-q', '-b', 'feature');
  await git('commit', '-q', '--allow-empty', '-m', 'More');
  expect(await claim('second')).toMatchObject({ ...(await truth()), branch: 'feature' });
});
