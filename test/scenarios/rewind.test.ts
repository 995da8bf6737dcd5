// Older states of a graph come back: git stash, reset and checkout, an older copy, a file that is written in place. What
// runs continues, what is done is not done again, and what a person decided counts.

import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createLocker } from '../../src/platform/flock.ts';
import { eventually } from '../support/actors.ts';
import { createPlayground, type Playground, type TaskLine } from '../support/playground.ts';
import { type Supervised, supervise } from '../support/supervised.ts';

let playground: Playground;
let supervised: Supervised | null = null;

beforeEach(async () => {
  playground = await createPlayground();
});
afterEach(async () => {
  await supervised?.stop({ cancelAgents: true });
  supervised = null;
  await playground.remove();
});

const GRACE = '[limits]\nrewind_grace = "400ms"\n';
const file = () => join(playground.repo, '.workgraph', 'graph.jsonl');
const told = () => join(playground.folder, 'ran');
const go = () => join(playground.folder, 'go');
/** Says that it began, does something, and ends when it is asked to. */
const agent = (id: string, act = '') =>
  `echo "start ${id}" >> ${told()}; ${act} until [ -e ${go()} ]; do sleep 0.05; done; echo "end ${id}" >> ${told()}`;
const ran = async () => (await readFile(told(), 'utf8').catch(() => '')).trim().split('\n');

async function commitGraph(tasks: readonly TaskLine[]): Promise<void> {
  await playground.writeGraph(playground.repo, tasks);
  await playground.git(playground.repo, 'add', '-f', '.workgraph/graph.jsonl');
  await playground.git(playground.repo, 'commit', '-q', '-m', 'Plan');
}

/** Undefined also in the moment in which git has removed the file and not yet written it. */
const line = async (id: string) => (await playground.readGraph(playground.repo).catch(() => null))?.get(id);
const messages = async (id: string) =>
  ((await line(id))?.log as { message: string }[] | undefined)?.map((entry) => entry.message) ?? [];
/** Waits until the task's line says this. */
const says = (id: string, fields: Record<string, unknown>) =>
  eventually(async () => {
    const found = await line(id);
    return found && Object.entries(fields).every(([key, value]) => found[key] === value) ? found : null;
  });

describe('under a running agent', () => {
  test.each([
    'stash -q',
    'reset -q --hard',
    'checkout -q -- .',
  ])('rewind loop: the agent itself says `git %s`; it continues, its claim and its result are written', async (command) => {
    await commitGraph([
      { id: 't', exec: agent('t', `git ${command};`) },
      { id: 'other', executor: 'external' },
    ]);
    await playground.writeConfig(GRACE);
    supervised = await supervise(playground);
    await supervised.event('run.started', 't');
    await eventually(async () => (await messages('t')).some((words) => words.includes('written again')));
    expect(await line('t')).toMatchObject({
      status: 'in-progress',
      assigned: expect.stringMatching(/^agent-/),
    });
    await says('other', { status: 'in-progress' });
    await writeFile(go(), '');
    expect(await supervised.event('run.settled', 't')).toMatchObject({ status: 'done' });
    expect(await ran()).toEqual(['start t', 'end t']);
    expect([supervised.count('run.opened', 't'), supervised.count('run.opened', 'other')]).toEqual([1, 1]);
    expect([supervised.count('run.stopping', 't'), supervised.count('run.reclaimed', 't')]).toEqual([0, 1]);
  });

  test('what comes back on its own leaves no trace: stash and pop', async () => {
    await commitGraph([{ id: 't', exec: agent('t') }]);
    // Longer than the test takes: nothing may follow from what is missing.
    await playground.writeConfig('[limits]\nrewind_grace = "1h"\n');
    supervised = await supervise(playground);
    const running = supervised;
    await supervised.event('run.started', 't');
    const before = await says('t', { status: 'in-progress' });
    await playground.git(playground.repo, 'stash', '-q');
    await supervised.control.reload();
    const held = await eventually(async () => {
      const row = (await running.control.status()).held.find(({ task }) => task === 't');
      return row?.code === 'rewound' ? row : null;
    });
    expect(held.because).toContain('missing');
    expect(held.next_at).not.toBeNull();
    await playground.git(playground.repo, 'stash', 'pop', '-q');
    await supervised.control.reload();
    expect(await line('t')).toEqual(before);
    await writeFile(go(), '');
    await supervised.event('run.settled', 't');
    expect(await ran()).toEqual(['start t', 'end t']);
    expect(await messages('t')).toHaveLength(2);
  });

  test.each([
    'empty',
    'without its first line',
  ])('in-place write: a file that is %s for a while', async (how) => {
    await playground.writeGraph(playground.repo, [
      { id: 't', exec: agent('t') },
      { id: 'z', executor: 'external' },
    ]);
    await playground.writeConfig('[limits]\nrewind_grace = "1h"\n');
    supervised = await supervise(playground);
    const running = supervised;
    await supervised.event('run.started', 't');
    await supervised.event('run.handed-off', 'z');
    await says('t', { status: 'in-progress' });
    const whole = await readFile(file(), 'utf8');
    await writeFile(file(), how === 'empty' ? '' : whole.slice(whole.indexOf('\n') + 1));
    await eventually(async () => {
      await running.control.reload();
      return JSON.stringify(await running.control.status()).includes('"rewound"');
    });
    await writeFile(file(), whole);
    await supervised.control.reload();
    await writeFile(go(), '');
    expect(await supervised.event('run.settled', 't')).toMatchObject({ status: 'done' });
    expect([supervised.count('run.stopping', 't'), supervised.count('run.stopping', 'z')]).toEqual([0, 0]);
  });

  test('`on_rewind = "hold"` leaves the line alone until the result comes', async () => {
    await commitGraph([{ id: 't', exec: agent('t', 'git stash -q;') }]);
    await playground.writeConfig(`on_rewind = "hold"\n${GRACE}`);
    supervised = await supervise(playground);
    const running = supervised;
    await supervised.event('run.started', 't');
    await eventually(async () => {
      const row = (await running.control.status()).held.find(({ task }) => task === 't');
      return row?.because.includes('supervisor cancel t');
    });
    expect(await line('t')).toMatchObject({ status: 'open' });
    await writeFile(go(), '');
    await says('t', { status: 'done' });
    expect(await ran()).toEqual(['start t', 'end t']);
  });

  test('a person who unclaims it has decided: the agent is ended, and another one begins', async () => {
    await playground.writeGraph(playground.repo, [{ id: 't', exec: agent('t') }]);
    await playground.writeConfig('[limits]\nrewind_grace = "1h"\n');
    supervised = await supervise(playground);
    await supervised.event('run.started', 't');
    const claimed = await says('t', { status: 'in-progress' });
    const { assigned, started_at, ...rest } = claimed;
    const log = [...(claimed.log as object[]), { timestamp: new Date().toISOString(), message: 'Unclaimed' }];
    await playground.writeGraph(playground.repo, [{ ...rest, id: 't', status: 'open', log }]);
    expect(await supervised.event('run.stopping', 't')).toMatchObject({ reason: 'lost-claim' });
    await supervised.nth(2, 'run.started', 't');
    await writeFile(go(), '');
    await says('t', { status: 'done' });
  });
});

