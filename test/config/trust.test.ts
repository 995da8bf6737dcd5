import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createTrust } from '../../src/config/trust.ts';

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'trust-'));
  file = join(folder, 'state', 'trust.json');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('trust', () => {
  test('nothing is trusted until it is, and only that text of that file', () => {
    const trust = createTrust(file);
    expect(trust.isTrusted('/a/config.toml', 'x')).toBe(false);
    trust.trust('/a/config.toml', 'x');
    expect(trust.isTrusted('/a/config.toml', 'x')).toBe(true);
    expect(trust.isTrusted('/a/config.toml', 'x ')).toBe(false);
    expect(trust.isTrusted('/b/config.toml', 'x')).toBe(false);
  });

  test('a changed file asks again; trusting the change replaces the earlier one', () => {
    const trust = createTrust(file);
    trust.trust('/a/config.toml', 'one');
    trust.trust('/a/config.toml', 'two');
    expect(trust.isTrusted('/a/config.toml', 'one')).toBe(false);
    expect(trust.isTrusted('/a/config.toml', 'two')).toBe(true);
  });

  test('another process sees it at once, and can take it back', () => {
    const daemon = createTrust(file);
    expect(daemon.isTrusted('/a', 'x')).toBe(false);
    const command = createTrust(file);
    command.trust('/a', 'x');
    command.trust('/b', 'y');
    expect(daemon.isTrusted('/a', 'x')).toBe(true);
    expect(command.untrust('/a')).toBe(true);
    expect(command.untrust('/a')).toBe(false);
    expect(daemon.isTrusted('/a', 'x')).toBe(false);
    expect(daemon.isTrusted('/b', 'y')).toBe(true);
  });

  test('repositories are trusted beside files, also in a record that knows of none', () => {
    const trust = createTrust(file);
    trust.trust('/a', 'x');
    const record = JSON.parse(readFileSync(file, 'utf8'));
    writeFileSync(file, JSON.stringify({ version: 1, files: record.files }));
    expect(trust.isTrustedRepository('/r/.git')).toBe(false);
    trust.trustRepository('/r/.git');
    expect(trust.isTrustedRepository('/r/.git')).toBe(true);
    expect(trust.isTrustedRepository('/other/.git')).toBe(false);
    expect(trust.isTrusted('/a', 'x')).toBe(true);
    expect(trust.untrustRepository('/r/.git')).toBe(true);
    expect(trust.untrustRepository('/r/.git')).toBe(false);
    expect(trust.isTrustedRepository('/r/.git')).toBe(false);
    writeFileSync(file, JSON.stringify({ version: 1, files: {}, repositories: [5] }));
    expect(trust.isTrustedRepository('/r/.git')).toBe(false);
  });

  test('the record is for its owner alone and leaves no temporary file', () => {
    createTrust(file).trust('/a', 'x');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readdirSync(join(folder, 'state'))).toEqual(['trust.json']);
  });

  test('a left-over temporary file of a killed process is no obstacle', () => {
    createTrust(file).trust('/a', 'x');
    writeFileSync(`${file}.${process.pid}.tmp`, 'half');
    createTrust(file).trust('/b', 'y');
    expect(createTrust(file).isTrusted('/b', 'y')).toBe(true);
  });

  test.each([
    '',
    '{"version":1,"files":{"/a":',
    'null',
    '[]',
    '{"version":2,"files":{}}',
    '{"version":1,"files":{"/a":3}}',
  ])('a record like %j allows nothing, is not overwritten, and is complained about', (text) => {
    createTrust(file).trust('/a', 'x');
    writeFileSync(file, text);
    const trust = createTrust(file);
    expect(trust.isTrusted('/a', 'x')).toBe(false);
    expect(() => trust.trust('/a', 'x')).toThrow(/trust record .* cannot be used/);
    expect(readFileSync(file, 'utf8')).toBe(text);
  });

  test('a path named __proto__ is a path', () => {
    const trust = createTrust(file);
    trust.trust('__proto__', 'x');
    expect(trust.isTrusted('__proto__', 'x')).toBe(true);
    expect(trust.isTrusted('constructor', 'x')).toBe(false);
  });
});
