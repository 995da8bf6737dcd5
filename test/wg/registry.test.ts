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
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Clock } from '../../src/platform/clock.ts';
import { createLocker, type Locker } from '../../src/platform/flock.ts';
import { createRegistry, NO_PID, type Registry, WITHOUT_PROCESS } from '../../src/wg/registry.ts';

let graph: string;
let now: number;
let locks: number;
let locker: Locker;
let registry: Registry;

const clock: Clock = { now: () => now, after: () => () => undefined, sleep: async () => undefined };

beforeEach(() => {
  graph = join(realpathSync(mkdtempSync(join(tmpdir(), 'registry-'))), '.workgraph');
  mkdirSync(graph);
  now = Date.parse('2027-01-15T08:00:00Z');
  locks = 0;
  const real = createLocker();
  locker = {
    tryAcquire: (path) => real.tryAcquire(path),
    adopt: (path, fd) => real.adopt(path, fd),
    acquire(path, options) {
      locks += 1;
      return real.acquire(path, options);
    },
  };
  registry = createRegistry({ graph, locker, clock });
});

afterEach(() => {
  rmSync(join(graph, '..'), { recursive: true, force: true });
});

const path = () => join(graph, 'service', 'registry.json');
const onDisk = () => JSON.parse(readFileSync(path(), 'utf8'));

function put(content: unknown): void {
  mkdirSync(join(graph, 'service'), { recursive: true });
  writeFileSync(path(), typeof content === 'string' ? content : JSON.stringify(content));
}

function foreign(id: string, more: object = {}) {
  return {
    id,
    pid: 77,
    task_id: 'theirs',
    executor: 'somebody-elses',
    started_at: '2027-01-01T00:00:00Z',
    last_heartbeat: '2027-01-01T00:00:00Z',
    status: 'working',
    output_file: '/x/output.log',
    ...more,
  };
}