describe('after the end', () => {
  test('a result whose line an older one replaced is known: its run is neither cancelled nor released', async () => {
    await commitGraph([{ id: 'z', executor: 'external' }]);
    await playground.writeConfig('[limits]\nrewind_grace = "1h"\n');
    supervised = await supervise(playground);
    const { control, runs } = supervised;
    await supervised.event('run.handed-off', 'z');
    await playground.git(playground.repo, 'checkout', '--', '.');
    const caller = { kind: 'operator' } as const;
    const report = { task: 'z', caller, result: 'failed', reason: 'no' } as const;
    expect(await control.complete(report)).toMatchObject({ kept: true });
    await eventually(() => runs.attended().length === 0);
    const refusal = { code: 'conflict', details: { code: 'already-terminal' } };
    await expect(control.cancel({ task: 'z' }, 'no longer wanted')).rejects.toMatchObject(refusal);
    await expect(control.release({ task: 'z' }, caller)).rejects.toMatchObject(refusal);
  });

  test.each([
    ['checkout', ['checkout', '--', '.']],
    ['reset', ['reset', '-q', '--hard']],
    ['stash', ['stash', '-q']],
  ])('git %s: the result is written again, nothing runs twice', async (_how, command) => {
    await commitGraph([
      { id: 't', exec: `echo t >> ${told()}` },
      { id: 'next', after: ['t'], executor: 'external' },
    ]);
    await playground.writeConfig(GRACE);
    supervised = await supervise(playground);
    await supervised.event('run.settled', 't');
    await supervised.event('run.handed-off', 'next');
    await playground.git(playground.repo, ...command);
    const restored = await says('t', { status: 'done' });
    expect(restored).toMatchObject({ assigned: expect.stringMatching(/^agent-/) });
    await says('next', { status: 'in-progress' });
    // It bears its own mark now: back it is not asked for again.
    await supervised.control.reload();
    expect(await ran()).toEqual(['t']);
    expect(supervised.count('run.opened', 't')).toBe(1);
    expect(supervised.count('run.opened', 'next')).toBe(1);
  });

  test('commit then reset: a claim that another agent committed is no claim', async () => {
    await commitGraph([
      { id: 'one', exec: 'git commit -q -a -m work' },
      { id: 'two', after: ['one'], exec: 'git reset -q --hard' },
    ]);
    await playground.writeConfig(GRACE);
    supervised = await supervise(playground);
    await supervised.event('run.settled', 'one');
    await says('one', { status: 'done' });
    await says('two', { status: 'done' });
    expect([supervised.count('run.opened', 'one'), supervised.count('run.opened', 'two')]).toEqual([1, 1]);
  });

  test('over a restart, with `on_rewind = "hold"`: held until a person asks for it again', async () => {
    await commitGraph([{ id: 't', exec: `echo t >> ${told()}` }]);
    await playground.writeConfig(`on_rewind = "hold"\n${GRACE}`);
    supervised = await supervise(playground);
    await supervised.event('run.settled', 't');
    await supervised.stop({ cancelAgents: true });
    await playground.git(playground.repo, 'checkout', '--', '.');
    supervised = await supervise(playground);
    const running = supervised;
    await eventually(async () => {
      const why = await running.control.why({ task: 't' });
      return why.code === 'rewound' && why.because.includes('supervisor retry t');
    });
    expect(supervised.count('run.opened', 't')).toBe(0);
    await supervised.control.retry({ task: 't' });
    await supervised.event('run.settled', 't');
    expect(await ran()).toEqual(['t', 't']);
  });

  test('who opens it again on the line as it is has decided, and so has who changes what it asks for', async () => {
    await playground.writeGraph(playground.repo, [{ id: 't', exec: `echo t >> ${told()}` }]);
    await playground.writeConfig('[limits]\nrewind_grace = "1h"\n');
    supervised = await supervise(playground);
    await supervised.event('run.settled', 't');
    const done = await says('t', { status: 'done' });
    const log = [...(done.log as object[]), { timestamp: new Date().toISOString(), message: 'Reset' }];
    await playground.writeGraph(playground.repo, [{ ...done, id: 't', status: 'open', assigned: null, log }]);
    await supervised.nth(2, 'run.settled', 't');
    const { log: _log, ...again } = await says('t', { status: 'done' });
    await playground.writeGraph(playground.repo, [
      {
        ...again,
        ...{ id: 't', status: 'open', assigned: null, title: 'Something else' },
        last_interaction_at: new Date(Date.now() + 60_000).toISOString(),
      },
    ]);
    await supervised.nth(3, 'run.settled', 't');
    expect(await ran()).toEqual(['t', 't', 't']);
  });

  test('an older copy in another worktree is held, for nothing was ever written there', async () => {
    await commitGraph([{ id: 'old', status: 'done' }]);
    const linked = await playground.worktree('linked');
    const here = [...(await playground.readGraph(linked)).values()] as TaskLine[];
    const task = { id: 't', exec: `echo t >> ${told()}`, created_at: '2026-05-05T05:05:05.000Z' };
    await playground.writeGraph(linked, [...here, task]);
    await playground.writeConfig(GRACE);
    supervised = await supervise(playground);
    const running = supervised;
    await supervised.event('run.settled', 't');
    // What is still being written there is not in the way of that.
    await rm(linked, { recursive: true, force: true, maxRetries: 10 });
    await playground.git(playground.repo, 'worktree', 'prune');
    await playground.writeGraph(playground.repo, [...here, task]);
    await supervised.control.reload();
    const why = await eventually(async () => {
      const found = await running.control.why({ task: 't', worktree: playground.repo }).catch(() => null);
      return found?.because.includes('supervisor retry t') ? found : null;
    });
    expect(why).toMatchObject({ state: 'held', code: 'rewound' });
    expect(await ran()).toEqual(['t']);
  });
});

