// Another program in the same process, with real processes: what it keeps, what it loses, and whose children it reaps.

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { processImage } from '../../src/platform/process-image.ts';
import { eventually } from '../support/actors.ts';

const run = promisify(execFile);
const inPlace =
  processImage(process.platform) === null
    ? (name: string, _act: () => Promise<void>) => test.skip(`${name} (no koffi here)`, () => {})
    : test;

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'image-'));
});
afterEach(() => rm(folder, { recursive: true }));

/** A program of its own that may use the built module. */
async function program(text: string): Promise<string> {
  const file = join(folder, 'program.mjs');
  const built = join(import.meta.dirname, '../../dist/platform/process-image.js');
  await writeFile(
    file,
    `import { processImage } from ${JSON.stringify(built)};\nconst image = processImage(process.platform);\n${text}`,
  );
  return file;
}

inPlace(
  'the successor has the pid, the variables, the output and the kept descriptors, and no others',
  async () => {
    const file = await program(`
import { closeSync, openSync, readSync, fstatSync } from 'node:fs';
const { FDS } = process.env;
if (FDS === undefined) {
  const kept = openSync(process.argv[1], 'r');
  const copy = image.copy(kept);
  closeSync(kept);
  const lost = openSync(process.argv[1], 'r');
  console.log(process.pid);
  image.become([process.execPath, ...process.argv.slice(1)], { A: 'ü = "1"', FDS: copy + ' ' + lost, GONE: undefined }, [copy]);
}
const [copy, lost] = FDS.split(' ').map(Number);
const bytes = Buffer.alloc(6);
readSync(copy, bytes, 0, 6, 0);
let other = 'the same';
try { other = fstatSync(lost).ino === fstatSync(copy).ino ? 'the same' : 'another'; } catch (error) { other = error.code; }
console.log(process.pid, process.env.A, Object.keys(process.env).sort().join(), process.argv.slice(2).join(), bytes.toString(), other);
`);
    const { stdout } = await run(process.execPath, [file, 'one word', '*'], { env: {} });
    const [before, after] = stdout.trim().split('\n');
    const [pid, ...rest] = after?.split(' ') ?? [];
    expect(pid).toBe(before);
    // What was not kept is closed, or its number belongs to something else by now.
    expect(rest.join(' ')).toMatch(/^ü = "1" A,FDS one word,\* import (?:EBADF|another)$/);
  },
);

inPlace('a program that is not there leaves this one as it is', async () => {
  const file = await program(`
try { image.become([process.argv[1] + '-gone'], {}, []); } catch (error) { console.log(error.code, error.message); }
try { image.copy(9999); } catch (error) { console.log(error.code); }
`);
  const { stdout } = await run(process.execPath, [file]);
  expect(stdout).toBe(`failed ${file}-gone cannot be executed (errno 2).\nfailed\n`);
});

inPlace('children of the program before are reaped, and only those that have ended', async () => {
  const list = join(folder, 'children');
  const file = await program(`
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
if (!process.env.CHILDREN) {
  const ended = spawn('sh', ['-c', 'exec 1>&-; sleep 0.2'], { stdio: ['ignore', 'pipe', 'ignore'] });
  const lives = spawn('sh', ['-c', 'read line'], { stdio: [0, 'ignore', 'ignore'] });
  await once(ended, 'spawn');
  image.become([process.execPath, process.argv[1], process.argv[2]], { CHILDREN: ended.pid + ' ' + lives.pid }, []);
}
const [ended, lives] = process.env.CHILDREN.split(' ').map(Number);
while (image.reap(ended)) await new Promise((resolve) => setTimeout(resolve, 10));
const alive = image.reap(lives);
writeFileSync(process.argv[2], JSON.stringify({ ended: image.reap(ended), alive, foreign: image.reap(1), lives }));
const timer = setInterval(() => { if (!image.reap(lives)) { clearInterval(timer); console.log('reaped'); } }, 10);
`);
  const child = spawn(process.execPath, [file, list], { stdio: ['pipe', 'pipe', 'inherit'] });
  let out = '';
  child.stdout.on('data', (data: Buffer) => {
    out += data.toString();
  });
  const closed = once(child, 'close');
  const found = await eventually(async () =>
    JSON.parse((await readFile(list, 'utf8').catch(() => '')) || 'null'),
  );
  expect(found).toMatchObject({ ended: false, alive: true, foreign: false });
  // The one that lives reads a line, and ends.
  child.stdin.end('\n');
  await closed;
  expect(out).toBe('reaped\n');
});
