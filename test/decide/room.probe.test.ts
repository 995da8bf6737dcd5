import { describe, expect, test } from '@jest/globals';
import { Room, type RoomState } from '../../src/decide/room.ts';
import type { Pause } from '../../src/decide/world.ts';
import { claude, NOW, run as runOf } from '../support/tasks.ts';

const run = (more: Parameters<typeof runOf>[2]) => runOf('w', 't', more);

const seatOf = (profile: ReturnType<typeof claude>) => ({
  graph: '/g',
  worktree: '/w',
  repo: 'r',
  profile,
});
const work = claude('work', { account: 'team' });
const also = claude('also', { account: 'team' });
const own = claude('own', { account: 'me' });
const over: Pause = { scope: 'account', name: 'team', code: 'quota', because: 'limit', until: NOW - 1000 };

function room(pauses: readonly Pause[], more: Partial<RoomState> = {}): Room {
  return new Room({
    now: NOW,
    maxConcurrent: 8,
    runs: [],
    pauses,
    settingsOf: () => null,
    profileOf: (one) => [work, also, own].find((profile) => profile.name === one.executor) ?? null,
    ...more,
  });
}

describe('after a pause', () => {
  test('one task of the account gets in, whatever its profile; other accounts are not concerned', () => {
    const one = room([over]);
    expect(one.full(seatOf(work))).toBeNull();
    one.take(seatOf(work));
    for (const profile of [work, also])
      expect(one.full(seatOf(profile))).toMatchObject({
        code: 'probe',
        because: expect.stringContaining('team'),
      });
    expect(one.full(seatOf(own))).toBeNull();
  });

  test('a run that was begun since tries already; one from before proves nothing', () => {
    const since = run({ executor: 'work', phase: 'started', openedAt: NOW - 500 });
    expect(room([over], { runs: [since] }).full(seatOf(also))?.code).toBe('probe');
    const before = run({ executor: 'work', phase: 'started', openedAt: NOW - 5000 });
    expect(room([over], { runs: [before] }).full(seatOf(also))).toBeNull();
    const elsewhere = run({ executor: 'work', phase: 'handed-off', openedAt: NOW - 500 });
    expect(room([over], { runs: [elsewhere] }).full(seatOf(also))).toBeNull();
  });

  test('a pause that stands is no pause that is over, one without an end never is, a task’s own concerns nobody', () => {
    for (const pause of [
      { ...over, until: NOW + 1 },
      { ...over, until: null },
      { ...over, scope: 'task' as const },
      { ...over, scope: 'repo' as const },
    ]) {
      const one = room([pause]);
      one.take(seatOf(work));
      expect(one.full(seatOf(also))).toBeNull();
    }
  });
});
