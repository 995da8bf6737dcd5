import { chmod, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { createWgCommand } from '../../src/wg/command.ts';

let folder: string;
beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'wg-command-')));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function wg(script: string, variables: Record<string, string> = {}) {
  await writeFile(join(folder, 'wg'), `#!/bin/sh\n${script}\n`);
  await chmod(join(folder, 'wg'), 0o755);
  return createWgCommand({ variables: { PATH: `${folder}:${process.env.PATH}`, ...variables } });
}

test('without wg it says so instead of failing', async () => {
  const command = createWgCommand({ variables: { PATH: folder } });
  expect(command.path()).toBeNull();
  expect(await command.run('/g', ['done', 'a'])).toMatchObject({ ok: false, status: null });
});

test('edges 37 and 38: its environment is not that of an agent, whatever our own parent', async () => {
  const command = await wg(`env >'${folder}/env'; printf '%s\\n' "$@" >'${folder}/args'`, {
    WG_AGENT_ID: 'agent-9',
    WG_TASK_ID: 'outer',
    WG_WORKTREE_PATH: '/w',
    WG_BRANCH: 'b',
    WG_PROJECT_ROOT: '/r',
    CLAUDECODE: '1',
    CLAUDE_CODE_ENTRYPOINT: 'cli',
  });
  expect(await command.run('/some/graph', ['log', 'a', 'two words\0'])).toEqual({
    ok: true,
    status: 0,
    said: '',
  });
  const environment = await readFile(join(folder, 'env'), 'utf8');
  const names = environment.split('\n').map((line) => line.split('=')[0]);
  expect(names.filter((name) => /^(WG_|CLAUDE)/.test(name ?? '')).sort()).toEqual(['WG_DIR', 'WG_USER']);
  expect(environment).toContain('WG_DIR=/some/graph');
  expect((await readFile(join(folder, 'args'), 'utf8')).trimEnd().split('\n')).toEqual([
    '--dir',
    '/some/graph',
    'log',
    'a',
    'two words',
  ]);
});

test('its words and its status are kept; one that does not end is ended', async () => {
  const refused = await wg('echo out; echo Cannot >&2; exit 3');
  expect(await refused.run('/g', [])).toMatchObject({ ok: false, status: 3, said: 'Cannot\n\nout' });
  const slow = await wg('exec sleep 300');
  expect(await slow.run('/g', [], { timeoutMs: 100 })).toMatchObject({
    ok: false,
    status: null,
    said: expect.stringContaining('100 ms'),
  });
});
