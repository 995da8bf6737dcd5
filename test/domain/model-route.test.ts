import { describe, expect, test } from '@jest/globals';
import { fittingPattern, handlerOfProfile, modelOfTask, routeOfModel } from '../../src/domain/model-route.ts';
import { claude, command } from '../support/tasks.ts';

describe('the system that a model asks for', () => {
  test.each<[string, string, string | null, string]>([
    ['pi:openrouter:z-ai/glm', 'pi', 'openrouter:z-ai/glm', 'pi'],
    ['codex:gpt-5.5', 'codex', 'gpt-5.5', 'codex'],
    ['claude:opus', 'claude', 'opus', 'claude'],
    ['PI:x', 'pi', 'x', 'pi'],
    ['pi:', 'pi', null, 'pi'],
    ['nex:qwen3-coder', 'nex', 'qwen3-coder', 'nex native'],
    ['native:qwen', 'nex', 'qwen', 'native nex'],
    ['openai:gpt-5', 'nex', 'gpt-5', 'openai nex native'],
    ['openrouter:a/b', 'openrouter', 'openrouter:a/b', 'openrouter nex native'],
    ['gemini:gemini-2.5-pro', 'gemini', 'gemini-2.5-pro', 'gemini nex native'],
    ['opencode:openrouter/x', 'opencode', 'openrouter/x', 'opencode'],
  ])('%s', (model, handler, inner, names) => {
    const route = routeOfModel(model);
    expect(route).toMatchObject({ handler, model: inner });
    expect(route?.names.join(' ')).toBe(names);
    expect(modelOfTask(model)).toBe(inner);
  });

  test.each([
    'opus',
    'claude-opus-4-1',
    'deepseek-coder-v2:16b',
    'us.anthropic.claude-sonnet-4-20250514-v1:0',
    ':x',
  ])('%s is a name as it stands', (model) => {
    expect(routeOfModel(model)).toBeNull();
    expect(modelOfTask(model)).toBe(model);
  });

  test('a provider is also found where nex is spelled before it', () => {
    expect(routeOfModel('openrouter:a/b')?.spellings).toContain('nex:openrouter:a/b');
    expect(routeOfModel('local:x')?.spellings).toContain('nex:x');
  });
});

test('patterns of `route`, and those of `match` that name a system; a star for tags is none', () => {
  const all = command('all', { match: ['*', 'ops:*', 'pi:*'] });
  expect(fittingPattern(all, ['pi:x'])).toBe('pi:*');
  expect(fittingPattern(all, ['codex:x'])).toBeNull();
  expect(fittingPattern(command('gpt', { route: ['gpt-*'] }), ['gpt-5'])).toBe('gpt-*');
});

test('whose account a profile spends', () => {
  expect(handlerOfProfile(claude('fast'))).toBe('claude');
  expect(handlerOfProfile(claude('pi'))).toBe('pi');
  expect(handlerOfProfile(command('codex'))).toBeNull();
});
