import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { parsePeers, peerGraph, peerReference } from '../../src/wg/federation.ts';

test.each([
  ['lib:build', { peer: 'lib', task: 'build' }],
  ['lib:a:b', { peer: 'lib', task: 'a:b' }],
  ['lib:', null],
  [':build', null],
  ['plain', null],
])('%s', (id, wanted) => {
  expect(peerReference(id)).toEqual(wanted);
});

test('the shapes in which peers are written', () => {
  const text = [
    '# who we work with',
    'remotes:',
    '  origin:',
    '    path: /not/a/peer',
    'peers:',
    '  lib:',
    '    path: "../lib"   # beside us',
    '    description: the library: shared',
    "  'other one': {path: /srv/other, description: x}",
    '  bare:',
    '    description: without a path',
    'settings:',
    '  path: /nor/this',
  ].join('\r\n');
  expect([...parsePeers(text)]).toEqual([
    ['lib', '../lib'],
    ['other one', '/srv/other'],
  ]);
  expect([...parsePeers(': : :\n\t{{{\npeers: []\n')]).toEqual([]);
});

describe('where a peer is', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await realpath(await mkdtemp(join(tmpdir(), 'federation-')));
    for (const place of ['new/.wg', 'old/.workgraph', 'us/.wg', 'empty']) {
      await mkdir(join(folder, place), { recursive: true });
      if (place !== 'empty') await writeFile(join(folder, place, 'graph.jsonl'), '');
    }
    await writeFile(
      join(folder, 'us', '.wg', 'federation.yaml'),
      'peers:\n  new:\n    path: ../new\n  old:\n    path: ~/old\n  empty:\n    path: ../empty\n',
    );
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));
  const of = (peer: string) => peerGraph(join(folder, 'us', '.wg'), peer, folder);

  test('by name, either age of folder, or by path; null where there is none', async () => {
    expect(await of('new')).toBe(join(folder, 'new', '.wg'));
    expect(await of('old')).toBe(join(folder, 'old', '.workgraph'));
    expect(await of('../new')).toBe(join(folder, 'new', '.wg'));
    expect(await of('empty')).toBeNull();
    expect(await of('unknown')).toBeNull();
  });
});
