import { describe, expect, test } from '@jest/globals';
import type { HttpProfile, SecretValue } from '../../../src/domain/profile.ts';
import type { Assignment } from '../../../src/executors/executor.ts';
import { resolveSecrets, scrub, type Variables } from '../../../src/executors/http/secrets.ts';
import { assignmentFor, httpProfile, TOKEN, taskDetail } from './support.ts';

function resolve(changes: Partial<HttpProfile>, variables: Variables = {}, run: Partial<Assignment> = {}) {
  const profile = httpProfile(changes);
  return resolveSecrets(profile, assignmentFor(profile, '/nowhere', run), variables);
}

const withHeader = (value: SecretValue, name = 'Authorization') => ({ headers: { [name]: value } });

describe('resolveSecrets', () => {
  test("takes a variable from the supervisor's environment first, then from the run's", () => {
    const environment = { KEY: 'of the run' };
    expect(resolve(withHeader({ env: 'KEY' }), { KEY: 'of ours' }, { environment })).toMatchObject({
      headers: { authorization: 'of ours' },
    });
    expect(resolve(withHeader({ env: 'KEY' }), {}, { environment })).toMatchObject({
      headers: { authorization: 'of the run' },
    });
  });

  test.each([undefined, ''])('a variable that is %j holds everything of the profile, by name', (value) => {
    expect(resolve(withHeader({ env: 'AGENT_KEY' }), { AGENT_KEY: value })).toEqual({
      outcome: {
        kind: 'deferred',
        code: 'secret-missing',
        scope: 'profile',
        because: expect.stringMatching(/"Authorization".*deploy-agent.*AGENT_KEY.*supervisor\.toml:7/),
      },
    });
    expect(resolve({ secrets: [{ env: 'SIGNING' }] })).toMatchObject({
      outcome: { code: 'secret-missing', because: expect.stringContaining('SIGNING') },
    });
  });

  test('a line break is refused, wherever it comes from, and never sent', () => {
    expect(resolve(withHeader({ env: 'KEY' }), { KEY: 'secret-value\r\nx-admin: 1' })).toMatchObject({
      outcome: { kind: 'deferred', code: 'bad-header', because: expect.not.stringContaining('secret-value') },
    });
    const task = taskDetail({ title: 'a\r\nx-admin: 1' });
    expect(resolve(withHeader('{{task.title}}', 'X-Title'), {}, { task })).toMatchObject({
      outcome: { kind: 'failed', failure: 'refused', retryable: false },
    });
    expect(resolve(withHeader('a\nb', 'X-Fixed'))).toMatchObject({ outcome: { code: 'bad-header' } });
  });

  test.each([
    'Content-Length',
    'transfer-encoding',
    'Webhook-Id',
    'webhook-signature',
    'Idempotency-Key',
    'bad name',
    'a:b',
    '',
  ])('header %j cannot be configured', (name) => {
    expect(resolve(withHeader('1', name))).toMatchObject({
      outcome: { code: 'bad-header', scope: 'profile' },
    });
  });

  test('a title in any script arrives as UTF-8', () => {
    const resolved = resolve(
      withHeader('{{task.title}}', 'X-Title'),
      {},
      { task: taskDetail({ title: 'Grüße 世界' }) },
    );
    if ('outcome' in resolved) throw new Error('refused');
    expect(Buffer.from(resolved.headers['x-title'] ?? '', 'latin1').toString('utf8')).toBe('Grüße 世界');
  });

  test('a signing secret that is none holds the profile and is not quoted', () => {
    const resolved = resolve({ secrets: ['whsec_c2hvcnQtc2VjcmV0'] });
    expect(resolved).toMatchObject({ outcome: { kind: 'deferred', code: 'bad-secret' } });
    expect(JSON.stringify(resolved)).not.toContain('c2hvcnQt');
  });
});

describe('scrub', () => {
  test('takes configured secrets and our tokens out of everything an agent sends back', () => {
    const resolved = resolve(
      {
        headers: {
          Authorization: 'Bearer literal-secret',
          'x-api-key': { env: 'KEY' },
          'x-team': 'operations',
        },
      },
      { KEY: 'variable-secret' },
    );
    if ('outcome' in resolved) throw new Error('refused');
    const echoed = {
      token: `Bearer ${TOKEN}`,
      list: ['literal-secret', { 'variable-secret': 'say variable-secret twice: variable-secret' }],
      harmless: 'Bearer of operations news from build-api',
      number: 5,
      nothing: null,
    };
    expect(scrub(echoed, resolved.hidden)).toEqual({
      token: 'Bearer wgl_[redacted]',
      list: ['[redacted]', { '[redacted]': 'say [redacted] twice: [redacted]' }],
      harmless: 'Bearer of operations news from build-api',
      number: 5,
      nothing: null,
    });
  });
});
