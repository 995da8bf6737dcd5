// Budgets under a whole supervisor: what is spent holds what would come next, and ends what runs where it is to.

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

test('what is spent holds the next one, is told beforehand, and is there after a restart', async () => {
  await playground.writeGraph(playground.repo, [
    { id: 'first', priority: 100, executor: 'claude', description: say('play tool-use') },
    { id: 'second', executor: 'claude', description: say('play tool-use') },
  ]);
  const config = (usd: number) =>
    `[[budgets]]\nname = "small"\nusd = ${usd}\n[executors.claude]\ncommand = "${FAKE}"\n`;
  await playground.writeConfig(config(0.000001));
  supervised = await supervise(playground);
  await supervised.event('run.settled', 'first');
  const held = await supervised.control.why({ task: 'second' });
  expect(held).toMatchObject({
    state: 'queued',
    code: 'budget',
    because: expect.stringMatching(/^budget small: /),
  });
  expect(held.conditions.find(({ name }) => name === 'budget small')).toMatchObject({ met: false });
  await supervised.stop({ cancelAgents: false });

  supervised = await supervise(playground);
  const { budgets, inbox, problems } = await supervised.control.status();
  expect(budgets).toEqual([
    expect.objectContaining({ name: 'small', state: 'spent', left: 0, running_runs: 0, untold: 0 }),
  ]);
  expect(budgets[0]?.spent).toBeGreaterThan(0);
  expect(inbox).toContainEqual(
    expect.objectContaining({ kind: 'budget', tasks: ['second'], command: 'supervisor budgets' }),
  );
  expect(problems).toContainEqual({ code: 'budget', message: expect.stringContaining('budget small: ') });

  await playground.writeConfig(config(1000));
  await supervised.control.reload();
  await supervised.event('run.settled', 'second');
  expect(supervised.count('run.opened', 'second')).toBe(1);
});

test('a running agent is told what is left, and ended when it is spent; its task is open, no attempt counted', async () => {
  const note = `${playground.folder}/note`;
  await playground.writeGraph(playground.repo, [
    { id: 'a', executor: 'claude', description: say(`note ${note}`, 'play tool-use', 'hang') },
  ]);
  await playground.writeConfig(
    '[limits]\nsafety_pass = "500ms"\n[[budgets]]\nname = "words"\ntokens = 1\nper = "task"\non_spent = "stop"\n' +
      `[executors.claude]\ncommand = "${FAKE}"\nend_grace = "0"\n`,
  );
  supervised = await supervise(playground);
  expect(await supervised.event('run.stopping', 'a')).toMatchObject({ reason: 'budget' });
  expect(await supervised.event('run.released', 'a')).toMatchObject({
    because: expect.stringMatching(/^budget words is spent: 0 tokens of 1 token spent/),
  });
  const [run] = await supervised.control.runs({ task: 'a' });
  expect(run).toMatchObject({ phase: 'interrupted', outcome: { kind: 'stopped', reason: 'budget' } });
  expect(run?.usage?.output_tokens).toBeGreaterThan(0);
  expect((await playground.readGraph(playground.repo)).get('a')).toMatchObject({ status: 'open' });
  expect(await supervised.control.why({ task: 'a' })).toMatchObject({ state: 'held', code: 'budget' });
  const { readFile } = await import('node:fs/promises');
  expect(await readFile(note, 'utf8')).toContain(
    '## What may still be spent\\n\\n- 1 token of 1 token (budget words); when it is spent, you are ended',
  );
  await supervised.control.retry({ task: 'a' });
  await supervised.nth(2, 'run.started', 'a');
});
