import { mkdir, mkdtemp, readFile, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { openPageSessions, type PageSessions } from '../../../src/api/request/page-sessions.ts';
import { ApiProblem } from '../../../src/api/request/problem.ts';
import { systemIdentity } from '../../../src/platform/identity.ts';
import { handClock } from '../api-kit.ts';

const HOUR = 3_600_000;
let folder: string;
let file: string;
let clock: ReturnType<typeof handClock>;
let sessions: PageSessions;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'page-sessions-'));
  file = join(folder, 'page-sessions.json');
  clock = handClock(Date.parse('2027-01-10T10:00:00Z'));
  sessions = reopened();
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const reopened = () => openPageSessions(file, clock, systemIdentity());

async function problemOf(act: () => unknown): Promise<string> {
  try {
    await act();
  } catch (thrown) {
    if (thrown instanceof ApiProblem) return thrown.problem;
    throw thrown;
  }
  return 'none';
}

describe('a code', () => {
  test('opens a session once', async () => {
    const { code } = sessions.issue('operator');
    const made = await sessions.redeem(code, undefined);
    expect(sessions.admit(made.cookie, made.key)).toMatchObject({ role: 'operator' });
    expect(await problemOf(() => sessions.redeem(code, undefined))).toBe('page-code-used');
  });

  test('opens one session when it arrives twice at once', async () => {
    const { code } = sessions.issue('operator');
    const both = await Promise.allSettled([
      sessions.redeem(code, undefined),
      sessions.redeem(code, undefined),
    ]);
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  });

  test('is worth nothing after a minute, when guessed, after a restart, and where the clock was set back', async () => {
    const [late, kept, early] = [
      sessions.issue('operator'),
      sessions.issue('operator'),
      sessions.issue('operator'),
    ];
    clock.advance(60_000);
    expect(await problemOf(() => sessions.redeem(late.code, undefined))).toBe('page-code-expired');
    expect(await problemOf(() => sessions.redeem(`wgo_${'a'.repeat(43)}`, undefined))).toBe(
      'page-code-unknown',
    );
    expect(await problemOf(() => reopened().redeem(kept.code, undefined))).toBe('page-code-unknown');
    clock.advance(-2 * HOUR);
    expect(await problemOf(() => sessions.redeem(early.code, undefined))).toBe('page-code-expired');
  });

  test('keeps its role', async () => {
    const made = await sessions.redeem(sessions.issue('read-only').code, undefined);
    expect(sessions.admit(made.cookie, made.key).role).toBe('read-only');
  });
});

