import { expect, test } from '@jest/globals';
import { createGroupSync } from '../../src/runs/group-sync.ts';

/** Syncs that end when the test says so. */
function scripted() {
  const under: { end(): void; fail(thrown: unknown): void }[] = [];
  const sync = () => new Promise<void>((end, fail) => under.push({ end, fail }));
  const begun = async (count: number) => {
    while (under.length < count) await new Promise((resolve) => setImmediate(resolve));
    return under[count - 1] as (typeof under)[number];
  };
  return { sync, begun, count: () => under.length };
}

test('all who come before a sync begins share it; who comes during one gets the next', async () => {
  const disk = scripted();
  const synced = createGroupSync(disk.sync);
  const done: string[] = [];
  const wait = (name: string) => synced().then(() => done.push(name));
  const first = [wait('a'), wait('b')];
  await Promise.resolve();
  first.push(wait('c'));
  const one = await disk.begun(1);
  const second = [wait('d'), wait('e')];
  one.end();
  await Promise.all(first);
  expect(done).toEqual(['a', 'b', 'c']);
  const two = await disk.begun(2);
  expect(done).toHaveLength(3);
  two.end();
  await Promise.all(second);
  expect(disk.count()).toBe(2);
  const last = wait('f');
  (await disk.begun(3)).end();
  await last;
});

test('a sync that fails fails all who shared it, and no one else', async () => {
  const disk = scripted();
  const synced = createGroupSync(disk.sync);
  const shared = Promise.allSettled([synced(), synced()]);
  const one = await disk.begun(1);
  const later = synced();
  one.fail(new Error('no space'));
  expect((await shared).map((result) => result.status)).toEqual(['rejected', 'rejected']);
  (await disk.begun(2)).end();
  await expect(later).resolves.toBeUndefined();
});

test('two never run at once', async () => {
  let running = 0;
  let most = 0;
  const synced = createGroupSync(async () => {
    most = Math.max(most, ++running);
    await new Promise((resolve) => setImmediate(resolve));
    running--;
  });
  await Promise.all(
    Array.from({ length: 50 }, async (_, n) => {
      for (let i = 0; i < n % 5; i++) await new Promise((resolve) => setImmediate(resolve));
      await synced();
    }),
  );
  expect(most).toBe(1);
});
