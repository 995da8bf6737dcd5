// Work through a queue of BullMQ in a real Redis: the real worker command as a process of its own, a real remote, real agents.
// The worker never reaches the supervisor.

import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, jest, test } from '@jest/globals';
import { eachOnFarm, type Farm, jobsOf } from '../support/farm.ts';
import { someRedis } from '../support/redis.ts';

// Each starts a supervisor, workers and git many times: seconds here, minutes on a machine that does ten things more.
jest.setTimeout(400_000);

let farm: Farm;

someRedis(describe)('through a queue', () => {
  eachOnFarm('queue', (planted) => {
    farm = planted;
  });

  test('tasks succeed and fail, stream, are verified there, commits come back, results are read by the next task', async () => {
    await farm.tasks(
      {
        id: 'build',
        exec: 'echo "in $(pwd)"; echo made > made.txt; env > env.txt',
        verify: 'test -f made.txt',
      },
      { id: 'after', after: ['build'], exec: 'echo after' },
      { id: 'bad', exec: 'echo broken >&2; exit 7', timeout: '10m' },
    );
    await farm.up();
    await farm.supervised.event('run.handed-off', 'build');
    const why = async () => String((await farm.api.get('/api/task/build/why')).json.because);
    await farm.until(async () => /waits for a worker with profile farm: none is connected/.test(await why()));
    const [job] = await farm.queue().getWaiting();
    const text = JSON.stringify(job?.data);
    expect(text).toContain('origin.git');
    expect(text).not.toMatch(/wg[tlc]_/);
    const one = await farm.worker('one', { args: ['--places', '2'] });
    expect(await farm.over('build')).toMatchObject({ status: 'done' });
    expect(await farm.over('after')).toMatchObject({ status: 'done' });
    expect(await farm.over('bad')).toMatchObject({ status: 'failed' });
    expect((await farm.git('branch', '--list', '--format=%(refname:short)')).split('\n')).toContain(
      'wg/build/a1',
    );
    const detail = (await farm.api.get('/api/task/build')).json as unknown as {
      artifacts: object[];
      runs: { output: string }[];
    };
    expect(JSON.stringify(detail.artifacts)).toContain('wg/build/a1');
    expect(await readFile(String(detail.runs[0]?.output), 'utf8')).toContain(`in ${one.stateDir}`);
    const environment = await farm.git('show', 'wg/build/a1:env.txt');
    expect(environment).toContain('WG_TASK_ID=build');
    expect(environment).not.toContain('SUPERVISOR_QUEUE');
    const names = async () => {
      const { workers } = (await farm.api.get('/api/status')).json as unknown as {
        workers: { name: string }[];
      };
      return workers.map(({ name }) => name);
    };
    await farm.until(async () => (await names()).includes('one'));
    expect(await one.kill('SIGTERM')).toBe(0);
    expect(await jobsOf(one)).toEqual([]);
  });

  test('cancelled while it waits: it leaves the queue; while it runs: its worker ends the agent', async () => {
    await farm.tasks(
      { id: 'a', exec: `echo $$ > ${farm.pathOf('pid')}; sleep 600` },
      { id: 'b', exec: 'touch b' },
    );
    await farm.up();
    await farm.supervised.event('run.handed-off', 'b');
    await farm.api.post('/api/task/b/cancel', { reason: 'not wanted' });
    await farm.supervised.event('run.released', 'b');
    const one = await farm.worker('one');
    await farm.appears(farm.pathOf('pid'));
    expect((await farm.queue().getJobCounts('wait', 'active')).wait).toBe(0);
    await farm.api.post('/api/task/a/cancel', { reason: 'not wanted' });
    await one.says('worker.dropped');
    expect(await one.kill('SIGTERM')).toBe(0);
    const pid = Number(await readFile(farm.pathOf('pid'), 'utf8'));
    expect(() => process.kill(pid, 0)).toThrow('ESRCH');
    const graph = await farm.playground.readGraph(farm.playground.repo);
    expect(graph.get('a')).toMatchObject({ status: 'open', paused: true });
    expect(graph.get('b')).toMatchObject({ status: 'open', paused: true });
  });

  test('over TLS with a password, both from the environment; a wrong password is said', async () => {
    const keys = await certificate(farm.playground.folder);
    const redis = await farm.useRedis(farm.playground.folder, {
      tls: true,
      settings: [
        ...['--tls-cert-file', keys.cert, '--tls-key-file', keys.key, '--tls-ca-cert-file', keys.cert],
        ...['--tls-auth-clients', 'no', '--requirepass', 'secret'],
      ],
    });
    const env = { SUPERVISOR_QUEUE_CA: keys.cert, SUPERVISOR_QUEUE_PASSWORD: 'secret' };
    await farm.playground.writeConfig(
      '[api]\nlisten = "127.0.0.1:0"\n[executors.farm]\ntype = "bullmq"\nrun = "command"\n',
    );
    await farm.tasks({ id: 'a', exec: 'env > env.txt' });
    await farm.supervise({ variables: { ...env, SUPERVISOR_QUEUE_URL: redis.url } });
    const wrong = await farm.worker('wrong', { env: { ...env, SUPERVISOR_QUEUE_PASSWORD: 'guessed' } });
    expect([await wrong.ended, wrong.said()]).toEqual([
      3,
      expect.stringContaining('SUPERVISOR_QUEUE_PASSWORD'),
    ]);
    // The whole address may hold a password where no one reads it: in the environment, never in a command line.
    const whole = redis.url.replace('//', '//:secret@');
    const shown = await farm.start('shown', { args: ['--queue', whole, '--profile', 'farm'], env });
    expect([await shown.ended, shown.said()]).toEqual([3, expect.stringContaining('SUPERVISOR_QUEUE_URL')]);
    expect(shown.said()).not.toContain('secret');
    await farm.start('one', {
      args: ['--profile', 'farm'],
      env: { SUPERVISOR_QUEUE_CA: keys.cert, SUPERVISOR_QUEUE_URL: whole },
    });
    expect(await farm.over('a')).toMatchObject({ status: 'done' });
    expect(await farm.git('show', 'wg/a/a1:env.txt')).not.toContain('secret');
  });
});

/** A key and a certificate for 127.0.0.1 that vouches for itself. */
async function certificate(folder: string): Promise<{ readonly key: string; readonly cert: string }> {
  const [key, cert] = [join(folder, 'redis.key'), join(folder, 'redis.crt')];
  await promisify(execFile)('openssl', [
    ...[
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-days',
      '3650',
    ],
    ...['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', cert],
  ]);
  return { key, cert };
}