describe('allocating agents', () => {
  test('makes registry and folders where there are none, with a pid that no one has', async () => {
    const ids = await registry.allocate([
      { task_id: 'build', executor: 'claude', worktree_path: '/wt' },
      { task_id: 'docs', executor: 'http' },
    ]);
    expect(ids).toEqual(['agent-1', 'agent-2']);
    expect(onDisk()).toEqual({
      agents: {
        'agent-1': {
          id: 'agent-1',
          pid: NO_PID,
          task_id: 'build',
          executor: 'claude',
          started_at: '2027-01-15T08:00:00.000Z',
          last_heartbeat: '2027-01-15T08:00:00.000Z',
          status: WITHOUT_PROCESS,
          output_file: join(graph, 'agents', 'agent-1', 'output.log'),
          worktree_path: '/wt',
        },
        'agent-2': expect.objectContaining({ task_id: 'docs', executor: 'http', pid: NO_PID }),
      },
      next_agent_id: 3,
    });
    expect(readdirSync(join(graph, 'agents'))).toEqual(['agent-1', 'agent-2']);
    expect(() => process.kill(NO_PID, 0)).toThrow(/ESRCH/);
  });

  test('an entry that an earlier version left parked is mended with the next write', async () => {
    await registry.allocate([{ task_id: 'build', executor: 'http' }]);
    const { agents, next_agent_id } = onDisk();
    agents['agent-1'].status = 'parked';
    const theirs = { ...agents['agent-1'], id: 'agent-9', pid: 4_000_000 };
    put({ agents: { ...agents, 'agent-9': theirs }, next_agent_id });
    await registry.allocate([{ task_id: 'docs', executor: 'http' }]);
    const now = onDisk().agents;
    // An agent that wg itself parked stays as it is.
    expect([now['agent-1'].status, now['agent-9'].status]).toEqual([WITHOUT_PROCESS, 'parked']);
  });

  test.each([
    ['the counter', 9, [], [], 'agent-9'],
    [
      'the folders, when the registry was deleted or its counter is behind',
      1,
      [],
      ['agent-41', 'agent-7'],
      'agent-42',
    ],
    ['the entries', 1, ['agent-12'], [], 'agent-13'],
    [
      'nothing that is no agent',
      2,
      [],
      ['agent-99999999999', 'agent-4294967295', 'agent-x', 'other-50'],
      'agent-2',
    ],
  ])('counts on from %s', async (_what, next, entries, folders, expected) => {
    put({ agents: Object.fromEntries(entries.map((id) => [id, foreign(id)])), next_agent_id: next });
    for (const name of folders) mkdirSync(join(graph, 'agents', name), { recursive: true });
    expect(await registry.allocate([{ task_id: 't', executor: 'command' }])).toEqual([expected]);
  });

  test('a number in use never comes twice: many callers, two supervisors, one wg that holds the lock meanwhile', async () => {
    mkdirSync(join(graph, 'service'));
    const wg = createLocker().tryAcquire(join(graph, 'service', '.registry.lock'));
    const other = createRegistry({ graph, locker, clock });
    const all = Array.from({ length: 40 }, (_, n) =>
      (n % 2 ? registry : other).allocate([{ task_id: `t${n}`, executor: 'claude' }]),
    );
    wg?.release();
    const ids = (await Promise.all(all)).flat();
    expect(new Set(ids).size).toBe(40);
    expect(Object.keys(onDisk().agents).sort()).toEqual([...ids].sort());
    expect(locks).toBeLessThanOrEqual(4);
  });

  test('keeps what others wrote: entries, keys that we do not know, and the mode of the file', async () => {
    const theirs = foreign('agent-3', { model: 'm', future: { deep: [1, null] } });
    put({ agents: { 'agent-3': theirs }, next_agent_id: 4, generation: 'x' });
    chmodSync(path(), 0o640);
    await registry.allocate([{ task_id: 't', executor: 'claude' }]);
    expect(onDisk()).toMatchObject({ generation: 'x', next_agent_id: 5 });
    expect(onDisk().agents['agent-3']).toEqual(theirs);
    expect(statSync(path()).mode & 0o777).toBe(0o640);
  });

  test.each([
    ['torn', '{"agents": {"agent-1": {"id": "age'],
    ['empty', ''],
    ['without its counter', { agents: {} }],
    ['with a counter beyond u32', { agents: {}, next_agent_id: 2 ** 32 }],
    ['with an entry that wg could not read', { agents: { 'agent-1': { id: 'agent-1' } }, next_agent_id: 2 }],
    [
      'with a status that wg does not know',
      { agents: { a: foreign('a', { status: 'Working' }) }, next_agent_id: 2 },
    ],
  ])('a registry that is %s is left exactly as it is, and the error names it', async (_what, content) => {
    put(content);
    const before = readFileSync(path(), 'utf8');
    await expect(registry.allocate([{ task_id: 't', executor: 'claude' }])).rejects.toMatchObject({
      code: 'graph',
      message: expect.stringContaining(path()),
      hint: expect.stringContaining('Repair'),
    });
    await expect(registry.update([{ agent: 'agent-1', status: 'done' }])).rejects.toMatchObject({
      code: 'graph',
    });
    expect(readFileSync(path(), 'utf8')).toBe(before);
    expect(existsSync(join(graph, 'agents'))).toBe(false);
  });

  test('when it cannot be written, the folders are taken back and the next try works', async () => {
    const inTheWay = join(graph, 'service', '.registry.json.tmp');
    mkdirSync(join(inTheWay, 'folder'), { recursive: true });
    await expect(registry.allocate([{ task_id: 't', executor: 'claude' }])).rejects.toMatchObject({
      code: 'graph',
      message: expect.stringContaining('could not be written'),
    });
    expect(readdirSync(join(graph, 'agents'))).toEqual([]);
    expect(existsSync(path())).toBe(false);
    rmSync(inTheWay, { recursive: true });
    expect(await registry.allocate([{ task_id: 't', executor: 'claude' }])).toEqual(['agent-1']);
  });

  test('a link where the temporary file goes is not followed', async () => {
    put({ agents: {}, next_agent_id: 1 });
    const victim = join(graph, 'victim');
    writeFileSync(victim, 'precious');
    symlinkSync(victim, join(graph, 'service', '.registry.json.tmp'));
    await registry.allocate([{ task_id: 't', executor: 'claude' }]);
    expect(readFileSync(victim, 'utf8')).toBe('precious');
    expect(onDisk().next_agent_id).toBe(2);
  });

  test('half a character in a task id does not make the registry unreadable for wg', async () => {
    await registry.allocate([{ task_id: 'a\ud800', executor: 'claude' }]);
    expect(readFileSync(path(), 'utf8')).not.toMatch(/\\ud800/i);
  });
});

