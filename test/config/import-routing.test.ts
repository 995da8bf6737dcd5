import { describe, expect, test } from '@jest/globals';
import { importRouting } from '../../src/config/import-routing.ts';
import { loadWorktreeProfiles } from '../../src/config/worktree.ts';

const RETRY = { attempts: 1, backoffMs: 0, maxBackoffMs: 0 };
const ROUTING = `
[routing]
enabled = true
default_executor = "claude"

[routing.executors.samantha]
type = "http"
endpoint = "http://localhost:3530/api/task"
tag_match = "agent:samantha"
colour = "red"

[routing.executors.research]
type = "webhook"
endpoint = "http://localhost:3531/task"
tag_match = ["category:research", "category:reading"]

[routing.executors.odd]
type = "quantum"
`;

describe('a [routing] table', () => {
  test('becomes profiles that load', () => {
    const { toml, names, notes } = importRouting('routing.toml', ROUTING);
    expect(names).toEqual(['samantha', 'research', 'default']);
    expect(notes.join('\n')).toContain('samantha: not taken over: colour');
    expect(notes.join('\n')).toContain('odd is left out: there is no executor type quantum');
    const { profiles, problems } = loadWorktreeProfiles('routing.toml', toml, RETRY);
    expect(problems).toEqual([]);
    expect(profiles.get('samantha')).toMatchObject({ type: 'http', match: ['agent:samantha'] });
    expect(profiles.get('research')).toMatchObject({ match: ['category:research', 'category:reading'] });
    expect(profiles.get('default')).toMatchObject({ type: 'claude' });
  });

  test('a default that is one of them is it, without its tags', () => {
    const text = ROUTING.replace('default_executor = "claude"', 'default_executor = "samantha"');
    const { profiles } = loadWorktreeProfiles('f', importRouting('f', text).toml, RETRY);
    expect(profiles.get('default')).toMatchObject({ type: 'http', match: [] });
  });

  test('switched off there: given all the same, and said', () => {
    const { names, notes } = importRouting('f', ROUTING.replace('enabled = true', 'enabled = false'));
    expect(names).toHaveLength(3);
    expect(notes[0]).toContain('switched off');
  });

  test('no table, or no TOML: an error with the place', () => {
    expect(() => importRouting('f.toml', '[other]\n')).toThrow('f.toml has no [routing] table');
    expect(() => importRouting('f.toml', 'a = \n')).toThrow(/^f\.toml line 1: /);
  });
});
