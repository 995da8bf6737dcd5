// A large graph that is rewritten as a whole beside a small one: the small one does not wait until the large one is judged,
// and the large one is judged however often it is rewritten, and whatever happens in the middle. That one which changes
// each time before it was judged is acted on all the same: test/supervisor/long-judgements.test.ts.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { Turn } from '../../src/platform/cooperative.ts';
import { builtCli, runCli } from '../support/built-cli.ts';
import { createPlayground, type Playground } from '../support/playground.ts';
import { type Supervised, supervise } from '../support/supervised.ts';

let playground: Playground;
let small: string;
let supervised: Supervised | null = null;
/** No large graph is judged further. */
let isHeld = false;
let written = 0;

beforeEach(async () => {
  playground = await createPlayground();
  small = await playground.worktree('small');
  await playground.writeConfig('');
  isHeld = false;
});
afterEach(async () => {
  isHeld = false;
  await supervised?.stop({ cancelAgents: true });
  supervised = null;
  await playground.remove();
});

const largeGraph = () => join(playground.repo, '.workgraph');

/** Judges large graphs only while it may. */
const held =
  (turn: Turn): Turn =>
  (steps) => {
    if (!isHeld) return turn(steps);
    // Leaves the processor to the others.
    Atomics.wait(nothing, 0, 0, 1);
    return null;
  };
const nothing = new Int32Array(new SharedArrayBuffer(4));

interface Line {
  readonly id: string;
  readonly exec: string;
  readonly paused?: boolean;
}

/** Replaces the large graph: every line differs from those before. */
async function rewrite(count: number, more: readonly Line[]): Promise<void> {
  await mkdir(largeGraph(), { recursive: true });
  const next = join(largeGraph(), 'graph.next');
  const file = await open(next, 'w');
  const line = (task: object) =>
    `${JSON.stringify({ kind: 'task', title: 'T', status: 'open', priority: 10, ...task })}\n`;
  const description = `version ${++written}`;
  for (let from = 0; from < count; from += 2000) {
    let text = '';
    for (let n = from; n < Math.min(count, from + 2000); n++)
      text += line({ id: `t${n}`, status: n % 10 === 9 ? 'open' : 'done', after: ['gate'], description });
    await file.write(text);
  }
  await file.write(line({ id: 'gate', paused: true, description }));
  for (const one of more) await file.write(line({ ...one, description }));
  await file.close();
  await rename(next, join(largeGraph(), 'graph.jsonl'));
}

async function start(): Promise<Supervised> {
  supervised = await supervise(playground, { wrap: { turn: held } });
  return supervised;
}

/** The large graph was read once more since the call. */
const readAgain = ({ bus }: Supervised) =>
  new Promise<void>((resolve) => {
    const off = bus.on((event) => {
      if (event.name !== 'graph.changed' || event.graph !== largeGraph()) return;
      off();
      resolve();
    });
  });

test('none of many thousand rewritten tasks delays a task of a small graph', async () => {
  await rewrite(12_000, []);
  const { supervisor, event, count, bus } = await start();
  isHeld = true;
  const read = readAgain({ bus } as Supervised);
  await rewrite(12_000, [{ id: 'late', exec: 'true' }]);
  await read;
  await playground.writeGraph(small, [{ id: 'quick', exec: 'true' }]);
  await event('run.settled', 'quick');
  expect(supervisor.decided?.decision.unjudged).toEqual(new Set([largeGraph()]));
  expect(count('run.opened', 'late')).toBe(0);
  isHeld = false;
  await event('run.settled', 'late');
});

test('what is rewritten once more while it is judged counts as it is then', async () => {
  await rewrite(6000, []);
  const running = await start();
  isHeld = true;
  const first = readAgain(running);
  await rewrite(6000, [
    { id: 'early', exec: 'true' },
    { id: 'gone', exec: 'true' },
  ]);
  await first;
  await running.supervisor.tick();
  const second = readAgain(running);
  await rewrite(6000, [
    { id: 'early', exec: 'true', paused: true },
    { id: 'late', exec: 'true' },
  ]);
  await second;
  isHeld = false;
  await running.event('run.settled', 'late');
  await running.supervisor.quiet();
  expect(['early', 'gone'].map((id) => running.count('run.opened', id))).toEqual([0, 0]);
});

test('rewritten twenty times in a row, it is judged', async () => {
  await rewrite(6000, []);
  const running = await start();
  for (let n = 0; n < 19; n++) await rewrite(6000, [{ id: `only-${n}`, exec: 'true', paused: true }]);
  await rewrite(6000, [{ id: 'late', exec: 'true' }]);
  await running.event('run.settled', 'late');
  await running.supervisor.quiet();
  expect(running.supervisor.decided?.decision.unjudged?.size).toBe(0);
});

test('killed in the middle, the next supervisor runs everything once', async () => {
  await rewrite(6000, []);
  const ran = join(playground.folder, 'ran');
  const env = {
    SUPERVISOR_CONFIG: playground.configFile,
    SUPERVISOR_STATE_DIR: playground.stateDir,
  };
  const argv = [builtCli(), 'run', '--config', playground.configFile];
  const child = spawn(process.execPath, argv, {
    cwd: playground.folder,
    env: { ...process.env, ...env, HOME: playground.folder },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    const ended = once(child, 'exit');
    await said(child.stdout, 'started');
    await playground.writeGraph(small, [{ id: 'quick', exec: `echo quick >> ${ran}; exec sleep 1000` }]);
    await said(child.stdout, 'running');
    await rewrite(6000, [{ id: 'late', exec: `echo late >> ${ran}` }]);
    // Whether it was being read, judged or claimed is up to chance.
    child.kill('SIGKILL');
    await ended;
    await playground.writeGraph(small, []);
    const { status, err } = await runCli(['run', '--once', '--config', playground.configFile], {
      cwd: playground.folder,
      env,
    });
    expect([status, err.includes('rewound')]).toEqual([0, false]);
    expect((await readFile(ran, 'utf8')).split('\n').sort()).toEqual(['', 'late', 'quick']);
  } finally {
    child.kill('SIGKILL');
  }
});

/** Resolves once the stream said this. */
function said(stream: NodeJS.ReadableStream, words: string): Promise<void> {
  return new Promise((resolve) => {
    let text = '';
    const hear = (chunk: unknown) => {
      text += String(chunk);
      if (!text.includes(words)) return;
      stream.off('data', hear);
      resolve();
    };
    stream.on('data', hear);
  });
}
