import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { PieceTable } from '../../src/graph/piece-table.ts';

const bytes = fc.string({ maxLength: 30 }).map((text) => Buffer.from(text));
const whole = (text: PieceTable) => text.slice(0, text.length).toString();

/** Replacements in order and apart from each other, for a text of some length. */
function replacements(length: number) {
  return fc.array(fc.tuple(fc.nat(length), fc.nat(length), bytes), { maxLength: 5 }).map((found) => {
    let at = 0;
    return found
      .map(([a, b, replacement]) => ({ from: Math.min(a, b), to: Math.max(a, b), bytes: replacement }))
      .sort((a, b) => a.from - b.from || a.to - b.to)
      .filter(({ from, to }) => {
        if (from < at) return false;
        at = to;
        return true;
      });
  });
}

describe('a text in pieces', () => {
  test('is what the same replacements make of plain bytes; the text before them stays what it was', () => {
    fc.assert(
      fc.property(bytes, fc.gen(), (first, g) => {
        let text = PieceTable.of(first);
        for (let round = 0; round < 6; round++) {
          const before = Buffer.from(text.slice(0, text.length));
          const changes = g(replacements, before.length);
          const parts: Buffer[] = [];
          let at = 0;
          for (const { from, to, bytes: put } of changes) {
            parts.push(before.subarray(at, from), put);
            at = to;
          }
          const expected = Buffer.concat([...parts, before.subarray(at)]);
          const now = text.replaced(changes);
          expect(now.slice(0, now.length).equals(expected)).toBe(true);
          expect(now.length).toBe(expected.length);
          expect(text.slice(0, text.length).equals(before)).toBe(true);
          text = now;
        }
      }),
      { numRuns: 300 },
    );
  });

  test('many small changes, one after the other, and every slice of the result', () => {
    let text = PieceTable.of(Buffer.from('0123456789'.repeat(20)));
    let model = '0123456789'.repeat(20);
    for (let n = 0; n < 500; n++) {
      const from = (n * 37) % model.length;
      const to = Math.min(model.length, from + (n % 4));
      const put = 'abcdef'.slice(0, (n * 7) % 5);
      text = text.replaced([{ from, to, bytes: Buffer.from(put) }]);
      model = model.slice(0, from) + put + model.slice(to);
      expect(whole(text)).toBe(model);
    }
    for (let from = 0; from < text.length; from += 13)
      for (let to = from; to <= text.length; to += 17)
        expect(text.slice(from, to).toString()).toBe(model.slice(from, to));
    expect(text.parts(0, text.length).length).toBeLessThan(60);
  });

  test('memory of what was replaced is released', () => {
    let text = PieceTable.of(Buffer.alloc(8_000_000, 'a'));
    text = text.replaced([{ from: 10, to: 7_999_990, bytes: Buffer.from('b') }]);
    const held = new Set(text.parts(0, text.length).map((part) => part.buffer));
    expect([...held].reduce((sum, buffer) => sum + buffer.byteLength, 0)).toBeLessThan(2_000_000);
    expect(whole(text)).toBe(`${'a'.repeat(10)}b${'a'.repeat(10)}`);
    // Two changes far apart leave a new middle between the ends of the old text.
    let large = PieceTable.of(Buffer.alloc(4_000_000, 'a'));
    large = large.replaced([{ from: 10, to: 3_999_990, bytes: Buffer.alloc(3_999_980, 'c') }]);
    const memory = new Set(large.parts(0, large.length).map((part) => part.buffer));
    expect([...memory].reduce((sum, buffer) => sum + buffer.byteLength, 0)).toBeLessThan(5_100_000);
  });
});

describe('comparing', () => {
  test('counts what is the same from one place on, and before one place', () => {
    fc.assert(
      fc.property(fc.array(bytes, { maxLength: 6 }), bytes, fc.nat(), (pieces, other, place) => {
        const raw = Buffer.concat(pieces);
        let text = PieceTable.of(Buffer.alloc(0));
        for (const piece of pieces)
          text = text.replaced([{ from: text.length, to: text.length, bytes: piece }]);
        const at = place % (raw.length + 1);
        let start = 0;
        while (start < other.length && at + start < raw.length && raw[at + start] === other[start]) start++;
        expect(text.sameFrom(at, other)).toBe(start);
        let end = 0;
        while (end < other.length && end < at && raw[at - 1 - end] === other[other.length - 1 - end]) end++;
        expect(text.sameBefore(at, other)).toBe(end);
        expect(text.sameFrom(at, raw.subarray(at))).toBe(raw.length - at);
        expect(text.sameBefore(at, raw.subarray(0, at))).toBe(at);
      }),
      { numRuns: 500 },
    );
  });

  test('differences near the borders of large strides', () => {
    const raw = Buffer.alloc(300_000, 'x');
    for (const place of [0, 65_535, 65_536, 131_072, 299_999]) {
      const other = Buffer.from(raw);
      other[place] = 0;
      const text = PieceTable.of(Buffer.from(raw));
      expect(text.sameFrom(0, other)).toBe(place);
      expect(text.sameBefore(300_000, other)).toBe(299_999 - place);
    }
  });
});
