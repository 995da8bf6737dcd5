import { describe, expect, test } from '@jest/globals';
import type { Run } from '../../src/domain/run.ts';
import { LiveRun } from '../../src/run/live-run.ts';
import { Places } from '../../src/supervisor/places.ts';

const live = (id: string) => new LiveRun({ id } as Run, null, 0);

/** Work that is over when it is told so; notes when it begins. */
function work(begun: string[], name: string) {
  let end = () => {};
  const over = new Promise<void>((resolve) => {
    end = resolve;
  });
  return {
    end: () => end(),
    begin: () => {
      begun.push(name);
      return over;
    },
  };
}

describe('places', () => {
  test('are taken in turn, the more urgent first, and given back with the end', async () => {
    const places = new Places(1);
    const begun: string[] = [];
    const [a, b, c] = [work(begun, 'a'), work(begun, 'b'), work(begun, 'c')];
    const taken = [
      places.take(live('a'), a.begin),
      places.take(live('b'), b.begin, 1),
      places.take(live('c'), c.begin, 2),
    ];
    expect(begun).toEqual(['a']);
    for (const one of [a, c, b]) {
      one.end();
      await new Promise(setImmediate);
    }
    await Promise.all(taken);
    expect(begun).toEqual(['a', 'c', 'b']);
  });

  test('a run that waits gives its place away, is known as waiting, and is over only when its work is', async () => {
    const places = new Places(1);
    const begun: string[] = [];
    const [a, b] = [work(begun, 'a'), work(begun, 'b')];
    const waits = live('a');
    let isOver = false;
    const first = places.take(waits, a.begin).then(() => {
      isOver = true;
    });
    const second = places.take(live('b'), b.begin);
    expect([begun, [...places.waiting]]).toEqual([['a'], []]);
    waits.freePlace();
    waits.freePlace();
    await new Promise(setImmediate);
    expect([begun, [...places.waiting], isOver]).toEqual([['a', 'b'], ['a'], false]);
    a.end();
    await first;
    expect([...places.waiting]).toEqual([]);
    b.end();
    await second;
  });

  test('work that fails gives its place back and says so', async () => {
    const places = new Places(0);
    await expect(places.take(live('a'), () => Promise.reject(new Error('broken')))).rejects.toThrow('broken');
    const freed = live('b');
    const failing = places.take(freed, async () => {
      freed.freePlace();
      await new Promise(setImmediate);
      throw new Error('broken later');
    });
    await expect(failing).rejects.toThrow('broken later');
    expect([...places.waiting]).toEqual([]);
  });

  test('another limit counts from the next turn on', async () => {
    const places = new Places(1);
    const begun: string[] = [];
    const [a, b] = [work(begun, 'a'), work(begun, 'b')];
    const taken = [places.take(live('a'), a.begin), places.take(live('b'), b.begin)];
    places.resize(2);
    await new Promise(setImmediate);
    expect(begun).toEqual(['a', 'b']);
    a.end();
    b.end();
    await Promise.all(taken);
  });
});
