import { describe, expect, test } from '@jest/globals';
import type { HttpProfile } from '../../../src/domain/profile.ts';
import { statusUrl } from '../../../src/executors/http/poll.ts';
import { assignmentFor, httpProfile, taskDetail } from './support.ts';

const ENDPOINT = new URL('https://agent.example/api/task/?key=1');

function urlOf(changes: Partial<HttpProfile>, reference: string | null = null, id = 'build-api') {
  const profile = httpProfile(changes);
  const run = { task: taskDetail({ id }), globalTaskId: `wt3f9a~${id}` };
  return statusUrl(profile, assignmentFor(profile, '/nowhere', run), ENDPOINT, reference);
}

describe('where a run is asked about', () => {
  test.each<[string, Partial<HttpProfile>, string | null, string]>([
    [
      'the id that our payload gave, by default',
      {},
      null,
      'https://agent.example/api/task/wt3f9a~build-api?key=1',
    ],
    [
      'the id that a template gave',
      { body: { id: '{{task.id}}' } },
      null,
      'https://agent.example/api/task/build-api?key=1',
    ],
    ['what the agent called it', {}, 'job/7', 'https://agent.example/api/task/job%2F7?key=1'],
    ['where the agent said', {}, 'https://agent.example/jobs/7', 'https://agent.example/jobs/7'],
    [
      'not where it said if that is another host',
      {},
      'https://evil.example/7',
      'https://agent.example/api/task/wt3f9a~build-api?key=1',
    ],
    [
      'nor another port',
      {},
      'https://agent.example:8443/7',
      'https://agent.example/api/task/wt3f9a~build-api?key=1',
    ],
    [
      'nor without TLS',
      {},
      'http://agent.example/7',
      'https://agent.example/api/task/wt3f9a~build-api?key=1',
    ],
    [
      'the common template',
      { statusUrl: '{endpoint}/{task_id}', body: {} },
      null,
      'https://agent.example/api/task/build-api',
    ],
    [
      'a template of placeholders',
      { statusUrl: 'https://status.example/{{task.id}}', body: {} },
      null,
      'https://status.example/build-api',
    ],
    [
      'a template in which the id is the local one, whatever our payload gave',
      { statusUrl: 'https://status.example/{{task.id}}' },
      null,
      'https://status.example/build-api',
    ],
    [
      'a template relative to the endpoint',
      { statusUrl: '/s?run={{run.attempt}}' },
      null,
      'https://agent.example/s?run=2',
    ],
    [
      'the template, whatever the agent said',
      { statusUrl: '/s' },
      'https://agent.example/jobs/7',
      'https://agent.example/s',
    ],
  ])('%s', (_name, changes, reference, expected) => {
    expect(urlOf(changes, reference)).toBe(expected);
  });

  test('nothing climbs out of the endpoint', () => {
    expect(urlOf({}, '..')).toBeNull();
    expect(urlOf({ body: {} }, null, '..')).toBeNull();
    expect(urlOf({ statusUrl: '{endpoint}/{task_id}', body: {} }, null, '..')).toBeNull();
    expect(urlOf({}, '../../admin')).toBe('https://agent.example/api/task/..%2F..%2Fadmin?key=1');
    expect(urlOf({ statusUrl: 'http://[bad' })).toBeNull();
  });
});
