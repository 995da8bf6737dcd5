import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { PLACEHOLDERS } from '../../../src/domain/placeholder.ts';
import type { ExecutorType } from '../../../src/domain/profile.ts';
import type { Assignment } from '../../../src/executors/executor.ts';
import { placeholderValue } from '../../../src/executors/placeholder-values.ts';
import { lastLinesOf } from '../../../src/executors/process/last-lines.ts';
import { renderPrompt } from '../../../src/executors/process/prompt.ts';
import { claudeProfile, makeAssignment, temporaryFolder } from '../bench.ts';

let root: Awaited<ReturnType<typeof temporaryFolder>>;
beforeEach(async () => {
  root = await temporaryFolder();
});
afterEach(() => root.remove());

test('the prompt has the task, what came before, and how to finish', async () => {
  const assignment = await makeAssignment(
    root.path,
    claudeProfile(),
    { description: 'Make it fast.\n', verify: 'npm test passes', deliverables: ['src/api.ts'] },
    {
      attempt: 2,
      previous: {
        message: 'exit status 1: out of cheese',
        summary: 'the cheese is there',
        type: 'claude',
        folder: null,
      },
      dependencies: [
        {
          id: 'design',
          title: 'Design it',
          status: 'done',
          artifacts: ['design.md', 'api.json'],
          log: ['1', '2', '3', '4', '5', 'six is kept', 'x'.repeat(5_000)],
        },
      ],
    },
  );
  const prompt = renderPrompt(assignment, ['Bash: npm test', 'it fails']);
  for (const part of [
    '# Task build-api: Build the API',
    'Make it fast.',
    'npm test passes',
    '- src/api.ts',
    '### design: Design it (done)',
    'Artifacts: design.md, api.json',
    '- six is kept',
    'attempt 2 of 3',
    'out of cheese',
    'It had reported: the cheese is there',
    '    Bash: npm test\n    it fails',
    `- Folder: ${assignment.worktree.path}`,
    'supervisor done build-api --summary',
    'supervisor fail build-api --reason',
  ])
    expect(prompt).toContain(part);
  expect(prompt).not.toContain('- 2\n');
  expect(prompt.length).toBeLessThan(3_000);
});

test('nothing is said of what is not there, and an odd id stays one word', async () => {
  const prompt = renderPrompt(await makeAssignment(root.path, claudeProfile(), { id: "it's; odd" }));
  expect(prompt).toContain(`supervisor done 'it'\\''s; odd' --summary`);
  expect(prompt).not.toMatch(/undefined|null|previous attempt|before this one/);
});

test('words of wg are named where they end the task', async () => {
  const prompt = async (more: Partial<Assignment>) =>
    renderPrompt(await makeAssignment(root.path, claudeProfile(), {}, more));
  expect(await prompt({})).not.toContain('wg ');
  const both = await prompt({ wgWords: ['done', 'fail'] });
  expect(both).toContain('`wg done build-api` and `wg fail build-api --reason "why"` say the same. If you');
  const one = await prompt({ wgWords: ['fail'] });
  expect(one).toContain('\n\n`wg fail build-api --reason "why"` says the same. If you');
  expect(one).not.toContain('wg done');
});

test('every placeholder has a value, and an unknown one is empty', async () => {
  const callback = { url: 'http://127.0.0.1:9/api/task/x', socket: null, token: 'wgt_x' };
  const assignment = await makeAssignment(
    root.path,
    claudeProfile(),
    { description: 'd', tags: ['a', 'category:ops'] },
    { callback, run: 'run_1', agent: 'agent-1' },
  );
  const value = placeholderValue(assignment);
  expect(Object.fromEntries(PLACEHOLDERS.map((name) => [name, value(name)]))).toEqual({
    'prompt.file': join(assignment.folder, 'prompt.txt'),
    'task.id': 'build-api',
    'task.title': 'Build the API',
    'task.description': 'd',
    'task.tags': 'a,category:ops',
    'task.category': 'ops',
    'worktree.head': '',
    'worktree.path': assignment.worktree.path,
    'worktree.branch': 'main',
    'repo.name': 'project',
    'repo.path': assignment.repo.path,
    'run.fence': '1',
    'run.id': 'run_1',
    'run.attempt': '1',
    'run.agent': 'agent-1',
    'callback.complete_url': 'http://127.0.0.1:9/api/task/x/complete',
    'callback.a2a_url': 'http://127.0.0.1:9/api/a2a/notify/run_1',
    'callback.token': 'wgt_x',
  });
  expect(value('task.nothing' as 'task.id')).toBe('');
});

describe('the last lines of the attempt before', () => {
  const linesOf = (type: ExecutorType, folder: string | null = root.path) =>
    lastLinesOf({ message: 'failed', type, folder });

  test('are what its CLI did, from its recording', async () => {
    const recordings = fileURLToPath(new URL('../../../fixtures/agents/recordings/', import.meta.url));
    await copyFile(join(recordings, 'tool-use.jsonl'), join(root.path, 'raw_stream.jsonl'));
    const lines = await linesOf('claude');
    expect(lines.length).toBeGreaterThan(0);
    expect(lines.join('\n')).toMatch(/Bash|Write|Read/);
    expect(lines.every((line) => !line.startsWith('{'))).toBe(true);
  });

  test('are its output where that says more, without colours and secrets', async () => {
    const many = Array.from({ length: 40 }, (_, n) => `line ${n}`);
    const text = [
      ...many,
      '\u001b[31mred\u001b[0m',
      `token wgl_${'abcdefghijklmnopqrstuvwxyz'.repeat(2)}`,
      '',
    ];
    await writeFile(join(root.path, 'output.log'), text.join('\n'));
    const lines = await linesOf('command');
    expect(lines).toHaveLength(12);
    expect(lines.at(-2)).toBe('red');
    expect(lines.at(-1)).not.toContain('abcdefghijklmnopqrstuvwxyz');
  });

  test('are none where its folder is gone, or holds something else', async () => {
    await mkdir(join(root.path, 'raw_stream.jsonl'));
    await mkdir(join(root.path, 'output.log'));
    expect(await linesOf('claude')).toEqual([]);
    expect(await linesOf('codex', join(root.path, 'gone'))).toEqual([]);
    expect(await linesOf('codex', null)).toEqual([]);
    expect(await lastLinesOf(null)).toEqual([]);
  });
});
