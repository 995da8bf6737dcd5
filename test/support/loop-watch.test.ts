import { mkdtempSync, rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { complaint, LONGEST_TURN_MS, watchLoop } from './loop-watch.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'loop-watch-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

// First: that what is loaded is not counted must not hide anything of what comes after it.
test('what is loaded on demand is not taken for work', async () => {
  const file = join(folder, 'slow.mjs');
  const busy = 'const { user, system } = process.cpuUsage(begun); return user + system;';
  await writeFile(
    file,
    `const begun = process.cpuUsage(); const busy = () => { ${busy} };
     while (busy() < ${(LONGEST_TURN_MS + 300) * 1000}); export const loaded = true;`,
  );
  const watch = watchLoop();
  try {
    expect(await import(file)).toMatchObject({ loaded: true });
    expect(complaint(watch)).toBe(null);
  } finally {
    watch.stop();
  }
});

test('a loop of promises alone is noticed, though no timer ever saw it, and said in one sentence', async () => {
  const watch = watchLoop();
  try {
    const begun = process.cpuUsage();
    const busy = () => process.cpuUsage(begun).user / 1000;
    while (busy() < LONGEST_TURN_MS + 200) await Promise.resolve();
    expect(complaint(watch)).toMatch(/^The event loop was paused for [1-9]\d{3,} ms of processor time:/);
    expect(complaint(watch)).toBe(null);
  } finally {
    watch.stop();
  }
});

test("being late without being busy is no one's fault", () => {
  const watch = watchLoop();
  try {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LONGEST_TURN_MS + 100);
    expect(complaint(watch)).toBe(null);
  } finally {
    watch.stop();
  }
});

test('much work in turns is fine, one long turn among them is not', () => {
  let busy = 0;
  let look = () => {};
  const watch = watchLoop({
    busy: () => busy,
    everyTurn: (given) => {
      look = given;
      return () => {};
    },
  });
  const turn = (ms: number) => {
    busy += ms;
    look();
  };
  for (let n = 0; n < 100; n++) turn(LONGEST_TURN_MS - 100);
  expect(watch.stalls()).toEqual([]);
  turn(LONGEST_TURN_MS + 100);
  turn(10);
  busy += LONGEST_TURN_MS + 500;
  expect(watch.stalls()).toEqual([LONGEST_TURN_MS + 100, LONGEST_TURN_MS + 500]);
});
