// Another who works on the same graphs: takes graph.lock, rewrites the whole file as wg does, releases, and begins
// again, until its standard input ends. Says each edit once it is on the disk: `EDIT TASK`.
// node edits-all-the-time.mjs BUILD GRAPH_FOLDER…

import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const [build, ...graphs] = process.argv.slice(2);
const { createLocker } = await import(pathToFileURL(resolve(build, 'platform/flock.js')).href);
const locker = createLocker();

let over = false;
process.stdin.on('end', () => {
  over = true;
});
process.stdin.resume();

for (let n = 0; !over; n++) {
  const graph = graphs[n % graphs.length];
  const lock = await locker.acquire(join(graph, 'graph.lock'), { timeoutMs: 60_000 });
  const told = edit(graph, n);
  lock.release();
  process.stdout.write(`${told}\n`);
  await new Promise((go) => setTimeout(go, 5));
}
process.exit(0);

function edit(graph, n) {
  const file = join(graph, 'graph.jsonl');
  const tasks = readFileSync(file, 'utf8').split('\n').filter(Boolean).map(JSON.parse);
  const task = tasks[(n * 7) % tasks.length];
  task.tags = [...(task.tags ?? []), `edit-${n}`];
  const temporary = join(graph, `.graph.tmp.${process.pid}`);
  const handle = openSync(temporary, 'w');
  writeSync(handle, tasks.map((one) => `${JSON.stringify(one)}\n`).join(''));
  fsyncSync(handle);
  closeSync(handle);
  renameSync(temporary, file);
  return `edit-${n} ${task.id}`;
}
