// Routes with real processes: programs of agent CLIs on PATH that write down for which task each was started. None is
// ever started for a task whose model asks for another one.

import { existsSync, readFileSync } from 'node:fs';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { eventually, personEnvironment } from '../support/actors.ts';
import { createPlayground, type Playground } from '../support/playground.ts';
import { type Supervised, supervise } from '../support/supervised.ts';

let playground: Playground;
let supervised: Supervised | null = null;

beforeEach(async () => {
  playground = await createPlayground();
  await playground.writeConfig('[retry]\nattempts = 1\n[limits]\nsafety_pass = "1s"\n');
});
afterEach(async () => {
  await supervised?.stop({ cancelAgents: true });
  supervised = null;
  await playground.remove();
});

/** Puts programs of these names first on PATH; each writes its name and the task it was started for. */
async function programs(...names: readonly string[]): Promise<Record<string, string | undefined>> {
  const bin = join(playground.folder, 'bin');
  await mkdir(bin);
  for (const name of names) {
    const path = join(bin, name);
    const note = `[ -z "$WG_TASK_ID" ] || echo "${name} $WG_TASK_ID $*" >>'${playground.folder}/started'`;
    await writeFile(path, `#!/bin/sh\n${note}\ncat >/dev/null\n`);
    await chmod(path, 0o755);
  }
  // Only what the programs themselves need: no agent CLI of the developer's machine.
  for (const tool of ['sh', 'cat', 'git', 'node', 'kill', 'ps', 'bash', 'env', 'sleep'])
    await writeFile(join(bin, tool), `#!/bin/sh\nexec '${real(tool)}' "$@"\n`, { mode: 0o755 });
  return personEnvironment(playground.folder, { PATH: bin });
}

function real(tool: string): string {
  const found = (process.env.PATH ?? '').split(':').find((folder) => existsSync(join(folder, tool)));
  return found === undefined ? `/bin/${tool}` : join(found, tool);
}

const started = () => {
  const file = join(playground.folder, 'started');
  return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : [];
};
/** `PROGRAM TASK`, each once. */
const pairs = () => [...new Set(started().map((line) => line.split(' ', 2).join(' ')))].sort();
const held = (task: string) =>
  eventually(async () => {
    const why = await supervised?.control.why({ task });
    return why?.state === 'held' && `${why.code}: ${why.because}`;
  });

const TASKS = [
  { id: 'to-pi', model: 'pi:openrouter:a/b' },
  { id: 'to-codex', model: 'codex:gpt-5' },
  { id: 'to-nex', model: 'nex:qwen' },
  { id: 'to-claude', model: 'claude:opus' },
  { id: 'bare', model: 'sonnet' },
  { id: 'plain' },
];

test('each program gets the tasks of its own route; the route that no one serves is held', async () => {
  await playground.writeGraph(playground.repo, TASKS);
  supervised = await supervise(playground, { variables: await programs('claude', 'codex', 'pi') });
  expect(await held('to-nex')).toBe(
    "no-route: the task's model asks for nex; add [executors.nex] (nex:qwen)",
  );
  for (const task of ['to-pi', 'to-codex', 'to-claude', 'bare', 'plain'])
    await supervised.event('run.settled', task);
  expect(pairs()).toEqual(['claude bare', 'claude plain', 'claude to-claude', 'codex to-codex', 'pi to-pi']);
  expect(started().filter((line) => /(pi|codex|nex|claude):/.test(line))).toEqual([]);
});

test('five tasks with five routes in one graph go to five CLIs', async () => {
  await playground.writeGraph(playground.repo, [
    { id: 'a', model: 'claude:opus' },
    { id: 'b', model: 'codex:gpt-5' },
    { id: 'c', model: 'pi:openrouter:a/b' },
    { id: 'd', model: 'opencode:a/b' },
    { id: 'e', executor: 'gemini' },
  ]);
  // Without a key Gemini CLI is held: it would end at once.
  const variables = {
    ...(await programs('claude', 'codex', 'pi', 'opencode', 'gemini')),
    GEMINI_API_KEY: 'key',
  };
  supervised = await supervise(playground, { variables });
  for (const task of ['a', 'b', 'c', 'd', 'e']) await supervised.event('run.settled', task);
  expect(pairs()).toEqual(['claude a', 'codex b', 'gemini e', 'opencode d', 'pi c']);
});

test('where a program is not there its tasks are held, and no other one is started for them', async () => {
  await playground.writeGraph(playground.repo, TASKS);
  supervised = await supervise(playground, { variables: await programs('claude') });
  expect(await held('to-pi')).toContain("the task's model asks for pi; add [executors.pi]");
  expect(await held('to-codex')).toContain("the task's model asks for codex; add [executors.codex]");
  expect(await held('to-nex')).toContain('asks for nex');
  for (const task of ['to-claude', 'bare', 'plain']) await supervised.event('run.settled', task);
  expect(pairs()).toEqual(['claude bare', 'claude plain', 'claude to-claude']);
});

test.each([
  ['is there', ['claude', 'codex', 'pi'], ['claude to-claude', 'codex to-codex', 'pi plain', 'pi to-pi']],
  ['is not there', ['claude', 'codex'], ['claude to-claude', 'codex to-codex']],
])('a project whose settings say pi, where pi %s', async (_name, names, expected) => {
  await playground.writeGraph(
    playground.repo,
    TASKS.filter(({ id }) => id !== 'bare'),
  );
  await writeFile(
    join(playground.repo, '.workgraph', 'config.toml'),
    '[models.default]\nmodel = "pi:openai:gpt-5"\n',
  );
  supervised = await supervise(playground, { variables: await programs(...names) });
  for (const pair of expected) await supervised.event('run.settled', pair.split(' ')[1] ?? '');
  if (!names.includes('pi'))
    expect(await held('plain')).toMatch(/^no-route: the project's model asks for pi; add \[executors\.pi\]/);
  expect(await held('to-nex')).toContain('asks for nex');
  expect(pairs()).toEqual(expected);
});
