// Standard Webhooks 1.0 signatures (symmetric, `v1`) for outgoing messages. Knows nothing of tasks. The tests compare
// it with npm's standardwebhooks.

import { createHmac } from 'node:crypto';

const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;

/** The key inside a secret (`whsec_` + base64 of 24 to 64 bytes), or why it is invalid. Never quotes the secret. */
export function signingKey(secret: string): { readonly key: Buffer } | { readonly problem: string } {
  const text = secret.startsWith('whsec_') ? secret.slice('whsec_'.length) : secret;
  if (!BASE64.test(text)) return { problem: 'a signing secret must be whsec_ followed by base64' };
  const key = Buffer.from(text, 'base64');
  if (key.length < 24 || key.length > 64)
    return { problem: `a signing secret must hold 24 to 64 bytes, this one holds ${key.length}` };
  return { key };
}

/** The value of `webhook-signature`: one entry per key, newest first. `seconds` is the value of webhook-timestamp. */
export function signatureHeader(
  keys: readonly Buffer[],
  id: string,
  seconds: number,
  body: string | Buffer,
): string {
  return keys.map((key) => `v1,${sign(key, id, seconds, body).toString('base64')}`).join(' ');
}

function sign(key: Buffer, id: string, seconds: number, body: string | Buffer): Buffer {
  return createHmac('sha256', key).update(`${id}.${seconds}.`).update(body).digest();
}
