import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { newestScore } from '../../src/wg/evaluations.ts';

let graph: string;
let folder: string;
beforeEach(async () => {
  graph = await mkdtemp(join(tmpdir(), 'evaluations-'));
  folder = join(graph, 'agency', 'evaluations');
  await mkdir(folder, { recursive: true });
});
afterEach(() => rm(graph, { recursive: true, force: true }));

const evaluation = (score: unknown, day: number, more: object = {}) => ({
  task_id: 'a',
  score,
  timestamp: `2027-03-${String(day).padStart(2, '0')}T00:00:00Z`,
  ...more,
});

test('the newest score that counts; flips, the system, other tasks and torn files do not', async () => {
  expect(newestScore(graph, 'a')).toBeNull();
  const files: [string, string][] = [
    ['1.json', JSON.stringify(evaluation(0.4, 1))],
    ['2.json', JSON.stringify(evaluation(0.8, 2))],
    ['3.json', JSON.stringify(evaluation(0.1, 3, { source: 'flip' }))],
    ['4.json', JSON.stringify(evaluation(0.1, 4, { source: 'system' }))],
    ['5.json', JSON.stringify(evaluation(0.1, 5, { task_id: 'b' }))],
    ['6.json', '{"task_id":"a","score":0.'],
    ['7.json', JSON.stringify(evaluation('high', 7))],
  ];
  for (const [name, text] of files) await writeFile(join(folder, name), text);
  expect(newestScore(graph, 'a')).toBe(0.8);
  await writeFile(join(folder, '8.yaml'), 'task_id: "a"\nscore: 0.65\ntimestamp: 2027-03-09T00:00:00Z\n');
  expect(newestScore(graph, 'a')).toBe(0.65);
});

test('no agency store at all', () => {
  expect(newestScore(join(graph, 'nowhere'), 'a')).toBeNull();
});
