import {
  chownSync,
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
import { type CheckedFacts, checkedConfig, keepChecked } from '../../src/config/checked.ts';
import { configExample } from '../../src/config/example.ts';
import { parseMachineConfig } from '../../src/config/load.ts';

let folder: string;
let kept: string;
const facts: CheckedFacts = { file: '/etc/s.toml', home: '/home/ada', zone: undefined };
const loadedFrom = (text: string) => parseMachineConfig(facts.file, text, { home: facts.home });
const keep = (text: string, more: Partial<CheckedFacts> = {}) =>
  keepChecked(kept, text, { ...facts, ...more }, loadedFrom(text));

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'checked-'));
  kept = join(folder, 'state', 'config.checked');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const SECRET = 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD';
const TEXT = `
[supervisor]
max_concurrent = 3
[[repos]]
path = "~/src/shop"
[executors.deploy]
type = "http"
endpoint = "http://localhost:3531/api/task"
secret = "${SECRET}"
body = { task = "{{task.id}}", list = [1, 2.5, true] }
[executors.broken]
type = "http"
`;

describe('what was checked once', () => {
  test.each([
    ['nothing at all', ''],
    ['profiles, secrets and a broken one', TEXT],
    ['the example with every setting', configExample()],
  ])('%s comes back as it was loaded', (_what, text) => {
    keep(text);
    expect(checkedConfig(kept, text, facts)).toStrictEqual(loadedFrom(text));
  });

  test('any other text, file, home or zone is checked again', () => {
    keep(TEXT);
    expect(checkedConfig(kept, `${TEXT} `, facts)).toBeNull();
    for (const other of [{ file: null }, { home: '/root' }, { zone: 'Europe/Paris' }])
      expect(checkedConfig(kept, TEXT, { ...facts, ...other })).toBeNull();
    expect(checkedConfig(kept, TEXT, facts)).not.toBeNull();
  });

  test('torn, foreign, empty, a folder or gone: nothing is read from it, and it is replaced', () => {
    expect(checkedConfig(kept, TEXT, facts)).toBeNull();
    keep(TEXT);
    const whole = readFileSync(kept);
    const flipped = Buffer.from(whole);
    flipped[40] = (flipped[40] ?? 0) ^ 1;
    const broken = [whole.subarray(0, whole.length - 1), whole.subarray(0, 20), flipped];
    for (const bytes of [...broken, Buffer.alloc(0), Buffer.from('{"rest":{}}'), Buffer.alloc(5000, 7)]) {
      writeFileSync(kept, bytes);
      expect(checkedConfig(kept, TEXT, facts)).toBeNull();
    }
    keep(TEXT);
    expect(checkedConfig(kept, TEXT, facts)).not.toBeNull();
    rmSync(kept);
    mkdirSync(kept);
    expect(checkedConfig(kept, TEXT, facts)).toBeNull();
    keep(TEXT);
    expect(readdirSync(join(folder, 'state'))).toEqual(['config.checked']);
  });

  test('it is for its owner alone', () => {
    keep(TEXT);
    expect(statSync(kept).mode & 0o777).toBe(0o600);
    expect(statSync(join(folder, 'state')).mode & 0o777).toBe(0o700);
  });

  test('what JSON cannot carry is not kept', () => {
    keep(TEXT.replace('2.5', '2026-01-01T00:00:00Z'));
    expect(() => readFileSync(kept)).toThrow(/ENOENT/);
  });

  const asRoot = process.getuid?.() === 0 ? test : test.skip;
  asRoot.each([['the state folder'], ['the folder above it']])("%s is another's: left alone", (which) => {
    if (which === 'the state folder') mkdirSync(join(folder, 'state'));
    chownSync(which === 'the state folder' ? join(folder, 'state') : folder, 12_345, 12_345);
    keep(TEXT);
    expect(readdirSync(folder, { recursive: true })).toEqual(which === 'the state folder' ? ['state'] : []);
  });

  test('where it cannot be kept, nothing is thrown and nothing left', () => {
    writeFileSync(join(folder, 'state'), 'a file where the folder should be');
    expect(() => keep(TEXT)).not.toThrow();
    expect(readdirSync(folder)).toEqual(['state']);
  });
});
