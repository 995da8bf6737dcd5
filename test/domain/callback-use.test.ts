import { describe, expect, test } from '@jest/globals';
import { usesCallbackUrl } from '../../src/domain/callback-use.ts';
import type { CommandProfile, Profile } from '../../src/domain/profile.ts';
import { commandProfile } from '../executors/bench.ts';
import { httpProfile } from '../executors/http/support.ts';

const URL_HERE = 'report to {{ callback.complete_url }} please';

function command(changes: Partial<CommandProfile>): Profile {
  return commandProfile(changes);
}

describe('whether a profile hands the callback URL on', () => {
  test.each<[string, Profile]>([
    ['an argument', command({ command: ['agent', URL_HERE] })],
    ['a shell text', command({ shell: 'curl "{{callback.complete_url}}"' })],
    ['a variable', command({ env: { BACK: URL_HERE } })],
    ['the endpoint', httpProfile({ endpoint: 'http://a/?back={{callback.complete_url}}' })],
    ['a header', httpProfile({ headers: { 'x-back': URL_HERE } })],
    ['a body text', httpProfile({ body: `{"back": "${URL_HERE}"}` })],
    ['deep in a body', httpProfile({ body: { a: [1, null, { b: URL_HERE }] } })],
    ['the status URL', httpProfile({ statusUrl: '/s?of={{callback.complete_url}}' })],
  ])('%s', (_name, profile) => {
    expect(usesCallbackUrl(profile)).toBe(true);
  });

  test.each<[string, Profile]>([
    ['nothing of the kind', command({ command: ['agent', '{{task.id}}'] })],
    ['the token alone', command({ shell: 'echo {{callback.token}}' })],
    ['without braces', httpProfile({ body: 'callback.complete_url' })],
    ['a key, which is no template', httpProfile({ body: { '{{callback.complete_url}}': 1 } })],
    ['a secret from the environment', httpProfile({ headers: { authorization: { env: 'TOKEN' } } })],
    ['our own payload', httpProfile()],
  ])('not: %s', (_name, profile) => {
    expect(usesCallbackUrl(profile)).toBe(false);
  });
});
