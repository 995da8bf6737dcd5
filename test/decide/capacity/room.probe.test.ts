import { describe, expect, test } from '@jest/globals';
import { profileKey, Room, type RoomState } from '../../../src/decide/capacity/room.ts';
import type { Pause } from '../../../src/decide/world.ts';
import { claude, NOW, run as runOf } from '../../support/tasks.ts';

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
    const onWorker = run({ executor: 'work', type: 'remote', phase: 'handed-off', openedAt: NOW - 500 });
    expect(room([over], { runs: [onWorker] }).full(seatOf(also))?.code).toBe('probe');
  });

  test('a pause that stands is no pause that has finished, one without an end never is, a task’s own concerns no one', () => {
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

describe('namesakes', () => {
  const machine = claude('agent');
  const ownOf = (graph: string) => claude('agent', { origin: { file: `${graph}/config.toml` } });
  const [here, there, elsewhere] = [
    { ...seatOf(ownOf('/g')), graph: '/g' },
    { ...seatOf(ownOf('/h')), graph: '/h' },
    { ...seatOf(machine), graph: '/i' },
  ];
  const pause = (name: string, more: Partial<Pause> = {}): Pause => ({
    ...{ scope: 'profile', name, code: 'executor-unavailable', because: 'not there', until: NOW + 1 },
    ...more,
  });
  const codes = (one: Room) => [here, there, elsewhere].map((seat) => one.pauseOf(seat)?.code ?? null);

  test("what a worktree's own profile lacks holds neither its namesake elsewhere nor the machine's, nor the reverse", () => {
    const own = profileKey(here.profile, '/g');
    expect(codes(room([pause(own)]))).toEqual(['executor-unavailable', null, null]);
    expect(codes(room([pause('agent')]))).toEqual([null, null, 'executor-unavailable']);
  });

  test('a person who pauses a name means all of them', () => {
    const both = [pause('agent', { code: 'paused', until: null }), pause(profileKey(here.profile, '/g'))];
    expect(codes(room(both))).toEqual(['paused', 'paused', 'paused']);
  });

  test('after the pause one task tries first, of that profile only, and is named by what a person calls it', () => {
    const one = room([pause(profileKey(here.profile, '/g'), { until: NOW - 1 })]);
    for (const seat of [here, there]) one.take(seat);
    expect(one.full(here)).toMatchObject({
      code: 'probe',
      because: expect.stringContaining('profile agent first'),
    });
    expect(one.full(there)).toBeNull();
    expect(one.full(elsewhere)).toBeNull();
  });
});
