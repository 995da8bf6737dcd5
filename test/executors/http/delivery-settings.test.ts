// How an http profile's own settings of delivery are read: what is written counts, the rest is left to the executor.

import { expect, test } from '@jest/globals';
import { parseMachineConfig } from '../../../src/config/load.ts';

function profile(more: string) {
  const text = `[executors.x]\ntype = "http"\nendpoint = "http://h/x"\n${more}`;
  const { config } = parseMachineConfig('/etc/s.toml', text, { home: '/home/ada' });
  return config.profiles.get('x') ?? config.brokenProfiles.get('x');
}

test('what is not written is not there', () => {
  expect(profile('')).not.toHaveProperty('delivery');
  expect(profile('idempotency_key = "quoted"')).not.toHaveProperty('idempotencyKey');
});

test('every setting arrives in its own unit', () => {
  const written = `
    idempotency_key = "bare"
    connect_timeout = "2s"
    response_timeout = "30m"
    delivery = { attempts = 3, backoff = "500ms", max_backoff = "1m", window = "10m" }
    pace = { in_flight = 2, per_second = 0.5, burst = 1 }
  `;
  expect(profile(written)).toMatchObject({
    idempotencyKey: 'bare',
    delivery: {
      connectMs: 2000,
      responseMs: 1_800_000,
      attempts: 3,
      backoffMs: 500,
      maxBackoffMs: 60_000,
      windowMs: 600_000,
      inFlight: 2,
      perSecond: 0.5,
      burst: 1,
    },
  });
});

test('a rate of 0 is none; one table may be written in part', () => {
  expect(profile('pace = { per_second = 0 }')).toMatchObject({ delivery: { perSecond: null } });
  expect(profile('delivery = { attempts = 1 }')).toHaveProperty('delivery', { attempts: 1 });
});

test.each([
  ['response_timeout = "31m"', 'at most 30m'],
  ['response_timeout = "0"', 'longer than 0'],
  ['connect_timeout = 5', 'connect_timeout'],
  ['delivery = { attempts = 0 }', 'attempts'],
  ['delivery = { retries = 3 }', 'retries'],
  ['pace = { per_second = -1 }', 'per_second'],
  ['idempotency_key = "none"', 'idempotency_key'],
])('%s breaks this profile, and says why', (written, words) => {
  expect(profile(written)).toMatchObject({ problem: expect.stringContaining(words) });
});

test.each([
  'http://s/{{task.id}}',
  '/status/{{task.id}}',
  '{endpoint}/{task_id}',
  '{endpoint}/s?token={{callback.token}}',
])('status_url = %p is one', (url) => {
  expect(profile(`status_url = "${url}"`)).toMatchObject({ statusUrl: url });
});

test.each(['ftp://s/x', 'mailto:me', 'http://'])('status_url = %p is none', (url) => {
  expect(profile(`status_url = "${url}"`)).toMatchObject({ problem: expect.stringContaining('status_url') });
});

test('an endpoint is whole', () => {
  const text = '[executors.x]\ntype = "http"\nendpoint = "/x"\n';
  const { config } = parseMachineConfig('/etc/s.toml', text, { home: '/home/ada' });
  expect(config.brokenProfiles.get('x')).toMatchObject({ problem: expect.stringContaining('endpoint') });
});
