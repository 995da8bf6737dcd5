import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { plain, plainLines } from '../../../src/cli/render/plain.ts';

const ESC = '\u001b';

describe('plain', () => {
  test.each([
    ['colours', `${ESC}[31mred${ESC}[0m`, 'red'],
    ['the cursor', `a${ESC}[2J${ESC}[Hb`, 'ab'],
    ['a window title', `a${ESC}]0;pwned\u0007b`, 'ab'],
    ['a window title that was cut', `a${ESC}]0;pwned`, 'a'],
    ['a link', `${ESC}]8;;http://evil${ESC}\\text${ESC}]8;;${ESC}\\`, 'text'],
    ['a device control string', `a${ESC}Pq#0${ESC}\\b`, 'ab'],
    ['eight-bit controls', 'a\u009b31mb', 'ab'],
    ['backspaces', 'good\b\b\b\bevil', 'goodevil'],
    ['carriage returns', 'shown\rhidden', 'shownhidden'],
    ['reading direction', 'a\u202egnp.exe', 'agnp.exe'],
    ['line feeds and tabs', ' a\n\tb ', 'a b'],
    ['nothing of an emoji family', '👨‍👩‍👧 ok', '👨‍👩‍👧 ok'],
  ])('takes out %s', (_what, hostile, shown) => {
    expect(plain(hostile)).toBe(shown);
  });

  test('lets no control character through, whatever comes', () => {
    const texts = fc.string({
      unit: fc.constantFrom(ESC, '[', ']', '\u0007', '\u009b', '3', 'm', 'P', '\\', '\r', '\n', 'é', ';'),
    });
    fc.assert(
      fc.property(texts, (text) => {
        expect(plain(text)).not.toMatch(/\p{Control}/u);
        expect(plainLines(text)).not.toMatch(/[^\P{Control}\t\n]/u);
      }),
    );
  });

  test('keeps the lines of longer text', () => {
    expect(plainLines(`one\r\n\ttwo${ESC}[1m\n`)).toBe('one\n\ttwo\n');
  });
});
