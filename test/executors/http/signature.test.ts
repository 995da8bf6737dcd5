import { describe, expect, test } from '@jest/globals';
import { Webhook } from 'standardwebhooks';
import { signatureHeader, signingKey } from '../../../src/executors/http/signature.ts';

const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
const OLD = `whsec_${Buffer.alloc(24, 9).toString('base64')}`;
const BODY = JSON.stringify({ title: 'Grüße, 世界' });
const ID = 'msg_01JDABCDEFGHJKMNPQRSTVWXYZ';

function keyOf(secret: string): Buffer {
  const parsed = signingKey(secret);
  if ('problem' in parsed) throw new Error(parsed.problem);
  return parsed.key;
}

function signed(secrets: readonly string[], at: number, body = BODY) {
  const seconds = Math.floor(at / 1000);
  return {
    'webhook-id': ID,
    'webhook-timestamp': String(seconds),
    'webhook-signature': signatureHeader(secrets.map(keyOf), ID, seconds, body),
  };
}

describe('signatures', () => {
  const now = Date.now();

  test('the reference library accepts ours, with the new and with the old secret', () => {
    const headers = signed([SECRET, OLD], now);
    expect(headers['webhook-signature'].split(' ')).toHaveLength(2);
    for (const secret of [SECRET, OLD])
      expect(new Webhook(secret).verify(BODY, headers)).toEqual(JSON.parse(BODY));
  });

  test('the reference library refuses an altered body, id and a time outside its tolerance', () => {
    const hook = new Webhook(SECRET);
    const headers = signed([SECRET], now);
    expect(() => hook.verify(`${BODY} `, headers)).toThrow();
    expect(() => hook.verify(BODY, { ...headers, 'webhook-id': 'msg_other' })).toThrow();
    // It tolerates 300 s and reads the clock itself, which continues while this runs: well outside on both sides.
    for (const off of [-400_000, 400_000])
      expect(() => hook.verify(BODY, signed([SECRET], now + off))).toThrow();
  });

  test.each([
    ['whsec_not base64!', /base64/],
    ['', /base64/],
    [`whsec_${Buffer.alloc(23).toString('base64')}`, /24 to 64/],
    [`whsec_${Buffer.alloc(65).toString('base64')}`, /24 to 64/],
  ])('%j is no secret, and is not quoted', (secret, problem) => {
    const parsed = signingKey(secret);
    expect(parsed).toEqual({ problem: expect.stringMatching(problem) });
    if (secret !== '') expect(JSON.stringify(parsed)).not.toContain(secret);
  });
});
