import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { GRAPH_FILES, GRAPH_FOLDERS } from '../../src/domain/graph-files.ts';
import { makeWithin } from '../../src/wg/folder-within.ts';
import { obstacleIn } from '../../src/wg/obstacles.ts';
import { HOSTILE, put, unreadable } from '../support/hostile-files.ts';

let folder: string;
let graph: string;

beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'obstacles-')));
  graph = join(folder, '.workgraph');
  mkdirSync(graph);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

interface Named {
  readonly path: string;
  readonly maxBytes: number | null;
  readonly links?: 'follow';
}
const FILES = Object.values<Named>(GRAPH_FILES).map((file): [string, Named] => [file.path, file]);

describe.each(FILES)('%s', (name, file) => {
  test.each(Object.entries(HOSTILE))('%s', (kind, how) => {
    const path = join(graph, name);
    put(path, folder, how);
    const harmless =
      kind === 'random bytes' ||
      (kind === 'a link out of the graph' && file.links === 'follow') ||
      // Never read, so its size says nothing.
      (kind === 'a sparse file of two gigabytes' && file.maxBytes === null);
    const because = obstacleIn(graph);
    if (harmless) expect(because).toBeNull();
    else expect(because).toEqual(expect.stringMatching(new RegExp(`${path}.+; move it away$`)));
  });

  test('not readable', () => {
    const path = join(graph, name);
    put(path, folder, unreadable);
    const seen = obstacleSeenByOthers(graph);
    if (seen === null) return console.log('not run: another user cannot read the built program here');
    expect(seen).toContain(`${path} may not be read by this user`);
  });
});

/** As someone who is not root sees it, by the built program; null where they cannot even read that. */
function obstacleSeenByOthers(where: string): string | null {
  const built = join(import.meta.dirname, '../../dist/wg/obstacles.js');
  const program = pathToFileURL(built).href;
  const script = `import(${JSON.stringify(program)}).then((it) => console.log(it.obstacleIn(process.argv[1])))`;
  chmodSync(folder, 0o755);
  const user = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {};
  if (spawnSync('test', ['-r', built], user).status !== 0) return null;
  const { stdout, stderr } = spawnSync(process.execPath, ['-e', script, where], {
    ...user,
    encoding: 'utf8',
  });
  return stdout + stderr;
}

test.each(GRAPH_FOLDERS)('%s must be a folder of the graph, and nothing is made elsewhere', (name) => {
  const outside = join(folder, 'outside');
  mkdirSync(outside);
  symlinkSync(outside, join(graph, name));
  expect(obstacleIn(graph)).toContain(
    `${join(graph, name)} is a link that leads out of the graph, to ${outside}`,
  );
  expect(() => makeWithin(graph, name)).toThrow(/leads out of the graph/);
  rmSync(join(graph, name));
  symlinkSync(join(folder, 'new'), join(graph, name));
  expect(obstacleIn(graph)).toContain('leads nowhere');
  expect(() => makeWithin(graph, name)).toThrow(/leads nowhere/);
  expect(existsSync(join(folder, 'new'))).toBe(false);
  rmSync(join(graph, name));
  writeFileSync(join(graph, name), '');
  expect(obstacleIn(graph)).toContain(`${join(graph, name)} is not a folder`);
  rmSync(join(graph, name));
  mkdirSync(join(graph, 'elsewhere'));
  symlinkSync('elsewhere', join(graph, name));
  expect(obstacleIn(graph)).toBeNull();
  expect(() => makeWithin(graph, name)).not.toThrow();
});

test('a folder of links in a circle, and no graph at all', () => {
  symlinkSync('log', join(graph, 'log'));
  expect(obstacleIn(graph)).toContain('leads nowhere');
  rmSync(graph, { recursive: true });
  expect(obstacleIn(graph)).toBeNull();
});
