import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createPlayground, type Playground } from '../../support/playground.ts';
import { type Supervised, supervise } from '../../support/supervised.ts';
import { command, type FakeOptions } from '../fake-surroundings.ts';

let ground: Playground;
let supervised: Supervised | null = null;
beforeEach(async () => {
  ground = await createPlayground();
  // Nothing takes the task on its own: its executor is unknown until someone claims it.
  await ground.writeConfig('');
  await ground.writeGraph(ground.repo, [{ id: 'nightly', tags: ['executor:somebody-else'] }]);
});
afterEach(async () => {
  await supervised?.stop({ cancelAgents: true });
  supervised = null;
  await ground.remove();
});

const as = (options: FakeOptions, ...argv: string[]) =>
  command(
    { cwd: ground.repo, home: ground.folder, ...options },
    ...['--config', ground.configFile, '--state-dir', ground.stateDir],
    ...argv,
  );
const cli = (...argv: string[]) => as({}, ...argv);
const task = async () => (await ground.readGraph(ground.repo)).get('nightly');

describe('claim, heartbeat, release', () => {
  test('the life of a claim', async () => {
    supervised = await supervise(ground);
    const taken = await cli('claim', 'nightly', '--worker', 'n8n', '--json');
    expect(taken.err).toBe('');
    const claim = JSON.parse(taken.out);
    expect(claim).toMatchObject({
      task: 'nightly',
      worktree: ground.repo,
      agent: expect.stringMatching(/^agent-\d+$/),
    });
    expect(claim.token).toMatch(/^wgl_/);
    expect(await task()).toMatchObject({
      status: 'in-progress',
      tags: expect.arrayContaining(['claimed-externally']),
    });

    expect(await cli('claim', 'nightly')).toMatchObject({ status: 1 });
    expect(await cli('heartbeat', 'nightly', '--token', claim.token, '--message', 'half')).toMatchObject({
      ...{ status: 0, out: 'continue\n' },
    });
    expect(await cli('release', 'nightly', '--token', claim.token)).toMatchObject({ status: 0 });
    expect(await task()).toMatchObject({ status: 'open' });

    // A mistake of the script, and no word on whether to stop.
    const wrong = await cli('heartbeat', 'nightly', '--token', `wgl_${'x'.repeat(43)}`);
    expect(wrong).toMatchObject({ status: 2, err: expect.stringContaining('`supervisor claim` printed') });
    // A new attempt: the old token is good for nothing any more.
    const again = JSON.parse((await cli('claim', 'nightly', '--json')).out);
    const old = { WG_TASK_ID: 'nightly', SUPERVISOR_RUN_ID: claim.run, SUPERVISOR_TOKEN: claim.token };
    const late = await as({ variables: old }, 'done', 'nightly');
    expect(late).toMatchObject({ status: 1, out: '' });
    expect(late.err).toContain('superseded');
    expect(await task()).toMatchObject({ status: 'in-progress' });
    const current = { WG_TASK_ID: 'nightly', SUPERVISOR_RUN_ID: again.run, SUPERVISOR_TOKEN: again.token };
    expect(await as({ variables: current }, 'done', 'nightly')).toMatchObject({
      status: 0,
      out: 'nightly is done\n',
    });
  });

  test('a superseded agent is refused without a supervisor too: the ledger knows', async () => {
    supervised = await supervise(ground);
    const first = JSON.parse((await cli('claim', 'nightly', '--json')).out);
    await cli('release', 'nightly');
    const second = JSON.parse((await cli('claim', 'nightly', '--json')).out);
    await supervised.stop({ cancelAgents: false });
    const own = (claim: { run: string; token: string }) => ({
      variables: { WG_TASK_ID: 'nightly', SUPERVISOR_RUN_ID: claim.run, SUPERVISOR_TOKEN: claim.token },
    });
    const late = await as(own(first), 'done', 'nightly');
    expect(late.status).toBe(1);
    expect(late.err).toContain('superseded');
    expect(await as(own(second), 'done', 'nightly')).toMatchObject({ status: 0 });
    expect(await task()).toMatchObject({ status: 'done' });
  });
});

test.each([
  'claim',
  'release',
  'heartbeat',
])('%s needs a running supervisor: exit 5 and what to do', async (name) => {
  const { status, err } = await cli(name, 'nightly');
  expect(status).toBe(5);
  expect(err).toBe('supervisor: no supervisor is running; start one with `supervisor run`\n');
});
