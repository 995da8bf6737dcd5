import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import {
  chmod,
  lstat,
  mkdir,
  mkdtemp,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { wellFormed } from '../../src/graph/edit.ts';
import { createGraphStore, type EditSession, type GraphStore } from '../../src/graph/store.ts';
import { strictLine } from '../../src/graph/wg-validation.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { createLocker, type Locker } from '../../src/platform/flock.ts';
import { createFakeClock } from '../support/fake-clock.ts';

const run = promisify(execFile);
const fixtures = join(import.meta.dirname, '../../fixtures/graphs');
const real = join(import.meta.dirname, '../../../shared/graphs');
const limits = { maxLineBytes: 1_000_000, maxGraphBytes: 100_000_000 };
const clock = systemClock();

let graph: string;
let file: string;
let children: ChildProcess[];
let stores: GraphStore[];

beforeEach(async () => {
  graph = await mkdtemp(join(tmpdir(), 'store-'));
  file = join(graph, 'graph.jsonl');
  children = [];
  stores = [];
});

afterEach(async () => {
  for (const child of children) if (child.exitCode === null) child.kill('SIGKILL');
  for (const store of stores) await store.close();
  await rm(graph, { recursive: true, force: true });
});

function makeStore(options: Partial<Parameters<typeof createGraphStore>[0]> = {}): GraphStore {
  const store = createGraphStore({ graph, locker: createLocker(), limits, clock, ...options });
  stores.push(store);
  return store;
}

function task(id: string, more: Record<string, unknown> = {}): string {
  return JSON.stringify({ kind: 'task', id, title: `Task ${id}`, status: 'open', priority: 10, ...more });
}

/** Replaces the graph as wg does. */
async function replace(text: string): Promise<void> {
  await writeFile(`${file}.next`, text);
  await rename(`${file}.next`, file);
}

function fields(id: string): Record<string, unknown> {
  const line = readFileSync(file, 'utf8')
    .split('\n')
    .findLast((l) => l.includes(`"id":"${id}"`));
  return JSON.parse(line ?? 'null');
}

function countingLocker(): { locker: Locker; count(): number } {
  const locker = createLocker();
  let count = 0;
  return {
    locker: {
      tryAcquire: locker.tryAcquire,
      adopt: locker.adopt,
      acquire(path, options) {
        count++;
        return locker.acquire(path, options);
      },
    },
    count: () => count,
  };
}

/** Another process that holds graph.lock until its input ends. */
async function otherHolder(): Promise<{ end(): Promise<void> }> {
  const child = spawn(
    'flock',
    ['-x', '--no-fork', join(graph, 'graph.lock'), 'sh', '-c', 'echo held; exec cat'],
    {
      stdio: ['pipe', 'pipe', 'ignore'],
    },
  );
  children.push(child);
  await once(child.stdout, 'data');
  return {
    async end() {
      const ended = once(child, 'close');
      child.stdin.end();
      await ended;
    },
  };
}

describe('reading', () => {
  test('before the first reading, and without a file, the graph is missing', async () => {
    const store = makeStore();
    expect(store.snapshot().problem).toMatchObject({ code: 'missing' });
    const first = await store.refresh();
    expect(first.problem?.message).toContain(`${file} does not exist`);
    expect(await store.refresh()).toBe(first);
    await replace(`${task('a')}\n`);
    expect((await store.refresh()).tasks.size).toBe(1);
    await rm(file);
    expect((await store.refresh()).problem?.code).toBe('missing');
    expect(store.detail('a')).toBeNull();
  });

  test('the same bytes are the same snapshot, other bytes another revision', async () => {
    await replace(`${task('a')}\n${task('b')}\n`);
    const store = makeStore();
    const first = await store.refresh();
    expect(await store.refresh()).toBe(first);
    await replace(`${task('a')}\n${task('b')}\n`);
    expect(await store.refresh()).toBe(first);
    await replace(`${task('a')}\n${task('b', { status: 'done' })}\n`);
    const second = await store.refresh();
    expect(second.revision).not.toBe(first.revision);
    expect(second.tasks.get('a')).toBe(first.tasks.get('a'));
    expect(first.tasks.get('b')?.status).toBe('open');
    expect(second.tasks.get('b')?.status).toBe('done');
    expect(store.detail('b')?.fields.status).toBe('done');
    expect(store.detail('none')).toBeNull();
  });

  test('a change of equal length is seen, however soon after the last', async () => {
    const store = makeStore();
    for (let i = 0; i < 200; i++) {
      const text = `${task('a', { description: String(i % 10) })}\n`;
      // In place, the file keeps its number, its size and, within one step of the clock, its times.
      if (i % 2) writeFileSync(file, text);
      else await replace(text);
      await store.refresh();
      expect(store.detail('a')?.description).toBe(String(i % 10));
    }
  });

  test('a caller after a change gets it, even while a reading is under way', async () => {
    const store = makeStore();
    for (let i = 0; i < 20; i++) {
      const under = store.refresh();
      await replace(`${task(`t${i}`)}\n`);
      const [, after] = await Promise.all([under, store.refresh(), store.refresh()]);
      expect([...after.tasks.keys()]).toEqual([`t${i}`]);
    }
  });

  test('a folder, a pipe or an oversized file in its place is a problem in words', async () => {
    await mkdir(file);
    expect((await makeStore().refresh()).problem).toMatchObject({ code: 'unreadable' });
    await rm(file, { recursive: true });
    await run('mkfifo', [file]);
    expect((await makeStore().refresh()).problem?.message).toContain('is not a file');
    await rm(file);
    await replace('x'.repeat(2_000_000));
    const problem = (await makeStore({ limits: { ...limits, maxGraphBytes: 1_500_000 } }).refresh()).problem;
    expect(problem).toMatchObject({ code: 'too-large' });
    expect(problem?.message).toContain('is 2 MB, at most 1.5 MB are read');
  });

  test('a file that never stops changing is unstable, and read when its writer pauses', async () => {
    await replace(`${`${task('a')}\n`.repeat(150_000)}`);
    // In every turn of the loop: between two steps of a read there always is one, however busy the machine is.
    let writes = true;
    const write = () => {
      if (!writes) return;
      appendFileSync(file, '\n');
      setImmediate(write);
    };
    write();
    const store = makeStore();
    try {
      const snapshot = await store.refresh();
      expect(snapshot.problem).toMatchObject({ code: 'unstable' });
      expect(snapshot.tasks.size).toBe(0);
    } finally {
      writes = false;
    }
    expect((await store.refresh()).problem).toBeNull();
  });

  test('a file emptied in place a moment ago is not taken for an empty graph', async () => {
    await replace(`${task('a')}\n`);
    const clock = createFakeClock(statSync(file).mtimeMs);
    const store = makeStore({ clock });
    await store.refresh();
    writeFileSync(file, '');
    clock.jump(statSync(file).mtimeMs - clock.now());
    expect((await store.refresh()).problem).toMatchObject({ code: 'unstable' });
    await expect(store.change((draft) => draft.add({ id: 'b', title: 'B' }))).rejects.toMatchObject({
      code: 'graph',
    });
    writeFileSync(file, `${task('b')}\n`);
    expect([...(await store.refresh()).tasks.keys()]).toEqual(['b']);
    await replace('');
    expect((await store.refresh()).problem).toBeNull();
  });
});

describe('whether there is anything new', () => {
  /** Makes the file old enough that no one can have been in the middle of writing it. */
  const age = async () => await utimes(file, new Date(Date.now() - 5000), new Date(Date.now() - 5000));

  test('nothing before and after a reading that found nothing, something when the file comes', async () => {
    const store = makeStore();
    expect(store.mayDiffer()).toBe(true);
    await store.refresh();
    expect(store.mayDiffer()).toBe(false);
    await replace(`${task('a')}\n`);
    expect(store.mayDiffer()).toBe(true);
  });

  test('what others write is news until it is read; what this store wrote is none', async () => {
    await replace(`${task('a')}\n`);
    await age();
    const store = makeStore();
    await store.refresh();
    expect(store.mayDiffer()).toBe(false);
    await store.change((draft) => draft.patch('a', { status: 'done' }));
    expect(store.mayDiffer()).toBe(false);
    await replace(`${task('a')}\n`);
    expect(store.mayDiffer()).toBe(true);
  });

  test('a file that was read a moment after it was written is read once more', async () => {
    await replace(`${task('a')}\n`);
    const clock = createFakeClock(statSync(file).mtimeMs);
    const store = makeStore({ clock });
    await store.refresh();
    // Its writer may write on within the same tick of the file system's clock.
    expect(store.mayDiffer()).toBe(true);
    clock.advance(60);
    expect(store.mayDiffer('likely')).toBe(false);
    expect(store.mayDiffer()).toBe(true);
    await store.refresh();
    expect(store.mayDiffer()).toBe(false);
  });

  test('what this store wrote says that it was written before anything that is written after it', async () => {
    const store = makeStore();
    const probe = join(graph, 'probe');
    writeFileSync(probe, '');
    await store.change((draft) => draft.add({ id: 'a', title: 'A' }), { create: true });
    const ours = statSync(file, { bigint: true });
    expect(ours.mtimeNs).toBeLessThan(ours.ctimeNs);
    expect(ours.mtimeNs).toBeGreaterThan(statSync(probe, { bigint: true }).mtimeNs - 1_000_000n);
    writeFileSync(file, readFileSync(file));
    expect(statSync(file, { bigint: true }).mtimeNs).toBeGreaterThan(ours.mtimeNs);
    expect(store.mayDiffer('likely')).toBe(true);
  });

  test('a graph that cannot be read is asked for again and again', async () => {
    await mkdir(file);
    const clock = createFakeClock(statSync(file).mtimeMs);
    const store = makeStore({ clock });
    await store.refresh();
    clock.advance(60);
    expect(store.mayDiffer()).toBe(true);
  });
});

describe('changing', () => {
  test('sets, removes and stamps; the new state is there at once', async () => {
    await replace(readFileSync(join(fixtures, 'plain.jsonl'), 'utf8'));
    const store = makeStore();
    const answer = await store.change((draft) => {
      expect(draft.detail('build')?.exec).toBe('make');
      expect(draft.detail('none')).toBeNull();
      draft.patch('build', {
        status: 'in-progress',
        assigned: 'agent-2',
        exec: undefined,
        after: ['design'],
      });
      draft.appendLog('build', { timestamp: '2026-05-01T09:00:00Z', actor: 'agent-2', message: 'Spawned' });
      expect(draft.snapshot.tasks.get('build')?.status).toBe('in-progress');
      expect(draft.detail('build')?.log).toHaveLength(1);
      return 42;
    });
    expect(answer).toBe(42);
    expect(store.snapshot().tasks.get('build')).toMatchObject({ status: 'in-progress', assigned: 'agent-2' });
    const written = fields('build');
    expect(written).toMatchObject({
      status: 'in-progress',
      assigned: 'agent-2',
      log: [{ message: 'Spawned' }],
    });
    expect(written).not.toHaveProperty('exec');
    expect(Math.abs(Date.parse(String(written.last_interaction_at)) - clock.now())).toBeLessThan(10_000);
    expect(fields('design')).not.toHaveProperty('last_interaction_at');
    const snapshot = store.snapshot();
    expect(await store.refresh()).toBe(snapshot);
    expect(readdirSync(graph).sort()).toEqual(['graph.jsonl', 'graph.lock']);
  });

  test('changes that wait go into one rewrite; each sees those before it; one that throws leaves no trace', async () => {
    await replace(`${task('n', { retry_count: 0 })}\n${task('other')}\n`);
    const { locker, count } = countingLocker();
    const store = makeStore({ locker });
    const results = await Promise.allSettled(
      Array.from({ length: 50 }, (_, i) =>
        store.change((draft) => {
          const n = draft.snapshot.tasks.get('n')?.retryCount ?? -1;
          draft.patch('n', { retry_count: n + 1 });
          draft.appendLog('n', { timestamp: 't', message: `${i}` });
          if (i % 10 === 3) {
            draft.patch('other', { status: 'failed' });
            draft.add({ id: `new-${i}`, title: 'x' });
            throw new Error(`no ${i}`);
          }
          return n;
        }),
      ),
    );
    const done = results.filter((r) => r.status === 'fulfilled').map((r) => r.value);
    expect(done).toEqual(Array.from({ length: 45 }, (_, i) => i));
    expect(results.filter((r) => r.status === 'rejected').map((r) => r.reason.message)).toEqual(
      [3, 13, 23, 33, 43].map((i) => `no ${i}`),
    );
    expect(fields('n')).toMatchObject({ retry_count: 45 });
    expect(fields('n').log).toHaveLength(45);
    expect(fields('other').status).toBe('open');
    expect(store.snapshot().tasks.size).toBe(2);
    expect(count()).toBeLessThanOrEqual(2);
  });

  test('a change made from the answer of another is not forgotten', async () => {
    await replace(`${task('a')}\n`);
    const store = makeStore();
    for (let i = 0; i < 30; i++) {
      await store.change((draft) => draft.patch('a', { retry_count: i + 1 }));
    }
    expect(fields('a').retry_count).toBe(30);
  });

  test('nothing changed, nothing written', async () => {
    await replace(readFileSync(join(fixtures, 'odd-text.jsonl'), 'utf8'));
    const before = await stat(file, { bigint: true });
    const store = makeStore();
    await store.change((draft) =>
      draft.patch('numbers', { one: 1, estimate: { hours: 2 }, assigned: undefined }),
    );
    await store.change((draft) => draft.snapshot.tasks.size);
    await expect(
      store.change((draft) => {
        draft.patch('spaced', { status: 'done' });
        throw new Error('changed my mind');
      }),
    ).rejects.toThrow('changed my mind');
    const after = await stat(file, { bigint: true });
    expect([after.ino, after.mtimeNs]).toEqual([before.ino, before.mtimeNs]);
  });

  test('the file keeps its mode, and a symlinked graph.jsonl stays a symlink', async () => {
    const elsewhere = await mkdtemp(join(tmpdir(), 'store-target-'));
    try {
      const target = join(elsewhere, 'tasks.jsonl');
      await writeFile(target, `${task('a')}\n`);
      await chmod(target, 0o640);
      await symlink(target, file);
      const store = makeStore();
      await store.change((draft) => draft.patch('a', { status: 'done' }));
      expect((await lstat(file)).isSymbolicLink()).toBe(true);
      expect((await stat(target)).mode & 0o777).toBe(0o640);
      expect(fields('a').status).toBe('done');
      // The lock that wg takes there, and nothing that was on its way.
      expect(readdirSync(elsewhere).sort()).toEqual(['graph.lock', 'tasks.jsonl']);
    } finally {
      await rm(elsewhere, { recursive: true });
    }
  });

  test('of several lines with one id, the one that counts is changed', async () => {
    await replace(`${task('a', { description: 'old' })}\n${task('a', { description: 'new' })}\n`);
    await makeStore().change((draft) => draft.patch('a', { status: 'done' }));
    const [first, second] = readFileSync(file, 'utf8').split('\n');
    expect(first).toBe(task('a', { description: 'old' }));
    expect(JSON.parse(second ?? '')).toMatchObject({ description: 'new', status: 'done' });
  });

  test('a task is added at the end, in the manner of the file', async () => {
    const cases: [string, (added: string) => string][] = [
      ['', (added) => `${added}\n`],
      [`${task('a')}\n`, (added) => `${task('a')}\n${added}\n`],
      [task('a'), (added) => `${task('a')}\n${added}`],
      [`${task('a')}\r\n`, (added) => `${task('a')}\r\n${added}\r\n`],
    ];
    for (const [before, after] of cases) {
      await replace(before);
      const store = makeStore();
      await store.change((draft) => {
        draft.add({ id: 'b', title: 'B \ud800', tags: ['executor:x'] });
        draft.patch('b', { priority: 50 });
      });
      const text = readFileSync(file, 'utf8');
      const added = text.split(/\r?\n/).find((l) => l.includes('"id":"b"')) ?? '';
      expect(text).toBe(after(added));
      expect(JSON.parse(added)).toMatchObject({ title: 'B \ufffd', priority: 50, tags: ['executor:x'] });
      await expect(store.change((draft) => draft.add({ id: 'b', title: 'again' }))).rejects.toMatchObject({
        code: 'conflict',
      });
      await expect(store.change((draft) => draft.add({ title: 'no id' }))).rejects.toMatchObject({
        code: 'usage',
      });
    }
  });
});

describe('refusing', () => {
  test.each([
    ['an unknown status', { status: 'claimed-externally' }, 'status'],
    ['null for a list', { tags: null }, 'tags'],
    ['a counter that is no number', { retry_count: Number.NaN }, 'retry_count'],
    ['a negative counter', { retry_count: -1 }, 'retry_count'],
    [
      'the command line spelling of a failure class',
      { failure_class: 'api-error-429-rate-limit' },
      'failure_class',
    ],
    ['another id', { id: 'x' }, 'id'],
    ['another kind', { kind: 'resource' }, 'id'],
  ])('%s is not written, and the error names the key', async (_what, patch, key) => {
    const text = `${task('a')}\n${task('b')}\n`;
    await replace(text);
    const store = makeStore();
    const [bad, good] = await Promise.allSettled([
      store.change((draft) => draft.patch('a', patch)),
      store.change((draft) => draft.patch('b', { status: 'done' })),
    ]);
    expect(bad).toMatchObject({
      status: 'rejected',
      reason: { code: 'graph', message: expect.stringContaining(`"${key}"`) },
    });
    expect(good.status).toBe('fulfilled');
    expect(readFileSync(file, 'utf8').split('\n')[0]).toBe(task('a'));
  });

  test('a line that would be too long', async () => {
    await replace(`${task('a')}\n`);
    const huge = makeStore().change((draft) => draft.patch('a', { description: 'x'.repeat(1_000_001) }));
    await expect(huge).rejects.toMatchObject({
      code: 'graph',
      message: expect.stringContaining('at most 1 MB'),
    });
  });

  test('a graph that wg could not load is not written; line and key are named', async () => {
    const text = `${task('a')}\n${task('b', { status: 'weird' })}\n`;
    await replace(text);
    const store = makeStore();
    await expect(store.change((draft) => draft.patch('a', { status: 'done' }))).rejects.toMatchObject({
      code: 'graph',
      message: expect.stringMatching(/graph\.jsonl line 2, key "status"/),
      details: expect.objectContaining({ line: 2, key: 'status' }),
    });
    expect(readFileSync(file, 'utf8')).toBe(text);
    await replace(`${task('a')}\n`);
    await store.change((draft) => draft.patch('a', { status: 'done' }));
    expect(fields('a').status).toBe('done');
  });

  test('a graph that vanished is not created again, except by who may create it', async () => {
    const store = makeStore();
    const add = (id: string) => (draft: EditSession) => draft.add({ id, title: id });
    await expect(store.change(add('a'))).rejects.toMatchObject({ code: 'graph' });
    expect(existsSync(file)).toBe(false);
    const [refused, created] = await Promise.allSettled([
      store.change(add('b')),
      store.change(add('c'), { create: true }),
    ]);
    expect([refused.status, created.status]).toEqual(['rejected', 'fulfilled']);
    expect([...store.snapshot().tasks.keys()]).toEqual(['c']);
    expect((await makeStore().refresh()).tasks.size).toBe(1);
    await rm(graph, { recursive: true });
    await expect(store.change(add('d'), { create: true })).rejects.toMatchObject({ code: 'graph' });
    expect(existsSync(graph)).toBe(false);
  });

  test('a task that is not there is an error of its own', async () => {
    await replace(`${task('a')}\n{"kind":"resource","id":"r"}\n`);
    for (const id of ['gone', 'r'])
      await expect(makeStore().change((draft) => draft.patch(id, { status: 'done' }))).rejects.toMatchObject({
        code: 'not-found',
        message: expect.stringContaining(`"${id}"`),
      });
  });

  test('a draft that outlives its edit is a bug and says so', async () => {
    await replace(`${task('a')}\n`);
    let kept: EditSession | undefined;
    await makeStore().change((draft) => {
      kept = draft;
    });
    expect(() => kept?.patch('a', { status: 'done' })).toThrow('after its edit had ended');
  });

  test('a temporary file that cannot be made: the graph is untouched, the error says what to do', async () => {
    const text = `${task('a')}\n`;
    await replace(text);
    await mkdir(join(graph, `.graph.tmp.${process.pid}`));
    const store = makeStore();
    await expect(store.change((draft) => draft.patch('a', { status: 'done' }))).rejects.toMatchObject({
      code: 'graph',
      message: expect.stringContaining(`cannot write ${file}`),
      hint: expect.stringContaining('nothing was changed'),
    });
    expect(readFileSync(file, 'utf8')).toBe(text);
    expect(store.snapshot().tasks.get('a')?.status).toBe('open');
  });

  test('a temporary file left by a dead process is replaced, never followed', async () => {
    await replace(`${task('a')}\n`);
    const bystander = join(graph, 'bystander');
    await writeFile(bystander, 'mine');
    await symlink(bystander, join(graph, `.graph.tmp.${process.pid}`));
    await makeStore().change((draft) => draft.patch('a', { status: 'done' }));
    expect(await readFile(bystander, 'utf8')).toBe('mine');
    expect(fields('a').status).toBe('done');
  });
});

const canMount = (() => {
  try {
    execFileSync('unshare', ['-rm', 'mount', '-t', 'tmpfs', 'tmpfs', tmpdir()], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

describe('disks in trouble', () => {
  if (!canMount) test.skip('this machine lets no one mount a small disk to fill', () => {});
  const attempt = join(import.meta.dirname, 'write-attempt.ts');
  const runner = join(import.meta.dirname, '../support/run-typescript.mjs');

  (canMount ? test : test.skip).each([
    ['full', 'size=64k', 'true', 100_000, 'ENOSPC', /free some space/],
    [
      'read-only',
      'size=1m',
      'touch "$0/graph.lock"; mount -o remount,ro tmpfs "$0"',
      10,
      'EROFS',
      /writable/,
    ],
  ])(
    'a %s one: the graph is untouched, nothing is left behind',
    async (_what, options, prepare, size, code, hint) => {
      const script = `mount -t tmpfs -o ${options} tmpfs "$0" && cp "$1" "$0/graph.jsonl" && ${prepare} && exec "$2" --import "$3" "$4" "$0" ${size}`;
      const { stdout } = await run('unshare', [
        '-rm',
        'sh',
        '-c',
        script,
        graph,
        join(fixtures, 'plain.jsonl'),
        process.execPath,
        runner,
        attempt,
      ]);
      const came = JSON.parse(stdout);
      expect(came).toMatchObject({ untouched: true, left: ['graph.jsonl', 'graph.lock'] });
      expect(came.failed).toMatchObject({ code: 'graph', message: expect.stringContaining(code) });
      expect(came.failed.message).toContain(graph);
      expect(came.failed.hint).toMatch(hint);
    },
  );
});

describe('beside others', () => {
  test('waits for the holder of the lock, and then works on what that one left', async () => {
    await replace(`${task('a')}\n`);
    const store = makeStore();
    const holder = await otherHolder();
    const change = store.change((draft) => draft.patch('b', { status: 'done' }));
    await replace(`${task('b')}\n`);
    expect((await store.refresh()).tasks.has('b')).toBe(true);
    await holder.end();
    await change;
    expect(readFileSync(file, 'utf8')).not.toContain('"id":"a"');
    expect(fields('b').status).toBe('done');
  });

  test('gives up in time, names the lock, and works again afterwards', async () => {
    await replace(`${task('a')}\n`);
    const store = makeStore({ lockTimeoutMs: 300 });
    const holder = await otherHolder();
    const changes = [1, 2].map((n) => store.change((draft) => draft.patch('a', { retry_count: n })));
    for (const result of await Promise.allSettled(changes))
      expect(result).toMatchObject({
        status: 'rejected',
        reason: { code: 'graph', message: expect.stringContaining(join(graph, 'graph.lock')) },
      });
    await holder.end();
    await store.change((draft) => draft.patch('a', { retry_count: 3 }));
    expect(fields('a').retry_count).toBe(3);
  });

  test('closing ends the wait', async () => {
    await replace(`${task('a')}\n`);
    const store = makeStore();
    const holder = await otherHolder();
    const change = store.change((draft) => draft.patch('a', { status: 'done' }));
    const refused = expect(change).rejects.toMatchObject({ code: 'graph' });
    await store.close();
    await refused;
    await holder.end();
  });

  test('two stores and another program lose no update', async () => {
    await replace(`${task('ours')}\n${task('yours')}\n${task('theirs', { retry_count: 0 })}\n`);
    const script = `
      const fs = require('node:fs'); const file = process.argv[1];
      const lines = fs.readFileSync(file, 'utf8').trimEnd().split('\\n').map((l) => JSON.parse(l));
      lines.find((t) => t.id === 'theirs').retry_count++;
      lines.sort(() => Math.random() - 0.5);
      fs.writeFileSync(file + '.tmp', lines.map((t) => JSON.stringify(t) + '\\n').join(''));
      fs.renameSync(file + '.tmp', file);`;
    const rounds = 25;
    const other = run('sh', [
      '-c',
      `for i in $(seq ${rounds}); do flock -x "$0/graph.lock" "$1" -e "$2" "$0/graph.jsonl" || exit 1; done`,
      graph,
      process.execPath,
      script,
    ]);
    let otherDone = false;
    const finished = other.then(() => {
      otherDone = true;
    });
    const counts = { ours: 0, yours: 0 };
    const work = async (id: 'ours' | 'yours') => {
      const store = makeStore();
      while (!otherDone || counts[id] < rounds) {
        await store.change((draft) => {
          const n = draft.snapshot.tasks.get(id)?.retryCount ?? 0;
          draft.patch(id, { retry_count: n + 1 });
        });
        counts[id]++;
        await store.refresh();
      }
    };
    await Promise.all([finished, work('ours'), work('yours')]);
    expect(fields('theirs').retry_count).toBe(rounds);
    expect(fields('ours').retry_count).toBe(counts.ours);
    expect(fields('yours').retry_count).toBe(counts.yours);
  });
});

describe('someone who asks for no lock', () => {
  /** Runs `act` in the very moment when a write of this process has replaced the graph, before anyone else could know. */
  async function onceReplaced(act: () => void): Promise<void> {
    const { ino } = statSync(file);
    for (;;) {
      await new Promise<void>((resolve) => setImmediate(resolve));
      const isUnderWay = existsSync(join(graph, `.graph.tmp.${process.pid}`));
      // The replacing is done by another thread, while this one waits for it here: its end is told at the next turn.
      const until = Date.now() + (isUnderWay ? 20 : 0);
      do if (statSync(file).ino !== ino) return act();
      while (Date.now() < until);
    }
  }

  test.each([
    ['writes into the file', (text: string) => writeFileSync(file, text)],
    [
      'replaces the file',
      (text: string) => {
        writeFileSync(`${file}.theirs`, text);
        renameSync(`${file}.theirs`, file);
      },
    ],
    [
      'writes as many bytes as there were',
      () => writeFileSync(file, readFileSync(file, 'utf8').replace('Task theirs', 'Task THEIRS')),
    ],
  ])('%s right behind our writing: the next change does not undo it', async (_what, write) => {
    await replace(`${task('ours')}\n${task('theirs')}\n`);
    const store = makeStore();
    await store.refresh();
    const changed = store.change((draft) => draft.patch('ours', { priority: 20 }));
    await onceReplaced(() => write(`${readFileSync(file, 'utf8').replace('Task theirs', 'Task THEIRS')}`));
    await changed;
    expect(store.mayDiffer('likely')).toBe(true);
    await store.change((draft) => draft.patch('ours', { priority: 30 }));
    expect(fields('theirs').title).toBe('Task THEIRS');
    expect(fields('ours').priority).toBe(30);
    expect(store.snapshot().tasks.get('theirs')?.title).toBe('Task THEIRS');
  });

  test('writes while ours is brought to the disk: both changes are there', async () => {
    await replace(`${task('ours')}\n${task('theirs')}\n`);
    const store = makeStore();
    await store.refresh();
    let runs = 0;
    const changed = store.change((draft) => {
      runs++;
      draft.patch('ours', { priority: 20 });
      return draft.snapshot.tasks.get('theirs')?.title;
    });
    while (!existsSync(join(graph, `.graph.tmp.${process.pid}`)))
      await new Promise<void>((resolve) => setImmediate(resolve));
    writeFileSync(file, readFileSync(file, 'utf8').replace('Task theirs', 'Task THEIRS'));
    expect(await changed).toBe('Task THEIRS');
    expect(runs).toBe(2);
    expect(fields('theirs').title).toBe('Task THEIRS');
    expect(fields('ours').priority).toBe(20);
    expect(readdirSync(graph).filter((name) => name.startsWith('.graph.tmp'))).toEqual([]);
  });

  test('writes in place within the step of a coarse clock: the next change does not undo it', async () => {
    await replace(`${task('ours')}\n${task('theirs')}\n`);
    // A clock that stands for a while is what a file system with coarse times looks like.
    const store = makeStore();
    await store.refresh();
    await store.change((draft) => draft.patch('ours', { priority: 20 }));
    const { mtimeMs } = statSync(file);
    await clock.sleep(80);
    writeFileSync(file, readFileSync(file, 'utf8').replace('Task theirs', 'Task THEIRS'));
    // As near to our own time as another writer's can be.
    await utimes(file, mtimeMs / 1000 + 0.000004, mtimeMs / 1000 + 0.000004);
    await store.change((draft) => draft.patch('ours', { priority: 30 }));
    expect(fields('theirs').title).toBe('Task THEIRS');
  });
});

/** A graph of odd lines: what a rewrite by way of JSON.parse would spoil. */
const oddValue = fc.constantFrom(
  '1.0',
  '1e3',
  '-0.0',
  '18446744073709551615',
  '"\\u00e9\\/"',
  '{"10":1,"2":2}',
  '[ ]',
  'null',
);
const oddTask = fc
  .tuple(
    fc.integer({ min: 0, max: 1e9 }),
    fc.array(oddValue, { maxLength: 4 }),
    fc.constantFrom('', ' ', '\t'),
    fc.constantFrom('', '\r'),
  )
  .map(([n, values, gap, end]) => {
    const extra = values.map((v, i) => `,${gap}"x${i}":${gap}${v}`).join('');
    return { id: `t${n}`, text: `${gap}{${gap}"kind":"task","title":"T",${gap}"id":"t${n}"${extra}}${end}` };
  });
const oddGraph = fc.tuple(
  fc.uniqueArray(oddTask, { selector: (t) => t.id, minLength: 1, maxLength: 6 }),
  fc.array(
    fc.constantFrom(
      ...['', '# comment', '{"kind":"resource","id":"gpu"}', '{"kind":"actor","id":"x"}\r'],
      ...['{"kind":"archivedboundary", "id":"old","status":"done"}', '{"kind":"mystery","n":1.0,"n":2}'],
    ),
    { maxLength: 2 },
  ),
  fc.boolean(),
);

describe('other lines, byte for byte', () => {
  test('in random graphs', async () => {
    await fc.assert(
      fc.asyncProperty(oddGraph, fc.nat(), fc.string(), async ([tasks, others, ended], pick, description) => {
        const before = [...tasks.map((t) => t.text), ...others];
        await replace(before.join('\n') + (ended ? '\n' : ''));
        const chosen = pick % tasks.length;
        const id = tasks[chosen]?.id ?? '';
        await makeStore().change((draft) =>
          draft.patch(id, { description, status: 'done', retry_count: 4294967295 }),
        );
        const text = readFileSync(file, 'utf8');
        const expectedEnd = ended && others.at(-1) !== '' ? '\n' : '';
        if (expectedEnd) expect(text.endsWith('\n')).toBe(true);
        const after = text.split('\n');
        if (ended) expect(after.pop()).toBe('');
        expect(after.length).toBe(before.length);
        for (const [i, line] of after.entries()) {
          if (i === chosen) {
            expect(strictLine(line)).toBeNull();
            expect(JSON.parse(line)).toMatchObject({
              id,
              status: 'done',
              description: wellFormed(description),
            });
          } else expect(line).toBe(before[i]);
        }
      }),
      { numRuns: 100 },
    );
  });

  const files = [fixtures, real]
    .filter((folder) => existsSync(folder))
    .flatMap((folder) => readdirSync(folder).map((name) => join(folder, name)))
    .filter((path) => path.endsWith('.jsonl'));
  if (!existsSync(real)) test.skip(`no real graphs at ${real}`, () => {});

  test.each(files)('in %s', async (path) => {
    const before = readFileSync(path, 'utf8').split('\n');
    await writeFile(file, before.join('\n'));
    const store = makeStore();
    const ids = [...(await store.refresh()).tasks.keys()];
    for (const id of [ids[0], ids[ids.length >> 1], ids.at(-1)]) {
      if (id === undefined) continue;
      await writeFile(file, before.join('\n'));
      const detail = (await store.refresh()) && store.detail(id);
      await store.change((draft) => draft.patch(id, { status: 'abandoned', assigned: 'agent-99' }));
      const after = readFileSync(file, 'utf8').split('\n');
      expect(after.length).toBe(before.length);
      const changed = after.flatMap((line, i) => (line === before[i] ? [] : [line]));
      expect(changed).toHaveLength(1);
      expect(JSON.parse(changed[0] ?? '')).toEqual({
        ...detail?.fields,
        status: 'abandoned',
        assigned: 'agent-99',
        last_interaction_at: expect.any(String),
      });
      expect(statSync(file).size).toBeGreaterThan(0);
    }
  });
});
