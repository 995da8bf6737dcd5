import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { openLookConfig } from '../../src/config/look-config.ts';
import { projectRoute, readProjectRoute, tierRoutes } from '../../src/config/project-route.ts';
import { createConfigSource } from '../../src/config/source.ts';

let folder: string;
let graph: string;
let home: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'project-route-'));
  graph = join(folder, 'project', '.wg');
  home = join(folder, 'home');
  mkdirSync(graph, { recursive: true });
  mkdirSync(home);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function write(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}

const asked = (document: object) => {
  const route = projectRoute([{ file: '/c', document: document as Record<string, unknown> }]);
  return route && `${route.handler} ${route.model} ${route.from}`;
};

describe('what settings ask for', () => {
  test.each<[object, string | null]>([
    [{ dispatcher: { model: 'pi:openrouter:a/b' } }, 'pi openrouter:a/b [dispatcher] model of /c'],
    [{ coordinator: { model: 'codex:gpt' } }, 'codex gpt [coordinator] model of /c'],
    [{ models: { task_agent: { model: 'nex:q' } } }, 'nex q [models.task_agent] model of /c'],
    [
      { models: { default: { model: 'a/b', provider: 'openrouter' } } },
      'openrouter openrouter:a/b [models.default] model of /c',
    ],
    [{ agent: { model: 'opus', executor: 'claude' } }, 'claude opus [agent] executor of /c'],
    [{ agent: { executor: 'amplifier' } }, 'amplifier null [agent] executor of /c'],
    [
      { agent: { executor: 'mine' }, dispatcher: { executor: 'codex' } },
      'codex null [dispatcher] executor of /c',
    ],
    [{ agent: { executor: 'mine' } }, 'mine null [agent] executor of /c'],
    [{ agent: { executor: 'claude', model: 'pi:x' } }, 'pi x [agent] model of /c'],
    [{ agent: { model: 'haiku' } }, 'claude haiku [agent] model of /c'],
    [{ dispatcher: { model: 'pi:x' }, agent: { model: 'claude:opus' } }, 'pi x [dispatcher] model of /c'],
    // The tier of a worker, which its role may name, before what holds for all.
    [
      { tiers: { standard: 'pi:o:mid' }, models: { default: { model: 'claude:opus' } } },
      'pi o:mid [tiers] standard of /c',
    ],
    [
      { tiers: { fast: 'codex:mini', standard: 'pi:o:mid' }, models: { task_agent: { tier: 'fast' } } },
      'codex mini [tiers] fast of /c',
    ],
    [{ tiers: { premium: 'pi:o:big' } }, null],
    // Nothing that could be a model.
    [{}, null],
    [{ agent: { model: 5 }, models: 'x', dispatcher: [] }, null],
    [{ agent: { model: '--dangerous' } }, null],
  ])('%j', (document, expected) => expect(asked(document)).toBe(expected));
});

test('each tier names a system; a bare name is one of Claude, and what could be an option is none', () => {
  const document = { tiers: { fast: 'codex:mini', standard: 'haiku', premium: '--bad', other: 'pi:x' } };
  const routes = tierRoutes([{ file: '/c', document }]);
  expect(Object.entries(routes).map(([tier, { handler, model }]) => [tier, handler, model])).toEqual([
    ['fast', 'codex', 'mini'],
    ['standard', 'claude', 'haiku'],
  ]);
});

describe('read from the files', () => {
  const route = () => {
    const { project, projectUnread } = readProjectRoute(graph, home);
    return projectUnread ?? project?.spellings[0] ?? null;
  };

  test('the graph before its user, the newer place of the user before the older', () => {
    expect(route()).toBeNull();
    write(join(home, '.workgraph', 'config.toml'), '[agent]\nmodel = "codex:old"\n');
    expect(route()).toBe('codex:old');
    write(join(home, '.wg', 'config.toml'), '[agent]\nmodel = "codex:new"\n');
    expect(route()).toBe('codex:new');
    write(join(graph, 'config.toml'), '[agent]\nmodel = "pi:x"\n');
    expect(route()).toBe('pi:x');
  });

  test('a selected profile before all; one that is gone leaves none in its place', () => {
    write(join(graph, 'config.toml'), '[dispatcher]\nmodel = "claude:opus"\n');
    write(join(graph, 'profile-selection.json'), '{"version":1,"profile":"night"}');
    expect(route()).toContain('names the profile night, and there is no');
    write(
      join(home, '.wg', 'profiles', 'night.toml'),
      '[agent]\nmodel = "pi:x"\n[dispatcher]\nmodel = "pi:x"\n',
    );
    expect(route()).toBe('pi:x');
    write(join(graph, 'profile-selection.json'), '{"version":1,"profile":"../../etc"}');
    expect(route()).toContain('names no profile');
    write(join(graph, 'profile-selection.json'), '{"vers');
    expect(route()).toContain('cannot be read');
  });

  test('what does not parse, or is no file, is not taken for nothing', () => {
    write(join(graph, 'config.toml'), '[agent]\nmodel = "pi:x\n');
    expect(route()).toMatch(/config\.toml line 2: not valid TOML/);
    rmSync(join(graph, 'config.toml'));
    mkdirSync(join(graph, 'config.toml'));
    expect(route()).toContain('is not a file');
  });
});

test('a running supervisor and a short command see the same, and see it change', async () => {
  const state = join(folder, 'state');
  const paths = {
    configFile: join(folder, 'supervisor.toml'),
    configNamed: false,
    trustFile: join(state, 'trust.json'),
    checkedFile: join(state, 'checked'),
  };
  const environment = { home, variables: {} };
  const source = createConfigSource({ paths, environment });
  const running = () => source.profilesFor(graph, { trust: true });
  const looking = async () => {
    const { project } = await (await openLookConfig({ paths, environment })).profilesFor(graph, {
      trust: true,
    });
    return project?.handler;
  };
  expect(running().project).toBeUndefined();
  expect(await looking()).toBeUndefined();
  const before = running();
  expect(running()).toBe(before);
  write(join(graph, 'config.toml'), '[models.default]\nmodel = "pi:x"\n');
  expect(running().project?.handler).toBe('pi');
  expect(await looking()).toBe('pi');
  rmSync(join(graph, 'config.toml'));
  write(join(home, '.wg', 'config.toml'), '[models.default]\nmodel = "codex:x"\n');
  expect(running().project?.handler).toBe('codex');
  expect(await looking()).toBe('codex');
});

test('programs that are not installed are looked for at a start and with each reload', () => {
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  const paths = {
    configFile: join(folder, 'supervisor.toml'),
    configNamed: false,
    trustFile: join(folder, 'trust.json'),
  };
  const source = createConfigSource({ paths, environment: { home, variables: { PATH: bin } } });
  const missing = () => [...(source.profilesFor(graph, { trust: true }).missing ?? [])];
  expect(missing()).toContain('pi');
  expect(missing()).not.toContain('claude');
  writeFileSync(join(bin, 'pi'), '#!/bin/sh\n', { mode: 0o755 });
  source.reload();
  expect(missing()).not.toContain('pi');
});
