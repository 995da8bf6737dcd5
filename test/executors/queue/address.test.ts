// Where a queue lies, and that nothing secret of it is shown.

import { describe, expect, test } from '@jest/globals';
import { queueAddress } from '../../../src/executors/queue/address.ts';

const terms = { insecure: false, mayHoldSecrets: true };

describe('the address of a queue', () => {
  test.each([
    ['redis://127.0.0.1', { name: 'redis://127.0.0.1:6379', port: 6379, db: 0, password: null, tls: null }],
    [
      'rediss://u:p%40ss@r.example/2',
      { name: 'rediss://r.example:6379/2', username: 'u', password: 'p@ss', db: 2 },
    ],
    ['rediss://:100%@r.example:1', { name: 'rediss://r.example:1', username: null, password: '100%' }],
    ['redis://[::1]:1', { host: '::1', port: 1 }],
  ])('%s', async (text, expected) => {
    expect(await queueAddress(text, {}, terms)).toMatchObject(expected);
  });

  test('what it lacks is read from the environment; what it says itself counts more', async () => {
    const variables = { SUPERVISOR_QUEUE_USERNAME: 'one', SUPERVISOR_QUEUE_PASSWORD: 'two' };
    const address = (text: string) => queueAddress(text, variables, terms);
    expect(await address('rediss://r.example')).toMatchObject({ username: 'one', password: 'two' });
    expect(await address('rediss://three:four@r.example')).toMatchObject({
      username: 'three',
      password: 'four',
    });
  });

  test.each([
    ['http://r.example', terms, 'no redis:// or rediss:// address'],
    ['redis://:secret@r.example', terms, 'is not encrypted'],
    ['rediss://:secret@r.example', { ...terms, mayHoldSecrets: false }, 'must not hold a password'],
    ['rediss://:secret@r.example/queue', terms, 'the number of a database'],
  ])('%s is refused, without its password', async (text, how, because) => {
    const refused = queueAddress(text, {}, how);
    await expect(refused).rejects.toMatchObject({
      code: 'config',
      message: expect.stringContaining(because),
    });
    await expect(refused).rejects.not.toMatchObject({ message: expect.stringContaining('secret') });
  });
});