describe('updating agents', () => {
  test('a process makes the agent working with its own start; the end is stamped once', async () => {
    await registry.allocate([{ task_id: 't', executor: 'claude' }]);
    now += 2000;
    await registry.update([{ agent: 'agent-1', pid: 4321 }]);
    expect(onDisk().agents['agent-1']).toMatchObject({
      pid: 4321,
      status: 'working',
      started_at: '2027-01-15T08:00:02.000Z',
    });
    now += 1000;
    await registry.update([{ agent: 'agent-1', heartbeat: true }]);
    expect(onDisk().agents['agent-1']).toMatchObject({
      started_at: '2027-01-15T08:00:02.000Z',
      last_heartbeat: '2027-01-15T08:00:03.000Z',
    });
    await registry.update([{ agent: 'agent-1', status: 'done' }]);
    now += 1000;
    await registry.update([{ agent: 'agent-1', status: 'done' }]);
    expect(onDisk().agents['agent-1']).toMatchObject({
      status: 'done',
      completed_at: '2027-01-15T08:00:03.000Z',
    });
  });

  test('an entry that wg removed is reported, and written again when asked for', async () => {
    await registry.allocate([{ task_id: 't', executor: 'claude' }]);
    put({ agents: {}, next_agent_id: 2 });
    const before = statSync(path()).ino;
    expect(
      await registry.update([
        { agent: 'agent-1', heartbeat: true },
        { agent: '__proto__', pid: 5 },
      ]),
    ).toEqual(['agent-1', '__proto__']);
    expect(statSync(path()).ino).toBe(before);
    const restore = { task_id: 't', executor: 'claude' };
    expect(await registry.update([{ agent: 'agent-1', pid: 999, restore }])).toEqual([]);
    expect(onDisk().agents['agent-1']).toMatchObject({ task_id: 't', pid: 999, status: 'working' });
  });

  test('our own process is never registered: wg ends registered pids with all their children', async () => {
    await registry.allocate([{ task_id: 't', executor: 'claude' }]);
    await expect(registry.update([{ agent: 'agent-1', pid: process.pid }])).rejects.toThrow(
      /must never be registered/,
    );
    expect(onDisk().agents['agent-1'].pid).toBe(NO_PID);
  });

  test('waiting changes go into one rewrite, in their order', async () => {
    await registry.allocate([{ task_id: 't', executor: 'claude' }]);
    locks = 0;
    await Promise.all([
      registry.update([{ agent: 'agent-1', pid: 50 }]),
      registry.update([{ agent: 'agent-1', status: 'stopping' }]),
      registry.update([{ agent: 'agent-1', status: 'failed' }]),
    ]);
    expect(onDisk().agents['agent-1']).toMatchObject({ pid: 50, status: 'failed' });
    expect(locks).toBe(1);
  });

  test('what may wait goes along with the next write, on its own after a while, or when flushed', async () => {
    const timers: (() => void)[] = [];
    const waiting: Clock = {
      ...clock,
      after: (_ms, act) => {
        timers.push(act);
        return () => undefined;
      },
    };
    registry = createRegistry({ graph, locker, clock: waiting });
    await registry.allocate([{ task_id: 't', executor: 'claude' }]);
    locks = 0;
    const over = registry.update([{ agent: 'agent-1', status: 'done' }], { lazily: true });
    await new Promise((resolve) => setImmediate(resolve));
    expect(onDisk().agents['agent-1'].status).toBe(WITHOUT_PROCESS);
    expect(await registry.allocate([{ task_id: 'u', executor: 'claude' }])).toEqual(['agent-2']);
    await over;
    expect(onDisk().agents['agent-1'].status).toBe('done');
    expect(locks).toBe(1);

    const alone = registry.update([{ agent: 'agent-2', status: 'failed' }], { lazily: true });
    expect(timers.length).toBeGreaterThan(0);
    timers.at(-1)?.();
    await alone;
    expect(onDisk().agents['agent-2'].status).toBe('failed');

    void registry.update([{ agent: 'agent-2', status: 'dead' }], { lazily: true });
    await registry.flush();
    expect(onDisk().agents['agent-2'].status).toBe('dead');
    await registry.flush();
  });

  test('what may wait is refused like everything else when it cannot be written', async () => {
    await registry.allocate([{ task_id: 't', executor: 'claude' }]);
    put('not a registry');
    const over = registry.update([{ agent: 'agent-1', status: 'done' }], { lazily: true });
    void registry.flush();
    await expect(over).rejects.toMatchObject({ code: 'graph' });
  });

  test('what others wrote since our last write counts: entries, the next number, folders', async () => {
    await registry.allocate([{ task_id: 't', executor: 'claude' }]);
    put({ agents: { 'agent-1': foreign('agent-1') }, next_agent_id: 7 });
    expect(await registry.allocate([{ task_id: 'u', executor: 'claude' }])).toEqual(['agent-7']);
    expect(onDisk().agents['agent-1'].executor).toBe('somebody-elses');
    // Someone made the next folder without a word, and a higher one; then someone put an old registry back.
    mkdirSync(join(graph, 'agents', 'agent-8'));
    expect(await registry.allocate([{ task_id: 'v', executor: 'claude' }])).toEqual(['agent-9']);
    mkdirSync(join(graph, 'agents', 'agent-40'));
    put({ agents: {}, next_agent_id: 1 });
    await registry.update([{ agent: 'agent-1', restore: { task_id: 't', executor: 'claude' } }]);
    expect(await registry.allocate([{ task_id: 'w', executor: 'claude' }])).toEqual(['agent-41']);
  });

  test('what someone writes without the lock right behind our write counts too', async () => {
    await registry.allocate([{ task_id: 'first', executor: 'claude' }]);
    const { ino } = statSync(path());
    const allocated = registry.allocate([{ task_id: 'second', executor: 'claude' }]);
    for (let isReplaced = false; !isReplaced; ) {
      await new Promise<void>((resolve) => setImmediate(resolve));
      const isUnderWay = existsSync(join(graph, 'service', '.registry.json.tmp'));
      // The replacing is done by another thread, while this one waits for it here: its end is told at the next turn.
      const until = Date.now() + (isUnderWay ? 20 : 0);
      do isReplaced = statSync(path()).ino !== ino;
      while (Date.now() < until && !isReplaced);
    }
    const theirs = onDisk();
    put({ ...theirs, agents: { ...theirs.agents, 'agent-9': foreign('agent-9') } });
    await allocated;
    await registry.allocate([{ task_id: 'third', executor: 'claude' }]);
    expect(Object.keys(onDisk().agents)).toEqual(expect.arrayContaining(['agent-1', 'agent-2', 'agent-9']));
  });

  test('the file is spelled as wg spells it', async () => {
    await registry.allocate([{ task_id: 't "x"\nü', executor: 'claude', worktree_path: '/w' }]);
    await registry.update([{ agent: 'agent-1', pid: 50 }]);
    expect(readFileSync(path(), 'utf8')).toBe(JSON.stringify(onDisk(), null, 2));
    put({ extra: [1, { b: 2 }], agents: {}, next_agent_id: 1 });
    await registry.update([{ agent: 'agent-1', restore: { task_id: 't', executor: 'claude' } }]);
    const { agents, ...rest } = onDisk();
    expect(readFileSync(path(), 'utf8')).toBe(JSON.stringify({ agents, ...rest }, null, 2));
    expect(rest.extra).toEqual([1, { b: 2 }]);
  });

  test('of our finished agents the newest 200 stay; those at work and those of others all stay', async () => {
    const agents: Record<string, unknown> = {};
    for (let n = 1; n <= 300; n++)
      agents[`agent-${n}`] = foreign(`agent-${n}`, {
        executor: 'deploy',
        status: 'done',
        worktree_path: '/w',
      });
    agents['agent-5'] = foreign('agent-5', { executor: 'deploy', worktree_path: '/w' });
    agents['agent-6'] = foreign('agent-6', { status: 'done' });
    agents['agent-7'] = foreign('agent-7', { status: 'done', worktree_path: '/r/.wg-worktrees/agent-7' });
    put({ agents, next_agent_id: 301 });
    await registry.allocate([{ task_id: 't', executor: 'http' }]);
    const left = Object.keys(onDisk().agents);
    expect(left).toHaveLength(204);
    expect(left).toEqual(
      expect.arrayContaining(['agent-5', 'agent-6', 'agent-7', 'agent-101', 'agent-300', 'agent-301']),
    );
    expect(left).not.toContain('agent-100');
  });

  test('when wg does not released the lock, all who wait are told, and later ones are served', async () => {
    mkdirSync(join(graph, 'service'));
    const impatient = createRegistry({ graph, locker, clock, lockTimeoutMs: 30 });
    const wg = createLocker().tryAcquire(join(graph, 'service', '.registry.lock'));
    const tries = [1, 2].map(() => impatient.allocate([{ task_id: 't', executor: 'claude' }]));
    const results = await Promise.allSettled(tries);
    wg?.release();
    expect(results.map((result) => result.status)).toEqual(['rejected', 'rejected']);
    expect(await impatient.allocate([{ task_id: 't', executor: 'claude' }])).toEqual(['agent-1']);
  });

  test('entries are empty without a registry', async () => {
    expect(registry.entries().size).toBe(0);
    await registry.allocate([{ task_id: 't', executor: 'claude' }]);
    expect(registry.entries().get('agent-1')?.task_id).toBe('t');
  });
});
