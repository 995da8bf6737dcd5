import { describe, expect, test } from '@jest/globals';
import type { Run } from '../../src/domain/run.ts';
import { LiveRun } from '../../src/run/live-run.ts';
import { Slots } from '../../src/supervisor/slots.ts';

const live = (id: string) => new LiveRun({ id } as Run, null, 0);

/** Work that has finished when it is told so; notes when it begins. */
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

describe('slots', () => {
  test('are taken in turn, the more urgent first, and released with the end', async () => {
    const slots = new Slots(1);
    const begun: string[] = [];
    const [a, b, c] = [work(begun, 'a'), work(begun, 'b'), work(begun, 'c')];
    const taken = [
      slots.take(live('a'), a.begin),
      slots.take(live('b'), b.begin, 1),
      slots.take(live('c'), c.begin, 2),
    ];
    expect(begun).toEqual(['a']);
    for (const one of [a, c, b]) {
      one.end();
      await new Promise(setImmediate);
    }
    await Promise.all(taken);
    expect(begun).toEqual(['a', 'c', 'b']);
  });

  test('a run that waits gives its place away, is known as waiting, and has finished only when its work is', async () => {
    const slots = new Slots(1);
    const begun: string[] = [];
    const [a, b] = [work(begun, 'a'), work(begun, 'b')];
    const waits = live('a');
    let isOver = false;
    const first = slots.take(waits, a.begin).then(() => {
      isOver = true;
    });
    const second = slots.take(live('b'), b.begin);
    expect([begun, [...slots.waiting]]).toEqual([['a'], []]);
    waits.releaseSlot();
    waits.releaseSlot();
    await new Promise(setImmediate);
    expect([begun, [...slots.waiting], isOver]).toEqual([['a', 'b'], ['a'], false]);
    a.end();
    await first;
    expect([...slots.waiting]).toEqual([]);
    b.end();
    await second;
  });

  test('work that fails gives its place back and says so', async () => {
    const slots = new Slots(0);
    await expect(slots.take(live('a'), () => Promise.reject(new Error('broken')))).rejects.toThrow('broken');
    const freed = live('b');
    const failing = slots.take(freed, async () => {
      freed.releaseSlot();
      await new Promise(setImmediate);
      throw new Error('broken later');
    });
    await expect(failing).rejects.toThrow('broken later');
    expect([...slots.waiting]).toEqual([]);
  });

  test('another limit counts from the next turn on', async () => {
    const slots = new Slots(1);
    const begun: string[] = [];
    const [a, b] = [work(begun, 'a'), work(begun, 'b')];
    const taken = [slots.take(live('a'), a.begin), slots.take(live('b'), b.begin)];
    slots.resize(2);
    await new Promise(setImmediate);
    expect(begun).toEqual(['a', 'b']);
    a.end();
    b.end();
    await Promise.all(taken);
  });
});
