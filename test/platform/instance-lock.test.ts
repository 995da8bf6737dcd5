import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import lockfile from 'proper-lockfile';
import { createProcesses, linuxProcessTable } from '../../src/executors/process/lifecycle/process-table.ts';
import { createLocker } from '../../src/platform/flock.ts';
import { holdInstanceLock, type InstanceLock, readInstanceHolder } from '../../src/platform/instance-lock.ts';

const processes = createProcesses(linuxProcessTable());

let folder: string;
let lockFile: string;
let holderFile: string;
let children: ChildProcess[];
let held: InstanceLock[];

beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'instance-')));
  lockFile = join(folder, 'run', 'supervisor.lock');
  holderFile = join(folder, 'run', 'supervisor.json');
  children = [];
  held = [];
});

afterEach(async () => {
  for (const child of children) {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }
  for (const lock of held) await lock.release();
  rmSync(folder, { recursive: true, force: true });
});

async function hold(scope: 'machine' | 'graph' = 'machine', stateDir = '/state/two'): Promise<InstanceLock> {
  const lock = await holdInstanceLock({
    scope,
    lockFile,
    holderFile,
    locker: createLocker(),
    processes,
    facts: { startedAt: Date.parse('2027-01-15T08:00:00Z'), stateDir, version: '1.2.3' },
  });
  held.push(lock);
  return lock;
}

