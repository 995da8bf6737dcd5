import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { readWgConfig } from '../../src/config/wg-config.ts';

let home: string;
let graph: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'wg-config-'));
  graph = join(home, 'project', '.wg');
  await mkdir(graph, { recursive: true });
});
afterEach(() => rm(home, { recursive: true, force: true }));

test('nothing there: nothing wrong', () => {
  expect(readWgConfig(graph, home)).toEqual({ documents: [], problems: [] });
});

test('the global file first; the newer name of its folder wins', async () => {
  for (const name of ['.wg', '.workgraph']) {
    await mkdir(join(home, name));
    await writeFile(join(home, name, 'config.toml'), `[agency]\nfrom = "${name}"\n`);
  }
  await writeFile(join(graph, 'config.toml'), '[agency]\nfrom = "here"\n');
  expect(readWgConfig(graph, home).documents).toEqual([
    { agency: { from: '.wg' } },
    { agency: { from: 'here' } },
  ]);
});

test('edge 49: a file that does not parse is named, and not taken for defaults of wg', async () => {
  await writeFile(join(graph, 'config.toml'), '[agency\nauto_assign = false\n');
  const { documents, problems } = readWgConfig(graph, home);
  expect(documents).toEqual([]);
  expect(problems[0]).toContain(`${join(graph, 'config.toml')} line 1`);
});
