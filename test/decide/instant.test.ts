import { describe, expect, test } from '@jest/globals';
import { graphTime, instantText, parseInstant } from '../../src/decide/instant.ts';

describe('instants as wg reads them', () => {
  test.each([
    ['2026-05-14T12:00:00Z', '2026-05-14T12:00:00.000Z'],
    ['2026-05-14T12:00:00.123456789+00:00', '2026-05-14T12:00:00.123Z'],
    ['2026-05-14t12:00:00z', '2026-05-14T12:00:00.000Z'],
    ['2026-05-14 12:00:00+02:00', '2026-05-14T10:00:00.000Z'],
    ['2026-05-14T12:00:00-0530', '2026-05-14T17:30:00.000Z'],
    ['2024-02-29T23:59:60Z', '2024-02-29T23:59:59.000Z'],
  ])('%s is read', (text, iso) => {
    expect(parseInstant(text)).toBe(Date.parse(iso));
  });

  test.each([
    '2026-05-14T12:00:00',
    '2026-05-14',
    '2026-02-30T00:00:00Z',
    '2025-02-29T00:00:00Z',
    '2026-13-01T00:00:00Z',
    '2026-05-14T24:00:00Z',
    '2026-05-14T12:60:00Z',
    '2026-05-14T12:00:00+24:00',
    'tomorrow',
    '',
    '1778760000000',
  ])('%p is no instant', (text) => {
    expect(parseInstant(text)).toBeNull();
  });

  test('a sentence never fails for a time out of reach', () => {
    expect(instantText(Number.POSITIVE_INFINITY)).toBe('a time out of reach');
    expect(instantText(Date.parse('2027-03-10T12:00:00.900Z'))).toBe('2027-03-10T12:00:00Z');
  });

  test('what we write, wg and we read back', () => {
    expect(parseInstant(graphTime(1_800_000_000_123))).toBe(1_800_000_000_123);
  });
});
