// What a run prints stays below its cap, and neither the agent nor the end of its output suffers: real processes and
// files, holes included, where this system makes them.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { open, readFile, rename, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Assignment, Executor } from '../../../../src/executors/executor.ts';
import { createCommandExecutor } from '../../../../src/executors/process/command.ts';
import {
  createSubprocesses,
  type ProcessMeans,
} from '../../../../src/executors/process/lifecycle/subprocess.ts';
import { sweepOrphans } from '../../../../src/executors/process/lifecycle/terminate.ts';
import { withOutputCap } from '../../../../src/executors/process/output/output-cap.ts';
import {
  commandProfile,
  eventually,
  makeAssignment,
  processMeans,
  recordedControl,
  temporaryFolder,
} from '../../bench.ts';
import { handleOf } from '../../contract.ts';

const MAX = 256 * 1024;
const LINE = /^\[supervisor: +(\d+) bytes of output were left out here\]$/m;

/** Whether a file's middle can be released to the disk here. */
function makesHoles(): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'hole-'));
  try {
    writeFileSync(join(folder, 'a'), Buffer.alloc(65_536, 1));
    execFileSync('fallocate', ['-p', '-o', '0', '-l', '4096', join(folder, 'a')], { stdio: 'pipe' });
    return true;
  } catch (thrown) {
    process.stderr.write(`skipped: no holes can be made here (${String(thrown).split('\n')[0]})\n`);
    return false;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

let root: Awaited<ReturnType<typeof temporaryFolder>>;
let means: ProcessMeans;
const path = process.env.PATH;
beforeEach(async () => {
  root = await temporaryFolder();
  means = processMeans(join(root.path, 'state'));
});
afterEach(async () => {
  process.env.PATH = path;
  await sweepOrphans(new Set(), { ...means, graceMs: 0 });
  await root.remove();
});

/** Another supervisor each. */
const executor = (): Executor =>
  withOutputCap(createCommandExecutor(means, createSubprocesses(means)), means);
const assigned = (exec: string) =>
  makeAssignment(root.path, commandProfile({ maxOutputBytes: MAX }), { exec });
const output = (assignment: Assignment) => join(assignment.folder, 'output.log');
/** Prints numbered lines until the file `go` is there, and then its last. */
const chatty = () =>
  `i=0; until [ -e ${join(root.path, 'go')} ]; do i=$((i+1)); echo "line $i of very many, none of which is worth much"; done; echo "in all $i"`;

async function begun(assignment: Assignment, by: Executor) {
  const begun = await by.begin(assignment, recordedControl());
  if (begun.kind !== 'running') throw new Error(`not running but ${begun.kind}`);
  return begun;
}

/** How much the file says was left out; null while it says nothing. */
async function leftOut(assignment: Assignment): Promise<number | null> {
  const file = await open(output(assignment));
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(200), 0, 200, MAX / 4);
    const match = LINE.exec(buffer.subarray(0, bytesRead).toString());
    return match ? Number(match[1]) : null;
  } finally {
    await file.close();
  }
}

/** The beginning, how much is missing, and the end: all of it in whole lines, none twice. */
async function expectCut(assignment: Assignment, written: number): Promise<string> {
  const text = await readFile(output(assignment), 'utf8');
  expect(text.length).toBeLessThanOrEqual(MAX);
  expect(text.length).toBeGreaterThan(MAX / 2);
  expect(text).not.toContain('\0');
  expect(text.match(new RegExp(LINE, 'gm'))).toHaveLength(1);
  const [line] = LINE.exec(text) ?? [''];
  const [head = '', tail = ''] = text.split(`\n${line}\n`);
  expect(head.startsWith('line 1 ')).toBe(true);
  expect(head.length + Number(/\d+/.exec(line)) + tail.length).toBe(written);
  const lines = tail.split('\n').filter((one) => one !== '');
  const numbers = lines.flatMap(
    (one) => /^line (\d+) of very many, none of which is worth much$/.exec(one)?.[1] ?? [],
  );
  // Every line of the end is whole, and none between two of them is missing.
  expect(numbers.length).toBe(lines.length - 1);
  expect(numbers.map(Number)).toEqual(numbers.map((_, n) => Number(numbers[0]) + n));
  return text;
}

