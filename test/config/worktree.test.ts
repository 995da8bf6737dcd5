import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { loadMachineConfig, parseMachineConfig } from '../../src/config/load.ts';
import { loadWorktreeProfiles, mergeProfiles } from '../../src/config/worktree.ts';

const HOME = { home: '/home/ada' };
const FILE = '/w/.workgraph/config.toml';
const OF_WG = readFileSync(new URL('../../fixtures/configs/worktree-of-wg.toml', import.meta.url), 'utf8');
const machine = (text = '') => parseMachineConfig('/etc/s.toml', text, HOME).config;
const retry = { attempts: 2, backoffMs: 1, maxBackoffMs: 2 };
const read = (text: string) => loadWorktreeProfiles(FILE, text, retry);

describe("a worktree's config.toml", () => {
  test('gives its profiles, whatever the rest of the file is', () => {
    const { profiles, broken, problems } = read(OF_WG);
    expect([...profiles.keys()]).toEqual(['deploy-agent', 'scheduled', 'default']);
    expect(profiles.get('deploy-agent')).toMatchObject({
      type: 'http',
      endpoint: 'http://localhost:3531/api/task',
      origin: { file: FILE, line: 13 },
      retry,
    });
    expect(profiles.get('scheduled')).toMatchObject({ type: 'schedule', via: 'default' });
    expect([...broken.keys()]).toEqual(['odd']);
    expect(problems.map((problem) => problem.message)).toEqual([
      `${FILE}:25: executors.odd.type: must be one of "claude", "codex", "pi", "gemini", "opencode", "acp", "command", "http", "schedule", "external", "remote", "bullmq", not "carrier-pigeon"`,
    ]);
  });

  test('without executors, empty, or with executors of another kind', () => {
    expect(read('').profiles.size).toBe(0);
    expect(read('[dispatcher]\nmax_agents = 3').problems).toEqual([]);
    expect(read('executors = ["a"]').problems[0]?.message).toMatch(/:1: executors: must be tables/);
  });

  test('that does not parse gives one problem and no profiles', () => {
    const { profiles, broken, problems } = read('[executors.a]\ntype = "claude"\n[dispatcher\n');
    expect([profiles.size, broken.size, problems.length]).toEqual([0, 0, 1]);
    expect(problems[0]?.message).toMatch(/^\/w\/\.workgraph\/config\.toml:3: not valid TOML/);
  });
});

describe('which profiles count', () => {
  test('no worktree file: the machine profiles', () => {
    const { config } = loadMachineConfig(null, HOME);
    const set = mergeProfiles(config, null, false);
    expect([...set.byName.keys()]).toEqual([...config.profiles.keys()]);
    expect(set.untrusted).toEqual([]);
  });

  test('a trusted worktree adds its own and replaces built-in ones', () => {
    const set = mergeProfiles(machine(), read(OF_WG), true);
    expect(set.byName.get('deploy-agent')?.origin.file).toBe(FILE);
    expect(set.byName.get('scheduled')?.origin.file).toBe(FILE);
    expect(set.byName.get('claude')?.origin.file).toBe('built-in');
    expect([...set.broken.keys()]).toEqual(['odd']);
    expect(set.untrusted).toEqual([]);
  });

  test('an untrusted one only names them', () => {
    const set = mergeProfiles(machine(), read(OF_WG), false);
    expect(set.byName.has('deploy-agent')).toBe(false);
    expect(set.byName.get('scheduled')?.origin.file).toBe('built-in');
    expect(set.broken.size).toBe(0);
    expect(set.untrusted).toEqual(['default', 'deploy-agent', 'odd', 'scheduled']);
  });

  test("the machine's profile wins, unless it is overridable", () => {
    const text = '[executors.default]\ntype = "claude"\nmodel = "m"\n';
    const own = read('[executors.default]\ntype = "claude"\nmodel = "w"\n');
    const winner = (config: string, trusted = true) => {
      const profile = mergeProfiles(machine(config), own, trusted).byName.get('default');
      return profile?.type === 'claude' ? profile.model : null;
    };
    expect(winner(text)).toBe('m');
    expect(winner(`${text}overridable = true`)).toBe('w');
    expect(winner(`${text}overridable = true`, false)).toBe('m');
    expect(mergeProfiles(machine(text), own, false).untrusted).toEqual([]);
  });

  test('a broken machine profile is not replaced by a worktree: its tasks wait for the repair', () => {
    const set = mergeProfiles(
      machine('[executors.deploy-agent]\ntype = "http"\n'),
      read('[executors.deploy-agent]\ntype = "command"\nshell = "evil"\n'),
      true,
    );
    expect(set.byName.has('deploy-agent')).toBe(false);
    expect(set.broken.get('deploy-agent')?.origin.file).toBe('/etc/s.toml');
  });

  test('a broken worktree profile holds its tasks even where a built-in has the name', () => {
    const set = mergeProfiles(machine(), read('[executors.claude]\nmodle = "x"\n'), true);
    expect(set.byName.has('claude')).toBe(false);
    expect(set.broken.get('claude')?.problem).toMatch(/did you mean "model"/);
  });
});
