// `forecast` and `whatif` over what a real supervisor recorded.

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
});
afterEach(async () => {
  await supervised?.stop({ cancelAgents: true });
  supervised = null;
  await playground.remove();
});

const RUNS = 24;
const PLACES = (count: number) => `[supervisor]\nmax_concurrent = ${count}\n`;

/** A past of runs, one after the other, and open tasks that wait for a person. */
async function livePast(): Promise<void> {
  await playground.writeConfig(PLACES(1));
  const past = Array.from({ length: RUNS }, (_, n) => ({ id: `old-${n}`, exec: 'true' }));
  const open = [
    { id: 'first', exec: 'true', paused: true },
    { id: 'release', exec: 'true', after: ['first'] },
  ];
  await playground.writeGraph(playground.repo, [...past, ...open]);
  supervised = await supervise(playground);
  const running = supervised;
  await eventually(async () => {
    const tasks = await playground.readGraph(playground.repo).catch(() => new Map());
    return past.every(({ id }) => tasks.get(id)?.status === 'done');
  });
  await eventually(async () => {
    const { spans } = await running.control.verdicts(
      { task: `old-${RUNS - 1}` },
      { from: 0, to: Date.now() },
    );
    return spans.at(-1)?.code === 'status-done';
  });
  await supervised.stop({ cancelAgents: false });
  supervised = null;
}

test('the past is replayed, another configuration is compared, and open tasks are forecast', async () => {
  await livePast();
  const two = join(playground.folder, 'two.toml');
  await writeFile(two, `[[repos]]\npath = ${JSON.stringify(playground.repo)}\n${PLACES(8)}`);

  const whatIf = await supervisor(playground, [
    'whatif',
    '--config',
    two,
    '--base',
    playground.configFile,
    '--json',
  ]);
  expect(whatIf.stderr).toBe('');
  const report = JSON.parse(whatIf.stdout);
  expect(report.reproduced).toEqual({ runs: RUNS, same: RUNS, left_out: 0 });
  expect(report.repos[0].after.p95_s).toBeLessThan(report.repos[0].before.p95_s);
  const seen = await supervisor(playground, ['whatif', '--config', two, '--base', playground.configFile]);
  expect(seen.stdout).toMatch(/replayed 24 runs since .*100 % start within a second/);
  expect(seen.stdout).toContain('WAITING FOR ROOM');

  const blocked = JSON.parse(
    (await supervisor(playground, ['forecast', 'release', '--json', '--seed', '1'])).stdout,
  );
  expect(blocked.target).toMatchObject({ task: expect.stringMatching(/release$/), p50: null, ends: 0 });
  await supervisor(playground, ['edit', 'first', '--no-paused']);
  const told = await supervisor(playground, ['forecast', 'release', '--draws', '60', '--seed', '1']);
  expect(told.status).toBe(0);
  expect(told.stdout).toMatch(/release\n {2}50 % {2}by .*\n {2}80 % {2}by .*\n {2}95 % {2}by /);
  expect(told.stdout).toContain('On the longest way:');
  expect(told.stdout).toMatch(/100 % first/);
  const again = await supervisor(playground, ['forecast', '--draws', '60', '--seed', '1']);
  expect(again.stdout).toMatch(/TASK +50 % +80 % +95 %/);
}, 60_000);

test('a time without runs, and no configuration to compare with, are refused with what to say', async () => {
  await playground.writeConfig('');
  const none = await supervisor(playground, ['whatif', '--base', playground.configFile]);
  expect([none.status, none.stderr]).toEqual([
    2,
    expect.stringMatching(/nothing was run.*say an earlier --since/s),
  ]);
});

test('without enough history it says so, and how much there is', async () => {
  await playground.writeConfig('');
  await playground.writeGraph(playground.repo, [{ id: 'a' }]);
  const said = await supervisor(playground, ['forecast']);
  expect(said).toMatchObject({
    status: 1,
    stdout: expect.stringContaining('0 finished runs, 20 are needed'),
  });
});
