import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { addressedTasks, readMessages } from '../../src/wg/messages.ts';

let graph: string;
beforeEach(async () => {
  graph = await mkdtemp(join(tmpdir(), 'messages-'));
});
afterEach(() => rm(graph, { recursive: true, force: true }));

const line = (id: number, more: object = {}) =>
  JSON.stringify({
    id,
    timestamp: '2027-03-10T12:00:00Z',
    sender: 'user',
    body: 'x',
    status: 'sent',
    ...more,
  });

test('a graph without messages', () => {
  expect(addressedTasks(graph).size).toBe(0);
  expect(readMessages(graph, 'a')).toEqual([]);
});

test('edge 44: read in order, what is torn or foreign passed over, nothing ever written', async () => {
  await mkdir(join(graph, 'messages', '.cursors'), { recursive: true });
  const text = [
    line(2),
    '',
    line(1, { sender: 'agent-3' }),
    '{"id":3',
    '{"id":"x"}',
    'null',
    line(4, { timestamp: 'soon' }),
  ].join('\n');
  const file = join(graph, 'messages', 'a.jsonl');
  await writeFile(file, text);
  expect([...addressedTasks(graph)]).toEqual(['a']);
  expect(readMessages(graph, 'a').map(({ id, sender }) => [id, sender])).toEqual([
    [1, 'agent-3'],
    [2, 'user'],
  ]);
  expect(await readFile(file, 'utf8')).toBe(text);
});

test('an id that is a path leads nowhere', async () => {
  await writeFile(join(graph, 'secret.jsonl'), line(1));
  await mkdir(join(graph, 'messages'));
  expect(readMessages(graph, '../secret')).toEqual([]);
});
