import { expect, test } from '@jest/globals';
import { ConnectedWorkers } from '../../src/supervisor/connected-workers.ts';

const offer = { profiles: ['gpu'], resting: [] };
const named = (...names: string[]) => new Map(names.map((name) => [name, offer]));

test('the workers of one queue are not those of another', () => {
  const workers = new ConnectedWorkers();
  expect(workers.noteQueue('one', named('a'), 0)).toBe(true);
  expect(workers.noteQueue('two', named('b'), 0)).toBe(true);
  expect(workers.noteQueue('one', named('a'), 1)).toBe(false);
  expect(workers.noteQueue('two', named('b'), 1)).toBe(false);
  expect(workers.offers(1).map(({ name }) => name)).toEqual(['a', 'b']);
  expect(workers.noteQueue('one', named(), 2)).toBe(true);
  expect(workers.offers(2).map(({ name }) => name)).toEqual(['b']);
});
