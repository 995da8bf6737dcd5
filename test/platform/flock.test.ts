import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createLocker, type Locker } from '../../src/platform/flock.ts';
import { PERL, UTIL_LINUX } from '../../src/platform/lock-program.ts';

const run = promisify(execFile);
let folder: string;
let path: string;
let children: ChildProcess[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'flock-'));
  path = join(folder, 'graph.lock');
  children = [];
});

afterEach(async () => {
  for (const child of children) if (child.exitCode === null) child.kill('SIGKILL');
  await rm(folder, { recursive: true, force: true });
});

/** Another process that holds the lock until `end` is called, as wg's helper would. */
async function otherHolder(): Promise<{ end(): Promise<void>; kill(): Promise<void> }> {
  const child = spawn('flock', ['-x', '--no-fork', path, 'sh', '-c', 'echo locked; exec cat >/dev/null'], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  children.push(child);
  await once(child.stdout, 'data');
  return {
    async end() {
      const ended = once(child, 'close');
      child.stdin.end();
      await ended;
    },
    async kill() {
      const ended = once(child, 'close');
      child.kill('SIGKILL');
      await ended;
    },
  };
}

const hasFlock = (() => {
  try {
    execFileSync('flock', ['--version']);
    return true;
  } catch {
    return false;
  }
})();

const ways: [string, () => Locker][] = [
  ['koffi', () => createLocker()],
  ['the flock program alone', () => createLocker({ native: () => null, programs: [UTIL_LINUX] })],
  ['perl alone', () => createLocker({ native: () => null, programs: [PERL] })],
  ['koffi with perl to wait', () => createLocker({ programs: [PERL] })],
  ['koffi with nothing to wait with', () => createLocker({ programs: [] })],
];

(hasFlock ? describe : describe.skip).each(ways)('a lock by %s', (_name, make) => {
  test('keeps others out, in this process and elsewhere, until it is released', async () => {
    const locker = make();
    const lock = await locker.acquire(path, { timeoutMs: 5000 });
    expect(make().tryAcquire(path)).toBeNull();
    await expect(run('flock', ['-n', path, 'true'])).rejects.toMatchObject({ code: 1 });
    lock.release();
    lock.release();
    await run('flock', ['-n', path, 'true']);
    const again = locker.tryAcquire(path);
    expect(again).not.toBeNull();
    again?.release();
    expect(existsSync(path)).toBe(true);
  });

  test('waits for another process, and gets the lock when that one ends or is killed', async () => {
    const locker = make();
    for (const how of ['end', 'kill'] as const) {
      const holder = await otherHolder();
      expect(locker.tryAcquire(path)).toBeNull();
      let got = false;
      const waiting = locker.acquire(path, { timeoutMs: 10_000 }).then((lock) => {
        got = true;
        return lock;
      });
      await run('flock', ['-n', path, 'true']).catch(() => undefined);
      expect(got).toBe(false);
      await holder[how]();
      (await waiting).release();
    }
  });

  test('gives up in time with the lock named, and can be cancelled', async () => {
    const locker = make();
    const holder = await otherHolder();
    const began = performance.now();
    await expect(locker.acquire(path, { timeoutMs: 400 })).rejects.toMatchObject({
      code: 'graph',
      message: expect.stringContaining(path),
      hint: expect.stringContaining('fuser'),
    });
    expect(performance.now() - began).toBeLessThan(4000);
    const abort = new AbortController();
    const waiting = locker.acquire(path, { timeoutMs: 60_000, signal: abort.signal });
    waiting.catch(() => undefined);
    await run('true');
    abort.abort();
    await expect(waiting).rejects.toMatchObject({
      code: 'graph',
      message: expect.stringContaining('cancelled'),
    });
    await holder.end();
    locker.tryAcquire(path)?.release();
  });
});

(hasFlock ? describe : describe.skip)('locking', () => {
  test('a lock file that was replaced while we waited is not taken for the lock', async () => {
    const locker = createLocker();
    const holder = await otherHolder();
    const waiting = locker.acquire(path, { timeoutMs: 10_000 });
    await writeFile(join(folder, 'new'), '');
    await rename(join(folder, 'new'), path);
    await holder.end();
    const lock = await waiting;
    await expect(run('flock', ['-n', path, 'true'])).rejects.toMatchObject({ code: 1 });
    lock.release();
  });

  test('many waiters do not block the file system calls of this process', async () => {
    const locker = createLocker();
    const holder = await otherHolder();
    const waiting = Array.from({ length: 12 }, () =>
      locker.acquire(path, { timeoutMs: 20_000 }).then((lock) => lock.release()),
    );
    await writeFile(join(folder, 'free'), 'still working');
    expect(await readFile(join(folder, 'free'), 'utf8')).toBe('still working');
    await holder.end();
    await Promise.all(waiting);
  });

  test('excludes others in a real contest: no increment is lost', async () => {
    const counter = join(folder, 'counter');
    await writeFile(counter, '0');
    const other = run('sh', [
      '-c',
      `for i in $(seq 40); do flock -x "${path}" sh -c 'n=$(cat "${counter}"); echo $((n+1)) > "${counter}.$$"; mv "${counter}.$$" "${counter}"'; done`,
    ]);
    const ours = async (locker: Locker) => {
      for (let i = 0; i < 40; i++) {
        const lock = await locker.acquire(path, { timeoutMs: 20_000 });
        await writeFile(counter, String(Number(await readFile(counter, 'utf8')) + 1));
        lock.release();
      }
    };
    await Promise.all([other, ours(createLocker()), ours(createLocker())]);
    expect(Number(await readFile(counter, 'utf8'))).toBe(120);
  });
});

describe('trouble', () => {
  test('a missing folder is not created again, and the error says what to look at', async () => {
    const gone = join(folder, 'gone', 'graph.lock');
    const locker = createLocker();
    await expect(locker.acquire(gone, { timeoutMs: 100 })).rejects.toMatchObject({
      code: 'graph',
      message: expect.stringContaining(gone),
      hint: expect.stringContaining('folder'),
    });
    expect(() => locker.tryAcquire(gone)).toThrow(gone);
    expect(existsSync(join(folder, 'gone'))).toBe(false);
  });

  test('a folder in the place of the lock file is an error that names it', async () => {
    await mkdir(path);
    await expect(createLocker().acquire(path, { timeoutMs: 100 })).rejects.toMatchObject({
      code: 'graph',
      message: expect.stringContaining(path),
    });
  });

  test('without koffi and without programs: one clear error, what to install', async () => {
    const broken = { command: '/nonexistent/flock', args: () => [] };
    // A flock of another make that does not know our options: status 1, but with words.
    const strange = { command: 'sh', args: () => ['-c', 'echo usage >&2; exit 1'] };
    const locker = createLocker({ native: () => null, programs: [broken, strange] });
    const expected = {
      code: 'graph',
      message: expect.stringMatching(/graph\.lock: neither the koffi library nor a helper program/),
      hint: expect.stringContaining('install'),
    };
    await expect(locker.acquire(path, { timeoutMs: 500 })).rejects.toMatchObject(expected);
    expect(() => locker.tryAcquire(path)).toThrow(/neither the koffi library/);
  });
});
