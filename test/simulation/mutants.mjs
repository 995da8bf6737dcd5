// How much the simulation sees: each patch of mutants/ undoes one fix of the project's history in a copy of the sources,
// and seeds are walked until one finds a fault. SEEDS=1000 at most, ONLY=part of a name, AT_ONCE=2 copies side by side;
// KEEP=file remembers what was found, so that the next call continues there, and MINUTES=n ends this one after that.

import { spawn, spawnSync } from 'node:child_process';
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';

const root = join(import.meta.dirname, '..', '..');
const folder = join(import.meta.dirname, 'mutants');
const { ONLY = '', SEEDS = '1000', AT_ONCE = '2', KEEP, MINUTES } = process.env;
const atMost = Number(SEEDS);
const until = MINUTES === undefined ? Number.POSITIVE_INFINITY : Date.now() + Number(MINUTES) * 60_000;
/** Seeds of one process: what is remembered when a call ends between two. */
const PIECE = 50;

/** The bundles that were made. */
const programs = new Map();
/** What is known of each patch: seeds walked, and the first that found something. */
const known = new Map();
for (const line of KEEP && existsSync(KEEP) ? readFileSync(KEEP, 'utf8').split('\n') : [])
  if (line !== '') remember(JSON.parse(line));
const all = readdirSync(folder).filter((name) => name.endsWith('.patch') && name.includes(ONLY));
const waiting = all.filter((patch) => !isOver(patch));

function remember(found) {
  known.set(found.patch, found);
}

function isOver(patch) {
  const { walked = 0, seed = null } = known.get(patch) ?? {};
  return seed !== null || walked >= atMost;
}

/** The simulation as one file, with the patch. */
async function mutated(patch) {
  // Inside the project, so that the packages beside the bundle are found.
  const made = join(root, 'build');
  mkdirSync(made, { recursive: true });
  const place = mkdtempSync(join(tmpdir(), 'mutant-'));
  try {
    for (const path of ['src', 'test/simulation', 'test/model', 'package.json'])
      cpSync(join(root, path), join(place, path), { recursive: true });
    const { status, stderr } = spawnSync('git', ['apply', '-C1', join(folder, patch)], {
      cwd: place,
      encoding: 'utf8',
    });
    if (status !== 0) throw new Error(`${patch} does not apply any more; make it again: ${stderr}`);
    const program = join(mkdtempSync(join(made, 'mutant-')), 'main.mjs');
    await build({
      entryPoints: [join(place, 'test/simulation/main.ts')],
      ...{ outfile: program, bundle: true, platform: 'node', format: 'esm', target: 'node20' },
      ...{ packages: 'external', logLevel: 'error' },
    });
    return program;
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}

function walk(program, from, count) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [program], {
      env: { ...process.env, FROM: String(from), SEEDS: String(count), STOP: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (said += data));
    child.on('close', () => resolve(said));
  });
}

/** Walks one piece of its seeds, and tells when there is no more to find. */
async function examine(patch) {
  const program = programs.get(patch) ?? (await mutated(patch));
  programs.set(patch, program);
  const { walked = 0 } = known.get(patch) ?? {};
  const count = Math.min(PIECE, atMost - walked);
  const said = await walk(program, walked + 1, count);
  const [, seed, how] = /^seed (\d+) {2}(.*)$/m.exec(said) ?? [];
  if (seed === undefined && !said.includes(' seeds, ')) throw new Error(`${patch}: ${said.slice(-500)}`);
  const found = seed === undefined ? { walked: walked + count } : { seed: Number(seed), how };
  remember({ patch, ...found });
  if (KEEP) appendFileSync(KEEP, `${JSON.stringify({ patch, ...found })}\n`);
  if (isOver(patch)) console.log(lineOf(patch));
}

function lineOf(patch) {
  const { walked = 0, seed, how } = known.get(patch) ?? {};
  const title = readFileSync(join(folder, patch), 'utf8').split('\n', 1)[0].replace('Undoes: ', '');
  const found = seed === undefined ? `not within ${walked}` : `${seed} seeds`;
  return `${found.padEnd(17)}${patch.replace('.patch', '')}: ${title}${how ? `\n${' '.repeat(17)}${how.slice(0, 130)}` : ''}`;
}

/** All of them by turns: most are caught early. */
async function work() {
  while (waiting.length > 0 && Date.now() < until) {
    waiting.sort((a, b) => (known.get(a)?.walked ?? 0) - (known.get(b)?.walked ?? 0));
    const patch = waiting.shift();
    await examine(patch);
    if (!isOver(patch)) waiting.push(patch);
  }
}

for (const patch of all) if (isOver(patch)) console.log(lineOf(patch));
try {
  await Promise.all(Array.from({ length: Number(AT_ONCE) }, work));
} finally {
  for (const program of programs.values()) rmSync(join(program, '..'), { recursive: true, force: true });
}
const caught = all.flatMap((patch) => known.get(patch)?.seed ?? []).sort((a, b) => a - b);
const open = all.filter((patch) => !isOver(patch)).length;
console.log(
  `${caught.length} of ${all.length} caught within ${SEEDS} seeds; median ${caught[Math.floor(caught.length / 2)]}, most ${caught.at(-1)}` +
    (open > 0 ? `; ${open} not walked to their end yet` : ''),
);
if (open === 0 && caught.length < 0.9 * all.length) process.exitCode = 1;
