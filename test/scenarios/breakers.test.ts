// What keeps failing is left alone: a profile whose runs end at once, an account whose quota is used up, a task whose
// agent vanishes again and again. Each says so, and each begins again with one careful try or a person's word.

import { chmod, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { systemClock } from '../../src/platform/clock.ts';
import { eventually, FAKE_CLAUDE, supervisor } from '../support/actors.ts';
import { createPlayground, type Playground } from '../support/playground.ts';
import { type Supervised, supervise } from '../support/supervised.ts';

let playground: Playground;
let supervised: Supervised;
let offset: number;

beforeEach(async () => {
  playground = await createPlayground();
  offset = 0;
});
afterEach(async () => {
  await supervised.stop({ cancelAgents: true });
  await playground.remove();
});

/** Real timers, but a time of day that a test may let pass in one step. */
async function start(): Promise<void> {
  const { now, after, sleep } = systemClock();
  supervised = await supervise(playground, { clock: { after, sleep, now: () => now() + offset } });
}

/** Ids of held tasks with this code. */
async function held(code: string): Promise<string[]> {
  const report = await supervised.control.status();
  return report.held.filter((one) => one.code === code).map((one) => one.task);
}

const statusOf = async (task: string) => (await playground.readGraph(playground.repo)).get(task)?.status;

const openTasks = async () => (await supervised.control.runs({ open: true })).map((run) => run.task);

test('five runs that fail at once pause their profile, not their neighbours; one tries again, a person may resume', async () => {
  const bad = Array.from({ length: 8 }, (_, n) => ({ id: `bad-${n}`, tags: ['executor:broken'] }));
  await playground.writeGraph(playground.repo, [...bad, { id: 'good', exec: 'echo fine' }]);
  await playground.writeConfig(
    '[executors.broken]\ntype = "command"\nshell = "exit 9"\nmax_concurrent = 1\n[limits]\nsafety_pass = "1s"\n',
  );
  await start();
  const rest = await eventually(async () => {
    const found = await held('instant-failures');
    return found.length === 3 && found;
  });
  await supervised.event('run.settled', 'good');
  const why = await eventually(async () => {
    const found = await supervised.control.why({ task: rest[0] ?? '' });
    return found.code === 'instant-failures' && found;
  });
  expect(why.because).toContain('exit status 9');
  expect(why.because).toContain('supervisor resume broken');
  offset = 6 * 60_000;
  await supervised.supervisor.tick();
  // The one that tried found it as it was: the next pause, twice as long, after one failure.
  await eventually(async () => (await held('instant-failures')).length === 2);
  offset = 12 * 60_000;
  await supervised.supervisor.tick();
  expect(await held('instant-failures')).toHaveLength(2);
  await supervised.control.resume('broken');
  await eventually(async () => (await held('instant-failures')).length < 2);
});

test('a missing program holds the profile of its own worktree only, until that profile is changed or resumed', async () => {
  const other = await playground.worktree('other');
  const profile = (worktree: string, command: string) =>
    writeFile(
      join(worktree, '.workgraph', 'config.toml'),
      `[executors.agent]\ntype = "command"\ncommand = [${JSON.stringify(command)}]\n`,
    );
  const broken = ['b-0', 'b-1'].map((id) => ({ id, tags: ['executor:agent'] }));
  await playground.writeGraph(playground.repo, broken);
  await playground.writeGraph(other, []);
  await profile(playground.repo, join(playground.folder, 'not-there'));
  await profile(other, 'true');
  await playground.writeConfig('[limits]\nsafety_pass = "1s"\n');
  await start();
  await eventually(async () => (await held('executor-unavailable')).length === 2);
  await playground.writeGraph(other, [{ id: 'fine', tags: ['executor:agent'] }]);
  await supervised.event('run.settled', 'fine');
  expect((await playground.readGraph(other)).get('fine')?.status).toBe('done');
  expect(await held('executor-unavailable')).toEqual(['b-0', 'b-1']);
  // A person means both by the name, and lifts what holds either.
  await supervised.control.pause('agent', 'by hand');
  await playground.writeGraph(other, [{ id: 'later', tags: ['executor:agent'] }]);
  await eventually(async () => (await held('paused')).length === 3);
  const tries = (await supervised.control.runs({})).length;
  await supervised.control.resume('agent');
  await supervised.event('run.settled', 'later');
  await eventually(async () => (await supervised.control.runs({})).length >= tries + 2);
  await eventually(async () => (await held('executor-unavailable')).length === 2);
  // Long before the pause would be over on its own.
  await profile(playground.repo, 'true');
  for (const { id } of broken) await eventually(async () => (await statusOf(id)) === 'done');
});

test('a program that is there now is tried at the next start and at a reload, whatever the pause says', async () => {
  const program = join(playground.folder, 'agent');
  const appear = async () => {
    await writeFile(program, '#!/bin/sh\nexit 0\n');
    await chmod(program, 0o755);
  };
  await playground.writeConfig(
    `[executors.one]\ntype = "command"\ncommand = [${JSON.stringify(program)}]\n` +
      `[executors.two]\ntype = "command"\ncommand = [${JSON.stringify(`${program}-two`)}]\n`,
  );
  await playground.writeGraph(playground.repo, [
    { id: 'a', tags: ['executor:one'] },
    { id: 'b', tags: ['executor:two'] },
  ]);
  await start();
  await eventually(async () => (await held('executor-unavailable')).length === 2);
  await appear();
  await supervised.control.reload();
  await eventually(async () => (await statusOf('a')) === 'done');
  await eventually(async () => (await held('executor-unavailable')).length === 1);
  await supervised.stop({ cancelAgents: false });
  await rename(program, `${program}-two`);
  expect(await supervisor(playground, ['run', '--once'])).toMatchObject({ status: 0 });
  expect(await statusOf('b')).toBe('done');
});

test('a used-up quota pauses the account; afterwards one task tries, and the others follow once the model answers', async () => {
  const go = join(playground.folder, 'go');
  const config = (plays: string) =>
    playground.writeConfig(
      `[executors.claude]\ntype = "claude"\ncommand = ${JSON.stringify(FAKE_CLAUDE)}\nenv = { FAKE_CLAUDE = "${plays}" }\n` +
        '[limits]\nsafety_pass = "1s"\n',
    );
  await config('play api-key-429');
  await playground.writeGraph(
    playground.repo,
    ['a', 'b', 'c'].map((id) => ({ id, tags: ['executor:claude'] })),
  );
  await start();
  await eventually(async () => (await held('quota')).length === 3);
  // A person may say that it has finished; here it is not, so it is paused again.
  await supervised.control.resume('claude');
  await eventually(async () => (await supervised.control.runs({})).length > 3);
  await eventually(async () => (await held('quota')).length === 3);
  const runs = await supervised.control.runs({});
  expect(runs.every((run) => run.attempt === 1)).toBe(true);
  await config(`until ${go}; play tool-use`);
  await supervised.control.reload();
  // The account is still paused: nothing begins with the old words in between.
  await supervised.supervisor.tick();
  offset = 31 * 60_000;
  await supervised.supervisor.tick();
  const waiting = await eventually(async () => {
    const found = await held('probe');
    return found.length === 2 && found;
  });
  expect((await supervised.control.why({ task: waiting[0] ?? '' })).because).toContain('account');
  expect(await openTasks()).toHaveLength(1);
  await writeFile(go, '');
  for (const id of ['a', 'b', 'c']) await supervised.event('run.settled', id);
  expect(await held('probe')).toEqual([]);
  const done = await playground.readGraph(playground.repo);
  expect([...done.values()].map((task) => task.status)).toEqual(['done', 'done', 'done']);
  const counted = (await supervised.control.runs({})).filter((run) => run.outcome?.kind === 'succeeded');
  expect(counted.map((run) => run.attempt)).toEqual([1, 1, 1]);
});

test('a task whose agent vanishes three times is parked, over a restart too, until it is changed or retried', async () => {
  // Kills its whole group, and with it the wrapper that would have noted the exit status.
  const poison = { id: 'poison', exec: 'kill -9 0' };
  await playground.writeGraph(playground.repo, [poison]);
  await playground.writeConfig('[retry]\nbackoff = "1s"\nmax_backoff = "1s"\n[limits]\nsafety_pass = "1s"\n');
  await start();
  await eventually(async () => (await held('parked')).length === 1);
  // It is parked a moment before the end of its last run is written.
  const why = await eventually(async () => {
    const asked = await supervised.control.why({ task: 'poison' });
    return asked.because.includes('3 times in a row') && asked;
  });
  expect(why.because).toContain('supervisor retry poison');
  expect(why.runs).toHaveLength(3);
  await supervised.stop({ cancelAgents: false });
  await start();
  offset = 3_600_000;
  await supervised.supervisor.tick();
  expect(await held('parked')).toEqual(['poison']);
  // A change to something that changes on its own is none.
  const line = (await playground.readGraph(playground.repo)).get('poison');
  await playground.writeGraph(playground.repo, [{ ...line, ...poison, log: [] }]);
  await supervised.supervisor.tick();
  expect(await held('parked')).toEqual(['poison']);
  // Said while no one runs: the next one heeds it.
  await supervised.stop({ cancelAgents: false });
  expect(await supervisor(playground, ['retry', 'poison', '--worktree', playground.repo])).toMatchObject({
    status: 0,
  });
  await start();
  await eventually(
    async () => (await supervised.control.runs({})).length === 6 && (await held('parked')).length === 1,
  );
  const again = (await playground.readGraph(playground.repo)).get('poison');
  await playground.writeGraph(playground.repo, [{ ...again, id: 'poison', exec: 'echo cured' }]);
  await supervised.event('run.settled', 'poison');
  await eventually(
    async () => (await playground.readGraph(playground.repo)).get('poison')?.status === 'done',
  );
});
