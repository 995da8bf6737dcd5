import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { changedTasks, cycleOwners, unfinishedTasks } from '../../src/domain/graph.ts';
import { detailOf, lineBytes, type ParsedGraph, parseGraph } from '../../src/graph/format.ts';
import { bytesOfLine } from '../../src/graph/lines.ts';

const fixtures = join(import.meta.dirname, '../../fixtures/graphs');
const real = join(import.meta.dirname, '../../../shared/graphs');

function parse(content: string | Buffer, previous?: ParsedGraph, maxLineBytes = 1_000_000): ParsedGraph {
  return parseGraph('/repo/.workgraph', Buffer.from(content), { revision: 'r', maxLineBytes, previous });
}

function fixture(name: string): Buffer {
  return readFileSync(join(fixtures, name));
}

function task(id: string, more: Record<string, unknown> = {}): string {
  return JSON.stringify({ kind: 'task', id, title: `Task ${id}`, ...more });
}

describe('reading tasks', () => {
  test('a graph of today', () => {
    const { snapshot } = parse(fixture('plain.jsonl'));
    expect(snapshot.problem).toBeNull();
    expect(snapshot.warnings).toEqual([]);
    expect([...snapshot.tasks.keys()]).toEqual(['design', 'build', 'deploy']);
    expect(snapshot.tasks.get('deploy')).toEqual({
      id: 'deploy',
      title: 'Deploy to staging',
      status: 'open',
      priority: 10,
      after: ['build'],
      before: [],
      tags: ['executor:deploy-agent', 'schedule:14:00'],
      executor: 'deploy-agent',
      schedule: '14:00',
      createdAt: '2026-05-01T08:00:02+00:00',
      cronEnabled: false,
      paused: false,
      retryCount: 0,
      spawnFailures: 0,
      dispatchCount: 0,
      hasCycleConfig: false,
      recentDeaths: [],
      foreignKeys: [],
    });
  });

  test('what older versions of wg wrote', () => {
    const { snapshot } = parse(fixture('legacy.jsonl'));
    expect(snapshot.problem).toBeNull();
    expect([...snapshot.tasks.keys()]).toEqual(['old-1', 'old-2', 'old-3']);
    expect(snapshot.tasks.get('old-1')).toMatchObject({ status: 'done', priority: 50, before: ['old-2'] });
    expect(snapshot.tasks.get('old-2')).toMatchObject({ status: 'open', priority: 10, after: ['old-1'] });
    expect(snapshot.tasks.get('old-3')).toMatchObject({ priority: 10, agent: 'r1/m1', foreignKeys: [] });
  });

  test('a task with every key that wg knows', () => {
    const parsed = parse(fixture('every-key.jsonl'));
    expect(parsed.snapshot.problem).toBeNull();
    expect([...parsed.snapshot.tasks.keys()]).toEqual(['full']);
    const full = parsed.snapshot.tasks.get('full');
    expect(full).toMatchObject({
      hasCycleConfig: true,
      foreignKeys: [],
      dispatchCount: 4,
      spawnFailures: 2,
      recentDeaths: [Date.parse('2026-05-01T00:00:00Z'), Date.parse('2026-05-01T00:01:00Z')],
    });
    const line = lineBytes(parsed, 'full');
    const detail = line && detailOf(line);
    expect(detail).toMatchObject({ ...full, description: 'A body.', artifacts: ['a'], skills: ['s'] });
    expect(detail?.log[0]).toEqual({
      timestamp: '2026-05-01T00:00:00Z',
      user: 'u',
      message: 'process exited with 1',
    });
    expect(Object.keys(detail?.fields ?? {})).toContain('iteration_config');
  });

  test('odd spellings', () => {
    const { snapshot } = parse(fixture('odd-text.jsonl'));
    expect(snapshot.problem).toBeNull();
    expect([...snapshot.tasks.keys()]).toEqual(['spaced', 'numbers', 'escapes', 'last']);
    expect(snapshot.tasks.get('spaced')).toMatchObject({ title: 'Odd spacing', foreignKeys: [] });
    expect(snapshot.tasks.get('escapes')?.title).toBe('café / 😀 😀 \u2028');
  });

  test('keys that imply rules of their own are named; what is only kept beside a task is not', () => {
    const { snapshot } = parse(
      task('a', {
        lifecycle: 'x',
        machine: { phase: 'review', attempts: 2 },
        extra: { a: 1 },
        list: [{ status: 'x' }],
        word: 'w',
        executor: 'e',
      }),
    );
    expect(snapshot.tasks.get('a')?.foreignKeys).toEqual(['lifecycle', 'machine']);
  });

  test('what a task promises and takes in by wg of today; a promise to land is the rule', () => {
    const edges = [
      { task_id: 'a' },
      { task_id: 'b', kind: 'contribution' },
      { task_id: 'c', kind: 'x' },
      null,
    ];
    const lines = [
      task('land', { completion_contract: 'land' }),
      task('report', { completion_contract: 'report', completion_disposition: 'reported', tier: 'fast' }),
      task('input', { input_dependencies: edges }),
    ];
    const { tasks } = parse(lines.join('\n')).snapshot;
    expect(tasks.get('land')).not.toHaveProperty('contract');
    expect(tasks.get('report')).toMatchObject({ contract: 'report', disposition: 'reported', tier: 'fast' });
    expect(tasks.get('input')?.inputsFrom).toEqual(['a', 'b']);
  });

  test('a lifecycle at rest is a memory; one with someone at work has rules of its own', () => {
    const rest = { generation: 1, revision: 2, fence: 2, attempt_sequence: 1, ledger_head: 'e', audit: [{}] };
    const lines = [
      task('rest', { lifecycle: rest }),
      task('work', { lifecycle: { ...rest, current_attempt: { id: 'a' } } }),
      task('asked', { lifecycle: { ...rest, reopen_intent: {} } }),
      task('candidate', { lifecycle: rest, completion_candidate: {} }),
    ];
    const { tasks } = parse(lines.join('\n')).snapshot;
    expect([...tasks.values()].map(({ foreignKeys, hasLifecycle }) => [foreignKeys, hasLifecycle])).toEqual([
      [[], true],
      [['lifecycle'], true],
      [['lifecycle'], true],
      [['completion_candidate'], true],
    ]);
  });

  test.each([
    ['open', ['completion_candidate']],
    ['waiting', ['completion_candidate']],
    ['in-progress', []],
    ['failed', []],
    ['done', []],
  ])('a candidate on a task that is %s: wg may continue from it: %j', (status, expected) => {
    const { tasks } = parse(task('a', { status, completion_candidate: { manifest: {} } })).snapshot;
    expect(tasks.get('a')?.foreignKeys).toEqual(expected);
  });

  test('lines of another kind are no problem; an archived boundary is remembered, and its change is seen', () => {
    const boundary = (status: string) =>
      JSON.stringify({ kind: 'archivedboundary', id: 'old', title: 'old', status, successors: ['next'] });
    const others = ['{"kind":"archivedboundary","id":5}', '{"kind":"mystery","id":"next","status":"done"}'];
    const first = parse([boundary('abandoned'), ...others, task('next', { after: ['old'] })].join('\n'));
    expect(first.snapshot.problem).toBeNull();
    expect([...first.snapshot.tasks.keys()]).toEqual(['next']);
    expect(first.snapshot.tasks.archivedStatus?.('old')).toBe('abandoned');
    expect(first.snapshot.tasks.archivedStatus?.('next')).toBeUndefined();
    const text = [boundary('done'), ...others, task('next', { after: ['old'] })].join('\n');
    const second = parse(text, first);
    expect(second.snapshot.tasks.archivedStatus?.('old')).toBe('done');
    expect([...changedTasks(first.snapshot.tasks, second.snapshot.tasks)]).toEqual(['old']);
  });

  test('only deaths that can matter are kept, oldest first', () => {
    const log = Array.from({ length: 20 }, (_, i) => ({
      timestamp: new Date(Date.UTC(2026, 4, 1, 0, 20 - i)).toISOString(),
      message: i % 2 ? 'agent process exited' : 'PID reused',
    }));
    log.push({ timestamp: 'yesterday', message: 'Triage: unreadable time' });
    const deaths = parse(task('a', { log })).snapshot.tasks.get('a')?.recentDeaths ?? [];
    expect(deaths).toHaveLength(8);
    expect(deaths).toEqual([...deaths].sort((a, b) => a - b));
    expect(deaths.at(-1)).toBe(Date.UTC(2026, 4, 1, 0, 20));
  });

  test('the last of equal ids counts, with a word about it; a resource hides a task as it does for wg', () => {
    const { snapshot, tasks } = parse(
      `${task('a', { status: 'open' })}\n${task('b')}\n${task('a', { status: 'done' })}\n{"kind":"resource","id":"b"}\n`,
    );
    expect(snapshot.problem).toBeNull();
    expect(snapshot.tasks.get('a')?.status).toBe('done');
    expect(snapshot.tasks.has('b')).toBe(false);
    expect(tasks.lineOf('a')).toBe(2);
    expect(snapshot.warnings).toHaveLength(2);
    expect(snapshot.warnings[0]).toContain('line 3 has the id "a" of line 1');
  });

  test('an empty file is a graph without tasks', () => {
    for (const text of ['', '\n', '\n\n# nothing\n   ']) {
      const { snapshot } = parse(text);
      expect([snapshot.problem, snapshot.tasks.size, [...snapshot.tasks]]).toEqual([null, 0, []]);
    }
  });
});

