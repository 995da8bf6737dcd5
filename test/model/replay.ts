// Replays lives through the model: each different sequence of steps is a test of Quint, which must be allowed from the
// beginning to the end, with every invariant after every step.

import { execFile } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Life } from './life.ts';

const QUINT = fileURLToPath(
  new URL('../../node_modules/@informalsystems/quint/dist/src/cli.js', import.meta.url),
);
export const MODEL = fileURLToPath(new URL('./life.qnt', import.meta.url));

/** What the model says of the lives. */
export interface Replayed {
  readonly lives: number;
  /** Lives with the same steps are replayed once. */
  readonly shapes: number;
  /** Those that the model does not allow, each with a task that lived so, and how many did. */
  readonly refused: readonly {
    readonly task: string;
    readonly count: number;
    readonly steps: readonly string[];
  }[];
}

/** `mustEnd`: at the end nothing may be open, and the task must be done. */
export async function replay(lives: readonly Life[], mustEnd = true): Promise<Replayed> {
  const shapes = new Map<string, Life[]>();
  for (const life of lives) {
    const key = life.steps.join(' ');
    shapes.set(key, [...(shapes.get(key) ?? []), life]);
  }
  const distinct = [...shapes.values()];
  const failed = await failedTests(distinct.map(([life], n) => testText(n, life?.steps ?? [], mustEnd)));
  return {
    lives: lives.length,
    shapes: distinct.length,
    refused: distinct.flatMap((same, n) => {
      const [life] = same;
      return life && failed.has(n) ? [{ ...life, count: same.length }] : [];
    }),
  };
}

/** As data rather than as a chain of actions: Quint checks the types of a long chain for minutes. */
function testText(n: number, steps: readonly string[], mustEnd: boolean): string {
  const list = steps.map((step) => {
    const [, name = '', r = '', by = '', fence = ''] =
      /^(\w+)(?:\(("\w+"|\d+)(?:, ("\w+"|true|false))?(?:, (\d+))?\))?$/.exec(step) ?? [];
    if (name === '') throw new Error(`no step of the model: ${step}`);
    const isOfLedger = r.startsWith('"');
    const word = isOfLedger ? r : by.startsWith('"') ? by : `"${by}"`;
    return `("${name}", ${isOfLedger ? 0 : r || 0}, ${word}, ${fence || 0})`;
  });
  return `  run life${n}Test = [${list.join(', ')}].lives(${mustEnd})\n`;
}

/** Chooses the action that a step names. */
const CHOOSER = `
  action act(step: (str, int, str, int)): bool = {
    val name = step._1
    val r = step._2
    any {
      all { name == "open", open(r, step._3, step._4) }, all { name == "note", note(r) },
      all { name == "claim", claim(r) }, all { name == "begin", begin(r) }, all { name == "start", start(r) },
      all { name == "handOff", handOff(r) }, all { name == "finish", finish(r, step._3 == "true") },
      all { name == "settle", settle(r) }, all { name == "abandon", abandon(r) }, all { name == "release", release(r) },
      all { name == "expire", expire(r) }, all { name == "overrule", overrule(r) }, all { name == "late", late(r) },
      all { name == "succeed", succeed(r) }, all { name == "break", break(r) }, all { name == "stop", stop(r) },
      all { name == "rewind", rewind }, all { name == "restore", restore }, all { name == "reopen", reopen },
      all { name == "shoot", shoot(r) }, all { name == "crash", crash(step._3) }, all { name == "adopt", adopt(step._3) },
    }
  }
  run lives(steps: List[(str, int, str, int)], ends: bool): bool =
    init.then(steps.length().reps(i => act(steps[i]).expect(safe))).expect(not(ends) or isOver)
`;

/** The numbers of the tests that did not pass. */
async function failedTests(tests: readonly string[]): Promise<Set<number>> {
  const folder = mkdtempSync(join(tmpdir(), 'supervisor-test-'));
  try {
    copyFileSync(MODEL, join(folder, 'life.qnt'));
    const file = join(folder, 'replay.qnt');
    writeFileSync(file, `module replay {\n  import life.* from "./life"\n${CHOOSER}${tests.join('')}}\n`);
    const { out } = await quint('test', '--backend=typescript', '--max-samples=1', file);
    const passed = new Set([...out.matchAll(/ok life(\d+)Test passed/g)].map(([, n]) => Number(n)));
    const failed = new Set([...out.matchAll(/\d+\) life(\d+)Test failed/g)].map(([, n]) => Number(n)));
    if (passed.size + failed.size !== tests.length) throw new Error(`Quint did not run every life:\n${out}`);
    return failed;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Runs Quint; what it printed, and its exit status. */
export function quint(...args: string[]): Promise<{ readonly status: number; readonly out: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [QUINT, ...args], { maxBuffer: 256 * 1024 * 1024 }, (error, stdout, stderr) =>
      resolve({ status: error === null ? 0 : Number(error.code), out: `${stdout}\n${stderr}` }),
    );
  });
}
