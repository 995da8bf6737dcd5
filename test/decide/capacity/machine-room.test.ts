import { describe, expect, test } from '@jest/globals';
import {
  type MachineView,
  READ_EVERY_MS,
  type Shortage,
  shortagesOf,
} from '../../../src/decide/capacity/machine-room.ts';
import { decide } from '../../../src/decide/decide.ts';
import { explainTask } from '../../../src/decide/explain.ts';
import { verdictOf } from '../../../src/decide/judge/verdicts.ts';
import type { LearnedFootprint, MachineLimits, MachineReading } from '../../../src/domain/machine.ts';
import {
  claude,
  command,
  external,
  graphView,
  http,
  NOW,
  profiles,
  run,
  task,
  world,
} from '../../support/tasks.ts';

const GB = 1e9;
const LIMITS: MachineLimits = {
  memoryPressure: 10,
  minMemoryBytes: 0.25 * GB,
  maxLoad: 20,
  cpuPressure: 95,
  minDiskBytes: 0.5 * GB,
};

function reading(more: {
  memory?: Partial<NonNullable<MachineReading['memory']>> | null;
  load?: Partial<NonNullable<MachineReading['load']>> | null;
  disks?: Record<string, number>;
  at?: number;
}): MachineReading {
  const { memory = {}, load = {}, disks = {}, at = NOW } = more;
  return {
    at,
    memory: memory && { availableBytes: 8 * GB, totalBytes: 16 * GB, pressure: 0, ...memory },
    load: load && { average: 1, cores: 2, pressure: 10, ...load },
    disks: new Map(
      Object.entries(disks).map(([folder, freeBytes]) => [folder, { freeBytes, totalBytes: 100 * GB }]),
    ),
  };
}

const short = (more: Parameters<typeof reading>[0], before: readonly Shortage[] = [], limits = LIMITS) =>
  shortagesOf(reading(more), limits, before);

const FOOTPRINT: LearnedFootprint = { runs: 41, bytes: 0.9 * GB, cores: 0.8 };