describe('problems', () => {
  test('name file, line and key in one sentence, with the next step; the other tasks are read', () => {
    const { snapshot } = parse(
      `${task('a')}\n\n${task('b', { status: 'claimed' })}\nnonsense\n${task('c')}\n`,
    );
    expect(snapshot.problem).toMatchObject({ code: 'invalid-line', line: 3, key: 'status' });
    expect(snapshot.problem?.message).toMatch(
      /^\/repo\/\.workgraph\/graph\.jsonl line 3, key "status": "claimed" is no status that wg knows \(open, .*\); correct or remove the line/,
    );
    expect([...snapshot.tasks.keys()]).toEqual(['a', 'c']);
  });

  test('a torn last line is a problem and nothing of it is believed', () => {
    const whole = `${task('a')}\n${task('b', { description: 'é' })}`;
    expect(parse(whole).snapshot.problem).toBeNull();
    const bytes = Buffer.from(whole);
    for (let cut = Buffer.byteLength(task('a')) + 2; cut < bytes.length; cut++) {
      const { snapshot } = parse(bytes.subarray(0, cut));
      expect(snapshot.problem).toMatchObject({ code: 'invalid-line', line: 2 });
      expect([...snapshot.tasks.keys()]).toEqual(['a']);
    }
  });

  test('invalid UTF-8 is a problem, even in a comment, as it is for wg', () => {
    for (const bad of [
      Buffer.from([0xff]),
      Buffer.from([0x23, 0xc3, 0x28]),
      Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]),
    ]) {
      const { snapshot } = parse(
        Buffer.concat([Buffer.from(`${task('a')}\n`), bad, Buffer.from(`\n${task('b')}\n`)]),
      );
      expect(snapshot.problem).toMatchObject({ code: 'invalid-line', line: 2 });
      expect(snapshot.problem?.message).toContain('UTF-8');
      expect([...snapshot.tasks.keys()]).toEqual(['a', 'b']);
    }
  });

  test('a 50 MB line is not read, the others are', () => {
    const huge = task('huge', { description: 'x'.repeat(50_000_000) });
    const { snapshot } = parse(`${task('a')}\n${task('b')}\n${huge}\n${task('c')}\n`, undefined, 8_000_000);
    expect(snapshot.problem).toMatchObject({ code: 'too-large', line: 3 });
    expect(snapshot.problem?.message).toContain('line 3: the line is 50 MB long, at most 8 MB are read');
    expect([...snapshot.tasks.keys()]).toEqual(['a', 'b', 'c']);
  });

  test('deep nesting, NULs and random bytes are problems, not crashes', () => {
    for (const text of [
      '['.repeat(100_000),
      `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`,
      '\u0000'.repeat(5000),
    ])
      expect(parse(`${text}\n`).snapshot.problem).toMatchObject({ code: 'invalid-line', line: 1 });
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 300 }), (bytes) => {
        const { snapshot, lines } = parse(Buffer.from(bytes));
        expect(snapshot.tasks.size).toBe(0);
        expect(lines.all.length).toBeGreaterThan(0);
      }),
      { numRuns: 300 },
    );
  });
});

