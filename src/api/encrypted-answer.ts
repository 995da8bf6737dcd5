// Answers at rest that nobody can read without the client's own Idempotency-Key: only its hash is kept here, and the key
// of the seal comes out of it. Knows nothing of requests.

import { hkdfSync } from 'node:crypto';
import { decryptText, sealText } from '../platform/encryption.ts';

/** What a seal is bound to; with anything else it does not open. */
export interface SealedFor {
  /** The client's key in plain text. */
  readonly key: string;
  readonly scope: string;
  /** Of the request that the answer is the answer to. */
  readonly requestHash: string;
}

const PREFIX = 'sealed1.';

/** The text, encrypted (AES-256-GCM under a key by HKDF). */
export function seal(text: string, whose: SealedFor): string {
  return PREFIX + sealText(text, keyOf(whose)).toString('base64url');
}

/** The text again; null when it was sealed for somebody else, or is torn. What was never sealed comes as it is. */
export function decrypted(sealed: string, whose: SealedFor): string | null {
  if (!sealed.startsWith(PREFIX)) return sealed;
  return decryptText(Buffer.from(sealed.slice(PREFIX.length), 'base64url'), keyOf(whose));
}

function keyOf({ key, scope, requestHash }: SealedFor): Buffer {
  return Buffer.from(hkdfSync('sha256', key, requestHash, `workgraph-supervisor kept answer ${scope}`, 32));
}
