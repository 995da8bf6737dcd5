// Agents of a CLI under a whole supervisor: when their place is free, what is kept of them, and what is seen beforehand.

import { mkdir, writeFile } from 'node:fs/promises';
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
const runsOf = async (task: string) => (await supervised?.control.runs({ task })) ?? [];

test('who reported and still works keeps the worktree; what it used is kept with its run', async () => {
  const go = join(playground.folder, 'go');
  await playground.writeGraph(playground.repo, [
    { id: 'first', priority: 100, executor: 'claude', description: say(`until ${go}`, 'play tool-use') },
    { id: 'second', executor: 'claude', description: say('play text-only') },
  ]);
  await playground.writeConfig(`max_concurrent_per_worktree = 1\n[executors.claude]\ncommand = "${FAKE}"\n`);
  supervised = await supervise(playground);
  await supervised.event('run.started', 'first');
  await supervised.control.complete({
    task: 'first',
    result: 'succeeded',
    summary: 'reported by hand',
    caller: { kind: 'operator' },
  });
  const { conditions } = await supervised.control.why({ task: 'second' });
  expect(conditions).toContainEqual({
    name: 'room',
    met: false,
    because: expect.stringContaining('runs 1 of 1 at once'),
  });
  expect((await supervised.control.status()).limits.running).toBe(1);
  await writeFile(go, '');
  await supervised.event('run.settled', 'second');
  expect((await runsOf('first'))[0]).toMatchObject({
    phase: 'settled',
    outcome: { kind: 'succeeded', summary: 'reported by hand' },
    usage: { cost_usd: expect.any(Number), output_tokens: expect.any(Number) },
    session: expect.stringMatching(/^[\w-]{36}$/),
  });
});

test('a CLI that is not logged in is seen before the task is claimed; once it is, the task runs', async () => {
  const bin = join(playground.folder, 'bin');
  await mkdir(bin);
  const script =
    `#!/bin/sh\nif [ "$1" = login ]; then test -e "${bin}/in" && echo 'Logged in' || { echo 'Not logged in'; exit 1; }; exit; fi\n` +
    `cat > /dev/null; echo '{"type":"turn.started"}'; echo '{"type":"turn.completed"}'\n`;
  await writeFile(join(bin, 'codex'), script, { mode: 0o755 });
  await playground.writeGraph(playground.repo, [{ id: 'a', executor: 'codex' }]);
  await playground.writeConfig('[executors.codex]\nlogin_check = true\n');
  const variables = {
    PATH: `${bin}:${process.env.PATH}`,
    OPENAI_API_KEY: undefined,
    CODEX_API_KEY: undefined,
  };
  supervised = await supervise(playground, { variables });
  const because = 'codex is not logged in (by `codex login status`): run `codex login`';
  expect(await supervised.event('run.abandoned', 'a')).toMatchObject({ because });
  expect(await supervised.control.why({ task: 'a' })).toMatchObject({
    ...{ state: 'held', code: 'executor-unavailable', because },
  });
  expect((await runsOf('a'))[0]).toMatchObject({ phase: 'abandoned', agent: '' });
  expect((await playground.readGraph(playground.repo)).get('a')).toMatchObject({ status: 'open' });
  await writeFile(join(bin, 'in'), '');
  // The answer that was no holds for some seconds, and so does the pause; another configuration ends both at once.
  await playground.writeConfig(
    '[executors.codex]\nlogin_check = true\nmodel = "other"\nargs = ["--color=never"]\n',
  );
  await supervised.control.reload();
  await supervised.event('run.settled', 'a');
});

test('a program that is not there is seen before the task is claimed, and said in a few words', async () => {
  await playground.writeGraph(playground.repo, [{ id: 'a', executor: 'codex' }]);
  await playground.writeConfig('[executors.codex]\ncommand = "no-such-codex"\n');
  supervised = await supervise(playground);
  await supervised.event('task.held', 'a');
  const task = (await playground.readGraph(playground.repo)).get('a');
  expect(task).toMatchObject({ status: 'open' });
  expect(task).not.toHaveProperty('assigned');
  const { state, because } = await supervised.control.why({ task: 'a' });
  expect({ state, because }).toEqual({
    state: 'held',
    because: expect.stringContaining(
      '"no-such-codex" of profile codex is not there or not executable on PATH',
    ),
  });
  expect(because).not.toContain(process.env.PATH);
  expect((await runsOf('a')).every((run) => run.phase === 'abandoned')).toBe(true);
});

test('why a run was cancelled stands with it', async () => {
  await playground.writeGraph(playground.repo, [
    { id: 'a', executor: 'claude', description: say('hang', 'play text-only') },
  ]);
  await playground.writeConfig(`[executors.claude]\ncommand = "${FAKE}"\nend_grace = "0"\n`);
  supervised = await supervise(playground);
  await supervised.event('run.started', 'a');
  await supervised.control.cancel({ task: 'a' }, 'wrong branch');
  await supervised.event('run.released', 'a');
  expect((await runsOf('a'))[0]?.outcome).toMatchObject({
    kind: 'stopped',
    reason: 'cancelled',
    because: 'wrong branch',
  });
});

test('a time limit that is shorter than the next look is kept all the same', async () => {
  await playground.writeGraph(playground.repo, [
    { id: 'a', executor: 'claude', description: say('play nothing', 'hang', 'deaf'), timeout: '1s' },
  ]);
  await playground.writeConfig(
    `[retry]\nattempts = 1\n[shutdown]\ngrace = "100ms"\n[executors.claude]\ncommand = "${FAKE}"\n`,
  );
  supervised = await supervise(playground);
  await supervised.event('run.settled', 'a');
  expect((await runsOf('a'))[0]?.outcome).toMatchObject({ kind: 'failed', failure: 'timeout' });
});
