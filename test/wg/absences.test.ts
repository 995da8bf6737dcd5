import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { GRAPH_FILES, GRAPH_FOLDERS } from '../../src/domain/graph-files.ts';
import { Absences } from '../../src/wg/absences.ts';
import { obstacleIn } from '../../src/wg/obstacles.ts';

let graph: string;
beforeEach(() => {
  graph = mkdtempSync(join(tmpdir(), 'absences-'));
});
afterEach(() => rmSync(graph, { recursive: true, force: true }));

const ALL = [...GRAPH_FOLDERS, ...Object.values(GRAPH_FILES).map(({ path }) => path)].sort();
const HOUR = 3_600_000;

test('what is missing is known once the folders have settled, and not before', () => {
  const absences = new Absences();
  expect(absences.now(graph, 0).size).toBe(0);
  expect(absences.now(graph, 4999).size).toBe(0);
  expect([...absences.now(graph, 5000)].sort()).toEqual(ALL);
  expect([...absences.now(graph, HOUR)].sort()).toEqual(ALL);
});

test.each([
  'config.toml',
  'service',
  'service/registry.json',
  'log/operations.jsonl',
])('a %s that comes is no longer missing, and what is beside it is looked for again', (name) => {
  mkdirSync(join(graph, name, '..'), { recursive: true });
  const absences = new Absences();
  absences.now(graph, 0);
  expect(absences.now(graph, HOUR)).toContain(name);
  mkdirSync(join(graph, name));
  expect(absences.now(graph, 2 * HOUR).size).toBe(0);
  const known = absences.now(graph, 3 * HOUR);
  expect(known).not.toContain(name);
  expect(known).toContain('federation.yaml');
});

test('an obstacle that is put into a folder long after it settled is seen', () => {
  const absences = new Absences();
  let elapsed = 0;
  const look = () => obstacleIn(graph, () => absences.now(graph, elapsed));
  mkdirSync(join(graph, 'service'));
  for (elapsed = 0; elapsed < HOUR; elapsed += HOUR / 4) expect(look()).toBeNull();
  mkdirSync(join(graph, 'service/registry.json'));
  expect(look()).toContain('service/registry.json is not a file but a folder; move it away');
  rmSync(join(graph, 'service'), { recursive: true });
  writeFileSync(join(graph, 'service'), '');
  expect(look()).toContain('service is not a folder; move it away');
});
