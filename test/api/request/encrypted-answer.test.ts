import { describe, expect, test } from '@jest/globals';
import { decrypted, seal } from '../../../src/api/request/encrypted-answer.ts';

const WHOSE = { key: 'b7c1…', scope: 'operator', requestHash: 'a'.repeat(64) };
const TEXT = JSON.stringify({ body: { lease: { token: `wgl_${'s'.repeat(43)}` }, title: 'ünï 🎈' } });

describe('a sealed answer', () => {
  test('opens for the same key, caller and request', () => {
    expect(decrypted(seal(TEXT, WHOSE), WHOSE)).toBe(TEXT);
    expect(decrypted(seal('', WHOSE), WHOSE)).toBe('');
  });

  test('shows nothing, and is another one each time', () => {
    const sealed = seal(TEXT, WHOSE);
    expect(sealed).toMatch(/^sealed1\.[\w-]+$/);
    expect(Buffer.from(sealed.slice(8), 'base64url').includes('wgl_')).toBe(false);
    expect(seal(TEXT, WHOSE)).not.toBe(sealed);
  });

  test.each([
    ['another key', { ...WHOSE, key: 'b7c1' }],
    ['another caller', { ...WHOSE, scope: 'run_1' }],
    ['another request', { ...WHOSE, requestHash: 'b'.repeat(64) }],
  ])('stays shut for %s', (_what, other) => {
    expect(decrypted(seal(TEXT, WHOSE), other)).toBeNull();
  });

  test('stays shut when it is torn anywhere, or changed by a bit', () => {
    const sealed = seal(TEXT, WHOSE);
    for (const length of [8, 9, 20, 45, sealed.length - 1])
      expect(decrypted(sealed.slice(0, length), WHOSE)).toBeNull();
    const bytes = Buffer.from(sealed.slice(8), 'base64url');
    for (let n = 0; n < bytes.length; n++) {
      const changed = Buffer.from(bytes);
      changed[n] = (changed[n] ?? 0) ^ 1;
      expect(decrypted(`sealed1.${changed.toString('base64url')}`, WHOSE)).toBeNull();
    }
  });

  test('what an older version kept as it was is given as it was', () => {
    expect(decrypted('{"body":1}', WHOSE)).toBe('{"body":1}');
  });
});
