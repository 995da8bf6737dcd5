import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import {
  drainSpool,
  type SpoolAnswer,
  type SpooledCompletion,
  spoolCompletion,
  spooled,
} from '../../src/runs/spool.ts';

const APPLIED: SpoolAnswer = { kind: 'applied' };

let folder: string;
let spool: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'spool-'));
  spool = join(folder, 'spool');
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

function completion(at: number, more: Partial<SpooledCompletion> = {}): SpooledCompletion {
  return { at, graph: '/g', task: `t${at}`, result: 'succeeded', ...more };
}

describe('the spool of completions', () => {
  test('releases what was put in, oldest first, and empties itself', async () => {
    const odd = completion(30, { summary: 'line\nbreak \ud800 é', artifacts: { '10': 1, b: [null] } });
    spoolCompletion(spool, odd);
    spoolCompletion(spool, completion(4));
    spoolCompletion(spool, completion(4, { task: 'second of the same instant' }));
    const seen: SpooledCompletion[] = [];
    const report = await drainSpool(spool, async (record) => {
      seen.push(record);
      return APPLIED;
    });
    expect(seen).toEqual([completion(4), completion(4, { task: 'second of the same instant' }), odd]);
    expect(report).toEqual({ applied: 3, left: [], bad: [] });
    expect(readdirSync(spool)).toEqual([]);
  });

  test('is private', () => {
    const file = spoolCompletion(spool, completion(1));
    expect([statSync(spool).mode & 0o777, statSync(file).mode & 0o777]).toEqual([0o700, 0o600]);
  });

  test('what cannot be applied now stays, in order, and holds back only its own graph', async () => {
    for (const at of [1, 2, 3]) spoolCompletion(spool, completion(at, { graph: at === 2 ? '/other' : '/g' }));
    const tried: string[] = [];
    const report = await drainSpool(spool, async (record) => {
      tried.push(record.task);
      if (record.graph === '/g') throw new Error('graph locked');
      return APPLIED;
    });
    expect(tried).toEqual(['t1', 't2']);
    expect(report.applied).toBe(1);
    expect(report.left.map((one) => one.because)).toEqual(['graph locked', 'graph locked']);
    const again: string[] = [];
    await drainSpool(spool, async (record) => {
      again.push(record.task);
      return APPLIED;
    });
    expect(again).toEqual(['t1', 't3']);
  });

  test('what is torn, foreign or refused goes to bad/ with the reason, and the rest is applied', async () => {
    mkdirSync(spool);
    writeFileSync(join(spool, '000000000000001-1-0000.json'), '{"at": 1, "graph": "/g", "ta');
    writeFileSync(join(spool, '000000000000002-1-0000.json'), '{"at": 2, "graph": "/g", "task": 7}');
    writeFileSync(join(spool, '000000000000003-1-0000.json'), 'null');
    mkdirSync(join(spool, '000000000000004-1-0000.json'));
    writeFileSync(join(spool, '.000000000000005-1-0000.json.tmp'), '{"half');
    spoolCompletion(spool, completion(6));
    spoolCompletion(spool, completion(7));
    const report = await drainSpool(spool, async (record) =>
      record.at === 6 ? { kind: 'refused', because: 'no such task' } : APPLIED,
    );
    expect(report.applied).toBe(1);
    expect(report.bad.map((one) => one.because)).toEqual([
      expect.stringMatching(/^not JSON/),
      'task is missing',
      'not a completion',
      expect.stringMatching(/is not a file but a folder/),
      'no such task',
    ]);
    for (const { file, because } of report.bad) {
      expect(existsSync(file)).toBe(true);
      expect(readFileSync(`${file}.reason`, 'utf8')).toBe(`${because}\n`);
    }
    expect(spooled(spool)).toEqual([]);
  });

  test('two drains at once apply each completion, and no one trips over the other', async () => {
    for (let at = 1; at <= 20; at++) spoolCompletion(spool, completion(at));
    const seen = new Set<string>();
    const apply = async (record: SpooledCompletion) => {
      await new Promise(setImmediate);
      seen.add(record.task);
      return APPLIED;
    };
    await Promise.all([drainSpool(spool, apply), drainSpool(spool, apply)]);
    expect(seen.size).toBe(20);
    expect(spooled(spool)).toEqual([]);
  });

  test('a spool that is not there is empty; one that cannot be made says what to do', () => {
    expect(spooled(spool)).toEqual([]);
    writeFileSync(spool, 'a file');
    expect(() => spoolCompletion(spool, completion(1))).toThrow(/could not be kept/);
  });
});
