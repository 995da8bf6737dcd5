// How much the simulation sees: each patch of mutants/ undoes one fix of the project's history in a copy of the sources,
// and seeds are walked until one finds a fault. SEEDS=1000 at most, ONLY=part of a name, AT_ONCE=2 copies side by side.

import { spawn, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..', '..');
const folder = join(import.meta.dirname, 'mutants');
const { ONLY = '', SEEDS = '1000', AT_ONCE = '2' } = process.env;
const waiting = readdirSync(folder).filter((name) => name.endsWith('.patch') && name.includes(ONLY));
const found = [];

/** A copy of what the simulation needs, with the patch. */
function mutated(patch) {
  const place = mkdtempSync(join(tmpdir(), 'mutant-'));
  for (const path of ['src', 'test/simulation', 'test/support/run-typescript.mjs', 'package.json'])
    cpSync(join(root, path), join(place, path), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(place, 'node_modules'));
  const { status, stderr } = spawnSync('git', ['apply', join(folder, patch)], {
    cwd: place,
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`${patch} does not apply any more; make it again: ${stderr}`);
  return place;
}

function walk(place) {
  return new Promise((resolve) => {
    const args = ['--import', './test/support/run-typescript.mjs', 'test/simulation/main.ts'];
    const child = spawn(process.execPath, args, {
      cwd: place,
      env: { ...process.env, SEEDS, STOP: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (said += data));
    child.on('close', () => resolve(said));
  });
}

async function work() {
  for (let patch = waiting.shift(); patch !== undefined; patch = waiting.shift()) {
    const place = mutated(patch);
    const said = await walk(place);
    rmSync(place, { recursive: true, force: true });
    const [, seed, how] = /^seed (\d+) {2}(.*)$/m.exec(said) ?? [];
    const isWhole = said.includes(' seeds, ');
    const title = readFileSync(join(folder, patch), 'utf8').split('\n', 1)[0].replace('Undoes: ', '');
    found.push({ seeds: seed === undefined ? Number.POSITIVE_INFINITY : Number(seed), isWhole });
    console.log(
      `${seed === undefined ? (isWhole ? `not within ${SEEDS}` : `broken: ${said.slice(-300)}`) : `${seed} seeds`}`.padEnd(
        16,
      ),
      `${patch.replace('.patch', '')}: ${title}${how ? `\n${' '.repeat(17)}${how.slice(0, 130)}` : ''}`,
    );
  }
}

await Promise.all(Array.from({ length: Number(AT_ONCE) }, work));
const caught = found.map(({ seeds }) => seeds).filter(Number.isFinite);
caught.sort((a, b) => a - b);
console.log(
  `${caught.length} of ${found.length} caught within ${SEEDS} seeds; median ${caught[Math.floor(caught.length / 2)]}, most ${caught.at(-1)}`,
);
if (caught.length < 0.9 * found.length) process.exitCode = 1;
