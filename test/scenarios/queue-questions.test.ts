// Questions of agents that go over a queue: each asking is one question, whatever is lost or started again meanwhile.

import { readFile } from 'node:fs/promises';
import { describe, expect, jest, test } from '@jest/globals';
import { QueueEvents } from 'bullmq';
import { eachOnFarm, type Farm } from '../support/farm.ts';
import { someRedis } from '../support/redis.ts';

// Each starts a supervisor, workers and git many times: seconds here, minutes on a machine that does ten things more.
jest.setTimeout(400_000);

let farm: Farm;

async function asks(n: number, question: string): Promise<void> {
  expect(await farm.supervised.nth(n, 'run.input', 'a')).toMatchObject({ question });
}

async function answer(text: string): Promise<void> {
  expect(await farm.api.post('/api/task/a/answer', { answer: text })).toMatchObject({
    status: 200,
    json: { duplicate: false },
  });
}

someRedis(describe)('questions over a queue', () => {
  eachOnFarm('queue', (planted) => {
    farm = planted;
  });

  test('an agent asks a person and gets the answer; the same job added again is no second one', async () => {
    await farm.tasks({
      id: 'a',
      exec: `supervisor ask "which way?" --option left --option right > ${farm.pathOf('answer')}; echo x >> ${farm.pathOf('begun')}`,
    });
    await farm.up();
    await farm.supervised.event('run.handed-off', 'a');
    const [job] = await farm.queue().getWaiting();
    await farm.queue().add('again', job?.data, { jobId: job?.id ?? '' });
    await farm.worker('one', { args: ['--places', '2'] });
    await asks(1, 'which way?');
    const asked = (await farm.api.get('/api/task/a')).json as unknown as { runs: { lease: object }[] };
    expect(asked.runs[0]?.lease).toMatchObject({ question: 'which way?', options: ['left', 'right'] });
    await answer('left');
    expect(await farm.over('a')).toMatchObject({ status: 'done' });
    expect(await readFile(farm.pathOf('answer'), 'utf8')).toBe('left\n');
    expect(await readFile(farm.pathOf('begun'), 'utf8')).toBe('x\n');
    expect((await farm.queue().getJobCounts('wait', 'active', 'completed')).completed).toBe(1);
  });

  test('two long ones with the same beginning are two, and so is the same one asked again', async () => {
    const long = 'May I remove the folder? '.repeat(20);
    const ask = (text: string) => `supervisor ask "${text}" >> ${farm.pathOf('answers')}`;
    await farm.tasks({ id: 'a', exec: [`${long}One`, `${long}Two`, `${long}Two`].map(ask).join(' && ') });
    await farm.up();
    await farm.worker('one');
    await asks(1, `${long}One`);
    await answer('yes');
    await asks(2, `${long}Two`);
    await answer('no');
    await asks(3, `${long}Two`);
    await answer('on no account');
    expect(await farm.over('a')).toMatchObject({ status: 'done' });
    expect(await readFile(farm.pathOf('answers'), 'utf8')).toBe('yes\nno\non no account\n');
  });

  test('Redis, worker and supervisor start again while a person thinks: one question, one answer', async () => {
    await farm.tasks({
      id: 'a',
      exec: `echo x >> ${farm.pathOf('begun')}; supervisor ask "really?" > ${farm.pathOf('answer')}`,
    });
    await farm.up();
    const one = await farm.worker('one');
    await asks(1, 'really?');
    await farm.supervised.stop({ cancelAgents: false });
    await farm.supervise();
    await farm.redis.end('SIGKILL');
    await farm.redis.start();
    await one.kill('SIGKILL');
    const signs = new QueueEvents('farm', { connection: farm.client(), prefix: 'workgraph' });
    await signs.waitUntilReady();
    const heard = new Promise<void>((resolve) => signs.once('progress', () => resolve()));
    await farm.worker('one');
    await heard;
    await signs.close();
    await answer('yes');
    expect(await farm.over('a')).toMatchObject({ status: 'done' });
    expect(farm.supervised.count('run.input', 'a')).toBe(0);
    expect(await readFile(farm.pathOf('answer'), 'utf8')).toBe('yes\n');
    expect(await readFile(farm.pathOf('begun'), 'utf8')).toBe('x\n');
  });
});
