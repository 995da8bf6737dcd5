// The network between a worker and its supervisor, or its queue, is cut while both live: done once, or told.

import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { type Cable, startCable } from '../support/cable.ts';
import { eachOnFarm, type Farm, type WorkerProcess } from '../support/farm.ts';
import { someRedis } from '../support/redis.ts';

// Each starts a supervisor, workers and git many times: seconds here, minutes on a machine that does ten things more.
jest.setTimeout(400_000);

let farm: Farm;
let cable: Cable | null = null;

describe.each(['api', 'queue'] as const)('over the %s', (over) => {
  const some = over === 'queue' ? someRedis(test) : test;

  eachOnFarm(over, (planted) => {
    farm = planted;
  });
  afterEach(async () => {
    await cable?.end();
    cable = null;
  });

  /** A supervisor, and a worker on the far end of a cable. */
  async function farApart(lease: string): Promise<{ readonly one: WorkerProcess; readonly cable: Cable }> {
    const near = () => Number(new URL(over === 'api' ? farm.api.url : farm.redis.url).port);
    cable = await startCable(near);
    const url = `${over === 'api' ? 'http' : 'redis'}://127.0.0.1:${cable.port}`;
    await farm.up({ lease, ...(over === 'api' ? { publicUrl: url } : {}) });
    const to = over === 'api' ? '--connect' : '--queue';
    const one = await farm.start('one', {
      args: [to, url, '--profile', 'farm', '--lease', lease],
      env: over === 'api' ? { SUPERVISOR_WORKER_TOKEN: farm.token } : {},
    });
    return { one, cable };
  }

  const works = () => `${farm.held}; touch ${farm.pathOf('end')}`;

  some.each(['cut', 'freeze'] as const)(
    '%s for less than a lease: the agent works on, its result counts once',
    async (how) => {
      await farm.tasks({ id: 'a', exec: works() });
      const far = await farApart('60s');
      await farm.begun();
      far.cable[how]();
      await farm.go();
      await farm.appears(farm.pathOf('end'));
      far.cable.mend();
      expect(await farm.over('a')).toMatchObject({ status: 'done' });
      expect(await farm.timesBegun()).toBe(1);
      expect(farm.supervised.count('run.released', 'a')).toBe(0);
    },
  );

  some(
    'for longer than a lease: another worker has it, and the first is told so and leaves no branch',
    async () => {
      await farm.tasks({ id: 'a', exec: `${works()}; echo $SUPERVISOR_RUN_ID > result` });
      const far = await farApart('3s');
      await farm.begun();
      far.cable.cut();
      if (over === 'api') await farm.supervised.event('run.released', 'a');
      else await farm.supervised.nth(2, 'run.handed-off', 'a');
      await farm.worker('two');
      await farm.until(async () => (await farm.timesBegun()) === 2);
      far.cable.mend();
      await far.one.says('someone else has it');
      await farm.go();
      expect(await farm.over('a')).toMatchObject({ status: 'done' });
      expect((await farm.git('branch', '--list', '--format=%(refname:short)', 'wg/*')).trim()).toBe(
        'wg/a/a2',
      );
    },
  );
});