describe('what is short', () => {
  test('a quiet machine lacks nothing, whatever its size', () => {
    expect(short({})).toEqual([]);
    // A board with 512 MB, 100 of them available, and a disk of 8 GB.
    const small = reading({ memory: { availableBytes: 0.1 * GB, totalBytes: 0.5 * GB } });
    const disks = new Map([['/w', { freeBytes: 0.45 * GB, totalBytes: 8 * GB }]]);
    expect(shortagesOf({ ...small, disks }, LIMITS, [])).toEqual([]);
  });

  test('a test run or a build on every core is no overload, nor is a load that waits for a disk', () => {
    expect(short({ load: { average: 25, cores: 2, pressure: 99 } })).toEqual([]);
    expect(short({ load: { average: 80, cores: 2, pressure: 30 } })).toEqual([]);
  });

  test.each<[string, Parameters<typeof reading>[0], string]>([
    [
      'pressure',
      { memory: { pressure: 14.2 } },
      'the machine is short of memory: some avg10 = 14 % (limit 10 %)',
    ],
    [
      'memory',
      { memory: { availableBytes: 0.2 * GB } },
      'the machine is short of memory: 200 MB of 16 GB available (min_memory 250 MB)',
    ],
    [
      'load',
      { load: { average: 44, cores: 2, pressure: 99 } },
      'the machine is overloaded: load 44.0 on 2 cores (max_load 20 a core, some avg60 = 99 %)',
    ],
    [
      'load without PSI',
      { load: { average: 20, cores: 1, pressure: null } },
      'the machine is overloaded: load 20.0 on 1 core (max_load 20 a core)',
    ],
    ['disk', { disks: { '/w': 0.4 * GB } }, 'the disk of /w is short of room: 400 MB free (min_disk 500 MB)'],
  ])('%s, with its figures', (_name, more, because) => {
    expect(short(more).map((one) => one.because)).toEqual([because]);
  });

  test('what is not known holds nothing, and 0 turns each rule off', () => {
    expect(short({ memory: null, load: null })).toEqual([]);
    expect(short({ memory: { pressure: null } })).toEqual([]);
    const off = { memoryPressure: 0, minMemoryBytes: 0, maxLoad: 0, cpuPressure: 0, minDiskBytes: 0 };
    const all = { memory: { pressure: 100, availableBytes: 0 }, load: { average: 999 }, disks: { '/w': 0 } };
    expect(short(all, [], off)).toEqual([]);
    expect(short(all, [], { ...LIMITS, cpuPressure: 0 }).map(({ kind }) => kind)).toEqual([
      'memory',
      'load',
      'disk',
    ]);
  });

  test('hysteresis: it lasts until there is clearly more', () => {
    const cases: [
      Parameters<typeof reading>[0],
      Parameters<typeof reading>[0],
      Parameters<typeof reading>[0],
    ][] = [
      [{ memory: { pressure: 12 } }, { memory: { pressure: 8 } }, { memory: { pressure: 6 } }],
      [
        { memory: { availableBytes: 0.2 * GB } },
        { memory: { availableBytes: 0.28 * GB } },
        { memory: { availableBytes: 0.33 * GB } },
      ],
      [
        { load: { average: 44, pressure: 99 } },
        { load: { average: 30, pressure: 80 } },
        { load: { average: 20, pressure: 99 } },
      ],
      [{ disks: { '/w': 0.4 * GB } }, { disks: { '/w': 0.55 * GB } }, { disks: { '/w': 0.7 * GB } }],
    ];
    for (const [bad, between, good] of cases) {
      const first = short(bad);
      expect(first).toHaveLength(1);
      expect(short(between, first)).toHaveLength(1);
      expect(short(between)).toEqual([]);
      expect(short(good, short(between, first))).toEqual([]);
    }
  });

  test('its figures are renewed once a minute, and since when it lasts is kept, also when the clock is set back', () => {
    const at = (ms: number, pressure: number, before: readonly Shortage[]) =>
      short({ at: NOW + ms, memory: { pressure } }, before);
    const first = at(0, 14, []);
    expect(at(3000, 30, first)).toEqual(first);
    const later = at(60_000, 30, first);
    expect(later).toEqual([
      expect.objectContaining({ because: expect.stringContaining('30 %'), since: NOW, saidAt: NOW + 60_000 }),
    ]);
    expect(at(-3_600_000, 20, later)).toEqual([
      expect.objectContaining({ because: expect.stringContaining('20 %'), since: NOW - 3_600_000 }),
    ]);
  });
});

function machine(more: Partial<MachineView> & { at?: MachineReading } = {}): MachineView {
  const { at = reading({}), ...rest } = more;
  return {
    reading: at,
    limits: LIMITS,
    stateDir: '/state',
    short: shortagesOf(at, LIMITS, []),
    held: new Map(),
    footprintOf: (executor) => (executor === 'claude' ? FOOTPRINT : null),
    ...rest,
  };
}

const IDS = ['a', 'b', 'c', 'd'];

function decided(view: MachineView | null, options: Parameters<typeof world>[1] = {}, executor = 'claude') {
  const graph = graphView(
    'r',
    [
      ...IDS.map((id) => task(id, { executor })),
      ...(options?.runs ?? []).map(({ task: id }) =>
        task(id, { status: 'in-progress', assigned: 'agent-1' }),
      ),
    ],
    { profiles: profiles([claude(), command('make'), http('web'), external('outside')]) },
  );
  const all = world([graph], { ...options, ...(view ? { machine: view } : {}) });
  const decision = decide(all);
  return {
    all,
    decision,
    started: decision.actions.flatMap((action) => (action.kind === 'dispatch' ? [action.plan.task] : [])),
    verdict: (id: string) => verdictOf(decision.verdicts, graph.graph, id),
    why: (id: string) => explainTask(all, graph.graph, id).conditions,
  };
}

