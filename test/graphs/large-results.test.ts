import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { keepLarge, keepLargeOf } from '../../src/graphs/large-results.ts';

const KIB = 1024;
const text = (bytes: number, letter = 'x') => letter.repeat(bytes);

let folder: string;
let graph: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'results-'));
  graph = join(folder, '.workgraph');
  await mkdir(graph);
});
afterEach(async () => {
  await chmod(graph, 0o700);
  await rm(folder, { recursive: true, force: true });
});

interface Kept {
  readonly file: string;
  readonly bytes: number;
}
const read = async (kept: unknown) => await readFile(join(folder, (kept as Kept).file), 'utf8');

describe('what is small', () => {
  test.each([
    [undefined],
    [null],
    ['text'],
    [{ a: 1 }],
    [['a', { b: 2 }]],
    [text(64 * KIB)],
  ])('stays the very value it is, and no folder is made', async (value) => {
    expect(await keepLarge(value, graph)).toBe(value);
    expect(await readdir(graph)).toEqual([]);
  });
});

describe('what is large', () => {
  test('a text is a text file, named in its place', async () => {
    const kept = await keepLarge(text(64 * KIB + 1), graph);
    expect(kept).toEqual({
      file: expect.stringMatching(/^\.workgraph\/results\/result-[0-9a-f]{16}\.txt$/),
      bytes: 64 * KIB + 1,
    });
    expect(await read(kept)).toBe(text(64 * KIB + 1));
    expect((await stat(join(folder, (kept as Kept).file))).mode & 0o077).toBe(0);
  });

  test('of an object only the large members go, whatever their names', async () => {
    const value = { result: { rows: text(200 * KIB) }, commit: 'abc', __proto: text(9 * KIB) };
    const kept = (await keepLarge(value, graph)) as Record<string, unknown>;
    expect(kept.commit).toBe('abc');
    expect(JSON.parse(await read(kept.result))).toEqual(value.result);
  });

  test('of a list only the large elements go', async () => {
    const kept = (await keepLarge(['a', text(100 * KIB), 'b'], graph)) as unknown[];
    expect([kept[0], kept[2]]).toEqual(['a', 'b']);
    expect(await read(kept[1])).toBe(text(100 * KIB));
  });

  test('very many small pieces are one file', async () => {
    const value = Array.from({ length: 20_000 }, (_, n) => `piece ${n}`);
    const kept = await keepLarge(value, graph);
    expect(JSON.parse(await read(kept))).toEqual(value);
    expect((await readdir(join(graph, 'results'))).length).toBe(1);
  });

  test('the same again is the same file, also by two at once, and leaves no draft', async () => {
    const [one, two] = await Promise.all([
      keepLarge(text(70 * KIB), graph),
      keepLarge(text(70 * KIB), graph),
    ]);
    expect(JSON.stringify(one).slice(0, 200)).toBe(JSON.stringify(two).slice(0, 200));
    await keepLarge(text(70 * KIB, 'y'), graph);
    expect((await readdir(join(graph, 'results'))).filter((name) => /\.(txt|json)$/.test(name)).length).toBe(
      2,
    );
    expect((await readdir(join(graph, 'results'))).length).toBe(2);
  });

  test('a graph that is gone is not made again, and the value stays', async () => {
    await rm(graph, { recursive: true });
    const value = text(70 * KIB);
    expect(await keepLarge(value, graph)).toBe(value);
    expect(await readdir(folder)).toEqual([]);
    await mkdir(graph);
  });

  test('an outcome keeps everything else it has', async () => {
    const outcome = { kind: 'succeeded', summary: 's', artifacts: { result: text(70 * KIB) } } as const;
    const kept = await keepLargeOf(outcome, graph);
    expect(kept).toMatchObject({
      kind: 'succeeded',
      summary: 's',
      artifacts: { result: { bytes: 70 * KIB } },
    });
    const failed = { kind: 'failed', failure: 'exit', message: 'm', retryable: false } as const;
    expect(await keepLargeOf(failed, graph)).toBe(failed);
  });
});
