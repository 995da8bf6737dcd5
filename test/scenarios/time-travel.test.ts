// `why TASK --at` and `--between`: what a real supervisor recorded, with and without one running.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { eventually, supervisor } from '../support/actors.ts';
import { createPlayground, type Playground } from '../support/playground.ts';
import { type Supervised, supervise } from '../support/supervised.ts';

let playground: Playground;
let supervised: Supervised | null = null;

beforeEach(async () => {
  playground = await createPlayground();
  await playground.writeConfig('');
});
afterEach(async () => {
  await supervised?.stop({ cancelAgents: true });
  supervised = null;
  await playground.remove();
});

const all = { from: 0, to: Number.MAX_SAFE_INTEGER / 2 };
const codesOf = async (running: Supervised, task: string) => {
  const { spans } = await running.control.verdicts({ task }, { ...all, to: Date.now() });
  const codes = spans.map(({ code, state }) => (state === 'running' ? 'running' : code));
  // A dependency that begins is a span of its own.
  return codes.filter((code, n) => code !== codes[n - 1]);
};

test('each reason is kept with its time, over an end of the supervisor, and told in the terminal', async () => {
  const go = join(playground.folder, 'go');
  await playground.writeGraph(playground.repo, [
    { id: 'first', exec: `until [ -e ${go} ]; do sleep 0.05; done` },
    { id: 'second', after: ['first'], exec: 'true' },
    { id: 'old', status: 'done' },
  ]);
  supervised = await supervise(playground);
  await supervised.event('run.started', 'first');
  expect(await codesOf(supervised, 'second')).toEqual(['dependency']);
  await supervised.stop({ cancelAgents: false });
  const stopped = Date.now();
  // Long enough to be a gap: the next one reports it.
  await eventually(() => Date.now() > stopped + 2_100);
  supervised = await supervise(playground);
  await writeFile(go, '');
  await supervised.event('run.settled', 'second');
  await eventually(async () => (await codesOf(supervised as Supervised, 'second')).at(-1) === 'status-done');
  const codes = await codesOf(supervised, 'second');
  expect(codes).toEqual(['dependency', 'not-running', 'dependency', 'running', 'status-done']);
  expect(await codesOf(supervised, 'old')).toEqual([]);

  const { spans } = await supervised.control.verdicts({ task: 'second' }, { ...all, to: Date.now() });
  expect(spans.slice(1).map(({ from }) => from)).toEqual(spans.slice(0, -1).map(({ to }) => to));
  expect(spans.at(-1)?.to).toBeNull();

  const between = await supervisor(playground, ['why', 'second', '--between', '1h', 'now']);
  expect(between.stdout).toMatch(/second\n.*FROM.*TO.*STATE.*WHY\n/);
  expect(between.stdout).toContain('waits for first (in-progress)');
  expect(between.stdout).toContain('no supervisor was running');
  const gap = spans.find(({ code }) => code === 'not-running');
  const middle = new Date((Date.parse(gap?.from ?? '') + Date.parse(gap?.to ?? '')) / 2).toISOString();
  const at = await supervisor(playground, ['why', 'second', '--at', middle]);
  expect(at.stdout).toMatch(/unknown \(not-running\), since .*\n {2}no supervisor was running/);
  await supervised.stop({ cancelAgents: true });
  supervised = null;
  const offline = await supervisor(playground, ['why', 'second', '--between', '1h', 'now', '--json']);
  expect(JSON.parse(offline.stdout).spans.map(({ code }: { code: string }) => code)).toEqual(
    expect.arrayContaining(['dependency', 'not-running', 'status-done']),
  );
});

test.each([
  [['--at', 'soon'], /"soon" is not an instant/],
  [['--at', '2999-01-01'], /has not come yet/],
  [['--between', '02:00'], /takes two instants/],
  [['--between', '1h', '2h'], /ends before it begins/],
  [['--at', '1h', '--between', '1h', 'now'], /exclude each other/],
])('%j is refused with what to say instead', async (flags, words) => {
  await playground.writeGraph(playground.repo, [{ id: 'a' }]);
  const { status, stderr } = await supervisor(playground, ['why', 'a', ...flags]);
  expect([status, stderr]).toEqual([2, expect.stringMatching(words)]);
});
