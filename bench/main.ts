// `npm run bench -- [NAME…]`: runs the benchmarks and prints a table and JSON of each.

import { callbacks } from './callbacks.ts';
import { coldStart } from './cold-start.ts';
import { contention } from './contention.ts';
import { idle } from './idle.ts';
import { latency } from './latency.ts';
import { type Benchmark, printTable } from './report.ts';
import { restart } from './restart.ts';
import { schedules } from './schedules.ts';
import { throughput } from './throughput.ts';

const benchmarks: readonly Benchmark[] = [
  latency,
  throughput,
  coldStart,
  idle,
  schedules,
  restart,
  contention,
  callbacks,
];

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !benchmarks.some((benchmark) => benchmark.name === name));
if (unknown.length > 0) {
  const known = benchmarks.map((benchmark) => benchmark.name).join(', ');
  process.stderr.write(`there is no benchmark ${unknown.join(', ')}; there are ${known}\n`);
  process.exit(2);
}
for (const benchmark of benchmarks) {
  if (wanted.length > 0 && !wanted.includes(benchmark.name)) continue;
  const figures = await benchmark.run();
  printTable(benchmark, figures);
  process.stdout.write(`${JSON.stringify({ benchmark: benchmark.name, node: process.version, figures })}\n`);
}
