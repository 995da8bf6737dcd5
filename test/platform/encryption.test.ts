import { expect, test } from '@jest/globals';
import { decryptText, sealText } from '../../src/platform/encryption.ts';

const KEY = Buffer.alloc(32, 1);

test('opens with its key, says nothing of its text, and is another one each time', () => {
  const sealed = sealText('a secret é', KEY);
  expect(decryptText(sealed, KEY)).toBe('a secret é');
  expect(sealed.toString('latin1')).not.toContain('secret');
  expect(sealText('a secret é', KEY).equals(sealed)).toBe(false);
});

test('another key, a changed byte or a missing end opens nothing', () => {
  const sealed = sealText('text', KEY);
  expect(decryptText(sealed, Buffer.alloc(32, 2))).toBeNull();
  for (let at = 0; at < sealed.length; at++) {
    const changed = Buffer.from(sealed);
    changed[at] = (changed[at] ?? 0) ^ 1;
    expect(decryptText(changed, KEY)).toBeNull();
    expect(decryptText(sealed.subarray(0, at), KEY)).toBeNull();
  }
});
