// npm run test:simulation: many seeds, or one whose story is told. SEEDS=10000 how many, FROM=1 the first,
// SIMULATION_SEED=n that one alone, TRACE=file its events as lines of JSON,
// WORDS=file its moves as the model wants them, WEEK=1 a week and what it costs.

import { writeFileSync } from 'node:fs';
import { type Walk, walk } from './simulation.ts';

const { env } = process;

function tellFaults({ seed, faults }: Walk): void {
  for (const { kind, what } of faults) console.log(`seed ${seed}  ${kind}: ${what}`);
}

async function one(seed: number): Promise<void> {
  const found = await walk({ seed, keepsStory: true });
  for (const line of found.story) console.log(line);
  tellFaults(found);
  console.log(`seed ${seed}  ${found.digest}  ${found.steps} operations, ${found.starts} starts`);
  if (env.WORDS) writeFileSync(env.WORDS, found.words.map((word) => `${JSON.stringify(word)}\n`).join(''));
  if (env.TRACE) writeFileSync(env.TRACE, found.events.map((line) => `${line}\n`).join(''));
  if (found.faults.length > 0) process.exitCode = 1;
}

async function many(from: number, count: number, stopsAtFirst: boolean): Promise<void> {
  const begun = process.cpuUsage();
  let failed = 0;
  let simulatedMs = 0;
  let steps = 0;
  for (let seed = from; seed < from + count; seed++) {
    const found = await walk({ seed });
    simulatedMs += found.simulatedMs;
    steps += found.steps;
    if (found.faults.length === 0) continue;
    failed++;
    tellFaults(found);
    if (stopsAtFirst) break;
  }
  const { user, system } = process.cpuUsage(begun);
  const seconds = (user + system) / 1e6;
  console.log(
    `${count} seeds, ${failed} failed; ${(simulatedMs / 3_600_000).toFixed(0)} hours and ${steps} operations in ${seconds.toFixed(1)} CPU seconds`,
  );
  if (failed > 0) {
    console.log('SIMULATION_SEED=n npm run test:simulation tells the story of one');
    process.exitCode = 1;
  }
}

async function week(): Promise<void> {
  await walk({ seed: 0, hours: 4 });
  for (const [name, faults] of [
    ['a quiet week', ['edit', 'new tasks']],
    ['a week of trouble', undefined],
  ] as const) {
    const begun = process.cpuUsage();
    const found = await walk({ seed: 2, hours: 7 * 24, ...(faults ? { faults } : {}) });
    const { user, system } = process.cpuUsage(begun);
    console.log(
      `${name}: ${found.starts} starts, ${found.steps} operations in ${((user + system) / 1e6).toFixed(2)} CPU seconds, ${found.faults.length} faults`,
    );
    tellFaults(found);
  }
}

if (env.WEEK) await week();
else if (env.SIMULATION_SEED) await one(Number(env.SIMULATION_SEED));
else await many(Number(env.FROM ?? 1), Number(env.SEEDS ?? 1000), env.STOP === '1');
