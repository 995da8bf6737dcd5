// Run as a program of its own: `write-attempt.ts GRAPH SIZE`. Tries one change that makes the file SIZE bytes longer
// and prints, as JSON, the result and what the folder holds then.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createGraphStore } from '../../src/graph/store.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { createLocker } from '../../src/platform/flock.ts';

const [graph = '', size = '0'] = process.argv.slice(2);
const store = createGraphStore({
  graph,
  locker: createLocker(),
  clock: systemClock(),
  limits: { maxLineBytes: 10_000_000, maxGraphBytes: 100_000_000 },
});
const before = readFileSync(join(graph, 'graph.jsonl'), 'utf8');
const failed = await store
  .change((draft) => draft.patch('build', { description: 'x'.repeat(Number(size)) }))
  .then(
    () => null,
    (thrown) => ({ code: thrown.code, message: thrown.message, hint: thrown.hint }),
  );
process.stdout.write(
  JSON.stringify({
    failed,
    untouched: readFileSync(join(graph, 'graph.jsonl'), 'utf8') === before,
    snapshot: store.snapshot().tasks.get('build')?.status ?? null,
    left: readdirSync(graph).sort(),
  }),
);
