// Answers at rest that nobody can read without the client's own Idempotency-Key: only its hash is kept here, and the key
// of the seal comes out of it. Knows nothing of requests.

import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';

/** What a seal is bound to; with anything else it does not open. */
export interface SealedFor {
  /** The client's key in plain text. */
  readonly key: string;
  readonly scope: string;
  /** Of the request that the answer is the answer to. */
  readonly requestHash: string;
}

const PREFIX = 'sealed1.';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** The text, encrypted (AES-256-GCM under a key by HKDF). */
export function seal(text: string, whose: SealedFor): string {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', keyOf(whose), nonce, { authTagLength: TAG_BYTES });
  const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
  return PREFIX + Buffer.concat([nonce, cipher.getAuthTag(), body]).toString('base64url');
}

/** The text again; null when it was sealed for somebody else, or is torn. What was never sealed comes as it is. */
export function unseal(sealed: string, whose: SealedFor): string | null {
  if (!sealed.startsWith(PREFIX)) return sealed;
  const bytes = Buffer.from(sealed.slice(PREFIX.length), 'base64url');
  const [nonce, tag] = [bytes.subarray(0, NONCE_BYTES), bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES)];
  if (tag.length < TAG_BYTES) return null;
  const decipher = createDecipheriv('aes-256-gcm', keyOf(whose), nonce, { authTagLength: TAG_BYTES });
  decipher.setAuthTag(tag);
  try {
    const body = decipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES));
    return Buffer.concat([body, decipher.final()]).toString('utf8');
  } catch {
    // The tag does not fit: OpenSSL says no more than that.
    return null;
  }
}

function keyOf({ key, scope, requestHash }: SealedFor): Buffer {
  return Buffer.from(hkdfSync('sha256', key, requestHash, `workgraph-supervisor kept answer ${scope}`, 32));
}
