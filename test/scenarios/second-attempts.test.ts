// What the attempt after one that failed or was stopped is told, and whether it continues in the same session.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { createPlayground, type Playground } from '../support/playground.ts';
import { type Supervised, supervise } from '../support/supervised.ts';

const FAKE = fileURLToPath(new URL('../../fixtures/agents/claude.mjs', import.meta.url));
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

const say = (...directives: string[]) => directives.map((one) => `fake-claude: ${one}`).join('\n');
const calls = async () =>
  (await readFile(join(playground.folder, 'note'), 'utf8'))
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as { argv: string[]; prompt: string });
const optionOf = (argv: readonly string[] | undefined, name: string) => argv?.[argv.indexOf(name) + 1];

/** A task that fails its check once, with an agent that says what it did; gives both calls. */
async function twice(profile: string) {
  await playground.writeGraph(playground.repo, [
    {
      id: 'before',
      status: 'done',
      log: [{ timestamp: '2026-05-01T00:00:00Z', message: 'found the cause' }],
    },
    {
      id: 'a',
      executor: 'claude',
      after: ['before'],
      verify: 'test -f checked || { touch checked; echo the door is open; exit 3; }',
      description: say(`note ${join(playground.folder, 'note')}`, 'play tool-use'),
    },
  ]);
  await playground.writeConfig(
    `[retry]\nattempts = 2\nbackoff = "0"\n[executors.claude]\ncommand = "${FAKE}"\n${profile}`,
  );
  supervised = await supervise(playground, { variables: { PATH: '/usr/bin:/bin' } });
  await supervised.nth(2, 'run.settled', 'a');
  const [first, second] = await calls();
  return { first, second };
}

test('it reads what the one before tried, reported and failed with; its dependencies, its folder and branch', async () => {
  const { first, second } = await twice('');
  expect(first?.prompt).toContain('### before: Task before (done)\n- found the cause');
  expect(first?.prompt).toContain(`- Folder: ${playground.repo}\n- Branch: main`);
  expect(first?.prompt).not.toContain('The previous attempt');
  expect(second?.prompt).toContain('This is attempt 2 of 2. The one before ended with:');
  expect(second?.prompt).toContain('the door is open');
  expect(second?.prompt).toMatch(/It had reported: \S/);
  expect(second?.prompt).toMatch(/The last that it did:\n\n {4}\S/);
  expect(optionOf(second?.argv, '--session-id')).not.toBe(optionOf(first?.argv, '--session-id'));
});

test('with resume = true it continues in its session', async () => {
  const { first, second } = await twice('resume = true\n');
  expect(optionOf(second?.argv, '--resume')).toBe(optionOf(first?.argv, '--session-id'));
});

test('show --prompt is what is sent, before and while it runs', async () => {
  const note = join(playground.folder, 'note');
  const graph = (more: object) =>
    playground.writeGraph(playground.repo, [
      {
        id: 'a',
        executor: 'claude',
        description: say(`note ${note}`, `until ${playground.folder}/go`),
        ...more,
      },
    ]);
  await graph({ paused: true });
  await playground.writeConfig(`[executors.claude]\ncommand = "${FAKE}"\n[[budgets]]\nruns = 3\n`);
  supervised = await supervise(playground);
  const before = await supervised.control.prompt({ task: 'a' });
  expect(before).toMatchObject({ task: 'a', executor: 'claude', run: null });
  await graph({});
  await supervised.event('run.started', 'a');
  const during = await supervised.control.prompt({ task: 'a' });
  expect(during.run).toMatch(/^run_/);
  expect(during.prompt).toBe(before.prompt);
  expect(during.prompt).toContain('- 3 runs of 3 runs');
});

test('a command may be given the same prompt as a file', async () => {
  await playground.writeGraph(playground.repo, [{ id: 'a', executor: 'own', description: 'Say it.' }]);
  await playground.writeConfig('[executors.own]\ntype = "command"\nshell = "cat {{prompt.file}} > got"\n');
  supervised = await supervise(playground);
  await supervised.event('run.settled', 'a');
  const got = await readFile(join(playground.repo, 'got'), 'utf8');
  expect(got).toContain('# Task a: Task a\n\nSay it.');
  expect(got).toContain('supervisor done a --summary');
});
