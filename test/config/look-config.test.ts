import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { openLookConfig } from '../../src/config/look-config.ts';
import { createConfigSource } from '../../src/config/source.ts';

let folder: string;
let graph: string;
const environment = { home: '/home/ada', variables: {} };
const pathsHere = () => ({
  configFile: join(folder, 's.toml'),
  configNamed: false,
  trustFile: join(folder, 'trust.json'),
  checkedFile: join(folder, 'config.checked'),
});
const open = () => openLookConfig({ paths: pathsHere(), environment });
const full = () => createConfigSource({ paths: pathsHere(), environment });

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'look-config-'));
  graph = join(folder, '.workgraph');
  mkdirSync(graph);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const withoutZone = <T extends { readonly timezone: string }>({ timezone: _, ...rest }: T) => rest;

test('the first and the second look read the same as a supervisor does, problems included', async () => {
  writeFileSync(
    join(folder, 's.toml'),
    '[supervisor]\nmax_concurrent = 3\n[executors.a]\ntype = "http"\n[executors.b]\ntype = "external"\n',
  );
  const first = await open();
  const inode = statSync(join(folder, 'config.checked')).ino;
  const second = await open();
  expect(statSync(join(folder, 'config.checked')).ino).toBe(inode);
  for (const look of [first, second]) {
    expect(withoutZone(look.current())).toStrictEqual(withoutZone(full().current()));
    expect(look.problems()).toEqual(full().problems());
    expect(look.problems()).toHaveLength(1);
  }
  expect(second.current().timezone).toBe(first.current().timezone);
});

test('an edit is seen at once, and a bad one refuses every look until it is mended', async () => {
  const file = join(folder, 's.toml');
  writeFileSync(file, '[supervisor]\nmax_concurrent = 3\n');
  expect((await open()).current().maxConcurrent).toBe(3);
  writeFileSync(file, '[supervisor]\nmax_concurrent = 4\n');
  expect((await open()).current().maxConcurrent).toBe(4);
  writeFileSync(file, '[supervisor]\nmax_concurrent = "four"\n');
  const kept = readFileSync(join(folder, 'config.checked'));
  for (let look = 0; look < 2; look++)
    await expect(open()).rejects.toThrow(/s\.toml:2: supervisor\.max_conc/);
  expect(readFileSync(join(folder, 'config.checked')).equals(kept)).toBe(true);
  rmSync(file);
  expect((await open()).current().file).toBeNull();
  const named = { ...pathsHere(), configNamed: true };
  await expect(openLookConfig({ paths: named, environment })).rejects.toThrow(/does not exist/);
});

test.each([
  ['no file', null],
  ['settings of wg alone', '[dispatcher]\nmax_agents = 3\n'],
  ['profiles', '[executors.mine]\ntype = "external"\n'],
  ['a broken profile', '[executors.mine]\ntype = "http"\n'],
  ['a key in escapes', '["\\u0065xecutors".mine]\ntype = "external"\n'],
  ['what is no TOML', '[executors.mine\n'],
])('profiles of a worktree with %s are those of a supervisor, trusted or not', async (_what, text) => {
  writeFileSync(join(folder, 's.toml'), '[executors.a]\ntype = "http"\n');
  if (text !== null) writeFileSync(join(graph, 'config.toml'), text);
  const look = await open();
  const source = full();
  for (const trust of [true, false]) {
    const fresh = trust ? look : await open();
    const set = await fresh.profilesFor(graph, { trust });
    expect(set).toStrictEqual(source.profilesFor(graph, { trust }));
    // What is broken on the machine is told once, by being the very same.
    expect(set.broken.get('a')).toBe(fresh.current().brokenProfiles.get('a'));
    expect(await fresh.profilesFor(graph, { trust })).toBe(set);
  }
});