describe('a session', () => {
  const open = async () => sessions.redeem(sessions.issue('operator').code, undefined);

  test('needs both halves, and those of one session', async () => {
    const [one, other] = [await open(), await open()];
    expect(await problemOf(() => sessions.admit(undefined, one.key))).toBe('page-session-incomplete');
    expect(await problemOf(() => sessions.admit(other.cookie, one.key))).toBe('page-session-unknown');
    expect(await problemOf(() => sessions.admit(one.key, one.cookie))).toBe('page-session-unknown');
    expect(await problemOf(() => sessions.admit(one.cookie, one.resume))).toBe('page-session-unknown');
  });

  test('continues in other tabs when the page is opened again in the same browser', async () => {
    const first = await open();
    const second = await sessions.redeem(sessions.issue('read-only').code, first.cookie);
    expect(second.cookie).toBe(first.cookie);
    expect(sessions.admit(first.cookie, first.key).role).toBe('operator');
    expect(sessions.admit(second.cookie, second.key).role).toBe('read-only');
  });

  test('is not started with a cookie that another site chose', async () => {
    const made = await sessions.redeem(sessions.issue('operator').code, 'chosen');
    expect(made.cookie).not.toBe('chosen');
  });

  test('outlives the process for a page that stayed open, as hashes in a file of its user alone, for twelve hours', async () => {
    const made = await open();
    const text = await readFile(file, 'utf8');
    for (const secret of [made.key, made.cookie, made.resume]) expect(text).not.toContain(secret);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    const next = reopened();
    expect(next.anyLive()).toBe(true);
    expect(next.life).not.toBe(sessions.life);
    const again = next.resume(made.resume, made.cookie);
    expect(next.admit(again.cookie, again.key).role).toBe('operator');
    clock.advance(12 * HOUR);
    expect(reopened().anyLive()).toBe(false);
    expect(await problemOf(() => sessions.admit(made.cookie, made.key))).toBe('page-session-unknown');
    expect(await problemOf(() => next.resume(made.resume, made.cookie))).toBe('page-session-unknown');
  });

  test('is worth nothing to the next process by cookie and key, all that a browser stores', async () => {
    const made = await open();
    const next = reopened();
    expect(await problemOf(() => next.admit(made.cookie, made.key))).toBe('page-session-unknown');
    expect(await problemOf(() => next.resume(made.key, made.cookie))).toBe('page-session-unknown');
    expect(await problemOf(() => next.resume(made.resume, undefined))).toBe('page-session-unknown');
    const other = await next.redeem(next.issue('operator').code, undefined);
    expect(await problemOf(() => next.resume(made.resume, other.cookie))).toBe('page-session-unknown');
  });

  test('is resumed twice where the first answer was lost, and the older key ends then', async () => {
    const made = await open();
    const next = reopened();
    const [lost, again] = [1, 2].map(() => next.resume(made.resume, made.cookie));
    expect(await problemOf(() => next.admit(made.cookie, lost?.key ?? ''))).toBe('page-session-unknown');
    expect(next.admit(made.cookie, again?.key ?? '').role).toBe('operator');
  });

  test('has a copy for each document, of the same role and no longer life', async () => {
    const made = await sessions.redeem(sessions.issue('read-only').code, undefined);
    clock.advance(HOUR);
    const copy = await sessions.copy(sessions.admit(made.cookie, made.key), made.cookie);
    expect([copy.role, copy.expiresAt, copy.cookie]).toEqual(['read-only', made.expiresAt, made.cookie]);
    await sessions.end(sessions.admit(made.cookie, made.key));
    expect(sessions.admit(copy.cookie, copy.key).role).toBe('read-only');
  });

  test('lasts no longer because the clock was set back', async () => {
    const made = await open();
    clock.advance(-HOUR);
    expect(await problemOf(() => sessions.admit(made.cookie, made.key))).toBe('page-session-unknown');
  });

  test('ends with all that was opened for it, on its own, by hand, and with all others', async () => {
    const ended: string[] = [];
    const [one, two, three] = [await open(), await open(), await open()];
    const watch = (name: string, made: typeof one) =>
      sessions.onEnd(sessions.admit(made.cookie, made.key), () => ended.push(name));
    watch('one', one);
    watch('two', two);
    watch('three', three)();
    await sessions.end(sessions.admit(one.cookie, one.key));
    expect(ended).toEqual(['one']);
    const code = sessions.issue('operator');
    expect(await sessions.endAll()).toBe(2);
    expect(ended).toEqual(['one', 'two']);
    expect(await problemOf(() => sessions.redeem(code.code, undefined))).toBe('page-code-unknown');
    expect(reopened().anyLive()).toBe(false);
    const last = await open();
    watch('last', last);
    clock.advance(12 * HOUR);
    expect(ended).toEqual(['one', 'two', 'last']);
  });
});

describe('the file of sessions', () => {
  test.each<[string, () => Promise<unknown>]>([
    ['torn', () => writeFile(file, '{"sessions":[{"resume":')],
    ['of another shape', () => writeFile(file, '{"sessions":[{"resume":"x","cookie":5},null,7]}')],
    [
      'of an older program',
      () => writeFile(file, JSON.stringify({ sessions: [{ key: 'a'.repeat(64), cookie: 'b'.repeat(64) }] })),
    ],
    ['no object', () => writeFile(file, 'null')],
    ['a folder', () => mkdir(file)],
    ['a link to a device', () => symlink('/dev/zero', file)],
    [
      'huge',
      async () => {
        await writeFile(file, '');
        await truncate(file, 1 << 30);
      },
    ],
  ])('that is %s has none and locks no user out', async (_what, spoil) => {
    await spoil();
    const anew = reopened();
    expect(anew.anyLive()).toBe(false);
    const made = await anew.redeem(anew.issue('operator').code, undefined);
    expect(anew.admit(made.cookie, made.key).role).toBe('operator');
  });

  test('cannot be written: the session lasts as long as the process', async () => {
    await rm(folder, { recursive: true });
    const made = await sessions.redeem(sessions.issue('operator').code, undefined);
    expect(sessions.admit(made.cookie, made.key).role).toBe('operator');
  });

  test('does not grow without end', async () => {
    const codes = Array.from({ length: 101 }, () => sessions.issue('operator').code);
    expect(await problemOf(() => sessions.redeem(codes[0] ?? '', undefined))).toBe('page-code-unknown');
    expect(await problemOf(() => sessions.redeem(codes[100] ?? '', undefined))).toBe('none');
  });
});
