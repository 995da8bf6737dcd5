// Mistakes at the command line: told in one sentence and by the exit status, the same with and without a supervisor.

import { spawnSync } from 'node:child_process';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { type Started, startSupervisor, supervisor } from '../support/actors.ts';
import { builtCli } from '../support/built-cli.ts';
import { createPlayground, type Playground } from '../support/playground.ts';

let ground: Playground;
let running: Started | null = null;
beforeEach(async () => {
  ground = await createPlayground();
  await ground.writeConfig('');
  await ground.writeGraph(ground.repo, [
    { id: 'over', status: 'done' },
    { id: 'odd', title: 'a\u0085b\u202ec\u2066d', tags: ['executor:nobody'] },
  ]);
});
afterEach(async () => {
  await running?.kill('SIGTERM');
  running = null;
  await ground.remove();
});

const told = async (...argv: string[]) => {
  const { status, stdout, stderr } = await supervisor(ground, argv);
  return { status, text: stdout + stderr };
};

test.each([false, true])('with a supervisor: %p', async (isRunning) => {
  if (isRunning) {
    running = startSupervisor(ground, ['run']);
    await running.prints('started');
  }
  expect(await told('add', 'Once more', '--id', 'over')).toEqual({
    status: 2,
    text: 'supervisor: there is a task over already; choose another --id\n',
  });
  expect(await told('list', '--state', 'bogus')).toEqual({
    status: 2,
    text: expect.stringMatching(/^supervisor: --state bogus is not one of running, ready, .+\n$/),
  });
  expect(await told('retry', 'over')).toEqual({
    status: 1,
    text: expect.stringMatching(/^supervisor: over is done; there is nothing to retry; .+\n$/),
  });
  // Nothing that has finished or is held is called ready.
  for (const id of ['over', 'odd']) expect((await told('why', id)).text).not.toContain('ready');
  const { text } = await told('list', '--json');
  expect(text).toContain('a\\u0085b\\u202ec\\u2066d');
  expect(JSON.parse(text).tasks[0].title).toBe('a\u0085b\u202ec\u2066d');
});

test('a near word is suggested, another is not', async () => {
  expect((await told('statu')).text).toBe("supervisor: unknown command 'statu'; did you mean status?\n");
  expect((await told('xyzzy')).text).toBe(
    "supervisor: unknown command 'xyzzy'; `supervisor --help` lists what there is\n",
  );
});

const asRoot = process.getuid?.() === 0 ? test : test.skip;
asRoot('a user without an entry in passwd and without HOME is told so', () => {
  const { status, stderr } = spawnSync(process.execPath, [builtCli(), 'status'], {
    cwd: '/',
    uid: 64_242,
    env: { PATH: process.env.PATH },
    encoding: 'utf8',
  });
  // Where that user cannot read the program there is nothing to see.
  if (stderr.includes('MODULE_NOT_FOUND') || stderr.includes('EACCES')) {
    process.stderr.write('skipped: another user cannot read the program here\n');
    return;
  }
  expect({ status, stderr }).toEqual({
    status: 3,
    stderr: expect.stringMatching(/^supervisor: there is no home folder: .+ \(uid 64242\).*\n$/),
  });
});
