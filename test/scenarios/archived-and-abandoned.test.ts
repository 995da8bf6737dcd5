// Two rules that wg has since July 2026, through the whole program: an abandoned dependency is not done, and the line that an
// archived task leaves behind neither breaks its graph nor holds up who waited for it.

import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { createPlayground, type Playground } from '../support/playground.ts';
import { type Supervised, supervise } from '../support/supervised.ts';

let playground: Playground;
let supervised: Supervised | null = null;

beforeEach(async () => {
  playground = await createPlayground();
  await playground.writeConfig('');
});
afterEach(async () => {
  await supervised?.stop({ cancelAgents: true });
  supervised = null;
  await playground.remove();
});

test('what waits for an abandoned task is held, what waits for an archived one runs, and so does the rest', async () => {
  await playground.writeGraph(playground.repo, [
    { id: 'gone', status: 'abandoned' },
    { id: 'after-gone', after: ['gone'], exec: 'true' },
    { id: 'next', after: ['old'], exec: 'true' },
    { id: 'unrelated', exec: 'true' },
  ]);
  const boundary = {
    ...{ kind: 'archivedboundary', id: 'old', title: 'old', status: 'done', successors: ['next'] },
    archived_at: '2026-08-01T00:00:00Z',
  };
  await appendFile(join(playground.repo, '.workgraph', 'graph.jsonl'), `${JSON.stringify(boundary)}\n`);
  supervised = await supervise(playground);
  await supervised.event('run.settled', 'next');
  await supervised.event('run.settled', 'unrelated');
  await supervised.supervisor.quiet();
  expect(supervised.count('run.opened', 'after-gone')).toBe(0);
  expect(await supervised.control.why({ task: 'after-gone' })).toMatchObject({
    state: 'held',
    code: 'dependency-abandoned',
  });
  expect((await playground.readGraph(playground.repo)).get('old')).toEqual(boundary);
});