describe('what is let in', () => {
  test('memory pressure queues local work, with the figure and what it would take; `why` says the same', () => {
    const { started, verdict, why, decision } = decided(
      machine({ at: reading({ memory: { pressure: 14 } }) }),
    );
    expect(started).toEqual([]);
    const because =
      'the machine is short of memory: some avg10 = 14 % (limit 10 %); claude takes 900 MB (p90 of 41 runs)';
    expect(verdict('a')).toMatchObject({ state: 'queued', code: 'machine-memory', because });
    expect(why('a').find(({ name }) => name === 'room')).toMatchObject({ met: false, because });
    expect(decision.wakeAt).toBe(NOW + READ_EVERY_MS);
  });

  test('what runs is left alone', () => {
    const at = reading({
      memory: { pressure: 90, availableBytes: 0 },
      load: { average: 900, pressure: 100 },
    });
    const { decision } = decided(machine({ at }), { runs: [run('r', 'x', { phase: 'started' })] });
    expect(decision.actions.filter(({ kind }) => kind === 'stop')).toEqual([]);
  });

  test('overload says how many cores one takes', () => {
    const at = reading({ load: { average: 99, pressure: 99 } });
    expect(decided(machine({ at })).verdict('a')).toMatchObject({
      code: 'machine-load',
      because: expect.stringMatching(/; claude takes 0\.8 cores \(p90 of 41 runs\)$/),
    });
    expect(decided(machine({ at }), {}, 'make').verdict('a')?.because).not.toContain('takes');
  });

  test.each(['web', 'outside'])('%s: work elsewhere needs nothing of this machine', (executor) => {
    const at = reading({
      memory: { pressure: 99, availableBytes: 0 },
      load: { average: 900, pressure: 100 },
    });
    const { started, decision } = decided(machine({ at }), {}, executor);
    expect(started).toEqual(IDS);
    expect(decision.asksMachine).toBe(false);
  });

  test('a full disk holds its own worktree, the disk of the state folder holds everything', () => {
    const ofWorktree = (folder: string) => machine({ at: reading({ disks: { [folder]: 0 } }) });
    const worktree = decided(null).all.graphs[0]?.worktree ?? '';
    expect(decided(ofWorktree(worktree)).verdict('a')).toMatchObject({ code: 'machine-disk' });
    expect(decided(ofWorktree('/state')).verdict('a')).toMatchObject({ code: 'machine-disk' });
    expect(decided(ofWorktree('/elsewhere')).started).toEqual(IDS);
  });

  test('no more start at once than there is memory for: what was let in and what still grows count', () => {
    const at = reading({ memory: { availableBytes: 2.5 * GB } });
    const alone = decided(machine({ at }));
    // 2.5 − 0.9 − 0.9 leaves 0.7; a third would leave less than 0.25.
    expect(alone.started).toEqual(['a', 'b']);
    expect(alone.verdict('c')).toMatchObject({
      state: 'queued',
      code: 'machine-memory',
      because:
        'the machine has too little memory for one more: 2.5 GB available, of which those that run are expected to take 1.8 GB; claude takes 900 MB (p90 of 41 runs)',
    });
    expect(alone.decision.wakeAt).toBe(NOW + READ_EVERY_MS);

    const running = run('r', 'x', { phase: 'started' });
    const grown = { at, held: new Map([[running.id, 0.9 * GB]]) };
    expect(decided(machine(grown), { runs: [running] }).started).toEqual(['a', 'b']);
    const fresh = { at, held: new Map([[running.id, 0.1 * GB]]) };
    expect(decided(machine(fresh), { runs: [running] }).started).toEqual(['a']);
  });

  test('one alone starts, also if it takes more than the machine has; without a footprint nothing is expected', () => {
    const at = reading({ memory: { availableBytes: 1 * GB, totalBytes: 2 * GB } });
    const huge = () => ({ ...FOOTPRINT, bytes: 6 * GB });
    expect(decided(machine({ at, footprintOf: huge })).started).toEqual(['a']);
    expect(decided(machine({ at, footprintOf: () => null })).started).toEqual(IDS);
  });

  test('an unknown machine holds nothing; a decision asks for it only if something local is to start', () => {
    const { started, decision } = decided(null);
    expect(started).toEqual(IDS);
    expect(decision.asksMachine).toBe(true);
    expect(decide(world([graphView('r', [task('z', { status: 'done' })])])).asksMachine).toBe(false);
  });
});
