import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { codeIn, parseRoute, routeTo, SCREENS } from '../../src/page/route.ts';

test('every route comes back from its address as it was', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...SCREENS.filter((screen) => screen !== 'home')),
      fc.string({ unit: 'grapheme' }).map((text) => text.replaceAll(/[\ud800-\udfff]/g, '')),
      fc.string({ minLength: 1 }),
      (screen, task, query) => {
        expect(parseRoute(routeTo(screen, task, { q: query }))).toEqual({
          screen,
          task,
          params: { q: query },
        });
      },
    ),
  );
});

test.each(['', '#', '#/', '#/nonsense', '#//', '#/%', 'x'])('%s is home', (hash) => {
  expect(parseRoute(hash).screen).toBe('home');
});

test('an address that is half encoded stands for itself', () => {
  expect(parseRoute('#/task/100%')).toMatchObject({ screen: 'task', task: '100%' });
});

test('a code is one only where it is nothing else', () => {
  expect(codeIn(`#k=wgo_${'a'.repeat(43)}`)).toBe(`wgo_${'a'.repeat(43)}`);
  for (const hash of ['#k=', '#k=<script>', '#/tasks?k=x', `#k=${'a'.repeat(300)}`])
    expect(codeIn(hash)).toBeNull();
});
