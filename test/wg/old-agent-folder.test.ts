import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { removeAgentFolder } from '../../src/wg/old-agent-folder.ts';

const LONG_AGO = Date.parse('2026-01-01T00:00:00Z');
const SINCE = Date.parse('2026-02-01T00:00:00Z');

let box: string;
let graph: string;
let folder: string;

beforeEach(() => {
  box = realpathSync(mkdtempSync(join(tmpdir(), 'old-folder-')));
  graph = join(box, '.workgraph');
  folder = oldFolder(graph, 'agent-7');
});

afterEach(() => rmSync(box, { recursive: true, force: true }));

function oldFolder(of: string, name: string): string {
  const path = join(of, 'agents', name);
  mkdirSync(path, { recursive: true });
  writeFileSync(join(path, 'output.log'), 'what it said');
  for (const old of [join(path, 'output.log'), path]) utimesSync(old, LONG_AGO / 1000, LONG_AGO / 1000);
  return path;
}

test('goes with all that is in it', async () => {
  expect(await removeAgentFolder(graph, folder, SINCE)).toEqual({ kind: 'removed' });
  expect(existsSync(folder)).toBe(false);
  expect(await removeAgentFolder(graph, folder, SINCE)).toEqual({ kind: 'gone' });
});

test('is gone where the whole worktree is', async () => {
  rmSync(graph, { recursive: true });
  expect(await removeAgentFolder(graph, folder, SINCE)).toEqual({ kind: 'gone' });
});

test('stays when someone wrote in it since', async () => {
  writeFileSync(join(folder, 'notes.md'), 'a person keeps this');
  expect(await removeAgentFolder(graph, folder, SINCE)).toMatchObject({ kind: 'kept' });
  expect(existsSync(join(folder, 'output.log'))).toBe(true);
});

test('a graph that is reached by a link has folders of its own all the same', async () => {
  const link = join(box, 'link');
  symlinkSync(graph, link);
  expect(await removeAgentFolder(link, join(link, 'agents', 'agent-7'), SINCE)).toEqual({ kind: 'removed' });
});

test('a link in place of the folder or of agents/ is not followed', async () => {
  const other = oldFolder(join(box, 'elsewhere'), 'agent-8');
  symlinkSync(other, join(graph, 'agents', 'agent-8'));
  expect(await removeAgentFolder(graph, join(graph, 'agents', 'agent-8'), SINCE)).toMatchObject({
    kind: 'kept',
  });
  rmSync(join(graph, 'agents'), { recursive: true });
  symlinkSync(join(box, 'elsewhere', 'agents'), join(graph, 'agents'));
  expect(await removeAgentFolder(graph, join(graph, 'agents', 'agent-8'), SINCE)).toMatchObject({
    kind: 'kept',
  });
  expect(existsSync(join(other, 'output.log'))).toBe(true);
});

test.each(['..', 'agents', 'agent-', 'agent-7/..', ''])('%j is not an agent', async (name) => {
  const path = name === '' ? '' : `${join(graph, 'agents')}/${name}`;
  expect(await removeAgentFolder(graph, path, SINCE)).toMatchObject({ kind: 'kept' });
  expect(await removeAgentFolder(graph, join(box, 'elsewhere', 'agents', 'agent-7'), SINCE)).toMatchObject({
    kind: 'kept',
  });
  expect(existsSync(folder)).toBe(true);
});