describe('output beyond the cap', () => {
  test('keeps its beginning and its end once the run has finished, and says how much was left out', async () => {
    const count = 20_000;
    const assignment = await assigned(
      `i=0; while [ $i -lt ${count} ]; do i=$((i+1)); echo "line $i of very many, none of which is worth much"; done; echo "in all $i"`,
    );
    const by = executor();
    const outcome = await by.attend(
      assignment,
      handleOf(await begun(assignment, by), false),
      recordedControl(),
    );
    expect(outcome).toMatchObject({ kind: 'succeeded', summary: `in all ${count}` });
    const all = Array.from(
      { length: count },
      (_, n) => `line ${n + 1} of very many, none of which is worth much\n`,
    );
    await expectCut(assignment, all.join('').length + `in all ${count}\n`.length);
  });

  test('is released while the agent continues, under one supervisor and the next; nothing of the end is lost', async () => {
    if (!makesHoles()) return;
    const assignment = await assigned(chatty());
    const first = executor();
    const running = await begun(assignment, first);
    const control = recordedControl();
    const attending = first.attend(assignment, handleOf(running, false), control);
    await eventually('it was cut once', async () => (await leftOut(assignment)) !== null, 60_000);
    const once = await leftOut(assignment);
    await eventually('it was cut again', async () => (await leftOut(assignment)) !== once, 60_000);
    control.abort('detached');
    expect(await attending).toMatchObject({ kind: 'stopped', reason: 'detached' });
    // Left to itself it still grows where it was.
    const { size, ino } = await stat(output(assignment));
    await eventually('it continues', async () => (await stat(output(assignment))).size > size + MAX, 60_000);
    expect((await stat(output(assignment))).ino).toBe(ino);

    const next = executor();
    const adopted = next.attend(assignment, handleOf(running, true), recordedControl());
    const before = await leftOut(assignment);
    await eventually('the next one cuts it, too', async () => (await leftOut(assignment)) !== before, 60_000);
    await writeFile(join(root.path, 'go'), '');
    expect(await adopted).toMatchObject({
      kind: 'succeeded',
      summary: expect.stringMatching(/^in all \d+$/),
    });
    const text = await readFile(output(assignment), 'utf8');
    const count = Number(/in all (\d+)\n$/.exec(text)?.[1]);
    const digits = (n: number) => String(n).length;
    let written = `in all ${count}\n`.length;
    for (let n = 1; n <= count; n++)
      written += 'line  of very many, none of which is worth much\n'.length + digits(n);
    await expectCut(assignment, written);
    // The last line is the one before the sum.
    expect(text).toContain(`\nline ${count} of very many, none of which is worth much\nin all ${count}\n`);
  });

  test('is cut at the end where no holes can be made, and the run is told why not before', async () => {
    const assignment = await assigned(
      `i=0; while [ $i -lt 20000 ]; do i=$((i+1)); echo "line $i of very many, none of which is worth much"; done; until [ -e ${join(root.path, 'go')} ]; do sleep 0.05; done`,
    );
    // The agent has a PATH of its own.
    process.env.PATH = root.path;
    const by = executor();
    const control = recordedControl();
    const attending = by.attend(assignment, handleOf(await begun(assignment, by), false), control);
    await eventually(
      'it says so',
      () => control.said.some((said) => said.startsWith('its output could not be cut down yet')),
      60_000,
    );
    await writeFile(join(root.path, 'go'), '');
    expect(await attending).toMatchObject({ kind: 'succeeded' });
    expect((await stat(output(assignment))).size).toBeLessThanOrEqual(MAX);
  });

  test('is not looked for behind a link that the agent put in its place', async () => {
    const precious = join(root.path, 'precious');
    await writeFile(precious, 'x'.repeat(MAX * 2));
    const assignment = await assigned(`until [ -e ${join(root.path, 'go')} ]; do sleep 0.05; done`);
    const by = executor();
    const control = recordedControl();
    const attending = by.attend(assignment, handleOf(await begun(assignment, by), false), control);
    await rename(output(assignment), `${output(assignment)}.aside`);
    await symlink(precious, output(assignment));
    await eventually('it was looked at', () => control.said.length > 0, 60_000);
    await writeFile(join(root.path, 'go'), '');
    expect(await attending).toMatchObject({ kind: 'succeeded' });
    expect(await readFile(precious, 'utf8')).toBe('x'.repeat(MAX * 2));
  });
});
