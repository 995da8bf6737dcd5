import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { printableJson } from '../../../src/cli/render/json.ts';

test('what steers a terminal or turns text around is escaped, and everything reads back the same', () => {
  const title = 'a\u009b31mb\u202ec\u2066d\u200fe\u007ff\u2028g';
  expect(printableJson({ title })).toBe('{"title":"a\\u009b31mb\\u202ec\\u2066d\\u200fe\\u007ff\\u2028g"}');
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const json = printableJson([text, { [text]: text }], 2);
      expect(JSON.parse(json)).toEqual([text, { [text]: text }]);
      expect(json).not.toMatch(/[\u007f-\u009f\u202a-\u202e\u2066-\u2069]/);
    }),
  );
});
