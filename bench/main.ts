// `npm run bench -- [--loop] [NAME…]`: runs the benchmarks and prints a table and JSON of each. With `--loop`, also how long
// the event loop of this process let others wait; the benchmark's own work is part of that.

import { besideWg } from './beside-wg.ts';
import { callbacks } from './callbacks.ts';
import { coldStart } from './cold-start.ts';
import { completion } from './completion.ts';
import { contention } from './contention.ts';
import { crowd } from './crowd.ts';
import { forecast } from './forecast.ts';
import { idle } from './idle.ts';
import { largeGraph } from './large-graph.ts';
import { latency } from './latency.ts';
import { loopFigures, watchLoop } from './loop-delay.ts';
import { memory } from './memory.ts';
import { type Benchmark, printTable } from './report.ts';
import { restart } from './restart.ts';
import { rewrite } from './rewrite.ts';
import { schedules } from './schedules.ts';
import { startUp } from './start-up.ts';
import { throughput } from './throughput.ts';
import { workers } from './workers.ts';

const benchmarks: readonly Benchmark[] = [
  latency,
  throughput,
  coldStart,
  idle,
  schedules,
  restart,
  contention,
  callbacks,
  largeGraph,
  rewrite,
  memory,
  startUp,
  completion,
  besideWg,
  workers,
  crowd,
  forecast,
];

// Reading it adds more to each start of Node than the program takes.
delete process.env.NODE_EXTRA_CA_CERTS;

const withLoop = process.argv.includes('--loop');
const wanted = process.argv.slice(2).filter((word) => word !== '--loop');
const unknown = wanted.filter((name) => !benchmarks.some((benchmark) => benchmark.name === name));
if (unknown.length > 0) {
  const known = benchmarks.map((benchmark) => benchmark.name).join(', ');
  process.stderr.write(`there is no benchmark ${unknown.join(', ')}; there are ${known}\n`);
  process.exit(2);
}
for (const benchmark of benchmarks) {
  if (wanted.length > 0 && !wanted.includes(benchmark.name)) continue;
  if (benchmark.needs !== undefined && !process.env[benchmark.needs]) {
    process.stderr.write(`${benchmark.name} is left out: it needs ${benchmark.needs}\n`);
    if (wanted.length > 0) process.exitCode = 2;
    continue;
  }
  // Looking costs a little itself, so only where asked for.
  const loop = withLoop ? watchLoop() : null;
  const measured = await benchmark.run();
  const figures = loop === null ? measured : [...measured, ...loopFigures('all of it', loop.stop())];
  printTable(benchmark, figures);
  process.stdout.write(`${JSON.stringify({ benchmark: benchmark.name, node: process.version, figures })}\n`);
}
