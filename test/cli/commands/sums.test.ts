import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { createPlayground, type Playground } from '../../support/playground.ts';
import { type Supervised, supervise } from '../../support/supervised.ts';
import { command } from '../fake-surroundings.ts';

let ground: Playground;
let supervised: Supervised | null = null;
beforeEach(async () => {
  ground = await createPlayground();
});
afterEach(async () => {
  await supervised?.stop({ cancelAgents: true });
  supervised = null;
  await ground.remove();
});

const cli = (...argv: string[]) =>
  command(
    { cwd: ground.repo, home: ground.folder, variables: { COLUMNS: '80' } },
    ...['--config', ground.configFile, '--state-dir', ground.stateDir],
    ...argv,
  );
const parsed = async (...argv: string[]) => JSON.parse((await cli(...argv, '--json')).out);

test('cost and digest, with a supervisor and without: what the runs used, failures first, what waits', async () => {
  await ground.writeConfig('[retry]\nattempts = 1\n');
  await ground.writeGraph(ground.repo, [
    { id: 'told', tags: ['executor:external'] },
    { id: 'quick', exec: 'true' },
    { id: 'bad', exec: 'exit 3' },
  ]);
  supervised = await supervise(ground);
  await supervised.event('run.handed-off', 'told');
  await supervised.control.claim({ task: 'told' }, 'w');
  await supervised.control.complete({
    task: 'told',
    caller: { kind: 'operator' },
    result: 'succeeded',
    usage: { costUsd: 1.25, inputTokens: 1000, outputTokens: 20 },
  });
  await Promise.all(['told', 'quick', 'bad'].map((task) => supervised?.event('run.settled', task)));
  const look = async () => {
    const { groups, total } = await parsed('cost', '--by', 'profile');
    expect(groups[0]).toMatchObject({
      key: 'external',
      runs: 1,
      unreported: 0,
      cost_usd: 1.25,
      input_tokens: 1000,
    });
    expect(groups[1]).toMatchObject({ key: 'command', runs: 2, unreported: 2, cost_usd: 0 });
    expect(total).toMatchObject({ runs: 3, output_tokens: 20 });
    expect((await parsed('cost', '--by', 'repo')).groups).toMatchObject([{ key: 'repo', runs: 3 }]);
    expect((await parsed('cost')).groups).toHaveLength(1);
    expect(await parsed('digest')).toMatchObject({
      done: 2,
      failed: 1,
      runs: 3,
      cost_usd: 1.25,
      inbox: [{ kind: 'failed', task: 'bad' }],
    });
    const { out } = await cli('digest', '--since', '1h');
    expect(out).toMatch(/2 done, 1 failed, 3 runs, \$1\.25/);
    expect(out.indexOf('bad')).toBeLessThan(out.indexOf('quick'));
    expect(out).toContain('1 waits for you');
    for (const line of [...out.split('\n'), ...(await cli('cost')).out.split('\n')])
      expect(line.length).toBeLessThanOrEqual(80);
  };
  await look();
  await supervised.stop({ cancelAgents: false });
  await look();
  expect(await cli('cost', '--since', '2999-01-01')).toMatchObject({ out: 'nothing ran in that time\n' });
  expect((await cli('cost', '--by', 'moon')).status).toBe(2);
});

test('before anything ran there is nothing to sum up', async () => {
  await ground.writeConfig('');
  await ground.writeGraph(ground.repo, []);
  expect(await cli('cost')).toMatchObject({ status: 0, out: 'nothing ran in that time\n' });
  expect((await cli('digest')).out).toMatch(/0 done, 0 failed, 0 runs\n[\s\S]*nothing waits for you/);
});
