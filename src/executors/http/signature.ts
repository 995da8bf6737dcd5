// Standard Webhooks 1.0 signatures (symmetric, `v1`): made for what we send, checked for what others send us.
// Knows nothing of tasks. npm standardwebhooks, which the tests compare with, does the same.

import { createHmac, timingSafeEqual } from 'node:crypto';

/** How far a timestamp may be off, seconds, both ways. */
const TOLERANCE_S = 300;

const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;

/** The key inside a secret (`whsec_` + base64 of 24 to 64 bytes), or why it is none. Never quotes the secret. */
export function signingKey(secret: string): { readonly key: Buffer } | { readonly problem: string } {
  const text = secret.startsWith('whsec_') ? secret.slice('whsec_'.length) : secret;
  if (!BASE64.test(text)) return { problem: 'a signing secret must be whsec_ followed by base64' };
  const key = Buffer.from(text, 'base64');
  if (key.length < 24 || key.length > 64)
    return { problem: `a signing secret must hold 24 to 64 bytes, this one holds ${key.length}` };
  return { key };
}

/** The value of `webhook-signature`: one entry for each key, newest first. `seconds` is the value of webhook-timestamp. */
export function signatureHeader(
  keys: readonly Buffer[],
  id: string,
  seconds: number,
  body: string | Buffer,
): string {
  return keys.map((key) => `v1,${sign(key, id, seconds, body).toString('base64')}`).join(' ');
}

/** Headers that carry a signature, by lower-case name. */
export type SignedHeaders = Readonly<Record<string, string | undefined>>;

/** Whether one of the secrets signed this body; says why not. `now` in ms. */
export function verifySignature(
  secrets: readonly string[],
  headers: SignedHeaders,
  body: string | Buffer,
  now: number,
): { readonly ok: true } | { readonly ok: false; readonly because: string } {
  const id = headers['webhook-id'];
  const stamp = headers['webhook-timestamp'];
  const signatures = headers['webhook-signature'];
  if (!id || !stamp || !signatures)
    return { ok: false, because: 'webhook-id, webhook-timestamp or webhook-signature is missing' };
  if (!/^\d{1,12}$/.test(stamp))
    return { ok: false, because: 'webhook-timestamp is not a number of seconds' };
  const seconds = Number(stamp);
  if (Math.abs(Math.floor(now / 1000) - seconds) > TOLERANCE_S)
    return { ok: false, because: `webhook-timestamp is more than ${TOLERANCE_S} s off` };
  const given = signatures
    .split(' ')
    .filter((entry) => entry.startsWith('v1,'))
    .map((entry) => Buffer.from(entry.slice(3), 'base64'));
  for (const secret of secrets) {
    const parsed = signingKey(secret);
    if ('problem' in parsed) continue;
    const expected = sign(parsed.key, id, seconds, body);
    if (given.some((entry) => entry.length === expected.length && timingSafeEqual(entry, expected)))
      return { ok: true };
  }
  return { ok: false, because: 'no signature fits' };
}

function sign(key: Buffer, id: string, seconds: number, body: string | Buffer): Buffer {
  return createHmac('sha256', key).update(`${id}.${seconds}.`).update(body).digest();
}
