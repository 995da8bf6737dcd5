// Work through a queue while workers, the supervisor and the Redis end without warning: done once, or told.

import { readFile } from 'node:fs/promises';
import { describe, expect, jest, test } from '@jest/globals';
import { eachOnFarm, type Farm } from '../support/farm.ts';
import { someRedis } from '../support/redis.ts';

// Each starts a supervisor, workers and git many times: seconds here, minutes on a machine that does ten things more.
jest.setTimeout(400_000);

let farm: Farm;

someRedis(describe)('through a queue, with losses', () => {
  eachOnFarm('queue', (planted) => {
    farm = planted;
  });

  test('a worker killed with -9 and started again within its lease continues the same run', async () => {
    await farm.tasks({
      id: 'a',
      exec: `${farm.held}; echo end`,
    });
    await farm.up();
    const first = await farm.worker('one');
    await farm.begun();
    await first.kill('SIGKILL');
    const second = await farm.worker('one');
    await second.says('worker.taken-up');
    await farm.go();
    expect(await farm.over('a')).toMatchObject({ status: 'done' });
    expect(await farm.timesBegun()).toBe(1);
  });

  test('a worker that stays away loses the task to another; back again its result is refused', async () => {
    await farm.tasks({
      id: 'a',
      exec: `${farm.held}; echo $SUPERVISOR_RUN_ID > result`,
    });
    await farm.up({ lease: '3s' });
    const first = await farm.worker('one');
    await farm.begun();
    await first.kill('SIGKILL');
    await farm.supervised.nth(2, 'run.handed-off', 'a');
    const back = await farm.worker('one', { args: ['--profile', 'none'] });
    await back.says('someone else has it');
    await farm.worker('two');
    await farm.go();
    expect(await farm.over('a')).toMatchObject({ status: 'done' });
    expect((await farm.git('branch', '--list', '--format=%(refname:short)', 'wg/*')).trim()).toBe('wg/a/a2');
  });

  test('the supervisor restarts: what ended meanwhile is taken, what waits is not queued twice', async () => {
    await farm.tasks(
      {
        id: 'a',
        exec: `${farm.held}; touch ${farm.pathOf('end')}`,
      },
      { id: 'b', exec: `echo b >> ${farm.pathOf('b')}` },
    );
    await farm.up();
    const one = await farm.worker('one');
    await farm.supervised.event('run.handed-off', 'b');
    await farm.begun();
    await farm.supervised.stop({ cancelAgents: false });
    await farm.go();
    await one.says('worker.reported');
    await farm.supervise();
    expect(await farm.over('a')).toMatchObject({ status: 'done' });
    expect(await farm.over('b')).toMatchObject({ status: 'done' });
    expect(await readFile(farm.pathOf('b'), 'utf8')).toBe('b\n');
  });

  test('Redis killed and started again with its file: what runs and what waits are both done once', async () => {
    await farm.tasks(
      {
        id: 'a',
        exec: farm.held,
      },
      { id: 'b', exec: `echo b >> ${farm.pathOf('b')}` },
    );
    await farm.up();
    await farm.worker('one');
    await farm.supervised.event('run.handed-off', 'b');
    await farm.begun();
    await farm.redis.end('SIGKILL');
    await farm.go();
    await farm.redis.start();
    expect(await farm.over('a')).toMatchObject({ status: 'done' });
    expect(await farm.over('b')).toMatchObject({ status: 'done' });
    expect(await farm.timesBegun()).toBe(1);
    expect(await readFile(farm.pathOf('b'), 'utf8')).toBe('b\n');
  });

  test('Redis without persistence comes back empty: lost jobs are noticed and tried again, and people are told', async () => {
    await farm.tasks({ id: 'a', exec: `echo a >> ${farm.pathOf('a')}` });
    await farm.up({ persistent: false });
    await farm.supervised.event('run.handed-off', 'a');
    const { problems } = (await farm.api.get('/api/status')).json as unknown as {
      problems: { message: string }[];
    };
    expect(JSON.stringify(problems)).toContain('appendonly is no');
    await farm.redis.end('SIGKILL');
    await farm.redis.start();
    await farm.supervised.nth(2, 'run.handed-off', 'a');
    await farm.worker('one');
    expect(await farm.over('a')).toMatchObject({ status: 'done' });
    expect(await readFile(farm.pathOf('a'), 'utf8')).toBe('a\n');
  });
});