/** Another supervisor, in a process of its own; resolves with its first word. */
async function another(scope = 'machine'): Promise<{ child: ChildProcess; word: string }> {
  const loader = join(import.meta.dirname, '../support/run-typescript.mjs');
  const victim = join(import.meta.dirname, 'instance-lock-victim.ts');
  const child = spawn(
    process.execPath,
    ['--import', loader, victim, scope, lockFile, holderFile, '/state/one'],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  children.push(child);
  const [word] = (await once(child.stdout, 'data')) as [Buffer];
  return { child, word: word.toString() };
}

async function kill(child: ChildProcess): Promise<void> {
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
}

describe.each(['machine', 'graph'] as const)('the lock of a %s', (scope) => {
  test('refuses the second, naming pid, start and state folder of the first', async () => {
    const { child, word } = await another(scope);
    expect(word).toBe('held\n');
    await expect(hold(scope)).rejects.toMatchObject({
      code: 'already-running',
      message: expect.stringMatching(
        new RegExp(`pid ${child.pid}, started 2\\d{3}-.*, state folder /state/one`),
      ),
      details: { pid: child.pid, state_dir: '/state/one', version: '9.9.9' },
    });
    expect(readInstanceHolder(holderFile, processes)?.pid).toBe(child.pid);
  });

  test('is free at once after a kill -9, and the dead holder is not named', async () => {
    const { child } = await another(scope);
    await kill(child);
    expect(readInstanceHolder(holderFile, processes)).toBeNull();
    await hold(scope);
    expect(readInstanceHolder(holderFile, processes)).toMatchObject({
      pid: process.pid,
      state_dir: '/state/two',
    });
  });

  test('stays with a holder that is stopped for longer than any stale time', async () => {
    const { child } = await another(scope);
    child.kill('SIGSTOP');
    if (scope === 'machine') {
      const longAgo = Math.floor(statSync(`${lockFile}.lock`).mtimeMs / 1000) - 3600;
      utimesSync(`${lockFile}.lock`, longAgo, longAgo);
      // On its own proper-lockfile would give it away now.
      expect(await lockfile.check(lockFile, { realpath: false, stale: 30_000 })).toBe(false);
    }
    await expect(hold(scope)).rejects.toMatchObject({ code: 'already-running' });
    expect((await another(scope)).word).toMatch(/^refused .*state folder \/state\/one/);
  });

  test("a machine's lock file is its user's alone, also one that an earlier version made readable", async () => {
    const mode = () => statSync(lockFile).mode & 0o777;
    const first = await hold();
    expect(mode()).toBe(0o600);
    await first.release();
    chmodSync(lockFile, 0o644);
    await hold();
    expect(mode()).toBe(0o600);
  });

  test('leaves nothing but the lock file, may be released twice, and can be taken again', async () => {
    const lock = await hold(scope);
    await Promise.all([lock.release(), lock.release()]);
    expect(readdirSync(join(folder, 'run'))).toEqual(['supervisor.lock']);
    await hold(scope);
  });

  test('refuses a second one in the same process', async () => {
    await hold(scope);
    await expect(hold(scope)).rejects.toMatchObject({
      code: 'already-running',
      details: { pid: process.pid },
    });
  });
});

describe('the machine lock', () => {
  test('among many that start at once after a crash, exactly one gets it', async () => {
    await kill((await another()).child);
    expect(existsSync(`${lockFile}.lock`)).toBe(true);
    const words = (await Promise.all([1, 2, 3, 4].map(() => another()))).map((one) => one.word.split(' ')[0]);
    expect(words.sort()).toEqual(['held\n', 'refused', 'refused', 'refused']);
  });

  test('is in a private folder with a private holder file; a graph’s holder may be read by other users', async () => {
    await hold('machine');
    expect(statSync(join(folder, 'run')).mode & 0o777).toBe(0o700);
    expect(statSync(holderFile).mode & 0o777).toBe(0o600);
    await held.pop()?.release();
    await hold('graph');
    expect(statSync(holderFile).mode & 0o777).toBe(0o644);
    expect(existsSync(`${lockFile}.lock`)).toBe(false);
  });

  test('respects the fresh lock of another host that shares the folder', async () => {
    mkdirSync(`${lockFile}.lock`, { recursive: true });
    const holder = {
      pid: 1,
      start_time: 's',
      boot_id: 'b',
      host: `not-${hostname()}`,
      started_at: '2027-01-01T00:00:00Z',
      state_dir: '/far',
      version: '1',
    };
    writeFileSync(holderFile, JSON.stringify(holder));
    await expect(hold()).rejects.toMatchObject({
      code: 'already-running',
      message: expect.stringContaining(`on not-${hostname()}`),
    });
    expect(readFileSync(holderFile, 'utf8')).toBe(JSON.stringify(holder));
    const longAgo = Math.floor(statSync(`${lockFile}.lock`).mtimeMs / 1000) - 3600;
    utimesSync(`${lockFile}.lock`, longAgo, longAgo);
    await hold();
  });

  test.each([
    ['torn', '{"pid": 12'],
    ['of another kind', '[1, 2]'],
    ['without a start', `{"pid": ${process.pid}}`],
  ])('a holder file that is %s neither stops the first nor hides from the second that it comes second', async (_what, content) => {
    mkdirSync(join(folder, 'run'));
    writeFileSync(holderFile, content);
    expect(readInstanceHolder(holderFile, processes)).toBeNull();
    await hold();
    writeFileSync(holderFile, content);
    await expect(hold()).rejects.toMatchObject({
      code: 'already-running',
      hint: expect.stringContaining('fuser'),
    });
  });

  test('a holder file whose pid another process has by now names no one', async () => {
    await hold();
    const holder = JSON.parse(readFileSync(holderFile, 'utf8'));
    writeFileSync(holderFile, JSON.stringify({ ...holder, start_time: '1' }));
    expect(readInstanceHolder(holderFile, processes)).toBeNull();
  });

  test('says so, and throws nothing, when its lock folder is taken away; releasing is harmless then', async () => {
    const told = new Promise<string>((resolve) => {
      void holdInstanceLock({
        scope: 'machine',
        lockFile,
        holderFile,
        locker: createLocker(),
        processes,
        facts: { startedAt: 0, stateDir: '/s', version: '1' },
        onCompromised: resolve,
      }).then((lock) => {
        held.push(lock);
        rmSync(`${lockFile}.lock`, { recursive: true });
      });
    });
    // Comes with the next refresh of the lock folder, 5 s at most.
    expect(await told).toContain(`${lockFile}.lock was taken away`);
    await held[0]?.release();
    expect(readdirSync(join(folder, 'run'))).toEqual(['supervisor.lock']);
  });

  test('a folder that cannot be made is a configuration error with the next step', async () => {
    writeFileSync(join(folder, 'run'), 'a file');
    await expect(hold()).rejects.toMatchObject({ code: 'config', hint: expect.any(String) });
  });
});
