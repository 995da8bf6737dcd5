import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { makeWithin } from '../../src/wg/folder-within.ts';

test('makes a folder once, and never the graph’s own folder', () => {
  const graph = mkdtempSync(join(tmpdir(), 'within-'));
  makeWithin(graph, 'service');
  makeWithin(graph, 'service');
  expect(existsSync(join(graph, 'service'))).toBe(true);
  rmSync(graph, { recursive: true });
  expect(() => makeWithin(graph, 'service')).toThrow(expect.objectContaining({ code: 'ENOENT' }));
  expect(existsSync(graph)).toBe(false);
});
