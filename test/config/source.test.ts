import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createConfigSource } from '../../src/config/source.ts';
import { createTrust } from '../../src/config/trust.ts';

let folder: string;
let graph: string;
let paths: { configFile: string; configNamed: boolean; trustFile: string };
const environment = { home: '/home/ada' };

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'source-'));
  graph = join(folder, '.workgraph');
  mkdirSync(graph);
  paths = { configFile: join(folder, 's.toml'), configNamed: false, trustFile: join(folder, 'trust.json') };
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const source = () => createConfigSource({ paths, environment });
const writeWorktree = (text: string) => {
  writeFileSync(join(graph, 'new'), text);
  renameSync(join(graph, 'new'), join(graph, 'config.toml'));
};

describe('supervisor.toml', () => {
  test('a first start with a bad file fails; --config must exist, the default place need not', () => {
    expect(source().current().file).toBeNull();
    expect(() => createConfigSource({ paths: { ...paths, configNamed: true }, environment })).toThrow(
      /does not exist/,
    );
    writeFileSync(paths.configFile, 'x = 1');
    expect(() => source()).toThrow(/s\.toml:1: x: unknown key/);
  });

  test('a bad edit keeps the last good one and says so until it is mended', () => {
    writeFileSync(paths.configFile, '[supervisor]\nmax_concurrent = 3');
    const config = source();
    writeFileSync(paths.configFile, '[supervisor]\nmax_concurrent = "many"');
    const rejected = config.reload();
    expect(rejected.config.maxConcurrent).toBe(3);
    expect(rejected.rejected).toMatch(/must be a number/);
    expect(rejected.problems).toEqual([
      `the last good configuration stays in force: ${paths.configFile}:2: supervisor.max_concurrent: must be a number, not "many"`,
    ]);
    expect(config.problems()).toEqual(rejected.problems);
    writeFileSync(paths.configFile, '[supervisor]\nmax_concurrent = 4');
    expect(config.reload()).toMatchObject({ config: { maxConcurrent: 4 }, problems: [], rejected: null });
    expect(config.problems()).toEqual([]);
  });

  test('a deleted file means defaults, a broken profile is only a problem', () => {
    writeFileSync(paths.configFile, '[supervisor]\nmax_concurrent = 3\n[executors.a]\ntype = "b"');
    const config = source();
    expect(config.problems()).toHaveLength(1);
    rmSync(paths.configFile);
    expect(config.reload()).toMatchObject({ config: { maxConcurrent: 8, file: null }, problems: [] });
  });
});

describe("a worktree's profiles", () => {
  test('are the same object until the file changes, by whatever kind of write', () => {
    const config = source();
    const none = config.profilesFor(graph, { trust: true });
    expect(config.profilesFor(graph, { trust: true })).toBe(none);
    writeWorktree('[executors.a]\ntype = "claude"');
    const one = config.profilesFor(graph, { trust: true });
    expect(one.byName.has('a')).toBe(true);
    expect(config.profilesFor(graph, { trust: true })).toBe(one);
    writeWorktree('[executors.b]\ntype = "claude"');
    expect(config.profilesFor(graph, { trust: true }).byName.has('a')).toBe(false);
    writeFileSync(join(graph, 'config.toml'), '[executors.cc]\ntype = "claude"');
    expect(config.profilesFor(graph, { trust: true }).byName.has('cc')).toBe(true);
    rmSync(join(graph, 'config.toml'));
    expect(config.profilesFor(graph, { trust: true }).byName.has('cc')).toBe(false);
  });

  test('a repository below a root is a stranger until it is trusted, at once and without a restart', () => {
    const config = source();
    const owner = { trust: false, repo: '/r/.git' };
    const before = config.profilesFor(graph, owner);
    expect(before).toMatchObject({ repositoryUntrusted: true });
    expect(config.profilesFor(graph, owner)).toBe(before);
    createTrust(paths.trustFile).trustRepository('/r/.git');
    expect(config.profilesFor(graph, owner)).not.toHaveProperty('repositoryUntrusted');
    expect(config.profilesFor(graph, { trust: false })).toMatchObject({ repositoryUntrusted: true });
    createTrust(paths.trustFile).untrustRepository('/r/.git');
    expect(config.profilesFor(graph, owner)).toMatchObject({ repositoryUntrusted: true });
    expect(config.profilesFor(graph, { trust: true })).not.toHaveProperty('repositoryUntrusted');
  });

  test('count below a root only once the file is trusted, and no longer when it changes', () => {
    const text = '[executors.a]\ntype = "claude"';
    writeWorktree(text);
    const config = source();
    const root = { trust: false };
    expect(config.profilesFor(graph, root).untrusted).toEqual(['a']);
    createTrust(paths.trustFile).trust(join(graph, 'config.toml'), text);
    expect(config.profilesFor(graph, root)).toMatchObject({ untrusted: [] });
    expect(config.profilesFor(graph, root).byName.has('a')).toBe(true);
    expect(config.profilesFor(graph, root)).toBe(config.profilesFor(graph, root));
    createTrust(paths.trustFile).untrust(join(graph, 'config.toml'));
    expect(config.profilesFor(graph, root).untrusted).toEqual(['a']);
    createTrust(paths.trustFile).trust(join(graph, 'config.toml'), text);
    writeWorktree(`${text}\nmodel = "x"`);
    expect(config.profilesFor(graph, root).untrusted).toEqual(['a']);
  });

  test('a file that cannot be read or parsed is a problem and gives none', () => {
    const config = source();
    writeWorktree('[executors.a]\ntype = "claude"\n[broken');
    expect(config.profilesFor(graph, { trust: true }).byName.has('a')).toBe(false);
    expect(config.problemsOf(graph)[0]).toMatch(/config\.toml:3: not valid TOML/);
    rmSync(join(graph, 'config.toml'));
    mkdirSync(join(graph, 'config.toml'));
    expect(config.profilesFor(graph, { trust: true }).byName.has('claude')).toBe(true);
    expect(config.problemsOf(graph)[0]).toMatch(/is not a file/);
  });

  test('a pipe in its place does not hang', () => {
    execFileSync('mkfifo', [join(graph, 'config.toml')]);
    const config = source();
    expect(config.profilesFor(graph, { trust: true }).byName.has('claude')).toBe(true);
    expect(config.problemsOf(graph)[0]).toMatch(/is not a file/);
  });

  test('follow the machine configuration when that changes', () => {
    writeWorktree('[executors.a]\ntype = "claude"\nmodel = "worktree"');
    const config = source();
    const before = config.profilesFor(graph, { trust: true });
    writeFileSync(paths.configFile, '[executors.a]\ntype = "command"');
    config.reload();
    const after = config.profilesFor(graph, { trust: true });
    expect([before.byName.get('a')?.type, after.byName.get('a')?.type]).toEqual(['claude', 'command']);
  });
});
