// Stored responses that cannot be read without the client's own Idempotency-Key: only its hash is stored, and the
// encryption key is derived from it. Knows nothing of requests.

import { hkdfSync } from 'node:crypto';
import { decryptText, sealText } from '../../platform/encryption.ts';

/** What an encrypted response is bound to; with anything else it cannot be decrypted. */
export interface SealedFor {
  /** The client's key in plain text. */
  readonly key: string;
  readonly scope: string;
  /** Hash of the answered request. */
  readonly requestHash: string;
}

const PREFIX = 'sealed1.';

/** The text, encrypted (AES-256-GCM under a key by HKDF). */
export function seal(text: string, whose: SealedFor): string {
  return PREFIX + sealText(text, keyOf(whose)).toString('base64url');
}

/**
 * The decrypted text; null if it was encrypted for another caller, or is torn. Unencrypted text is returned as it is.
 */
export function decrypted(sealed: string, whose: SealedFor): string | null {
  if (!sealed.startsWith(PREFIX)) return sealed;
  return decryptText(Buffer.from(sealed.slice(PREFIX.length), 'base64url'), keyOf(whose));
}

function keyOf({ key, scope, requestHash }: SealedFor): Buffer {
  return Buffer.from(hkdfSync('sha256', key, requestHash, `workgraph-supervisor kept answer ${scope}`, 32));
}