/** Random files out of lines that are good, bad and neither. */
const fileLine = fc.oneof(
  fc
    .tuple(
      fc.constantFrom('a', 'b', 'c', 'd', 'e'),
      fc.constantFrom({ status: 'open' }, { status: 'done' }, { cycle_config: { max_iterations: 3 } }),
    )
    .map(([id, more]) => task(id, more)),
  fc.constantFrom('', '  ', '# comment', '\r', '{"kind":"resource","id":"r"}', 'broken', `${task('z')}\r`),
);
const file = fc
  .tuple(fc.array(fileLine, { maxLength: 12 }), fc.boolean())
  .map(([lines, ended]) => lines.join('\n') + (ended ? '\n' : ''));

/** Everything that can be seen of a reading. */
function told({ snapshot, text, lines, tasks }: ParsedGraph) {
  const ids = [...'abcdez', 'r', 'nobody'];
  return {
    ...snapshot,
    tasks: [...snapshot.tasks],
    size: snapshot.tasks.size,
    unfinished: [...unfinishedTasks(snapshot.tasks)],
    cycleOwners: [...cycleOwners(snapshot.tasks)],
    byId: ids.map((id) => [snapshot.tasks.get(id), snapshot.tasks.has(id), tasks.lineOf(id)]),
    bytes: text.slice(0, text.length).toString('latin1'),
    lines: lines.all,
    starts: [...lines.starts],
  };
}

