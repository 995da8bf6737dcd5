// Run by contention.ts as a process of its own: rewrites one graph under its lock without end, a byte on stdout for each.

import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { createLocker } from '../src/platform/flock.ts';

const graph = process.argv[2] ?? '';
const locker = createLocker();
for (;;) {
  const lock = await locker.acquire(join(graph, 'graph.lock'), { timeoutMs: 60_000 });
  const bytes = readFileSync(join(graph, 'graph.jsonl'));
  const temporary = join(graph, `.graph.tmp.${process.pid}`);
  const file = openSync(temporary, 'w');
  writeSync(file, bytes);
  fsyncSync(file);
  closeSync(file);
  renameSync(temporary, join(graph, 'graph.jsonl'));
  lock.release();
  writeSync(1, '.');
  // wg's commands come one after the other, each a process of its own.
  await wait(5);
}
