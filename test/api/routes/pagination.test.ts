import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ApiProblem } from '../../../src/api/request/problem.ts';
import { pageOf } from '../../../src/api/routes/pagination.ts';
import { taskReport } from '../scripted-control.ts';

const tasks = (...ids: string[]) => ids.map((id) => taskReport(id, '/w1', '/g1'));
const ids = (page: ReturnType<typeof pageOf>) => page.tasks.map(({ task }) => task);

describe('pages', () => {
  test('all pages together are the list, whatever the size', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.string({ minLength: 1 }), { maxLength: 30 }),
        fc.integer({ min: 1, max: 10 }),
        (names, limit) => {
          const list = tasks(...names);
          const seen: string[] = [];
          for (let cursor: string | undefined; ; ) {
            const page = pageOf(list, cursor, limit);
            expect(page.tasks.length).toBeLessThanOrEqual(limit);
            seen.push(...ids(page));
            if (page.next_cursor === null) break;
            expect(page.next_cursor).toMatch(/^[\w-]+$/);
            cursor = page.next_cursor;
          }
          expect(seen).toEqual(names);
        },
      ),
    );
  });

  test('what comes or goes before the cursor neither repeats nor skips', () => {
    const { next_cursor: cursor } = pageOf(tasks('a', 'b', 'c', 'd'), undefined, 2);
    expect(ids(pageOf(tasks('new', 'a', 'b', 'c', 'd'), cursor ?? '', 2))).toEqual(['c', 'd']);
    expect(ids(pageOf(tasks('b', 'c', 'd'), cursor ?? '', 2))).toEqual(['c', 'd']);
    // The very task is gone: its place is the best that is known.
    expect(ids(pageOf(tasks('a', 'c', 'd'), cursor ?? '', 2))).toEqual(['d']);
    expect(ids(pageOf([], cursor ?? '', 2))).toEqual([]);
  });

  test.each([
    'x',
    'W10',
    'eyJhIjoxfQ',
    Buffer.from('[-1,"a"]').toString('base64url'),
    Buffer.from('[1e99,"a"]').toString('base64url'),
  ])('the cursor %s is not ours', (cursor) => {
    expect(() => pageOf(tasks('a'), cursor, 1)).toThrow(ApiProblem);
  });
});