describe('reading again', () => {
  test('gives what a first reading gives, whatever was before; and changes nothing that was read before', () => {
    fc.assert(
      fc.property(file, file, file, (first, second, third) => {
        let previous: ParsedGraph | undefined;
        const readings: { readonly reading: ParsedGraph; readonly as: ReturnType<typeof told> }[] = [];
        for (const text of [first, second, third, first]) {
          const again = parse(text, previous);
          expect(told(again)).toEqual(told(parse(text)));
          const plain = new Map(again.snapshot.tasks);
          expect([...unfinishedTasks(again.snapshot.tasks)]).toEqual(unfinishedTasks(plain));
          expect([...cycleOwners(again.snapshot.tasks)]).toEqual(cycleOwners(plain));
          readings.push({ reading: again, as: told(again) });
          previous = again;
        }
        for (const { reading, as } of readings) expect(told(reading)).toEqual(as);
      }),
      { numRuns: 1000 },
    );
  });

  test('what changed between two readings is what a comparison of all tasks finds', () => {
    fc.assert(
      fc.property(fc.array(file, { minLength: 2, maxLength: 5 }), (files) => {
        const readings: ParsedGraph[] = [];
        for (const text of files) readings.push(parse(text, readings.at(-1)));
        for (const { snapshot: before } of readings)
          for (const { snapshot: now } of readings)
            expect([...changedTasks(before.tasks, now.tasks)].sort()).toEqual(
              [...changedTasks(new Map(before.tasks), new Map(now.tasks))].sort(),
            );
      }),
      { numRuns: 300 },
    );
  });

  test('two readings that grew out of the same one do not see each other', () => {
    const lines = ['a', 'b'].map((id) => task(id));
    const before = parse(`${lines.join('\n')}\n`);
    const one = parse(`${[...lines, task('c')].join('\n')}\n`, before);
    const other = parse(`${[...lines, task('d'), task('e')].join('\n')}\n`, before);
    expect([before, one, other].map(({ snapshot }) => [...snapshot.tasks.keys()].join(''))).toEqual([
      'ab',
      'abc',
      'abde',
    ]);
    expect(before.snapshot.tasks.has('c')).toBe(false);
    expect(other.snapshot.tasks.has('c')).toBe(false);
    expect(one.snapshot.tasks.get('d')).toBeUndefined();
    expect(other.tasks.lineOf('c')).toBeUndefined();
  });

  test('lines that did not change keep their tasks: changed, inserted, removed, shuffled', () => {
    const lines = Array.from({ length: 200 }, (_, i) => task(`t${i}`, { description: 'x'.repeat(i) }));
    const before = parse(`${lines.join('\n')}\n`);
    const variants = [
      lines.with(100, task('t100', { status: 'done' })),
      lines.toSpliced(50, 0, task('new')),
      lines.toSpliced(0, 3),
      lines.toReversed(),
      [...lines.slice(100), task('new'), ...lines.slice(0, 100)],
    ];
    for (const variant of variants) {
      const after = parse(`${variant.join('\n')}\n`, before);
      const kept = [...after.snapshot.tasks].filter(([id, t]) => before.snapshot.tasks.get(id) === t);
      expect(kept.length).toBe(variant.filter((line) => lines.includes(line)).length);
    }
  });
});

describe('real graphs', () => {
  if (!existsSync(real)) {
    test.skip(`no real graphs at ${real}`, () => {});
    return;
  }
  test.each(readdirSync(real))('%s loads, and its lines make up its bytes', (name) => {
    const bytes = readFileSync(join(real, name));
    const parsed = parse(bytes);
    expect(parsed.snapshot.problem).toBeNull();
    expect(parsed.snapshot.warnings).toEqual([]);
    const texts = bytes
      .toString()
      .split('\n')
      .filter((line) => line.includes('"kind":"task"'));
    expect(parsed.snapshot.tasks.size).toBe(texts.length);
    expect(texts.length).toBeGreaterThan(0);
    const contents = parsed.lines.all.map((_, i) => bytesOfLine(parsed.text, parsed.lines, i));
    expect(Buffer.concat(contents.flatMap((line) => [line, Buffer.from('\n')])).equals(bytes)).toBe(true);
    for (const text of texts) {
      const detail = detailOf(text);
      expect(detail.fields).toEqual(JSON.parse(text));
      expect(detail).toMatchObject(parsed.snapshot.tasks.get(detail.id) ?? { id: 'missing' });
    }
  });
});
