import { expect, test } from '@jest/globals';
import { type Filterable, pairIn, parseFilter, withPair } from '../../src/page/filter.ts';

const one: Filterable = {
  task: 'build-cart',
  title: 'Build the Cart page',
  state: 'held',
  status: 'open',
  code: 'no-profile',
  because: 'no executor is configured',
  executor: 'claude',
  tags: ['area/web', 'urgent'],
  places: ['/src/shop', 'shop', 'feature/cart'],
};

test.each<[string, boolean]>([
  ['', true],
  ['cart', true],
  ['CART page', true],
  ['cart basket', false],
  ['state:held', true],
  ['state:held,running', true],
  ['state:open', true],
  ['state:done', false],
  ['code:no-profile by:claude', true],
  ['in:shop', true],
  ['in:feature/cart', true],
  ['in:docs', false],
  ['tag:area/*', true],
  ['tag:area/web', true],
  ['tag:area', false],
  ['-tag:urgent', false],
  ['-state:done', true],
  ['"Cart page"', true],
  ['"page Cart"', false],
  ['unknown:key', false],
  ['state:', false],
  ['"', true],
  ['(.*)+$', false],
])('%s', (text, passes) => {
  expect(parseFilter(text)(one)).toBe(passes);
});

test('pairs are set, replaced and taken out, and other words stay', () => {
  expect(withPair('cart state:held', 'state', 'done')).toBe('cart state:done');
  expect(withPair('cart state:held "two words"', 'state', '')).toBe('cart "two words"');
  expect(withPair('', 'in', 'a b')).toBe('in:"a b"');
  expect(pairIn('x in:"a b"', 'in')).toBe('a b');
  expect(pairIn('x', 'in')).toBe('');
});