test('a claim that comes back after it was given up does not stand in the way for ever', async () => {
  await playground.writeGraph(playground.repo, [{ id: 't', exec: agent('t') }]);
  await playground.writeConfig(GRACE);
  supervised = await supervise(playground);
  await supervised.event('run.started', 't');
  await says('t', { status: 'in-progress' });
  const claimed = await readFile(file(), 'utf8');
  // Deleted, and longer so than anyone waits.
  await playground.writeGraph(playground.repo, []);
  expect(await supervised.event('run.stopping', 't')).toMatchObject({ reason: 'lost-claim' });
  await eventually(async () => (await supervised?.control.runs({ open: true }))?.length === 0);
  await writeFile(file(), claimed);
  await writeFile(go(), '');
  await supervised.nth(2, 'run.started', 't');
  await says('t', { status: 'done' });
}, 60_000);

test('a `done` that comes between opened and claimed, while someone holds the lock, is kept and written', async () => {
  await playground.writeGraph(playground.repo, []);
  await playground.writeConfig(GRACE);
  supervised = await supervise(playground);
  const running = supervised;
  const lock = await createLocker().acquire(join(playground.repo, '.workgraph', 'graph.lock'), {
    timeoutMs: 5000,
  });
  try {
    await playground.writeGraph(playground.repo, [{ id: 't', exec: agent('t') }]);
    await supervised.event('run.opened', 't');
    await eventually(async () => (await running.control.runs({ open: true }))[0]?.agent);
    const done = supervised.control.complete({
      task: 't',
      caller: { kind: 'operator' },
      result: 'succeeded',
    });
    lock.release();
    expect(await done).toMatchObject({ status: 'done' });
  } finally {
    lock.release();
  }
  await says('t', { status: 'done' });
  expect(supervised.count('run.opened', 't')).toBe(1);
});
