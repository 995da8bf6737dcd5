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

test('a worker whose places are all taken asks for nothing, and is known by the signs of life of what it does', () => {
  const workers = new ConnectedWorkers();
  workers.note({ name: 'a', profiles: ['gpu', 'cpu'], resting: new Map() }, 0);
  expect(workers.hear('a', 'gpu', 80_000)).toBe(false);
  expect(workers.byProfile(160_000).get('cpu')).toEqual({ connected: 1, resting: [] });
  expect(workers.byProfile(200_000).size).toBe(0);
  // As after a restart of the supervisor.
  expect(workers.hear('b', 'gpu', 200_000)).toBe(true);
  expect(workers.byProfile(200_000).get('gpu')).toEqual({ connected: 1, resting: [] });
});
